/*
 * Moments of a long room without its whole history: the fold after every thousandth event is kept, and a moment is the
 * nearest of them below it plus the events since.
 *
 *   at(seq) ─► newest kept fold ≤ seq ─► events after it, up to seq ─► the moment
 *                     (none: the beginning)        └─ every thousandth passed on the way is kept
 *
 * What is kept is never believed over the log: a row says which code folded it (`FOLD`, over the sources of the fold,
 * so that any change of them begins anew) and how far the stream was when its events were read (an erasure that came
 * later makes it worthless; the reader below deletes it, and the query does not wait for that).
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { deserialize, serialize } from "node:v8";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { AuditEvent } from "@signalbox/contract/events/audit";
import type { Recorded, Tx } from "@signalbox/eventlog/log";
import { type Kysely, sql } from "kysely";
import type { Database } from "../../module.ts";
import type { History } from "./history.ts";
import { addTo, emptyFold, foldedOf, type At, type Fold } from "./moment.ts";

/** Rooms shorter than this are read whole: that is quicker than to look for something kept. */
export const LONG = 3000;
const EVERY = 1000;

/** A change in any of these may change what a fold means. */
const SOURCES = ["moment.ts", "history.ts", "session.ts", "question.ts", "../runs/run.ts", "../approvals/approval.ts", "../rooms/room.ts"];
const FOLD = createHash("sha256")
  .update(SOURCES.map((file) => readFileSync(path.join(import.meta.dirname, file), "utf8")).join("\0"))
  .update(process.versions.v8)
  .digest("hex");

export interface Snapshots {
  at(organizationId: string, roomId: string, head: number, moment: { seq: number } | { untilMs: number }): Promise<At>;
  /** Keeps what is not kept yet, up to the newest thousandth. */
  keep(organizationId: string, roomId: string, head: number): Promise<void>;
}

type Db = Kysely<unknown>;

export function createSnapshots(db: Database, history: Pick<History, "read">): Snapshots {
  async function nearest(organizationId: string, roomId: string, seq: number): Promise<{ seq: number; fold: Fold }> {
    const { rows } = await db.inOrganization(organizationId, (tx: Db) =>
      sql<{ seq: string; state: Buffer }>`
        select m.seq, m.state from session_moments m
         where m.organization_id = ${organizationId} and m.room_id = ${roomId} and m.seq <= ${seq} and m.fold = ${FOLD}
           and not exists (select 1 from evt_events e join evt_payloads p using (position)
             where e.organization_id = m.organization_id and e.type = 'event.redacted' and e.stream_type = 'room'
               and e.stream_id = m.room_id and e.seq > m.made_at_seq and p.data::jsonb ->> 'level' = 'full')
         order by m.seq desc limit 1`.execute(tx),
    );
    const row = rows[0];
    return row === undefined
      ? { seq: 0, fold: emptyFold() }
      : { seq: Number(row.seq), fold: deserialize(zstdDecompressSync(row.state)) as Fold };
  }

  async function save(
    organizationId: string,
    roomId: string,
    head: number,
    kept: readonly { seq: number; state: Buffer }[],
  ): Promise<void> {
    if (kept.length === 0) return;
    await db.inOrganization(organizationId, (tx: Db) =>
      // Not when something of the stream was erased since its events were read.
      sql`insert into session_moments (organization_id, room_id, seq, fold, made_at_seq, state)
          select ${organizationId}, ${roomId}, k.seq, ${FOLD}, ${head}, k.state
            from unnest(${kept.map(({ seq }) => seq)}::bigint[], ${kept.map(({ state }) => state)}::bytea[]) as k (seq, state)
           where not exists (
             select 1 from evt_events r join evt_payloads rp using (position)
              where r.organization_id = ${organizationId} and r.type = 'event.redacted' and r.stream_type = 'room' and r.stream_id = ${roomId}
                and r.seq > ${head} and rp.data::jsonb ->> 'level' = 'full')
          on conflict (organization_id, room_id, seq) do update
            set fold = excluded.fold, made_at_seq = excluded.made_at_seq, state = excluded.state, created_at = now()`.execute(tx),
    );
  }

  async function foldTo(organizationId: string, roomId: string, head: number, seq: number): Promise<Fold> {
    const from = await nearest(organizationId, roomId, seq);
    const kept: { seq: number; state: Buffer }[] = [];
    for (let after = from.seq; after < seq;) {
      const page = await history.read(organizationId, roomId, after, seq);
      if (page.length === 0) break;
      for (const entry of page) {
        addTo(from.fold, entry);
        if (entry.seq % EVERY === 0) kept.push({ seq: entry.seq, state: zstdCompressSync(serialize(from.fold)) });
      }
      after = page.at(-1)!.seq;
    }
    await save(organizationId, roomId, head, kept);
    return from.fold;
  }

  /** The last seq that was recorded by then: `recorded_at` ascends with seq, so it is found by halves. */
  async function seqAt(organizationId: string, roomId: string, head: number, untilMs: number): Promise<number> {
    let low = 0;
    for (let high = head; low < high;) {
      const middle = Math.ceil((low + high) / 2);
      const [entry] = await history.read(organizationId, roomId, middle - 1, middle);
      if (entry !== undefined && entry.atMs <= untilMs) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  return {
    async at(organizationId, roomId, head, moment) {
      const seq = "seq" in moment ? moment.seq : await seqAt(organizationId, roomId, head, moment.untilMs);
      const fold = await foldTo(organizationId, roomId, head, seq);
      const [own, next] = await Promise.all([
        seq === 0 ? [] : history.read(organizationId, roomId, seq - 1, seq),
        seq === head ? [] : history.read(organizationId, roomId, seq, seq + 1),
      ]);
      return {
        folded: foldedOf(fold),
        seq,
        atMs: own[0]?.atMs ?? null,
        lastSeq: head,
        nextPosition: next[0]?.position ?? null,
        untilMs: "untilMs" in moment ? moment.untilMs : null,
      };
    },
    async keep(organizationId, roomId, head) {
      if (head < LONG) return;
      await foldTo(organizationId, roomId, head, Math.floor(head / EVERY) * EVERY);
    },
  };
}

/** Of the reader: when a turn ends its room may have got long; what was erased or removed is kept nowhere. */
export const SNAPSHOT_TYPES = ["run.completed", "run.failed", "run.canceled", "event.redacted", "log.import_removed"] as const;

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
      await tx.query("delete from session_moments where organization_id = $1 and room_id = any($2)", [organizationId, rooms]);
    } else if (stream.type === "room" && seq >= LONG)
      longer.set(`${organizationId} ${stream.id}`, { organizationId, roomId: stream.id, seq });
  }
  return [...longer.values()];
}
