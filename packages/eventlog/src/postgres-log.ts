/*
 * The log on Postgres. `createLog` puts the parts together:
 *
 *   unit.ts      one attempt: load, decide, seal (scan and hash), stage
 *   writer.ts    batches attempts into transactions on one connection
 *   listener.ts  wakes readers
 *   subjects.ts  remembers states, gives turns
 *
 * A command is answered from a remembered state only when the append itself checks that state (by
 * version). A refusal, or "nothing to do", appends nothing that could fail, so it is decided again
 * on a state that was just read. `unit` always reads: its closure may look at subjects it does not write.
 */
import { EVENT_HISTORIES, type EventVersions, upcast } from "@signalbox/contract/event-versions";
import { systemClock, type Clock } from "@signalbox/kernel/clock";
import type { Decider, Decision } from "@signalbox/kernel/decider";
import type pg from "pg";
import { Pool } from "pg";
import { asTheyAre, type Hydrate } from "./archived.ts";
import { createScanner, type Scanner, type SecretRegistry } from "./dlp.ts";
import { recordedOf, STORED_COLUMNS, type StoredRow } from "./envelope.ts";
import { IdempotencyConflict, TooContended } from "./faults.ts";
import { isForeign } from "./foreign.ts";
import { createListener, type WakeUp } from "./listener.ts";
import type { DomainEvent, EventLog, NewJob, Projection, Recorded, StreamRef, Tx, Unit, UnitOptions, UnitResult } from "./log.ts";
import { createStateCache, createTurns, type Folded } from "./subjects.ts";
import { Attempt, type Loader } from "./unit.ts";
import { createWriter } from "./writer.ts";

export interface LogOptions {
  /** Must connect as `sb_log`. One connection of its own (it writes and listens) and a pool for reading. */
  readonly connection: pg.ClientConfig;
  /** Carries the hints between processes instead of NOTIFY; the same for all of them. */
  readonly wakeUp?: WakeUp | undefined;
  /** Inline projections: only what the next read must show. */
  readonly projections?: readonly Projection[] | undefined;
  /** From `@signalbox/jobs`; runs in the transaction of the events. */
  readonly enqueue?: ((tx: Tx, jobs: readonly NewJob[]) => Promise<void>) | undefined;
  readonly secrets?: SecretRegistry | undefined;
  /** Of `occurred_at`; default the machine's. */
  readonly clock?: Clock | undefined;
  /** Of `recorded_at`, which ascends with the order of the log; default the machine's. Several processes need one that they share. */
  readonly recordingClock?: Clock | undefined;
  /** Shapes that event types have had; default the contract's. */
  readonly versions?: EventVersions | undefined;
  /** How archived events are read; default: there are none. */
  readonly hydrate?: Hydrate | undefined;
  /** How long a command waits for a database that went away before it fails (`LogUnavailable`); default 15 s. */
  readonly patienceMs?: number | undefined;
  /** Default 4. */
  readonly readConnections?: number | undefined;
  /** Connections lost and found again, subscribers that threw. Default: ignored, health says what matters. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

export interface PostgresLog extends EventLog {
  /** The scanner that guards the log, for whatever else is stored or shown. */
  readonly scanner: Scanner;
  /** As `sb_log`: sees every organization. For readers and workers, never for requests. */
  readonly pool: pg.Pool;
  /** True when the writing connection stands and the database answers. */
  isHealthy(): Promise<boolean>;
  /** Drops outcomes older than 24 h; a schedule calls it. Returns how many. */
  expireIdempotencyKeys(): Promise<number>;
  close(): Promise<void>;
}

/** A header that was not asked for. */
const HOT = "hot";
/** After the first attempt. */
const RETRIES = 3;
const DUPLICATE_WAIT_MS = 5000;

