/*
 * The live side of sessions: what an agent says while it says it.
 *
 *   hub ── emit ──► memory (since the turn began) ──► `session_live`, one insert for all ──stored──► listeners
 *
 * What anybody was told is stored: a server that is killed contradicts nobody. An insert takes along whatever came
 * while the one before it was under way, so a delta waits for two at most.
 *
 * A cursor is `epoch.n`. The epoch is the hub's lease epoch: whoever takes a session over opens the next one and says
 * first, for each part of the turn under way, how far it is (`snapshot`) or that it is complete (`part_done`), so a
 * reader of the epoch before needs nothing that was lost with the server. Deltas are not events: what was
 * completed is in the log, and a part's id is the id of the message, step or tool call that it becomes.
 *
 * A session whose hub is in another process is followed in the table: whoever wrote there says so on the bus, and
 * without one, or while it is away, the table is looked at ten times a second. Listeners and channels are the only memory;
 * both go when nobody listens and no hub speaks.
 */
import type { SessionDelta } from "@signalbox/contract/sync";
import type { Clock } from "@signalbox/kernel/clock";
import type { Logger } from "pino";
import type { Bus } from "@signalbox/providers/bus/port";
import type pg from "pg";
import type { LiveSource, LiveUpdate } from "../feed/public.ts";
import { createLiveStore, type Batch, type Entry } from "./live-store.ts";

/** Pieces that come together go together. */
export const FLUSH_MS = 2;
export const LIVE_RETENTION_MS = 24 * 60 * 60 * 1000;
const FOLLOW_MS = 100;
/** While the bus says when there is something; a hint may be lost. */
const FOLLOW_HINTED_MS = 1000;
const SUBJECT = "live";
/** Entries kept in memory for a turn; older ones are in the table. */
const MEMORY_ENTRIES = 20_000;
const READ_ROWS = 64;
/** While the database is away this much is kept for it, per session; the log keeps what matters. */
const UNFLUSHED_ENTRIES = 50_000;
const ORIGIN = "0.0";

export interface LiveChannel {
  readonly epoch: number;
  emit(delta: SessionDelta): void;
  /** All before is complete, and in the log: a reader without a cursor begins here. */
  mark(): void;
  close(): void;
}

export interface Live extends LiveSource {
  /** The hub's side. A session has one channel; opening it again, with a greater epoch, is a takeover. */
  open(organizationId: string, sessionId: string, epoch: number): LiveChannel;
  flush(): Promise<void>;
  expire(): Promise<number>;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** For tests of leaks. */
  readonly channels: number;
}

interface Channel {
  readonly organizationId: string | null;
  readonly sessionId: string;
  epoch: number;
  n: number;
  /** The last that is in the table, and so the last that anybody may know of. */
  stored: number;
  /** Where readers stand while nothing of this epoch is stored. */
  readonly before: string;
  speaking: boolean;
  /** Ascending; the last `unflushed` of them are not in the table yet. */
  memory: Entry[];
  unflushed: number;
  beginsTurn: boolean;
  turnFrom: number;
  readonly listeners: Set<(updates: readonly LiveUpdate[]) => void>;
  follower: NodeJS.Timeout | null;
  /** Read just now; what is said meanwhile is read after it. */
  reading: "no" | "yes" | "again";
}

interface LiveDeps {
  readonly bus?: Pick<Bus, "publish" | "subscribe" | "isConnected"> | undefined;
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly roomOf: LiveSource["roomOf"];
}

