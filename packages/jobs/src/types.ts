import type { Clock } from "@signalbox/kernel/clock";
import type pg from "pg";

/** Structurally the log's `NewJob`: the two packages do not import each other. */
export interface NewJob {
  readonly kind: string;
  readonly organizationId: string;
  /** JSON. Identifiers rather than content: it is kept until the job is done. */
  readonly payload: object;
  /** RFC 3339; default now. */
  readonly runAt?: string | undefined;
  /** At most one unfinished job per (organization, kind, key). */
  readonly key?: string | undefined;
  /** Default 8. A worker that dies uses up an attempt too. */
  readonly maxAttempts?: number | undefined;
}

export interface Queryable {
  query(text: string, values?: readonly unknown[]): Promise<unknown>;
}

export interface JobContext<P = unknown> {
  readonly id: string;
  readonly kind: string;
  readonly payload: P;
  readonly organizationId: string;
  /** From 1. */
  readonly attempt: number;
  readonly maxAttempts: number;
  /**
   * Higher for every claim of any job. Whatever the handler writes to can refuse a holder that was
   * paused past its lease by remembering the highest fence it has seen.
   */
  readonly fence: number;
  /** Aborts when the lease is lost or the worker stops: the job belongs to somebody else from then on. */
  readonly signal: AbortSignal;
  /** Extends the lease now. It is extended by itself too; call it to learn that it is lost (it then throws `LeaseLost`). */
  heartbeat(): Promise<void>;
  /**
   * Finishes the job in a transaction of the handler's, so that effect and completion are one.
   * Throws `LeaseLost` when somebody else has it; the transaction must then be rolled back.
   */
  completeIn(tx: Queryable): Promise<void>;
}

/** `runAgainAt` keeps the job for another run at that time, with its attempts counted anew. */
// oxlint-disable-next-line typescript/no-invalid-void-type -- handlers that return nothing are the common case
export type JobOutcome = void | { readonly runAgainAt: string };

/** A throw is a failed attempt; an error with `retryable: false` goes to the dead letters at once. */
export type JobHandler<P = never> = (job: JobContext<P>) => Promise<JobOutcome>;

export interface Schedule {
  /** Unique in the installation. */
  readonly name: string;
  /** Cron pattern, five fields or six with seconds. */
  readonly pattern: string;
  /** IANA name; default UTC. */
  readonly timezone?: string | undefined;
  /** Made for each due time. A run that is missed while nothing ran is made up once, not once per miss. */
  readonly job: (dueAt: string) => NewJob;
}

export interface JobsOptions {
  /** As `sb_log`. */
  readonly pool: pg.Pool;
  /** Decides when jobs and schedules are due, if it is ahead of the database's own clock; leases always go by the latter. */
  readonly clock?: Clock | undefined;
  /** What a handler threw, lost connections. */
  readonly onError?: ((error: unknown, job?: { readonly id: string; readonly kind: string; readonly attempt: number }) => void) | undefined;
  /** Takes secrets out of error messages before they are stored. */
  readonly scrub?: ((organizationId: string, text: string) => string) | undefined;
}

export interface WorkOptions {
  /** Jobs at once; default 8. */
  readonly concurrency?: number | undefined;
  /** Default 30 s; renewed every third of it. After a crash, jobs are free again this much later. */
  readonly leaseMs?: number | undefined;
  /** How long `stop` waits for running jobs before it aborts them; default 10 s. */
  readonly graceMs?: number | undefined;
  /** First retry after this, doubled each time up to an hour, ±20 %; default 1 s. */
  readonly backoffMs?: number | undefined;
}

export class LeaseLost extends Error {
  constructor(id: string) {
    super(`the lease of job ${id} is lost: another worker may run it now`);
    this.name = "LeaseLost";
  }
}
