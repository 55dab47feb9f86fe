/*
 * Runs jobs: one loop claims, up to `concurrency` handlers run, one timer renews all their leases.
 *
 *   working ──stop()──► draining ──all done, or graceMs──► stopped
 *
 * The loop sleeps until a NOTIFY, a finished handler, or the time at which the next job or lease
 * comes due (5 s at most, so that a lost NOTIFY costs no more than that). `draining` claims
 * nothing; what has not finished by then is aborted and given back.
 */
import { randomUUID } from "node:crypto";
import { CLAIM, COMPLETE, EXTEND, FAIL, NEXT_DUE, REAP, RELEASE, RUN_AGAIN } from "./statements.ts";
import {
  LeaseLost,
  type JobContext,
  type JobHandler,
  type JobOutcome,
  type JobsOptions,
  type Queryable,
  type WorkOptions,
} from "./types.ts";

export interface Worker {
  /** Claims nothing more, waits for what runs, aborts the rest after the grace. */
  stop(): Promise<void>;
}

interface JobRow {
  readonly id: string;
  readonly organization_id: string;
  readonly kind: string;
  readonly payload: string;
  readonly attempt: number;
  readonly max_attempts: number;
  readonly fence: string;
}

interface Held {
  readonly row: JobRow;
  readonly abort: AbortController;
  /** By this process' monotonic clock, from before the claim was sent: never later than the database's. */
  leasedUntil: number;
  done: Promise<void>;
}

const MAX_SLEEP_MS = 5000;
const REAP_EVERY_MS = 250;
const MAX_BACKOFF_MS = 3_600_000;

