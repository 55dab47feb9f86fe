import { type EventLog } from "./log.ts";
import { counter } from "./fixtures.ts";

const ORGANIZATION = "ws_test";

/** The seqs that this log's listeners are told of that stream. */
export function noted(log: Pick<EventLog, "onAppended">, id: string): number[] {
  const seen: number[] = [];
  log.onAppended(({ streams }) => {
    for (const { stream, seq } of streams) if (stream.id === id) seen.push(seq);
  });
  return seen;
}

export async function note(log: EventLog, id: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++)
    await log.run(
      counter,
      {
        organizationId: ORGANIZATION,
        origin: { principal: { id: "usr_test", type: "user" } },
        stream: { type: "room", id },
        subject: `counter:${id}`,
      },
      { type: "add", by: 1 },
    );
}
