/*
 * The strip of a long room without its whole history: what a timeline needs of every thousand events is kept, and the
 * timeline is what is kept, put together, and the events since.
 *
 *   timeline(after) ─► kept blocks from there on (and the positions of those before, for the money) ─► events since ─► told
 *                               └─ the first that is missing, and all after it, are made from the log and kept
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { deserialize, serialize } from "node:v8";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { type Kysely, sql } from "kysely";
import type { Database } from "../../module.ts";
import type { Entry, History } from "./history.ts";
import { EVERY, LONG, notErasedSince, type Room, save } from "./kept.ts";
import { type Block, blockOf, openAfter } from "./timeline.ts";

/** A change in either may change what a block means. */
const FOLD = createHash("sha256")
  .update(["timeline.ts", "history.ts"].map((file) => readFileSync(path.join(import.meta.dirname, file), "utf8")).join("\0"))
  .update(process.versions.v8)
  .digest("hex");

/** What `timelineFrom` takes. */
export interface Strip {
  readonly blocks: readonly Block[];
  readonly positions: readonly Float64Array[];
}
export interface Strips {
  /** From the event after `afterSeq` on, or a little before. */
  of(room: Room, afterSeq: number): Promise<Strip>;
  /** Keeps what is not kept yet, up to the newest thousandth. */
  keep(room: Room): Promise<void>;
}

/** Of a room that is in memory. */
export const stripOf = (entries: readonly Entry[]): Strip => ({
  blocks: [blockOf(entries, entries[0]?.atMs ?? 0)],
  positions: [positionsOf(entries)],
});
const positionsOf = (entries: readonly Entry[]): Float64Array => Float64Array.from(entries, ({ position }) => position);

const packed = (value: object): Buffer => zstdCompressSync(serialize(value));
const unpacked = <T>(bytes: Buffer): T => deserialize(zstdDecompressSync(bytes)) as T;

interface Row {
  readonly seq: string;
  readonly positions: Buffer;
  /** Null: before what was asked for. */
  readonly state: Buffer | null;
}

export function createStrips(db: Database, history: Pick<History, "read">): Strips {
  /** Those without a gap from the first on. */
  async function keptOf(room: Room, from: number): Promise<readonly Row[]> {
    const { rows } = await db.inOrganization(room.organizationId, (tx: Kysely<unknown>) =>
      sql<Row>`
        with kept as (
          select seq, positions, state from session_strips
           where organization_id = ${room.organizationId} and room_id = ${room.roomId} and fold = ${FOLD} and seq <= ${room.head}
             and ${notErasedSince(room, sql.ref("made_at_seq"))}
        ), whole as (
          select *, max(seq) over () as last from (select *, row_number() over (order by seq) as n from kept) k where seq = n * ${EVERY}
        )
        select seq, positions, case when seq > ${from} or seq = last then state end as state from whole order by seq`.execute(tx),
    );
    return rows;
  }

  async function read(room: Room, afterSeq: number): Promise<Strip> {
    const { organizationId, roomId, head } = room;
    const from = Math.floor(Math.min(afterSeq, Math.max(head - 1, 0)) / EVERY) * EVERY;
    const kept = await keptOf(room, from);
    const positions = kept.map((row) => unpacked<Float64Array>(row.positions));
    const all = kept.flatMap(({ state }) => (state === null ? [] : [unpacked<Block>(state)]));
    const made: { seq: number; state: Buffer; positions: Buffer }[] = [];
    let entries: Entry[] = [];
    function close(): void {
      const before = all.at(-1);
      const block = blockOf(entries, before?.startMs ?? entries[0]!.atMs, before === undefined ? undefined : openAfter(before));
      all.push(block);
      positions.push(positionsOf(entries));
      if (block.to % EVERY === 0) made.push({ seq: block.to, state: packed(block), positions: packed(positions.at(-1)!) });
      entries = [];
    }
    for (let last = Number(kept.at(-1)?.seq ?? 0); last < head;) {
      const page = await history.read(organizationId, roomId, last, head);
      if (page.length === 0) break;
      for (const entry of page) {
        entries.push(entry);
        if (entry.seq % EVERY === 0) close();
      }
      last = page.at(-1)!.seq;
    }
    if (entries.length > 0) close();
    await save(
      db,
      "session_strips",
      room,
      FOLD,
      made.map(({ seq }) => seq),
      { state: made.map(({ state }) => state), positions: made.map((one) => one.positions) },
    );
    return { blocks: all.filter(({ to }) => to > from), positions };
  }

  return {
    of: read,
    async keep(room) {
      if (room.head >= LONG) await read(room, room.head);
    },
  };
}
