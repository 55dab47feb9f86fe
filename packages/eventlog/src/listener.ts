/*
 * The wake-up: tells this process that streams grew, whoever appended.
 *
 *   own commits     → told at once by the writer, with their events
 *   other processes → NOTIFY, heard on the writing connection: a connection that notifies itself
 *                     costs nothing, a second one would be woken for every commit of our own
 *   after a gap     → the heads that moved meanwhile are read and told
 *
 * Appenders notify only while another process shares the presence lock (5927083, 0001-log.sql).
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
}

const MAX_HEADS = 50_000;

const keyOf = (organizationId: string, { type, id }: StreamRef): string => `${organizationId}\n${type}\n${id}`;

export function createListener(options: { readonly pool: pg.Pool; readonly onError: (error: unknown) => void }): Listener {
  const { pool, onError } = options;
  const listeners = new Set<(hint: AppendedHint) => void>();
  const heads = new Map<string, number>();
  let highest = 0;
  let client: pg.Client | undefined;

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

  async function attach(next: pg.Client): Promise<void> {
    next.on("notification", ({ payload, processId }) => {
      if (processId === (next as unknown as { processID: number }).processID) return;
      const hint = JSON.parse(payload ?? "{}") as { p: number; s?: [string, StreamRef["type"], string, number][] };
      if (hint.s === undefined) void since(pool, highest).then(tell, onError);
      else
        tell({
          position: hint.p,
          streams: hint.s.map(([organizationId, type, id, seq]) => ({ organizationId, stream: { type, id }, seq })),
        });
    });
    // In this order: from the lock on others notify; what they appended before it is read below.
    await next.query("select pg_advisory_lock_shared(5927083)");
    await next.query("listen evt_appended");
    const missed = highest === 0 ? { position: await lastPosition(pool), streams: [] } : await since(pool, highest);
    client = next;
    tell(missed);
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
    },
    head: (organizationId, stream) => (client === undefined ? null : (heads.get(keyOf(organizationId, stream)) ?? null)),
    remember(organizationId, stream, seq) {
      if (client !== undefined) raise(keyOf(organizationId, stream), seq);
    },
    isFollowing: () => client !== undefined,
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
