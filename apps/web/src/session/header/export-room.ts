import { listEvents } from "@signalbox/contract/log";
import type { SessionView } from "@signalbox/contract/sessions";
import { client } from "../../data/api.ts";
import { download } from "../download.ts";

/** The session's stream as the log has it, one event a line: what `signalbox verify` and any JSON tool read. */
export async function exportRoom({ room_id, title }: Pick<SessionView, "room_id" | "title">): Promise<void> {
  const lines: string[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof read>> = await read(room_id, cursor);
    for (const envelope of page.items) lines.push(JSON.stringify(envelope));
    cursor = page.next_cursor;
  } while (cursor !== null);
  const name =
    title
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "-")
      .replaceAll(/^-|-$/g, "")
      .slice(0, 60) || "session";
  download(`${name}.jsonl`, `${lines.join("\n")}\n`);
}

const read = (roomId: string, cursor: string | null) =>
  client.call(listEvents, { query: { stream_type: "room", stream_id: roomId, limit: 200, ...(cursor === null ? {} : { cursor }) } });