export async function createLog(options: LogOptions): Promise<PostgresLog> {
  const clock = options.clock ?? systemClock;
  // Lost connections heal by themselves; a log without a reporter has nobody to tell.
  const onError = options.onError ?? (() => undefined);
  const scanner = createScanner(options.secrets);
  const pool = new Pool({ ...options.connection, max: options.readConnections ?? 4 });
  pool.on("error", onError);
  const listener = createListener({ pool, onError, wakeUp: options.wakeUp });
  const writer = createWriter({
    connection: options.connection,
    projections: options.projections ?? [],
    hydrate: options.hydrate,
    enqueue: options.enqueue,
    now: (options.recordingClock ?? systemClock).now,
    committed: listener.committed,
    connected: listener.attach,
    disconnected: listener.detach,
    onError,
    patienceMs: options.patienceMs,
  });
  const cache = createStateCache();
  const turns = createTurns();
  const versions = options.versions ?? EVENT_HISTORIES;
  const hydrate = options.hydrate ?? asTheyAre;
  const reshaped = Object.keys(versions);
  const loader: Loader = {
    async fold(decider, organizationId, subject, from) {
      if (isForeign(subject)) return foldForeign(decider, organizationId, subject, from);
      const { rows: found } = await pool.query<{
        type: string;
        position: string;
        data: string | null;
        subject_version: string;
        header: string | null;
      }>({
        name: "evt_fold",
        // The header says which version it is; most types have only ever had one. Empty: the event is archived.
        text: `select e.type, e.position, p.data, e.subject_version, case when e.type = any($4) or e.header = '' then e.header end as header
                 from public.evt_events e left join public.evt_payloads p using (position)
                where e.organization_id = $1 and e.subject = $2 and e.subject_version > $3 order by e.subject_version`,
        values: [organizationId, subject, from?.version ?? 0, reshaped],
      });
      const rows = found.some(({ header }) => header === "")
        ? await hydrate(found.map((row) => ({ ...row, header: row.header ?? HOT })))
        : found;
      let state = (from?.state ?? decider.initial) as typeof decider.initial;
      let version = from?.version ?? 0;
      for (const row of rows) {
        const event = { type: row.type, data: dataOf(row) };
        state = decider.evolve(state, event as Parameters<typeof decider.evolve>[1]);
        version = Number(row.subject_version);
      }
      return { state, version };
    },
  };
  function dataOf(row: { type: string; data: string | null; header: string | null }): object {
    if (row.data === null) return {};
    const data = JSON.parse(row.data) as object;
    return row.header === null || row.header === HOT
      ? data
      : upcast(row.type, (JSON.parse(row.header) as { version: number }).version, data, versions);
  }
  /** To look at only: `Unit.decide` refuses to write. */
  const foldForeign: Loader["fold"] = async (decider, organizationId, subject) => {
    const events = await stored("where e.organization_id = $1 and e.subject = $2 order by e.subject_version", [organizationId, subject]);
    let state = decider.initial;
    for (const { event } of events) state = decider.evolve(state, event as Parameters<typeof decider.evolve>[1]);
    return { state, version: events.at(-1)?.subjectVersion ?? 0 };
  };
  const deps = { scanner, loader, cache, turns, now: clock.now, versions };
  try {
    await writer.start();
  } catch (error) {
    await pool.end();
    throw error;
  }

  async function attempts<T>(
    unitOptions: UnitOptions,
    mode: "fresh" | "remembered",
    work: (unit: Unit) => Promise<T>,
    mayStand: (value: T) => boolean,
  ): Promise<UnitResult<T>> {
    let fresh = mode === "fresh";
    let turnsOf: readonly string[] = [];
    for (let conflicts = 0; conflicts <= RETRIES;) {
      const attempt = new Attempt(deps, unitOptions, { fresh, retry: conflicts > 0 });
      try {
        await attempt.takeTurns(turnsOf);
        const value = await work(attempt);
        if (attempt.answeredFromMemory && !mayStand(value)) {
          fresh = true;
          continue;
        }
        const staged = attempt.staged(value);
        if (staged.entries.length === 0 && staged.jobs.length === 0 && staged.key === undefined)
          return { value, events: [], replayed: false };
        const outcome = await writer.submit(staged);
        switch (outcome.kind) {
          case "committed":
            attempt.remember();
            return { value, events: outcome.recorded, replayed: false };
          case "duplicate_key": {
            const stored = await storedOutcome<T>(unitOptions);
            if (stored !== null) return stored;
            throw new Error("an idempotency key was taken but its outcome cannot be read");
          }
          case "conflict":
            attempt.forget();
            turnsOf = attempt.subjects;
            fresh = true;
            conflicts++;
            if (conflicts > RETRIES) throw new TooContended(turnsOf.map((key) => key.slice(key.indexOf("\n") + 1)));
        }
      } catch (error) {
        // Whatever it was, what this attempt believed may be wrong.
        attempt.forget();
        throw error;
      } finally {
        attempt.release();
      }
    }
    throw new Error("unreachable: the loop returns or throws");
  }

  async function storedOutcome<T>({ organizationId, origin, idempotency }: UnitOptions): Promise<UnitResult<T> | null> {
    if (idempotency === undefined) return null;
    const { rows } = await pool.query<{ body_hash: string; outcome: string; event_ids: string[] }>({
      name: "evt_outcome",
      text: `select body_hash, outcome, event_ids from public.evt_idempotency
              where organization_id = $1 and principal_id = $2 and key = $3 and created_at > now() - interval '24 hours'`,
      values: [organizationId, origin.principal.id, idempotency.key],
    });
    const row = rows[0];
    if (row === undefined) return null;
    if (row.body_hash !== idempotency.bodyHash) throw new IdempotencyConflict("other_body");
    const events =
      row.event_ids.length === 0 ? [] : await stored("where e.event_id = any($1::uuid[]) order by e.position", [row.event_ids]);
    return { value: JSON.parse(row.outcome) as T, events, replayed: true };
  }

  const inFlight = new Map<string, { bodyHash: string; done: Promise<unknown> }>();

  /** A repeat waits for the first use of its key (5 s at most), then gets that one's outcome. */
  async function once<T>(unitOptions: UnitOptions, go: () => Promise<UnitResult<T>>): Promise<UnitResult<T>> {
    const { idempotency, organizationId, origin } = unitOptions;
    if (idempotency === undefined) return go();
    const key = JSON.stringify([organizationId, origin.principal.id, idempotency.key]);
    const deadline = Date.now() + DUPLICATE_WAIT_MS;
    for (let first = inFlight.get(key); first !== undefined; first = inFlight.get(key)) {
      if (first.bodyHash !== idempotency.bodyHash) throw new IdempotencyConflict("other_body");
      if (!(await settledBefore(first.done, deadline - Date.now()))) throw new IdempotencyConflict("in_progress");
    }
    const done = (async () => (await storedOutcome<T>(unitOptions)) ?? go())();
    inFlight.set(key, { bodyHash: idempotency.bodyHash, done });
    try {
      return await done;
    } finally {
      inFlight.delete(key);
    }
  }

  /** `which` goes on with the condition of the join (`STORED_COLUMNS`). */
  async function stored(which: string, values: unknown[], name?: string): Promise<Recorded[]> {
    const { rows } = await pool.query<StoredRow>({
      text: `select ${STORED_COLUMNS} from public.evt_events e left join public.evt_payloads p on p.position = e.position ${which}`,
      values,
      ...(name === undefined ? {} : { name }),
    });
    return (await hydrate(rows)).map((row) => recordedOf(row, versions));
  }

  return {
    hydrate,
    scanner,
    pool,
    unit: (unitOptions, work) => once(unitOptions, () => attempts(unitOptions, "fresh", work, () => true)),

    async run<S, C, E extends DomainEvent, R extends { code: string }>(
      decider: Decider<S, C, E, R>,
      target: UnitOptions & { stream: StreamRef; subject: string; jobs?: ((events: readonly E[]) => readonly NewJob[]) | undefined },
      command: C,
    ): Promise<Decision<E, R> & { readonly recorded: readonly Recorded<E>[] }> {
      const result = await once(target, () =>
        attempts<Decision<E, R>>(
          target,
          "remembered",
          async (unit) => {
            const decision = await unit.decide(decider, target.stream, target.subject, command);
            if (decision.ok) for (const job of target.jobs?.(decision.events) ?? []) unit.enqueue(job);
            return decision;
          },
          (decision) => decision.ok && decision.events.length > 0,
        ),
      );
      // The records of a redaction are in the log, but they are not this command's.
      const recorded = result.events.filter((event) => event.subject === target.subject) as unknown as readonly Recorded<E>[];
      return { ...result.value, recorded };
    },

    async state(decider, organizationId, subject) {
      const key = `${organizationId}\n${subject}`;
      const folded: Folded = await loader.fold(decider, organizationId, subject, cache.get(decider, key));
      return folded as { state: typeof decider.initial; version: number };
    },

    readStream: (organizationId, stream, { afterSeq, limit }) =>
      stored(
        "where e.organization_id = $1 and e.stream_type = $2 and e.stream_id = $3 and e.seq > $4 order by e.seq limit $5",
        [organizationId, stream.type, stream.id, afterSeq, limit],
        "evt_read_stream",
      ),

    readAll: ({ afterPosition, limit, types }) =>
      types === undefined
        ? stored("and p.position > $1 where e.position > $1 order by e.position limit $2", [afterPosition, limit], "evt_read_all")
        : stored(
            "and p.position > $1 where e.position > $1 and e.type = any($3) order by e.position limit $2",
            [afterPosition, limit, types],
            "evt_read_types",
          ),

    async head(organizationId, stream) {
      const known = listener.head(organizationId, stream);
      if (known !== null) return known;
      const { rows } = await pool.query<{ seq: string }>({
        name: "evt_head",
        text: "select seq from public.evt_stream_heads where organization_id = $1 and stream_type = $2 and stream_id = $3",
        values: [organizationId, stream.type, stream.id],
      });
      const seq = Number(rows[0]?.seq ?? 0);
      listener.remember(organizationId, stream, seq);
      return seq;
    },

    onAppended: listener.subscribe,

    async isHealthy() {
      if (!listener.isFollowing()) return false;
      try {
        await pool.query("select 1");
        return true;
      } catch (error) {
        onError(error);
        return false;
      }
    },

    async expireIdempotencyKeys() {
      const { rowCount } = await pool.query("delete from public.evt_idempotency where created_at < now() - interval '24 hours'");
      return rowCount ?? 0;
    },

    async close() {
      listener.close();
      await writer.close();
      await pool.end();
    },
  };
}

/** False when `promise` is still open after `ms`. How it settles does not matter here. */
async function settledBefore(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.max(0, ms));
  });
  const settled = promise.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
