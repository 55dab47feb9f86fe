/*
 * What the rest of the product sees of the log. The Postgres implementation is `postgres-log.ts`.
 *
 * A *stream* (room, organization, ledger) has one order and one hash chain; a *subject*
 * (`run:run_…`) is the aggregate an event concerns and carries the optimistic version.
 */
import type { Decider, Decision } from "@signalbox/kernel/decider";
import type { Hydrate } from "./archived.ts";

export type StreamType = "room" | "organization" | "ledger";
export interface StreamRef {
  readonly type: StreamType;
  /** `room_…` for a room; the organization id for the other two. */
  readonly id: string;
}

/** An event as deciders make it: its `type` names the schema in the contract, `data` is snake_case JSON. */
export interface DomainEvent {
  readonly type: string;
  readonly data: object;
}

export type PrincipalType = "user" | "agent" | "service";
export type Zone = "sandbox" | "supervised" | "high_stakes";

/** Who caused the events of one unit, and in which context. Copied into every envelope. */
export interface Origin {
  /** `impersonatedBy`: the operator who acts as them. */
  readonly principal: { readonly id: string; readonly type: PrincipalType; readonly impersonatedBy?: string | undefined };
  /** Default `supervised`. */
  readonly zone?: Zone | undefined;
  /** Default: a new one. */
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
  readonly occurredAt?: string | undefined;
  readonly roomId?: string | undefined;
  readonly threadId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly runId?: string | undefined;
  readonly stepId?: string | undefined;
}

/** One event as it stands in the log. Field names are the wire envelope's, in camelCase. */
export interface Recorded<E extends DomainEvent = DomainEvent> {
  readonly eventId: string;
  readonly event: E;
  readonly version: number;
  readonly organizationId: string;
  readonly stream: StreamRef;
  readonly seq: number;
  /** Global order over all streams; absent while an inline projection runs (it does not exist yet). */
  readonly position?: number | undefined;
  readonly subject: string;
  /** The part of `subject` after its first colon. */
  readonly subjectId: string;
  readonly subjectVersion: number;
  readonly occurredAt: string;
  readonly recordedAt: string;
  readonly principal: { readonly id: string; readonly type: PrincipalType; readonly impersonatedBy?: string | undefined };
  readonly zone: Zone;
  readonly correlationId: string;
  readonly causationId?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly roomId?: string | undefined;
  readonly threadId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly runId?: string | undefined;
  readonly stepId?: string | undefined;
  readonly redaction: "none" | "partial" | "full";
  readonly prevHash: string;
  readonly hash: string;
  /** Set on what came with an import: ids are those given to it here (`foreign.ts`), hashes are the other side's. */
  readonly importId?: string | undefined;
}

export interface Tx {
  /** How archived events are read (archived.ts); absent where a projection is given none to read. */
  readonly hydrate?: Hydrate | undefined;
  query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<{ rows: Row[]; rowCount: number | null }>;
}

/** A job to be enqueued in the transaction of the events that cause it. `@signalbox/jobs` runs it. */
export interface NewJob {
  readonly kind: string;
  readonly organizationId: string;
  readonly payload: object;
  /** RFC 3339; default now. */
  readonly runAt?: string | undefined;
  /** At most one unfinished job per (kind, key). */
  readonly key?: string | undefined;
  readonly maxAttempts?: number | undefined;
}

/**
 * Collects what one command does, over any number of subjects, into one atomic unit.
 * The closure may run again after a lost race (at most 3 times): keep it free of effects.
 */
export interface Unit {
  /** Folds the subject from the log (and earlier events of this unit). Unknown subjects fold to `initial`. */
  load<S, C, E extends DomainEvent, R extends { code: string }>(
    decider: Decider<S, C, E, R>,
    stream: StreamRef,
    subject: string,
  ): Promise<S>;
  /** Loads, decides and stages the events (also those that record a refusal). */
  decide<S, C, E extends DomainEvent, R extends { code: string }>(
    decider: Decider<S, C, E, R>,
    stream: StreamRef,
    subject: string,
    command: C,
    origin?: Partial<Origin>,
  ): Promise<Decision<E, R>>;
  enqueue(job: NewJob): void;
}

