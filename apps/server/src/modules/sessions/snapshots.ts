/*
 * Moments of a long room without its whole history: the fold after every thousandth event is kept, and a moment is the
 * nearest of them below it plus the events since.
 *
 *   at(seq) ─► newest kept fold ≤ seq ─► events after it, up to seq ─► the moment
 *                     (none: the beginning)        └─ every thousandth passed on the way is kept
 *
 * What is kept is never believed over the log (`kept.ts`): a row says which code folded it (`FOLD`, over the sources of
 * the fold, so that any change of them begins anew) and how far the stream was when its events were read.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { deserialize, serialize } from "node:v8";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { type Kysely, sql } from "kysely";
import type { Database } from "../../module.ts";
import type { History } from "./history.ts";
import { EVERY, LONG, notErasedSince, type Room, save } from "./kept.ts";
import { addTo, emptyFold, foldedOf, type At, type Fold } from "./moment.ts";

/** A change in any of these may change what a fold means. */
const SOURCES = ["moment.ts", "history.ts", "session.ts", "question.ts", "../runs/run.ts", "../approvals/approval.ts", "../rooms/room.ts"];
const FOLD = createHash("sha256")
  .update(SOURCES.map((file) => readFileSync(path.join(import.meta.dirname, file), "utf8")).join("\0"))
  .update(process.versions.v8)
  .digest("hex");

export interface Snapshots {
  at(organizationId: string, roomId: string, head: number, moment: { seq: number } | { untilMs: number }): Promise<At>;
  /** Keeps what is not kept yet, up to the newest thousandth. */
  keep(room: Room): Promise<void>;
}

type Db = Kysely<unknown>;

export function createSnapshots(db: Database, history: Pick<History, "read">): Snapshots {
  async function nearest(room: Room, seq: number): Promise<{ seq: number; fold: Fold }> {
    const { rows } = await db.inOrganization(room.organizationId, (tx: Db) =>
      sql<{ seq: string; state: Buffer }>`
        select m.seq, m.state from session_moments m
         where m.organization_id = ${room.organizationId} and m.room_id = ${room.roomId} and m.seq <= ${seq} and m.fold = ${FOLD}
           and ${notErasedSince(room, sql.ref("m.made_at_seq"))}
         order by m.seq desc limit 1`.execute(tx),
    );
    const row = rows[0];
    return row === undefined
      ? { seq: 0, fold: emptyFold() }
      : { seq: Number(row.seq), fold: deserialize(zstdDecompressSync(row.state)) as Fold };
  }

  async function foldTo(room: Room, seq: number): Promise<Fold> {
    const from = await nearest(room, seq);
    const kept: { seq: number; state: Buffer }[] = [];
    for (let after = from.seq; after < seq;) {
      const page = await history.read(room.organizationId, room.roomId, after, seq);
      if (page.length === 0) break;
      for (const entry of page) {
        addTo(from.fold, entry);
        if (entry.seq % EVERY === 0) kept.push({ seq: entry.seq, state: zstdCompressSync(serialize(from.fold)) });
      }
      after = page.at(-1)!.seq;
    }
    await save(
      db,
      "session_moments",
      room,
      FOLD,
      kept.map(({ seq: at }) => at),
      { state: kept.map(({ state }) => state) },
    );
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
      const fold = await foldTo({ organizationId, roomId, head }, seq);
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
    async keep(room) {
      if (room.head >= LONG) await foldTo(room, Math.floor(room.head / EVERY) * EVERY);
    },
  };
}
