/*
 * The wake-up: tells this process that streams grew, whoever appended.
 *
 *   own commits     → told at once by the writer, with their events
 *   other processes → NOTIFY, heard on the writing connection: a connection that notifies itself
 *                     costs nothing, a second one would be woken for every commit of our own
 *                     or a bus (WakeUp), on which the writer tells each commit after it
 *   after a gap     → the heads that moved meanwhile are read and told
 *
 * Appenders notify only while another process shares the presence lock (5927083, 0001-log.sql); with a
 * bus nobody does. A bus may lose hints (a process killed between commit and hint, a cut wire), so with
 * one the log is swept: every SWEEP_MS, and every CUT_OFF_MS while the bus is away. Meanwhile heads are
 * not remembered.
 * Hints may repeat and may arrive late. Heads are remembered only while the connection stands:
 * without it, memory could be an older truth.
 */
import type pg from "pg";
import type { AppendedHint, Recorded, StreamRef } from "./log.ts";

export interface Listener {
  subscribe(listener: (hint: AppendedHint) => void): () => void;
  /** For the writer of this process. */
  committed(recorded: readonly Recorded[]): void;
  /** Null when it is not known for certain. */
  head(organizationId: string, stream: StreamRef): number | null;
  /** What was read from the database; kept while following. */
  remember(organizationId: string, stream: StreamRef, seq: number): void;
  isFollowing(): boolean;
  /** A new writing connection: listens on it, and tells what was missed without one. */
  attach(client: pg.Client): Promise<void>;
  /** The writing connection is gone. */
  detach(): void;
  close(): void;
}

/** A bus that carries hints between the processes of an installation; see `providers/bus/port.ts`. */
export interface WakeUp {
  publish(text: string): void;
  /** `null`: something was said that was too long. */
  subscribe(listener: (text: string | null) => void): () => void;
  isConnected(): boolean;
  onConnection(listener: (connected: boolean) => void): () => void;
}

const MAX_HEADS = 50_000;
/** How late a hint may be that was lost on the bus. */
const SWEEP_MS = 2000;
/** How late everything of other processes is while the bus is away. */
const CUT_OFF_MS = 200;

interface Hint {
  readonly p: number;
  readonly s?: [string, StreamRef["type"], string, number][];
}

const keyOf = (organizationId: string, { type, id }: StreamRef): string => `${organizationId}\n${type}\n${id}`;

