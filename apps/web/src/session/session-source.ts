/* The conversation of a session that one may see as oneself: windows over HTTP, events and deltas as they come. */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import { streamRoom } from "@signalbox/contract/log";
import { getConversation, type SessionView } from "@signalbox/contract/sessions";
import type { SessionDelta } from "@signalbox/contract/sync";
import { client, queries, sync } from "../data/api.ts";
import { refreshApprovals, sessionQuery } from "../data/queries.ts";
import { orLastKnown } from "../offline/last-known.ts";
import type { ConversationSource } from "./conversation-store.ts";

/** Before every watermark there is: the server then begins with the turn under way. */
const FROM_THE_START = "0.0";
const REFRESH_MS = 200;

export const questionsKey = (id: string): readonly string[] => ["session", id, "questions"];
export const promptsKey = (id: string): readonly string[] => ["session", id, "prompts"];

type Refreshed = "session" | "diff" | "approvals" | "questions" | "prompts";

export function sessionSource({ id, room_id: roomId }: Pick<SessionView, "id" | "room_id">): ConversationSource & { close(): void } {
  const due = new Set<Refreshed>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  function refresh(...what: readonly Refreshed[]): void {
    for (const each of what) due.add(each);
    timer ??= setTimeout(() => {
      timer = undefined;
      if (due.has("session")) void queries.invalidateQueries({ queryKey: sessionQuery(id).queryKey, exact: true });
      if (due.has("diff")) void queries.invalidateQueries({ queryKey: ["session", id, "diff"] });
      if (due.has("questions")) void queries.invalidateQueries({ queryKey: questionsKey(id) });
      if (due.has("prompts")) void queries.invalidateQueries({ queryKey: promptsKey(id) });
      if (due.has("approvals")) {
        refreshApprovals();
        void queries.invalidateQueries({ queryKey: ["approval"] });
      }
      due.clear();
    }, REFRESH_MS);
  }

  // A room may have other sessions; what belongs to none, or to one of them, is not said here.
  const runs = new Set<string>();
  const isMine = ({ session_id: of, run_id: run }: EventEnvelope): boolean => {
    const is = of === undefined ? run !== undefined && runs.has(run) : of === id;
    if (is && run !== undefined) runs.add(run);
    return is;
  };

  return {
    isMine,
    async window({ limit, before, asOf, signal }) {
      const read = () =>
        client.call(getConversation, {
          params: { id },
          query: {
            limit,
            order: "newest",
            ...(before === undefined ? {} : { before_seq: before }),
            ...(asOf === undefined ? {} : { as_of_seq: asOf }),
          },
          signal,
        });
      const page = await (before === undefined && asOf === undefined ? orLastKnown(id, read) : read());
      for (const item of page.items) if (item.run_id !== null) runs.add(item.run_id);
      return { items: page.items, lastSeq: page.last_seq, hasOlder: page.next_cursor !== null };
    },
    async *events(fromSeq, signal) {
      for await (const { data } of client.events(streamRoom, { params: { roomId }, query: { from_seq: fromSeq }, signal })) yield data;
    },
    deltas: ({ update, stale }) =>
      sync.subscribe(`session:${id}`, {
        after: FROM_THE_START,
        onUpdate: ({ payload, doc_key }) => update(payload as SessionDelta, doc_key.slice(doc_key.indexOf(":") + 1).split(".")[0] ?? ""),
        onStale: stale,
      }),
    onEvent(envelope) {
      const { type } = envelope;
      if (!isMine(envelope)) return;
      refresh("session");
      if (type === "session.changes_recorded" || type.startsWith("tool.") || type === "run.completed") refresh("diff");
      if (type.startsWith("approval.") || type.startsWith("invocation.")) refresh("approvals");
      if (type.startsWith("question.")) refresh("questions");
      if (type.startsWith("run.") || type === "message.edited" || type === "session.prompt_moved") refresh("prompts");
    },
    onState: () => refresh("session"),
    close: () => clearTimeout(timer),
  };
}
