/*
 * A checkpointed reader: follows the log by position and hands on what it has not handed on yet.
 *
 *   waiting ──appended, or every POLL_MS──► reading ──nothing left──► waiting (restMs long, whatever is appended)
 *      ▲                                       │ handler failed
 *      └──────────── backing off ◄─────────────┘
 *
 * The checkpoint moves in the handler's transaction: what the handler writes through `tx` happens
 * exactly once, everything else at least once. One process at a time reads under a name (the
 * checkpoint row is its lock); the others stand by. Positions become visible in order (the advisory
 * lock in 0001-log.sql), so `position > checkpoint` misses nothing. What was imported is history of
 * somewhere else and is handed to no reader: nothing here reacts to it.
 */
import type { EventVersions } from "@signalbox/contract/event-versions";
import type pg from "pg";
import { asTheyAre } from "./archived.ts";
import { recordedOf, STORED_COLUMNS, type StoredRow } from "./envelope.ts";
import type { EventLog, Recorded, Tx } from "./log.ts";
import { txOf } from "./organization.ts";

export interface ReaderOptions {
  /** Unique in the installation, for ever: it names the checkpoint. */
  readonly name: string;
  /** As `sb_log`. */
  readonly pool: pg.Pool;
  readonly log: Pick<EventLog, "onAppended"> & Partial<Pick<EventLog, "hydrate">>;
  /** Default: all. */
  readonly types?: readonly string[] | undefined;
  /** Where a name that was never used starts; default the beginning. */
  readonly from?: "beginning" | "now" | undefined;
  /** Default 200. */
  readonly batchSize?: number | undefined;
  /**
   * Not read again within so many ms; default 0. For readers of all types whose work can wait: each reading
   * that finds something is a transaction, with a commit that waits for the disk, beside each append.
   */
  readonly restMs?: number | undefined;
  readonly handle: (tx: Tx, events: readonly Recorded[]) => Promise<void>;
  readonly onError: (error: unknown) => void;
  /** Shapes that event types have had; default the contract's. */
  readonly versions?: EventVersions | undefined;
}

export interface Reader {
  /** Resolves when everything that was in the log at the time of the call has been handled, by whichever process. */
  caughtUp(): Promise<void>;
  /** How far behind, in positions; for metrics. */
  lag(): Promise<number>;
  /** Waits for the batch that is being handled. */
  stop(): Promise<void>;
}

const POLL_MS = 5000;
const MAX_BACKOFF_MS = 30_000;
/** A reader of rare types still moves its checkpoint now and then, or it would rescan the log after each restart. */
const IDLE_STRIDE = 1000;