export function startWorker(
  { pool, clock, onError = () => undefined, scrub = (_, text) => text }: JobsOptions,
  onReady: (wake: () => void) => () => void,
  handlers: Readonly<Record<string, JobHandler>>,
  options: WorkOptions,
): Worker {
  const { concurrency = 8, leaseMs = 30_000, graceMs = 10_000, backoffMs = 1000 } = options;
  const kinds = Object.keys(handlers);
  const me = `${process.pid}:${randomUUID()}`;
  /** By fence: a worker that was paused past its lease may claim the same job again beside its old self. */
  const held = new Map<string, Held>();
  let draining = false;
  let reapedAt = Number.NEGATIVE_INFINITY;
  let wake: () => void = () => undefined;
  const now = () => clock?.now() ?? "-infinity";

  async function loop(): Promise<void> {
    let failures = 0;
    for (;;) {
      if (draining) return;
      // Made before looking, so that a wake between the look and the sleep is not lost.
      const { promise: woken, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      try {
        const full = await claim();
        failures = 0;
        if (!full && !draining) await sleep(woken, held.size >= concurrency ? MAX_SLEEP_MS : await untilDue());
      } catch (error) {
        onError(error);
        await sleep(woken, Math.min(50 * 2 ** failures++, 2000));
      }
    }
  }

  /** True when there may be more to claim at once. */
  async function claim(): Promise<boolean> {
    const room = concurrency - held.size;
    if (room <= 0) return false;
    if (performance.now() - reapedAt > REAP_EVERY_MS) {
      reapedAt = performance.now();
      await pool.query(REAP);
    }
    const before = performance.now();
    const { rows } = await pool.query<JobRow>({ name: "jobs_claim", text: CLAIM, values: [kinds, room, me, leaseMs, now()] });
    for (const row of rows) {
      const job: Held = { row, abort: new AbortController(), leasedUntil: before + leaseMs, done: Promise.resolve() };
      held.set(row.fence, job);
      job.done = run(job).finally(() => {
        held.delete(row.fence);
        wake();
      });
    }
    return rows.length === room && held.size < concurrency;
  }

  async function untilDue(): Promise<number> {
    const { rows } = await pool.query<{ ms: string | null }>(NEXT_DUE, [kinds, now()]);
    const ms = rows[0]?.ms;
    return ms === null || ms === undefined ? MAX_SLEEP_MS : Math.min(Math.max(Number(ms) + 2, 5), MAX_SLEEP_MS);
  }

  async function run(job: Held): Promise<void> {
    const { row } = job;
    const lease = [row.id, row.fence];
    let completed = false;
    const context: JobContext<never> = {
      id: row.id,
      kind: row.kind,
      payload: JSON.parse(row.payload) as never,
      organizationId: row.organization_id,
      attempt: row.attempt,
      maxAttempts: row.max_attempts,
      fence: Number(row.fence),
      signal: job.abort.signal,
      heartbeat: () => extend([job], true),
      async completeIn(tx: Queryable) {
        const { rows } = (await tx.query(COMPLETE, lease)) as { rows: unknown[] };
        if (rows.length === 0) throw new LeaseLost(row.id);
        completed = true;
      },
    };
    try {
      const handler = handlers[row.kind];
      if (handler === undefined) throw new Error(`no handler for ${row.kind}`);
      const outcome: JobOutcome = await handler(context);
      if (completed) return;
      const { rowCount } =
        outcome === undefined
          ? await pool.query({ name: "jobs_complete", text: COMPLETE, values: lease })
          : await pool.query(RUN_AGAIN, [...lease, outcome.runAgainAt]);
      if (rowCount === 0) throw new LeaseLost(row.id);
    } catch (error) {
      onError(error, { id: row.id, kind: row.kind, attempt: row.attempt });
      // Not ours any more: whoever has it now decides what becomes of it.
      if (error instanceof LeaseLost) return;
      await settle(job, error);
    }
  }

  /** If even this fails, the lease runs out and the job is somebody's again. */
  async function settle(job: Held, error: unknown): Promise<void> {
    const { row } = job;
    try {
      if (draining && job.abort.signal.aborted) {
        await pool.query(RELEASE, [row.id, row.fence]);
        return;
      }
      const message = scrub(row.organization_id, error instanceof Error ? error.message : String(error)).slice(0, 1000);
      const delayMs = Math.min(backoffMs * 2 ** (row.attempt - 1), MAX_BACKOFF_MS) * (0.8 + Math.random() * 0.4);
      const retryable = (error as { retryable?: unknown } | null)?.retryable !== false;
      await pool.query(FAIL, [row.id, row.fence, message, delayMs, retryable]);
    } catch (cause) {
      onError(cause, { id: row.id, kind: row.kind, attempt: row.attempt });
    }
  }

  async function extend(jobs: readonly Held[], mustHold = false): Promise<void> {
    const before = performance.now();
    const { rows } = await pool.query<{ fence: string }>({
      name: "jobs_extend",
      text: EXTEND,
      values: [jobs.map(({ row }) => row.id), jobs.map(({ row }) => row.fence), leaseMs],
    });
    const kept = new Set(rows.map(({ fence }) => fence));
    for (const job of jobs) {
      if (kept.has(job.row.fence)) job.leasedUntil = before + leaseMs;
      // A job that finished meanwhile is not held either, and needs no abort.
      else if (held.get(job.row.fence) === job) {
        job.abort.abort(new LeaseLost(job.row.id));
        if (mustHold) throw new LeaseLost(job.row.id);
      }
    }
  }

  const renewal = setInterval(() => {
    const jobs = [...held.values()];
    if (jobs.length === 0) return;
    extend(jobs).catch((error: unknown) => {
      onError(error);
      // Out of touch with the database: what has run out must be taken for lost.
      for (const job of jobs) if (performance.now() > job.leasedUntil) job.abort.abort(new LeaseLost(job.row.id));
    });
  }, leaseMs / 3);

  const unsubscribe = onReady(() => wake());
  const looping = loop();

  return {
    async stop() {
      draining = true;
      wake();
      unsubscribe();
      await looping;
      const all = () => Promise.allSettled([...held.values()].map((job) => job.done));
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([all(), new Promise((resolve) => (timer = setTimeout(resolve, graceMs)))]);
      clearTimeout(timer);
      for (const job of held.values()) job.abort.abort(new Error("the worker is stopping"));
      await Promise.race([all(), new Promise((resolve) => (timer = setTimeout(resolve, 2000)))]);
      clearTimeout(timer);
      clearInterval(renewal);
      // A handler that ignores its signal: give its job back; its fence is refused from now on.
      for (const { row } of held.values()) await pool.query(RELEASE, [row.id, row.fence]).catch(onError);
    },
  };
}

async function sleep(woken: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([woken, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
