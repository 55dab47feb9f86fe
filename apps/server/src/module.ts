/*
 * What a domain hands to `compose.ts`. A module is a folder: decider, projections, routes, jobs,
 * and `public.ts` with `create<Domain>(deps): <Domain>Module`, whose extra members are the queries
 * and commands that other modules may use.
 */
import type { EventLog, Projection } from "@signalbox/eventlog/log";
import type { JobOutcome } from "@signalbox/jobs/types";
import type { Clock } from "@signalbox/kernel/clock";
import type { Kysely } from "kysely";
import type { Logger } from "pino";
import type { BoundRoute } from "./http/handle.ts";

export interface Job {
  readonly id: string;
  readonly kind: string;
  readonly organizationId: string;
  readonly payload: unknown;
  readonly attempt: number;
  /** Fencing token of this lease; a later holder's is greater. */
  readonly fence: number;
  /** Aborts when the lease is lost or the server drains. */
  readonly signal: AbortSignal;
}

/** A part with a lifetime. */
export interface Service {
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface Module {
  readonly routes: readonly BoundRoute[];
  /** Projections written in the append transaction. */
  readonly projections: readonly Projection[];
  /** `schema.sql` files of the rebuildable `proj_*` tables, as absolute paths. */
  readonly schemas: readonly string[];
  readonly jobs: Readonly<Record<string, (job: Job) => Promise<JobOutcome>>>;
  readonly schedules?: readonly { readonly name: string; readonly cron: string; readonly run: (signal: AbortSignal) => Promise<void> }[];
  /** What every process needs to answer right: started after the database is up, stopped in reverse order. */
  start?(): Promise<void>;
  stop?(): Promise<void>;
  /** What only processes that hold sandboxes run, after `start`. */
  readonly sandboxSide?: Service;
  /** What only workers run, after `start`: readers of the log, tidying up. Several processes may, so one at a time does each. */
  readonly background?: Service;
  health?(): Promise<{ ok: boolean; detail: string | null }>;
}

/** Row-level security in force: only rows of `organizationId` are seen or written. */
export interface Database {
  inOrganization<T, DB = Record<string, never>>(organizationId: string, work: (db: Kysely<DB>) => Promise<T>): Promise<T>;
}

export interface Deps {
  readonly log: EventLog;
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}
