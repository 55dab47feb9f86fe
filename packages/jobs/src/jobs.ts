/* Jobs: work to be done, in the same Postgres as the log. What a job goes through: specs/jobs.md. */
import type pg from "pg";
import { enqueueJobs } from "./enqueue.ts";
import { startScheduler, type Scheduler } from "./schedules.ts";
import type { JobHandler, JobsOptions, NewJob, Schedule, WorkOptions } from "./types.ts";
import { startWorker, type Worker } from "./worker.ts";

export interface DeadJob {
  readonly id: string;
  readonly organizationId: string;
  readonly kind: string;
  readonly payload: unknown;
  readonly attempt: number;
  readonly lastError: string | null;
  readonly diedAt: string;
}

export interface Jobs {
  /** Outside a command. Inside one, use the unit's `enqueue`: cause and job then commit together. */
  enqueue(jobs: readonly NewJob[]): Promise<void>;
  work(handlers: Readonly<Record<string, JobHandler>>, options?: WorkOptions): Worker;
  schedule(schedules: readonly Schedule[]): Scheduler;
  deadLetters(organizationId: string, options?: { limit?: number; afterId?: string }): Promise<readonly DeadJob[]>;
  /** Gives a dead job all its attempts again. False when there is no such dead job in that organization, or its key is taken. */
  revive(organizationId: string, id: string): Promise<boolean>;
  /** For metrics and health. */
  counts(): Promise<
    readonly { readonly kind: string; readonly state: "ready" | "leased" | "dead"; readonly jobs: number; readonly oldestMs: number }[]
  >;
  /** Stops workers and schedulers, then the listening connection. The pool stays open: it is the caller's. */
  close(): Promise<void>;
}

export function createJobs(options: JobsOptions): Jobs {
  const { pool, onError = () => undefined } = options;
  const workers = new Set<Worker>();
  const schedulers = new Set<Scheduler>();
  const wakes = new Set<() => void>();
  let listening: pg.PoolClient | undefined;
  let connecting: Promise<void> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  /** One connection for all workers of the process, taken from the pool while there are any. */
  function listen(): void {
    if (listening !== undefined || connecting !== undefined || closed) return;
    connecting = (async () => {
      const client = await pool.connect();
      const lost = (error?: Error) => {
        if (listening !== client) return;
        listening = undefined;
        client.release(error ?? true);
        retry = setTimeout(listen, 200);
      };
      client.on("notification", () => {
        for (const wake of wakes) wake();
      });
      client.on("error", lost);
      client.on("end", () => lost());
      listening = client;
      try {
        await client.query("listen jobs_ready");
      } catch (error) {
        lost(error as Error);
        throw error;
      }
      // What was enqueued while nobody listened.
      for (const wake of wakes) wake();
    })()
      .catch((error: unknown) => {
        onError(error);
        if (!closed) retry = setTimeout(listen, 500);
      })
      .finally(() => (connecting = undefined));
  }

  return {
    async enqueue(jobs) {
      await enqueueJobs(pool, jobs);
    },
    work(handlers, workOptions = {}) {
      listen();
      const worker = startWorker(options, (wake) => (wakes.add(wake), () => wakes.delete(wake)), handlers, workOptions);
      workers.add(worker);
      return {
        async stop() {
          await worker.stop();
          workers.delete(worker);
        },
      };
    },
    schedule(schedules) {
      const scheduler = startScheduler(options, schedules);
      schedulers.add(scheduler);
      return scheduler;
    },
    async deadLetters(organizationId, { limit = 50, afterId = "0" } = {}) {
      const { rows } = await pool.query<{
        id: string;
        kind: string;
        payload: string;
        attempt: number;
        last_error: string | null;
        updated_at: Date;
      }>(
        `select id, kind, payload, attempt, last_error, updated_at from jobs
          where organization_id = $1 and state = 'dead' and id > $2 order by id limit $3`,
        [organizationId, afterId, limit],
      );
      return rows.map((row) => ({
        id: row.id,
        organizationId,
        kind: row.kind,
        payload: JSON.parse(row.payload) as unknown,
        attempt: row.attempt,
        lastError: row.last_error,
        diedAt: row.updated_at.toISOString(),
      }));
    },
    async revive(organizationId, id) {
      const { rowCount } = await pool.query(
        `update jobs d set state = 'ready', attempt = 0, run_at = now(), updated_at = now()
          where organization_id = $1 and id = $2 and state = 'dead'
            and not exists (select 1 from jobs o where o.organization_id = d.organization_id and o.kind = d.kind and o.key = d.key and o.state <> 'dead')`,
        [organizationId, id],
      );
      if (rowCount === 1) await pool.query("select pg_notify('jobs_ready', '')");
      return rowCount === 1;
    },
    async counts() {
      const { rows } = await pool.query<{ kind: string; state: "ready" | "leased" | "dead"; jobs: string; oldest: string }>(
        `select kind, state, count(*) as jobs, extract(epoch from now() - min(case when state = 'ready' then greatest(run_at, created_at) else updated_at end)) * 1000 as oldest
           from jobs group by kind, state`,
      );
      return rows.map(({ kind, state, jobs, oldest }) => ({
        kind,
        state,
        jobs: Number(jobs),
        oldestMs: Math.max(0, Math.round(Number(oldest))),
      }));
    },
    async close() {
      closed = true;
      clearTimeout(retry);
      await Promise.all([...schedulers].map((scheduler) => scheduler.stop()));
      await Promise.all([...workers].map((worker) => worker.stop()));
      await connecting;
      const client = listening;
      listening = undefined;
      client?.release(true);
    },
  };
}