export function startReader(options: ReaderOptions): Reader {
  const { name, pool, log, types, batchSize = 200, restMs = 0, handle, onError } = options;
  const wanted = types === undefined ? null : new Set(types);
  let stopped = false;
  /** Its row was seen, or made. */
  let isKnown = false;
  const stopping = Promise.withResolvers<void>();
  let wake: () => void = () => undefined;

  async function loop(): Promise<void> {
    let failures = 0;
    for (;;) {
      if (stopped) return;
      const { promise: woken, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const began = performance.now();
      try {
        const more = await readOnce();
        failures = 0;
        if (more) continue;
        await sleep(woken, POLL_MS);
        const rest = began + restMs - performance.now();
        if (rest > 0) await sleep(stopping.promise, rest);
      } catch (error) {
        onError(error);
        // Not until the next append: a handler that fails would otherwise be driven by the traffic.
        await sleep(stopping.promise, Math.min(100 * 2 ** failures++, MAX_BACKOFF_MS));
      }
    }
  }

  /** True when there may be more. */
  async function readOnce(): Promise<boolean> {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      await client.query("begin");
      const more = await readIn(client);
      await client.query("commit");
      isKnown = true;
      return more;
    } catch (error) {
      try {
        await client.query("rollback");
      } catch (rollbackError) {
        broken = rollbackError as Error; // the connection is gone, and the transaction with it
      }
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async function readIn(client: pg.PoolClient): Promise<boolean> {
    if (!isKnown) {
      const start = options.from === "now" ? "(select coalesce(max(position), 0) from public.evt_events)" : "0";
      await client.query(
        `insert into public.evt_readers (name, position) select $1, ${start} where not exists (select from public.evt_readers where name = $1) on conflict do nothing`,
        [name],
      );
    }
    // Locked only when there is something to do: a lock is a write, and its commit waits for the disk.
    // `high` is looked at before the events: what is appended in between is above it and comes next time.
    const { rows: own } = await client.query<{ position: string; high: string }>({
      name: wanted === null ? "evt_reader_due" : "evt_reader_due_types",
      text: `select position, (select coalesce(max(position), 0) from public.evt_events) as high
               from public.evt_readers r
              where name = $1
                and exists (select from public.evt_events e
                             where e.position > r.position
                               and (e.import_id is null ${wanted === null ? "" : "and e.type = any($3)"} or e.position >= r.position + $2))
                for update skip locked`,
      values: wanted === null ? [name, IDLE_STRIDE] : [name, IDLE_STRIDE, types],
    });
    if (own[0] === undefined) return false; // nothing is new, or another process has it
    const checkpoint = Number(own[0].position);
    const high = Number(own[0].high);
    const { rows } = await client.query<StoredRow>({
      name: types === undefined ? "evt_reader_all" : "evt_reader_types",
      text: `select ${STORED_COLUMNS} from public.evt_events e left join public.evt_payloads p on p.position = e.position and p.position > $1
              where e.position > $1 and e.position <= $2 and e.import_id is null ${types === undefined ? "" : "and e.type = any($4)"} order by e.position limit $3`,
      values: types === undefined ? [checkpoint, high, batchSize] : [checkpoint, high, batchSize, types],
    });
    const full = rows.length === batchSize;
    const reached = full ? Number(rows.at(-1)?.position) : high;
    if (rows.length > 0)
      await handle(
        txOf(client),
        (await (log.hydrate ?? asTheyAre)(rows)).map((row) => recordedOf(row, options.versions)),
      );
    if (rows.length > 0 || reached - checkpoint >= IDLE_STRIDE) {
      await client.query("update public.evt_readers set position = $2, updated_at = now() where name = $1", [name, reached]);
    }
    return full;
  }

  async function lag(): Promise<number> {
    const { rows } = await pool.query<{ lag: string }>(
      `select count(*) as lag from (select 1 from public.evt_events e
         where e.position > coalesce((select position from public.evt_readers where name = $1), 0)
           and ($2::text[] is null or e.type = any($2)) limit 100000) behind`,
      [name, types ?? null],
    );
    return Number(rows[0]?.lag ?? 0);
  }

  // Of what this process appended itself the types are known.
  const unsubscribe = log.onAppended(({ recorded }) => {
    if (wanted === null || recorded === undefined || recorded.some(({ event }) => wanted.has(event.type))) wake();
  });
  const looping = loop();

  return {
    lag,
    async caughtUp() {
      const { rows } = await pool.query<{ high: string }>(
        "select coalesce(max(position), 0) as high from public.evt_events where $1::text[] is null or type = any($1)",
        [types ?? null],
      );
      const goal = Number(rows[0]?.high ?? 0);
      for (;;) {
        const { rows: at } = await pool.query<{ position: string }>("select position from public.evt_readers where name = $1", [name]);
        if (goal === 0 || Number(at[0]?.position ?? 0) >= goal) return;
        if (stopped) throw new Error(`the reader ${name} was stopped before it had caught up`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async stop() {
      stopped = true;
      unsubscribe();
      stopping.resolve();
      wake();
      await looping;
    },
  };
}

async function sleep(woken: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([woken, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
