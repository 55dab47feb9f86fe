/*
 * The writing connection: everything that waits while it is busy becomes its next batch. There is
 * no timer: one caller alone never waits for company, and many share one commit.
 *
 *   idle ──submit──► running ──batch done, queue empty──► idle
 *                      │  ▲
 *         connection   │  │ reconnected
 *         lost         ▼  │
 *                   reconnecting ──patience over──────► every waiting unit fails (LogUnavailable)
 *
 * One batch is one transaction, tried in this order until one way works:
 *
 *   remembered   evt_claim project evt_insert                the heads are those of our own last append;
 *                                                            when another process appended, the claim fails
 *   prepared     BEGIN evt_prepare, then the same, COMMIT    locks the heads, sorts out who lost a race
 *   one by one   each unit alone                             so that a poisonous unit fails alone
 *
 * Projections are run ahead of the database (ahead.ts), so that a whole batch is sent at once
 * (flight.ts) and nothing in it waits for us. Only when a projection looks at an answer, its batch is
 * sent in two halves, up to the projections and from `evt_insert` to COMMIT.
 *
 * Two batches may be in flight, so that the database works while we decide what comes next. The
 * second must be worth a commit of its own (`WORTH_A_COMMIT`): few callers are quicker in one batch.
 * Sending is exclusive (`slot`): statements of two transactions must not mix on the one connection,
 * nor a rollback hit the wrong one. If the first of the two fails, the claim of the second does too,
 * or it did not depend on it.
 *
 * A connection lost while committing leaves the outcome open: it is read back by event id before
 * anything is tried again, so no unit is ever appended twice.
 *
 * A new column of `evt_events` changes: 0001-log.sql, batch.ts, envelope.ts.
 */
import type pg from "pg";
import { Client } from "pg";
import { collect } from "./ahead.ts";
import { chain, CLAIM, INSERT, PREPARE, prepareValues, streamsOf, type Chained, type Head } from "./batch.ts";
import { hashText, type Entry } from "./envelope.ts";
import { LogUnavailable, OutcomeUnknown } from "./faults.ts";
import { canFly, fly } from "./flight.ts";
import type { NewJob, Projection, Recorded, Tx } from "./log.ts";

export interface StagedUnit {
  readonly entries: readonly Entry[];
  /** The version each written subject had when the unit was decided. */
  readonly expected: readonly { readonly organizationId: string; readonly subject: string; readonly version: number }[];
  readonly jobs: readonly NewJob[];
  readonly key?:
    | {
        readonly organizationId: string;
        readonly principalId: string;
        readonly key: string;
        readonly bodyHash: string;
        readonly outcome: string;
      }
    | undefined;
}

export type Outcome =
  | { readonly kind: "committed"; readonly recorded: readonly Recorded[] }
  | { readonly kind: "conflict" }
  | { readonly kind: "duplicate_key" };

export interface WriterOptions {
  /** Must connect as `sb_log`. */
  readonly connection: pg.ClientConfig;
  readonly projections: readonly Projection[];
  readonly enqueue?: ((tx: Tx, jobs: readonly NewJob[]) => Promise<void>) | undefined;
  /** Called after each commit with what it appended. */
  readonly committed: (recorded: readonly Recorded[]) => void;
  /** Each new connection, before it is written on. */
  readonly connected: (client: pg.Client) => Promise<void>;
  readonly disconnected: () => void;
  readonly onError: (error: unknown) => void;
  /** How long a unit waits for a database that went away; default 15 s. */
  readonly patienceMs?: number | undefined;
}

export interface Writer {
  /** Connects; from then on the connection is kept, also while nothing is written: it hears the notifications. */
  start(): Promise<void>;
  submit(unit: StagedUnit): Promise<Outcome>;
  close(): Promise<void>;
}