export function createLive({ pool, clock, logger, roomOf, bus }: LiveDeps): Live {
  const store = createLiveStore(pool, clock.nowMs);
  const channels = new Map<string, Channel>();
  /** Heads of sessions that speak elsewhere or not at all, read right before they are subscribed to. */
  const heads = new Map<string, { epoch: number; n: number }>();
  const dirty = new Set<Channel>();
  let timer: NodeJS.Timeout | null = null;
  let flushing: Promise<void> = Promise.resolve();
  let stopped = false;
  let unsubscribe: (() => void) | undefined;

  function channelOf(organizationId: string | null, sessionId: string): Channel {
    let channel = channels.get(sessionId);
    if (channel === undefined) {
      const head = heads.get(sessionId) ?? { epoch: 0, n: 0 };
      heads.delete(sessionId);
      channel = {
        organizationId,
        sessionId,
        epoch: head.epoch,
        n: head.n,
        stored: head.n,
        before: ORIGIN,
        speaking: false,
        memory: [],
        unflushed: 0,
        beginsTurn: false,
        turnFrom: head.n + 1,
        listeners: new Set(),
        follower: null,
        reading: "no",
      };
      channels.set(sessionId, channel);
    }
    return channel;
  }

  function forgetIfIdle(channel: Channel): void {
    if (channel.speaking || channel.listeners.size > 0 || channel.unflushed > 0) return;
    if (channel.follower !== null) clearTimeout(channel.follower);
    if (channels.get(channel.sessionId) === channel) channels.delete(channel.sessionId);
  }

  function deliver(channel: Channel, updates: readonly LiveUpdate[]): void {
    if (updates.length > 0) for (const listener of channel.listeners) listener(updates);
  }

  function emit(channel: Channel, delta: SessionDelta): void {
    channel.n += 1;
    channel.memory.push({ n: channel.n, delta });
    channel.unflushed += 1;
    dirty.add(channel);
    timer ??= setTimeout(() => void flush(), FLUSH_MS);
  }

  function flush(): Promise<void> {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    flushing = flushing.then(flushNow);
    return flushing;
  }

  async function flushNow(): Promise<void> {
    const from = [...dirty];
    dirty.clear();
    const batches = from.flatMap(batchesOf);
    if (batches.length === 0) return;
    const taken = from.map(({ memory, unflushed }) => (unflushed === 0 ? [] : memory.slice(-unflushed)));
    const marked = from.filter((channel) => channel.beginsTurn && channel.memory.at(-1)!.n >= channel.turnFrom);
    for (const channel of marked) channel.beginsTurn = false;
    try {
      await store.write(batches);
      bus?.publish(SUBJECT, JSON.stringify([...new Set(batches.map(({ sessionId }) => sessionId))]));
      from.forEach((channel, i) => {
        const entries = taken[i] ?? [];
        channel.unflushed -= entries.length;
        channel.stored = entries.at(-1)?.n ?? channel.stored;
        trim(channel);
        deliver(
          channel,
          entries.map(({ n, delta }) => ({ watermark: `${channel.epoch}.${n}`, delta })),
        );
        forgetIfIdle(channel);
      });
    } catch (error) {
      // Nobody was told yet; it is tried again.
      logger.warn({ err: error }, "live deltas could not be stored yet");
      from.forEach((channel) => {
        channel.beginsTurn ||= marked.includes(channel);
        if (channel.unflushed > UNFLUSHED_ENTRIES) {
          channel.memory.splice(0, channel.memory.length - UNFLUSHED_ENTRIES);
          channel.unflushed = UNFLUSHED_ENTRIES;
        }
        dirty.add(channel);
      });
      if (!stopped) timer ??= setTimeout(() => void flush(), 1000);
    }
  }

  /** The row that says where a reader may begin must begin with it. */
  function batchesOf(channel: Channel): Batch[] {
    const entries = channel.unflushed === 0 ? [] : channel.memory.slice(-channel.unflushed);
    const { organizationId, sessionId, epoch } = channel;
    const parts = channel.beginsTurn
      ? [entries.filter((e) => e.n < channel.turnFrom), entries.filter((e) => e.n >= channel.turnFrom)]
      : [entries, []];
    return parts.flatMap((part, i) =>
      part.length === 0 ? [] : [{ organizationId: organizationId!, sessionId, epoch, entries: part, beginsTurn: i === 1 }],
    );
  }

  function trim(channel: Channel): void {
    const flushed = channel.memory.length - channel.unflushed;
    const old = channel.memory.findIndex((entry) => entry.n >= channel.turnFrom);
    const drop = Math.min(flushed, Math.max(old === -1 ? channel.memory.length : old, channel.memory.length - MEMORY_ENTRIES));
    if (drop > 0) channel.memory.splice(0, drop);
  }

  /** For sessions that speak in another process. */
  function follow(channel: Channel, inMs = bus?.isConnected() === true ? FOLLOW_HINTED_MS : FOLLOW_MS): void {
    if (channel.follower !== null || channel.reading !== "no" || channel.speaking || channel.listeners.size === 0 || stopped) return;
    channel.follower = setTimeout(() => void readOn(channel), inMs);
  }

  async function readOn(channel: Channel): Promise<void> {
    channel.follower = null;
    channel.reading = "yes";
    try {
      const batches = await store.read(channel.sessionId, channel, READ_ROWS);
      // A hub of this process may have begun to speak meanwhile; its epoch is greater than all of these.
      const updates = expand(batches, channel);
      const last = batches.at(-1);
      if (updates.length > 0 && last !== undefined && !channel.speaking) {
        channel.epoch = last.epoch;
        channel.n = last.entries.at(-1)!.n;
        deliver(channel, updates);
      }
    } catch (error) {
      logger.warn({ err: error }, "a session of another process could not be followed; trying again");
    }
    // Read by now, or said again since the read began.
    const more = (channel.reading as Channel["reading"]) === "again";
    channel.reading = "no";
    follow(channel, more ? 0 : undefined);
  }

  /** Another process stored something of these; null: of whatever session. */
  function hinted(text: string | null): void {
    const ids = text === null ? [...channels.keys()] : (JSON.parse(text) as string[]);
    for (const id of ids) {
      const channel = channels.get(id);
      if (channel === undefined || channel.speaking) continue;
      if (channel.reading !== "no") channel.reading = "again";
      else if (channel.follower !== null) {
        clearTimeout(channel.follower);
        void readOn(channel);
      }
    }
  }

  const headOf = (channel: Channel): string => (channel.stored === 0 ? channel.before : `${channel.epoch}.${channel.stored}`);

  const expand = (batches: readonly Batch[], after: { epoch: number; n: number }): LiveUpdate[] =>
    batches.flatMap(({ epoch, entries }) =>
      entries.filter((e) => epoch > after.epoch || e.n > after.n).map((e) => ({ watermark: `${epoch}.${e.n}`, delta: e.delta })),
    );

  return {
    async roomOf(organizationId, sessionId) {
      const roomId = await roomOf(organizationId, sessionId);
      if (roomId !== null && !channels.has(sessionId)) {
        const head = await store.head(sessionId);
        if (head !== null && !channels.has(sessionId)) {
          if (heads.size >= 10_000) heads.clear();
          heads.set(sessionId, head);
        }
      }
      return roomId;
    },

    subscribe(sessionId, listener) {
      const channel = channelOf(null, sessionId);
      channel.listeners.add(listener);
      follow(channel);
      return {
        head: headOf(channel),
        close() {
          channel.listeners.delete(listener);
          forgetIfIdle(channel);
        },
      };
    },

    async head(sessionId) {
      const channel = channels.get(sessionId);
      if (channel?.speaking === true && channel.stored > 0) return headOf(channel);
      const head = (await store.head(sessionId)) ?? { epoch: 0, n: 0 };
      return `${head.epoch}.${head.n}`;
    },

    async history(sessionId, after, limit) {
      const channel = channels.get(sessionId);
      let cursor = cursorOf(after);
      if (cursor === null) return "stale";
      if (after === ORIGIN) {
        // Nobody needs what was completed: that is in the conversation. The turn under way is enough.
        cursor = channel?.speaking
          ? { epoch: channel.epoch, n: channel.turnFrom - 1 }
          : ((await store.turnStart(sessionId)) ?? { epoch: 0, n: 0 });
      }
      const fromMemory = (from: { epoch: number; n: number }): LiveUpdate[] | null => {
        if (channel === undefined || from.epoch !== channel.epoch) return null;
        const first = channel.memory[0];
        if (from.n < (first?.n ?? channel.n + 1) - 1) return null;
        return channel.memory
          .filter((e) => e.n > from.n && e.n <= channel.stored)
          .slice(0, limit)
          .map((e) => ({ watermark: `${channel.epoch}.${e.n}`, delta: e.delta }));
      };
      if (channel !== undefined && (cursor.epoch > channel.epoch || (cursor.epoch === channel.epoch && cursor.n > channel.stored)))
        return "stale";
      const direct = fromMemory(cursor);
      if (direct !== null) return direct;

      const batches = await store.read(sessionId, cursor, READ_ROWS);
      const first = batches[0];
      const unbroken =
        first === undefined ? null : first.epoch === cursor.epoch ? first.entries[0]!.n <= cursor.n + 1 : first.entries[0]!.n === 1;
      if (unbroken === false && after !== ORIGIN) return "stale";
      const updates = expand(batches, cursor).slice(0, limit);
      if (updates.length > 0) return updates;
      // Nothing follows, or the cursor never was.
      if (after === ORIGIN) return [];
      const head = channel !== undefined && channel.stored > 0 ? { epoch: channel.epoch, n: channel.stored } : await store.head(sessionId);
      return head !== null && head.epoch === cursor.epoch && head.n === cursor.n ? [] : "stale";
    },

    open(organizationId, sessionId, epoch) {
      let channel = channels.get(sessionId);
      if (channel !== undefined && channel.unflushed > 0) void flush();
      // A channel of the epoch before may still be flushed; the listeners move over to the new one.
      const listeners = channel?.listeners ?? new Set();
      if (channel?.follower) clearTimeout(channel.follower);
      const before = channel === undefined ? ORIGIN : headOf(channel);
      channel = {
        organizationId,
        sessionId,
        epoch,
        n: 0,
        stored: 0,
        before,
        speaking: true,
        memory: [],
        unflushed: 0,
        beginsTurn: true,
        turnFrom: 1,
        listeners,
        follower: null,
        reading: "no",
      };
      channels.set(sessionId, channel);
      heads.delete(sessionId);
      const mine = channel;
      return {
        epoch,
        emit: (delta) => {
          if (mine.speaking) emit(mine, delta);
        },
        mark() {
          mine.turnFrom = mine.n + 1;
          mine.beginsTurn = true;
        },
        close() {
          mine.speaking = false;
          forgetIfIdle(mine);
          follow(mine);
        },
      };
    },

    flush,
    expire: () => store.expire(LIVE_RETENTION_MS),
    async start() {
      stopped = false;
      unsubscribe = bus?.subscribe(SUBJECT, hinted);
    },
    async stop() {
      unsubscribe?.();
      await flush();
      stopped = true;
      if (timer !== null) clearTimeout(timer);
      for (const channel of channels.values()) if (channel.follower !== null) clearTimeout(channel.follower);
    },
    get channels() {
      return channels.size;
    },
  };
}

function cursorOf(watermark: string): { epoch: number; n: number } | null {
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(watermark);
  return match === null ? null : { epoch: Number(match[1]), n: Number(match[2]) };
}
