/*
 * What is kept of a long room's events (moments in `snapshots.ts`, the strip in `strips.ts`), and when it may be
 * believed: it is made from the log and worth nothing without it.
 *
 * A row says up to which seq the log was read for it. What an erasure in the log names is read without its words
 * (`history.ts`), so only one that came after that seq makes a row worthless: it is not saved then, not believed, and
 * the reader (`forgetErased`) deletes it.
 */
import type { AuditEvent } from "@signalbox/contract/events/audit";
import type { Recorded, Tx } from "@signalbox/eventlog/log";
import { type Kysely, type RawBuilder, sql } from "kysely";
import type { Database } from "../../module.ts";

/** Rooms shorter than this are read whole: that is quicker than to look for something kept. */
export const LONG = 3000;
/** Something is kept after so many events. */
export const EVERY = 1000;

export interface Room {
  readonly organizationId: string;
  readonly roomId: string;
  /** Seq of its newest event, from before anything else is read. */
  readonly head: number;
}
type Db = Kysely<unknown>;
type Table = "session_moments" | "session_strips";

/** No erasure of the room above that seq. */
export const notErasedSince = ({ organizationId, roomId }: Room, seq: RawBuilder<unknown>) => sql`
  not exists (select 1 from evt_events e join evt_payloads p using (position)
    where e.organization_id = ${organizationId} and e.type = 'event.redacted' and e.stream_type = 'room'
      and e.stream_id = ${roomId} and e.seq > ${seq} and p.data::jsonb ->> 'level' = 'full')`;

/** `columns` are what the table has beside place and fold, one array each. */
export async function save(
  db: Database,
  table: Table,
  { organizationId, roomId, head }: Room,
  fold: string,
  seqs: readonly number[],
  columns: Readonly<Record<string, readonly Buffer[]>>,
): Promise<void> {
  if (seqs.length === 0) return;
  const names = Object.keys(columns);
  const listed = sql.join(names.map((name) => sql.ref(name)));
  await db.inOrganization(organizationId, (tx: Db) =>
    sql`insert into ${sql.table(table)} (organization_id, room_id, seq, fold, made_at_seq, ${listed})
        select ${organizationId}, ${roomId}, k.seq, ${fold}, ${head}, ${sql.join(names.map((name) => sql.ref(`k.${name}`)))}
          from unnest(${seqs}::bigint[], ${sql.join(names.map((name) => sql`${columns[name]}::bytea[]`))}) as k (seq, ${listed})
         where ${notErasedSince({ organizationId, roomId, head }, sql`${head}`)}
        on conflict (organization_id, room_id, seq) do update set fold = excluded.fold, made_at_seq = excluded.made_at_seq, created_at = now(),
          ${sql.join(names.map((name) => sql`${sql.ref(name)} = excluded.${sql.ref(name)}`))}`.execute(tx),
  );
}

/** Of the reader: when a turn ends its room may have got long; what was erased or removed is kept nowhere. */
export const KEPT_TYPES = ["run.completed", "run.failed", "run.canceled", "event.redacted", "log.import_removed"] as const;

/** Rooms to look at again. */
export async function forgetErased(
  tx: Tx,
  events: readonly Recorded[],
): Promise<{ organizationId: string; roomId: string; seq: number }[]> {
  const longer = new Map<string, { organizationId: string; roomId: string; seq: number }>();
  for (const { event, organizationId, stream, seq } of events) {
    const said = event as AuditEvent | { type: "run.completed" };
    if (said.type === "log.import_removed" || (said.type === "event.redacted" && said.data.level === "full")) {
      const rooms = said.type === "log.import_removed" ? (said.data.rooms ?? []) : [stream.id];
      for (const table of ["session_moments", "session_strips"] satisfies Table[])
        await tx.query(`delete from ${table} where organization_id = $1 and room_id = any($2)`, [organizationId, rooms]);
    } else if (stream.type === "room" && seq >= LONG)
      longer.set(`${organizationId} ${stream.id}`, { organizationId, roomId: stream.id, seq });
  }
  return [...longer.values()];
}