interface Waiting {
  readonly unit: StagedUnit;
  /** Its COMMIT was sent on a connection that broke. */
  uncertain: boolean;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

/** Tells callers their outcomes. Kept apart from finding them, so that the next batch can be sent in between. */
type Answer = () => void;

/** A head, a key (SB001, raised by `evt_claim`) or a subject's version is no longer what the caller believed. */
function hasMovedOn(error: unknown): boolean {
  const { code, constraint } = error as { code?: string; constraint?: string };
  return code === "SB001" || (code === "23505" && constraint === "evt_events_subject");
}

const MAX_HEADS = 50_000;
const MAX_IN_FLIGHT = 2;
/**
 * A batch costs the database's processor what twelve events do, and a wait for the disk. With a second
 * batch of any size 16 callers had 1250 appends a second instead of 1730, and 64 had 2290 instead of
 * 3070, all on a machine that was busy with other things.
 */
const WORTH_A_COMMIT = 24;
/** More than `WORTH_A_COMMIT`: few callers are answered in one turn, so that their next commands are one batch again. */
const ANSWERS_PER_TURN = 32;
const MAX_UNITS = 256;
const MAX_BYTES = 8 * 1024 * 1024;
const PATIENCE_MS = 15_000;

export function createWriter(options: WriterOptions): Writer {
  const queue: Waiting[] = [];
  let client: pg.Client | undefined;
  let inFlight = 0;
  let unitsInFlight = 0;
  let planned = false;
  let idle: (() => void) | undefined;
  const slot = createSlot();
  let closed = false;
  let retry: NodeJS.Timeout | undefined;
  const byType = projectionsByType(options.projections);
  const heads = new Map<string, Head>();

  /** Only for whoever holds the slot. */
  async function connected(): Promise<pg.Client> {
    if (client !== undefined) return client;
    const deadline = Date.now() + (options.patienceMs ?? PATIENCE_MS);
    for (let delayMs = 20; ; delayMs = Math.min(delayMs * 2, 500)) {
      const next = new Client({ ...options.connection, pipeline: true });
      // Without a listener a dropped idle connection would end the process.
      next.on("error", (error) => {
        options.onError(error);
        lost(next);
      });
      next.on("end", () => lost(next));
      try {
        await next.connect();
        // Arrays of changing length would have every statement planned anew each time: twice the cost of running it.
        // And plans made while the tables were still empty must not scan them for ever.
        await next.query("set plan_cache_mode = force_generic_plan; set enable_seqscan = off");
        await options.connected(next);
        client = next;
        return next;
      } catch (error) {
        next.end().catch(options.onError);
        if (closed || Date.now() + delayMs > deadline) throw new LogUnavailable(error);
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
    }
  }

  function lost(which: pg.Client): void {
    if (client !== which) return;
    client = undefined;
    heads.clear();
    options.disconnected();
    if (!closed) retry = setTimeout(() => void reconnect(), 50);
  }

  /** Also when nobody writes: without the connection nothing is heard of other processes. */
  async function reconnect(): Promise<void> {
    const release = slot.isTaken() ? await slot.take() : slot.takeNow();
    try {
      if (!closed) await connected();
    } catch (error) {
      options.onError(error);
      retry = setTimeout(() => void reconnect(), 500);
    } finally {
      release();
      pump();
    }
  }

  /** What comes later joins the batch after this one; halves keep both sides busy. */
  const isWorthSending = () => inFlight === 0 || queue.length >= Math.max(WORTH_A_COMMIT, unitsInFlight / 2);

  /** Starts the next batch when the connection is free to send one. */
  function pump(): void {
    while (queue.length > 0 && !slot.isTaken() && inFlight < MAX_IN_FLIGHT && isWorthSending()) {
      inFlight++;
      const batch = takeBatch(queue);
      unitsInFlight += batch.length;
      void settle(batch).then((answer) => {
        inFlight--;
        unitsInFlight -= batch.length;
        pump(); // before the callers are answered: the database works while they decide their next commands
        answer();
        if (inFlight === 0 && queue.length === 0) idle?.();
      });
    }
  }

  /** Gets every unit of the batch an outcome or an error; the returned function tells them. Never rejects. */
  async function settle(batch: readonly Waiting[]): Promise<Answer> {
    let todo = batch;
    let prepare = false;
    const answers: Answer[] = [];
    const all: Answer = () => {
      for (const answer of answers) answer();
    };
    for (;;) {
      const release = slot.isTaken() ? await slot.take() : slot.takeNow();
      try {
        const pgClient = client ?? (await connected());
        if (todo.some(({ uncertain }) => uncertain)) todo = await readBack(pgClient, todo, answers);
        if (todo.length === 0) return all;
        answers.push(await runBatch(pgClient, todo, prepare, release));
        return all;
      } catch (error) {
        release();
        if (error instanceof LogUnavailable) {
          for (const waiting of todo) answers.push(() => waiting.reject(waiting.uncertain ? new OutcomeUnknown(error) : error));
          return all;
        }
        heads.clear();
        if (isConnectionError(error)) {
          const broken = client;
          if (broken !== undefined) {
            lost(broken);
            broken.end().catch(options.onError);
          }
          continue;
        }
        if (!prepare && hasMovedOn(error)) {
          prepare = true;
          continue;
        }
        if (todo.length > 1) {
          for (const waiting of todo) answers.push(await settle([waiting]));
          return all;
        }
        answers.push(() => todo[0]?.reject(error));
        return all;
      } finally {
        release();
      }
    }
  }

  /** Units whose commit may have gone through: resolves those that are in the log, returns the others. */
  async function readBack(pgClient: pg.Client, batch: readonly Waiting[], answers: Answer[]): Promise<readonly Waiting[]> {
    const rest: Waiting[] = [];
    for (const waiting of batch) {
      const first = waiting.unit.entries[0];
      if (!waiting.uncertain || first === undefined) {
        rest.push(waiting);
        continue;
      }
      const { rows } = await pgClient.query<{
        event_id: string;
        seq: string;
        position: string;
        recorded_at: Date;
        prev_hash: Buffer;
        hash: Buffer;
      }>("select event_id, seq, position, recorded_at, prev_hash, hash from public.evt_events where event_id = any($1::uuid[])", [
        waiting.unit.entries.map((entry) => entry.eventId),
      ]);
      if (rows.length === 0) {
        rest.push(waiting);
        continue;
      }
      const recorded = waiting.unit.entries.map((entry) => {
        const row = rows.find(({ event_id }) => event_id === entry.eventId);
        if (row === undefined) throw new Error(`${entry.eventId} is missing from a unit that was committed`);
        return {
          ...entry.draft,
          seq: Number(row.seq),
          position: Number(row.position),
          recordedAt: row.recorded_at.toISOString(),
          prevHash: hashText(row.prev_hash),
          hash: hashText(row.hash),
        };
      });
      answers.push(() => {
        options.committed(recorded);
        waiting.resolve({ kind: "committed", recorded });
      });
    }
    return rest;
  }

  async function runBatch(pgClient: pg.Client, batch: readonly Waiting[], prepare: boolean, release: () => void): Promise<Answer> {
    const units = batch.map(({ unit }) => unit);
    const streams = streamsOf(units);
    if (!prepare && streams.every((key) => heads.has(key))) {
      const chained = chainOf(units, streams, heads);
      const asked = await runAhead(chained, units);
      const statements = asked === null ? null : [claimOf(chained), ...asked, ...insertOf(chained)];
      if (statements !== null && canFly(pgClient, statements)) return sendWhole(pgClient, batch, chained, statements, release);
      return inTransaction(pgClient, batch, pgClient.query("begin"), (sent) => append(pgClient, batch, chained, asked, sent), release);
    }
    const begun = pgClient.query("begin");
    const preparing = pgClient.query<PreparedRow>({ name: "evt_prepare", text: PREPARE, values: prepareValues(units, streams) });
    const work = async (sent: () => void): Promise<Answer> => {
      const row = (await preparing).rows[0];
      if (row === undefined) throw new Error("evt_prepare returned no row");
      const refused = new Map<number, Outcome>([
        ...row.duplicates.map((unit) => [unit, { kind: "duplicate_key" }] as const),
        ...row.conflicts.map((unit) => [unit, { kind: "conflict" }] as const),
      ]);
      const accepted = batch.filter((_, i) => !refused.has(i + 1));
      const locked = new Map(streams.map((key, i) => [key, { seq: Number(row.seqs?.[i]), hash: row.hashes?.[i] ?? Buffer.alloc(32) }]));
      const answer: Answer = accepted.length === 0 ? await abandon(pgClient) : await appendTo(pgClient, accepted, locked, sent);
      return () => {
        answer();
        for (const [unit, outcome] of refused) batch[unit - 1]?.resolve(outcome);
      };
    };
    return inTransaction(pgClient, batch, begun, work, release);
  }

  async function sendWhole(
    pgClient: pg.Client,
    batch: readonly Waiting[],
    chained: Chained,
    statements: readonly pg.QueryConfig[],
    release: () => void,
  ): Promise<Answer> {
    for (const waiting of batch) waiting.uncertain = true;
    const flying = fly<{ first?: string }>(pgClient, statements);
    // What the next batch continues; if this one fails after all, its claim will say so.
    remember(chained);
    release();
    pump();
    try {
      return answerOf(batch, chained, Number((await flying)[0]?.first ?? 0));
    } catch (error) {
      if (!isConnectionError(error)) for (const waiting of batch) waiting.uncertain = false;
      throw error;
    }
  }

  /** Awaits what was sent to open the transaction; rolls back when `work` fails before its COMMIT was sent. */
  async function inTransaction(
    pgClient: pg.Client,
    batch: readonly Waiting[],
    begun: Promise<unknown>,
    work: (sent: () => void) => Promise<Answer>,
    release: () => void,
  ): Promise<Answer> {
    let ended = false;
    const sent = () => {
      ended = true;
      release();
      pump();
    };
    const [opened, worked] = await Promise.allSettled([begun, work(sent)]);
    if (opened.status === "fulfilled" && worked.status === "fulfilled") return worked.value;
    const error: unknown = opened.status === "rejected" ? opened.reason : (worked as PromiseRejectedResult).reason;
    if (isConnectionError(error)) throw error;
    for (const waiting of batch) waiting.uncertain = false;
    if (!ended) await pgClient.query("rollback");
    throw error;
  }

  async function appendTo(
    pgClient: pg.Client,
    batch: readonly Waiting[],
    from: ReadonlyMap<string, Head>,
    sent: () => void,
  ): Promise<Answer> {
    const units = batch.map(({ unit }) => unit);
    const chained = chainOf(units, streamsOf(units), from);
    return append(pgClient, batch, chained, await runAhead(chained, units), sent);
  }

  async function abandon(pgClient: pg.Client): Promise<Answer> {
    await pgClient.query("rollback");
    return () => undefined;
  }

  function chainOf(units: readonly StagedUnit[], streams: readonly string[], from: ReadonlyMap<string, Head>): Chained {
    const before = new Map(streams.map((key) => [key, from.get(key)!]));
    return chain(units, streams, before, new Date().toISOString());
  }

  /** What projections and jobs ask for; null when one of them must see an answer first. */
  async function runAhead(chained: Chained, units: readonly StagedUnit[]): Promise<readonly pg.QueryConfig[] | null> {
    const asked = await collect((tx) => projectAndEnqueue(tx, chained, units));
    return asked === null ? null : asked.map(({ text, values }) => named(text, values));
  }

  /** From open transaction to COMMIT: project, enqueue, insert. */
  async function append(
    pgClient: pg.Client,
    batch: readonly Waiting[],
    chained: Chained,
    asked: readonly pg.QueryConfig[] | null,
    sent: () => void,
  ): Promise<Answer> {
    const answering: Promise<pg.QueryResult>[] = [];
    const send = (statement: pg.QueryConfig) => void answering.push(pgClient.query(statement));
    if (asked === null) {
      const units = batch.map(({ unit }) => unit);
      throwFirst(await Promise.allSettled([pgClient.query(claimOf(chained)), projectAndEnqueue(namedTx(pgClient), chained, units)]));
    } else {
      [claimOf(chained), ...asked].forEach(send);
    }
    for (const waiting of batch) waiting.uncertain = true;
    insertOf(chained).forEach(send);
    // After a failure Postgres turns it into a ROLLBACK.
    send({ text: "commit" });
    remember(chained);
    sent();
    const [committed, inserted] = throwFirst(await Promise.allSettled(answering)).toReversed();
    if (committed?.command !== "COMMIT") throw new Error(`the transaction ended with ${committed?.command}`);
    return answerOf(batch, chained, Number((inserted?.rows[0] as { first?: string } | undefined)?.first ?? 0));
  }

  async function projectAndEnqueue(tx: Tx, { recorded }: Chained, units: readonly StagedUnit[]): Promise<void> {
    await project(tx, recorded);
    const jobs = units.flatMap((unit) => unit.jobs);
    if (jobs.length === 0) return;
    if (options.enqueue === undefined) throw new Error("a command enqueued a job, but this log was created without `enqueue`");
    await options.enqueue(tx, jobs);
  }

  function remember({ headsAfter }: Chained): void {
    for (const [key, head] of headsAfter) {
      heads.delete(key);
      heads.set(key, head);
    }
    for (const key of heads.keys()) {
      if (heads.size <= MAX_HEADS) break;
      heads.delete(key);
    }
  }

  function answerOf(batch: readonly Waiting[], { recorded }: Chained, first: number): Answer {
    return () => {
      // Ours alone until now: the projections that saw these objects are done with them.
      recorded.forEach((event, i) => void ((event as { position?: number }).position = first + i));
      // Before anybody is answered: who reads right after its own append must be able to find it.
      if (recorded.length > 0) options.committed(recorded);
      let from = 0;
      inTurns(batch, (waiting) => {
        const to = from + waiting.unit.entries.length;
        waiting.resolve({ kind: "committed", recorded: recorded.slice(from, to) });
        from = to;
      });
    };
  }

  async function project(tx: Tx, events: readonly Recorded[]): Promise<void> {
    const due = new Map<Projection, Recorded[]>();
    for (const event of events) {
      for (const projection of byType.get(event.event.type) ?? []) {
        const list = due.get(projection);
        if (list === undefined) due.set(projection, [event]);
        else list.push(event);
      }
    }
    // All settle before anything is rolled back: a straggler's statement must not land outside the transaction.
    const results = await Promise.allSettled([...due].map(([projection, list]) => projection.project(tx, list)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  return {
    async start() {
      const release = slot.takeNow();
      try {
        await connected();
      } finally {
        release();
      }
    },
    submit(unit) {
      if (closed) return Promise.reject(new LogUnavailable(new Error("the log is closed")));
      return new Promise((resolve, reject) => {
        queue.push({ unit, uncertain: false, resolve, reject });
        // After the microtasks that run now: callers who were answered together submit together.
        if (planned) return;
        planned = true;
        process.nextTick(() => {
          planned = false;
          pump();
        });
      });
    },
    async close() {
      closed = true;
      clearTimeout(retry);
      if (inFlight > 0 || queue.length > 0) await new Promise<void>((resolve) => (idle = resolve));
      await client?.end();
    },
  };
}

interface Slot {
  isTaken(): boolean;
  /** Only when free. Releasing twice is releasing once. */
  takeNow(): () => void;
  take(): Promise<() => void>;
}

/** One holder at a time, first come first served. */
function createSlot(): Slot {
  let taken = false;
  const waiting: (() => void)[] = [];
  const takeNow = () => {
    taken = true;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      taken = false;
      waiting.shift()?.();
    };
  };
  return {
    isTaken: () => taken,
    takeNow,
    take: () => new Promise((resolve) => waiting.push(() => resolve(takeNow()))),
  };
}

/**
 * Units of one batch must not touch the same subject: the second was decided without the first.
 * It waits for the next batch, where its version no longer fits and its caller decides again.
 */
function takeBatch(queue: Waiting[]): Waiting[] {
  const batch: Waiting[] = [];
  const subjects = new Set<string>();
  let bytes = 0;
  while (queue.length > 0 && batch.length < MAX_UNITS && bytes < MAX_BYTES) {
    const next = queue[0]!;
    const keys = next.unit.expected.map(({ organizationId, subject }) => `${organizationId}\n${subject}`);
    if (keys.some((key) => subjects.has(key))) break;
    for (const key of keys) subjects.add(key);
    for (const entry of next.unit.entries) bytes += entry.header.length + entry.data.length;
    batch.push(next);
    queue.shift();
  }
  return batch;
}

interface PreparedRow {
  readonly conflicts: number[];
  readonly duplicates: number[];
  readonly seqs: string[] | null;
  readonly hashes: Buffer[] | null;
}

/**
 * Not hundreds at a time: a caller that is answered decides its next command at once, and the answer
 * of the batch in flight would wait for all of them.
 */
function inTurns<T>(items: readonly T[], each: (item: T) => void): void {
  let next = 0;
  const turn = () => {
    for (const end = next + ANSWERS_PER_TURN; next < items.length && next < end; next++) each(items[next]!);
    if (next < items.length) setImmediate(turn);
  };
  turn();
}

function projectionsByType(projections: readonly Projection[]): Map<string, Projection[]> {
  const map = new Map<string, Projection[]>();
  for (const projection of projections) {
    for (const type of projection.types) map.set(type, [...(map.get(type) ?? []), projection]);
  }
  return map;
}

const claimOf = ({ claim }: Chained): pg.QueryConfig => ({ name: "evt_claim", text: CLAIM, values: [...claim] });
/** None when the batch only enqueues jobs. */
const insertOf = ({ recorded, insert }: Chained): pg.QueryConfig[] =>
  recorded.length === 0 ? [] : [{ name: "evt_insert", text: INSERT, values: [...insert] }];

/** In the order they were sent: after a failure every later statement fails too, and says nothing of why. */
function throwFirst<T>(settled: readonly PromiseSettledResult<T>[]): T[] {
  return settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

const statementNames = new Map<string, string>();

/** Projections run the same few texts for ever: they are parsed once per connection. */
function named(text: string, values: readonly unknown[]): pg.QueryConfig {
  let name = statementNames.get(text);
  // Texts that are put together anew each time would fill the server's memory with plans.
  if (name === undefined && statementNames.size < 500) statementNames.set(text, (name = `project_${statementNames.size}`));
  return { text, values: [...values], ...(name === undefined ? {} : { name }) };
}

function namedTx(client: pg.Client): Tx {
  return {
    async query<Row>(text: string, values: readonly unknown[] = []) {
      const result = await client.query(named(text, values));
      return { rows: result.rows as Row[], rowCount: result.rowCount };
    },
  };
}

export function isConnectionError(error: unknown): boolean {
  const code = (error as { code?: string }).code;
  if (typeof code === "string") {
    // 08: connection exceptions; 57P0x: shut down or starting; the rest are the socket's.
    if (code.startsWith("08") || code === "57P01" || code === "57P02" || code === "57P03") return true;
    return code === "ECONNRESET" || code === "EPIPE" || code === "ECONNREFUSED" || code === "ENOENT" || code === "ETIMEDOUT";
  }
  return error instanceof Error && /Connection terminated|not queryable|Client was closed/i.test(error.message);
}