export interface UnitOptions {
  readonly organizationId: string;
  readonly origin: Origin;
  /** Set by the HTTP shell from `Idempotency-Key`; outcome and body hash commit with the unit. */
  readonly idempotency?: { readonly key: string; readonly bodyHash: string } | undefined;
  /**
   * Subjects whose id was made for this very command: they are not looked up first. Only a hint;
   * the append checks it as it checks every version.
   */
  readonly newSubjects?: readonly string[] | undefined;
}

export type UnitResult<T> = { readonly value: T; readonly events: readonly Recorded[]; readonly replayed: boolean };

/** Hints may repeat, come late and out of order; the log is the truth. */
export interface AppendedHint {
  readonly position: number;
  readonly streams: readonly { readonly organizationId: string; readonly stream: StreamRef; readonly seq: number }[];
  /** All events of one commit of this process, as they stand in the log; absent where only the heads are known. */
  readonly recorded?: readonly Recorded[] | undefined;
}

export interface EventLog {
  /**
   * Runs `work`, then appends everything it staged in one transaction with inline projections
   * and job enqueues. `value` is what `work` returned. When the unit's idempotency key was used
   * before with the same body, `work` does not run and the stored value is returned (`replayed`).
   */
  unit<T>(options: UnitOptions, work: (unit: Unit) => Promise<T>): Promise<UnitResult<T>>;
  /** The common case: one subject, one command. */
  run<S, C, E extends DomainEvent, R extends { code: string }>(
    decider: Decider<S, C, E, R>,
    target: UnitOptions & {
      readonly stream: StreamRef;
      readonly subject: string;
      readonly jobs?: ((events: readonly E[]) => readonly NewJob[]) | undefined;
    },
    command: C,
  ): Promise<Decision<E, R> & { readonly recorded: readonly Recorded<E>[] }>;
  /** Folded state of one subject, read from the log. */
  state<S, C, E extends DomainEvent, R extends { code: string }>(
    decider: Decider<S, C, E, R>,
    organizationId: string,
    subject: string,
  ): Promise<{ state: S; version: number }>;
  /** Ascending by seq, exclusive `afterSeq`. */
  readStream(organizationId: string, stream: StreamRef, options: { afterSeq: number; limit: number }): Promise<Recorded[]>;
  /** Ascending by position, exclusive; misses nothing (see `architecture`: the advisory lock). */
  readAll(options: { afterPosition: number; limit: number; types?: readonly string[] | undefined }): Promise<Recorded[]>;
  /** Current head (last seq, 0 when empty) of a stream, from memory when followed. */
  head(organizationId: string, stream: StreamRef): Promise<number>;
  /** Fills in rows of archived events (archived.ts): for whoever reads evt_events by SQL of his own. */
  readonly hydrate: Hydrate;
  /** Wake-up hint after commits of any process. Returns the unsubscribe function. */
  onAppended(listener: (hint: AppendedHint) => void): () => void;
}

/**
 * A table derived from events. `project` gets all events of a batch at once and must be set-based
 * and idempotent: guard by `subject_version` (or stream `seq`).
 */
export interface Projection<E extends DomainEvent = DomainEvent> {
  readonly name: string;
  readonly types: readonly E["type"][];
  /** Those of `types` that it also takes from imported logs; default none. Never what grants anything or starts work. */
  readonly imported?: readonly E["type"][] | undefined;
  /** Tables it writes; rebuilt from the log into a shadow schema. */
  readonly tables: readonly string[];
  project(tx: Tx, batch: readonly Recorded<E>[]): Promise<void>;
}
