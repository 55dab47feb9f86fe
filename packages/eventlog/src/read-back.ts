import type pg from "pg";
import { hashText } from "./envelope.ts";
import type { Recorded } from "./log.ts";
import type { Waiting } from "./waiting.ts";

interface Row {
  readonly event_id: string;
  readonly seq: string;
  readonly position: string;
  readonly recorded_at: Date;
  readonly prev_hash: Buffer;
  readonly hash: Buffer;
}

/** Units whose commit may have gone through: those that are in the log, and the others. */
export async function readBack(
  pgClient: pg.Client,
  batch: readonly Waiting[],
): Promise<{ found: { waiting: Waiting; recorded: Recorded[] }[]; rest: Waiting[] }> {
  const found: { waiting: Waiting; recorded: Recorded[] }[] = [];
  const rest: Waiting[] = [];
  for (const waiting of batch) {
    const rows = waiting.uncertain ? await rowsOf(pgClient, waiting) : [];
    if (rows.length === 0) {
      rest.push(waiting);
      continue;
    }
    const recorded = waiting.unit.entries.map((entry) => {
      const row = rows.find(({ event_id }) => event_id === entry.eventId);
      if (row === undefined) throw new Error(`${entry.eventId} is missing from a unit that was committed`);
      return {
        ...entry.draft,
        seq: Number(row.seq),
        position: Number(row.position),
        recordedAt: row.recorded_at.toISOString(),
        prevHash: hashText(row.prev_hash),
        hash: hashText(row.hash),
      };
    });
    found.push({ waiting, recorded });
  }
  return { found, rest };
}

/** None for a unit that only enqueues jobs: it is tried again, and a job's handler expects to run more than once. */
async function rowsOf(pgClient: pg.Client, { unit }: Waiting): Promise<readonly Row[]> {
  if (unit.entries.length === 0) return [];
  const { rows } = await pgClient.query<Row>(
    "select event_id, seq, position, recorded_at, prev_hash, hash from public.evt_events where event_id = any($1::uuid[])",
    [unit.entries.map((entry) => entry.eventId)],
  );
  return rows;
}