export function createListener(options: {
  readonly pool: pg.Pool;
  readonly onError: (error: unknown) => void;
  readonly wakeUp?: WakeUp | undefined;
}): Listener {
  const { pool, onError, wakeUp } = options;
  const listeners = new Set<(hint: AppendedHint) => void>();
  const heads = new Map<string, number>();
  let highest = 0;
  let client: pg.Client | undefined;
  /** Up to here everything was told that others appended, or was found by a sweep. */
  let swept = 0;
  let timer: NodeJS.Timeout | undefined;
  let off: (() => void)[] = [];
  let closed = false;

  function heard({ p, s }: Hint): void {
    if (s === undefined) void since(pool, highest).then(tell, onError);
    else
      tell({
        position: p,
        streams: s.map(([organizationId, type, id, seq]) => ({ organizationId, stream: { type, id }, seq })),
      });
  }

  /** What the bus lost. Own commits are above what was lost, so the highest that was told says nothing. */
  async function sweep(): Promise<void> {
    const from = swept;
    if ((await lastPosition(pool)) <= from) return;
    const missed = await since(pool, from);
    swept = missed.position;
    const streams = missed.streams.filter(({ organizationId, stream, seq }) => (heads.get(keyOf(organizationId, stream)) ?? 0) < seq);
    if (streams.length > 0) tell({ ...missed, streams });
  }

  function sweepAgain(inMs?: number): void {
    clearTimeout(timer);
    if (closed || wakeUp === undefined) return;
    timer = setTimeout(
      () => {
        (client === undefined ? Promise.resolve() : sweep()).catch(onError).finally(() => sweepAgain());
      },
      inMs ?? (wakeUp.isConnected() ? SWEEP_MS : CUT_OFF_MS),
    ).unref();
  }

  function follow(bus: WakeUp): void {
    off = [
      bus.subscribe((text) => heard(text === null ? { p: 0 } : (JSON.parse(text) as Hint))),
      bus.onConnection((connected) => {
        if (!connected) heads.clear();
        // At once: what was said while it was away.
        sweepAgain(0);
      }),
    ];
    sweepAgain();
  }

  function tell(hint: AppendedHint): void {
    highest = Math.max(highest, hint.position);
    for (const { organizationId, stream, seq } of hint.streams) raise(keyOf(organizationId, stream), seq);
    for (const listener of listeners) {
      try {
        listener(hint);
      } catch (error) {
        onError(error); // one subscriber's bug must not keep the others asleep
      }
    }
  }

  function raise(key: string, seq: number): void {
    const known = heads.get(key);
    if (known !== undefined && known >= seq) return;
    heads.delete(key);
    heads.set(key, seq);
    if (heads.size > MAX_HEADS) {
      const oldest = heads.keys().next().value;
      if (oldest !== undefined) heads.delete(oldest);
    }
  }

  const isCertain = (): boolean => client !== undefined && (wakeUp === undefined || wakeUp.isConnected());

  async function attach(next: pg.Client): Promise<void> {
    next.on("notification", ({ payload, processId }) => {
      if (processId === (next as unknown as { processID: number }).processID) return;
      heard(JSON.parse(payload ?? "{}") as Hint);
    });
    if (wakeUp === undefined) {
      // In this order: from the lock on others notify; what they appended before it is read below.
      await next.query("select pg_advisory_lock_shared(5927083)");
      await next.query("listen evt_appended");
    }
    const from = wakeUp === undefined ? highest : swept;
    const missed = from === 0 ? { position: await lastPosition(pool), streams: [] } : await since(pool, from);
    swept = Math.max(swept, missed.position);
    client = next;
    tell(missed);
    if (wakeUp !== undefined && off.length === 0) follow(wakeUp);
  }

  return {
    attach,
    detach() {
      client = undefined;
      heads.clear();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    committed(recorded) {
      const streams = new Map<string, AppendedHint["streams"][number]>();
      let position = 0;
      for (const event of recorded) {
        streams.set(keyOf(event.organizationId, event.stream), {
          organizationId: event.organizationId,
          stream: event.stream,
          seq: event.seq,
        });
        position = Math.max(position, event.position ?? 0);
      }
      tell({ position, streams: [...streams.values()], recorded });
      // After the commit: whoever hears it finds it.
      wakeUp?.publish(
        JSON.stringify({
          p: position,
          s: [...streams.values()].map(({ organizationId, stream, seq }) => [organizationId, stream.type, stream.id, seq]),
        } satisfies Hint),
      );
    },
    head: (organizationId, stream) => (isCertain() ? (heads.get(keyOf(organizationId, stream)) ?? null) : null),
    remember(organizationId, stream, seq) {
      if (isCertain()) raise(keyOf(organizationId, stream), seq);
    },
    isFollowing: () => client !== undefined,
    close() {
      closed = true;
      clearTimeout(timer);
      for (const end of off.splice(0)) end();
    },
  };
}

async function lastPosition(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ position: string }>("select coalesce(max(position), 0) as position from public.evt_events");
  return Number(rows[0]?.position ?? 0);
}

/** Everything that moved after `position`, as one hint. */
async function since(pool: pg.Pool, position: number): Promise<AppendedHint> {
  const { rows } = await pool.query<{
    organization_id: string;
    stream_type: StreamRef["type"];
    stream_id: string;
    seq: string;
    position: string;
  }>(
    `select organization_id, stream_type, stream_id, max(seq) as seq, max(position) as position
       from public.evt_events where position > $1 group by 1, 2, 3`,
    [position],
  );
  return {
    position: rows.reduce((high, row) => Math.max(high, Number(row.position)), position),
    streams: rows.map((row) => ({
      organizationId: row.organization_id,
      stream: { type: row.stream_type, id: row.stream_id },
      seq: Number(row.seq),
    })),
  };
}
