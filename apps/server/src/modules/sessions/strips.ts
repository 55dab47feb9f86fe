/*
 * The strip of a long room without its whole history: what a timeline needs of every thousand events is kept, and the
 * timeline is what is kept, put together, and the events since.
 *
 *   timeline(after) ─► in memory? ─ no ─► kept blocks ─► the first that is missing, and all after it, made from the log and kept
 *                          │                  │
 *                          └──────────────────┴─► events since the newest of them ─► blocks from `after` on, all positions ─► told
 *
 * In memory are the blocks, which are a tenth of the room's entries, and the last events as they are. They are right as
 * long as the stream only grew: whoever reads on sees an erasure, which is an event of it, and begins anew.
 *
 * Measured (bench/time-travel.ts, 19,404 events, before and after in one run on two busy cores, ms): the first timeline
 * after a start 4,681 when the room was read whole, 533 from what is kept.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { deserialize, serialize } from "node:v8";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { type Kysely, sql } from "kysely";
import type { Database } from "../../module.ts";
import { type Entry, type History, isErasure } from "./history.ts";
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
  readonly positions: Buffer;
  readonly state: Buffer;
}

export function createStrips(db: Database, history: Pick<History, "read">): Strips {
  /** Those without a gap from the first on. */
  async function keptOf(room: Room): Promise<readonly Row[]> {
    const { rows } = await db.inOrganization(room.organizationId, (tx: Kysely<unknown>) =>
      sql<Row>`
        select positions, state from (
          select *, row_number() over (order by seq) as n from session_strips
           where organization_id = ${room.organizationId} and room_id = ${room.roomId} and fold = ${FOLD} and seq <= ${room.head}
             and ${notErasedSince(room, sql.ref("made_at_seq"))}) k
         where seq = n * ${EVERY} order by seq`.execute(tx),
    );
    return rows;
  }

  /** What is kept, and what the log has beside it, up to the room's head. */
  async function read(room: Room): Promise<Made> {
    const made: Made = { blocks: [], positions: [], tail: [] };
    for (const row of await keptOf(room)) {
      made.blocks.push(unpacked<Block>(row.state));
      made.positions.push(unpacked<Float64Array>(row.positions));
    }
    const kept = made.blocks.length;
    await readOn(room, made);
    const fresh = made.blocks.slice(kept);
    await save(
      db,
      "session_strips",
      room,
      FOLD,
      fresh.map(({ to }) => to),
      { state: fresh.map(packed), positions: made.positions.slice(kept).map(packed) },
    );
    return made;
  }

  /** False: something of it was erased, so it must be read anew. */
  async function readOn({ organizationId, roomId, head }: Room, made: Made): Promise<boolean> {
    let isRight = true;
    while (lastOf(made) < head) {
      const page = await history.read(organizationId, roomId, lastOf(made), head);
      if (page.length === 0) break;
      for (const entry of page) {
        if (isErasure(entry)) isRight = false;
        made.tail.push(entry);
        if (entry.seq % EVERY !== 0) continue;
        made.blocks.push(blockAfter(made));
        made.positions.push(positionsOf(made.tail));
        made.tail = [];
      }
    }
    return isRight;
  }

  const memory = new Map<string, Remembered>();
  /** One reader of a room at a time: each goes on from what the one before left. */
  function remembered(room: Room): Promise<Made> {
    const key = `${room.organizationId} ${room.roomId}`;
    const before = memory.get(key);
    const made = (before?.made ?? Promise.resolve(null))
      .catch(() => null)
      .then(async (known) => (known !== null && (await readOn(room, known)) ? known : await read(room)));
    const mine: Remembered = { made, events: room.head };
    memory.delete(key);
    memory.set(key, mine);
    made.catch(() => memory.get(key) === mine && memory.delete(key));
    let total = 0;
    for (const { events } of memory.values()) total += events;
    for (const [other, { events }] of memory) {
      if (total <= MAX_EVENTS || other === key) continue;
      memory.delete(other);
      total -= events;
    }
    return made;
  }

  return {
    async of(room, afterSeq) {
      const known = await remembered(room);
      // Another reader may have come further meanwhile: only what was asked for is told.
      const made = lastOf(known) > room.head ? await read(room) : known;
      const from = Math.floor(Math.min(afterSeq, Math.max(room.head - 1, 0)) / EVERY);
      const hasTail = made.tail.length > 0;
      return {
        blocks: [...made.blocks.slice(from), ...(hasTail ? [blockAfter(made)] : [])],
        positions: hasTail ? [...made.positions, positionsOf(made.tail)] : made.positions.slice(),
      };
    },
    async keep(room) {
      if (room.head >= LONG) await read(room);
    },
  };
}

/** The blocks of full thousands, and the events since the last of them. */
interface Made {
  readonly blocks: Block[];
  readonly positions: Float64Array[];
  tail: Entry[];
}
interface Remembered {
  readonly made: Promise<Made>;
  readonly events: number;
}
/** Over all rooms; about 40 bytes each, and the words. The room least recently asked for goes first. */
const MAX_EVENTS = 500_000;

const lastOf = ({ blocks, tail }: Made): number => tail.at(-1)?.seq ?? blocks.at(-1)?.to ?? 0;
function blockAfter({ blocks, tail }: Made): Block {
  const before = blocks.at(-1);
  return blockOf(tail, before?.startMs ?? tail[0]!.atMs, before === undefined ? undefined : openAfter(before));
}
