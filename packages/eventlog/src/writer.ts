/*
 * The writing connection: everything that waits while it is busy becomes its next batch. There is
 * no timer: one caller alone never waits for company, and many share one commit.
 *
 *   idle ──submit──► running ──batch done, queue empty──► idle
 *                      │  ▲
 *         connection   │  │ reconnected
 *         lost         ▼  │
 *                   reconnecting ──RECONNECT_MS over──► every waiting unit fails (LogUnavailable)
 *
 * One batch is one transaction:
 *
 *   evt_prepare   locks heads, refuses losers and repeated keys, chains       ┐ one statement,
 *   project       each inline projection once for the whole batch, jobs       │ `evt_append`, when
 *   evt_insert    advisory lock, events, heads, one NOTIFY                    ┘ nothing is projected
 *   COMMIT
 *
 * A batch that fails is run again one unit at a time, so that a poisonous unit fails alone.
 * A connection lost while committing leaves the outcome open: it is read back by event id before
 * anything is tried again, so no unit is ever appended twice.
 *
 * A new column of `evt_events` changes: 0001-log.sql (both functions), `columns` here, envelope.ts.
 */
import type pg from "pg";
import { Client } from "pg";
import type { Entry } from "./envelope.ts";
import { hashText } from "./envelope.ts";
import { LogUnavailable, OutcomeUnknown } from "./faults.ts";
import type { NewJob, Projection, Recorded, Tx } from "./log.ts";

export interface StagedUnit {
  readonly entries: readonly Entry[];
  /** The version each written subject had when the unit was decided. */
  readonly expected: readonly { readonly organizationId: string; readonly subject: string; readonly version: number }[];
  readonly jobs: readonly NewJob[];
  readonly key?: { readonly organizationId: string; readonly principalId: string; readonly key: string; readonly bodyHash: string; readonly outcome: string } | undefined;
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
  readonly onError: (error: unknown) => void;
}

export interface Writer {
  submit(unit: StagedUnit): Promise<Outcome>;
  /** Backend of the writing connection, whose own notifications say nothing new. */
  backendPid(): number | undefined;
  close(): Promise<void>;
}

interface Waiting {
  readonly unit: StagedUnit;
  /** Its COMMIT was sent on a connection that broke. */
  uncertain: boolean;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

const MAX_UNITS = 256;
const MAX_BYTES = 8 * 1024 * 1024;
/** How long a unit waits for a database that went away. */
const RECONNECT_MS = 15_000;

export function createWriter(options: WriterOptions): Writer {
  const queue: Waiting[] = [];
  let client: pg.Client | undefined;
  let running: Promise<void> | undefined;
  let closed = false;
  const byType = projectionsByType(options.projections);

  async function connected(): Promise<pg.Client> {
    if (client !== undefined) return client;
    const deadline = Date.now() + RECONNECT_MS;
    for (let delayMs = 20; ; delayMs = Math.min(delayMs * 2, 500)) {
      const next = new Client({ ...options.connection, pipeline: true } as pg.ClientConfig);
      // Without a listener a dropped idle connection would end the process.
      next.on("error", (error) => {
        if (client === next) client = undefined;
        options.onError(error);
      });
      next.on("end", () => {
        if (client === next) client = undefined;
      });
      try {
        await next.connect();
        client = next;
        return next;
      } catch (error) {
        if (closed || Date.now() + delayMs > deadline) throw new LogUnavailable(error);
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
    }
  }

  async function drain(): Promise<void> {
    while (queue.length > 0) {
      const batch = takeBatch(queue);
      try {
        await settle(batch);
      } catch (error) {
        for (const waiting of batch) waiting.reject(error);
      }
    }
    running = undefined;
  }

  /** Resolves or rejects every unit of the batch. */
  async function settle(batch: readonly Waiting[]): Promise<void> {
    let todo = batch;
    for (;;) {
      let pgClient: pg.Client;
      try {
        pgClient = await connected();
        todo = await readBack(pgClient, todo);
        if (todo.length === 0) return;
        await runBatch(pgClient, todo);
        return;
      } catch (error) {
        if (error instanceof LogUnavailable) {
          for (const waiting of todo) waiting.reject(waiting.uncertain ? new OutcomeUnknown(error) : error);
          return;
        }
        if (isConnectionError(error)) {
          void client?.end().catch(options.onError);
          client = undefined;
          continue;
        }
        if (todo.length > 1) {
          for (const waiting of todo) await settle([waiting]);
          return;
        }
        todo[0]?.reject(error);
        return;
      }
    }
  }

  /** Units whose commit may have gone through: resolves those that are in the log, returns the others. */
  async function readBack(pgClient: pg.Client, batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    const rest: Waiting[] = [];
    for (const waiting of batch) {
      const first = waiting.unit.entries[0];
      if (!waiting.uncertain || first === undefined) {
        rest.push(waiting);
        continue;
      }
      const { rows } = await pgClient.query<{ event_id: string; seq: string; position: string; recorded_at: Date; prev_hash: Buffer; hash: Buffer }>(
        "select event_id, seq, position, recorded_at, prev_hash, hash from public.evt_events where event_id = any($1::uuid[])",
        [waiting.unit.entries.map((entry) => entry.eventId)],
      );
      if (rows.length === 0) {
        rest.push(waiting);
        continue;
      }
      const recorded = waiting.unit.entries.map((entry) => {
        const row = rows.find(({ event_id }) => event_id === entry.eventId);
        if (row === undefined) throw new Error(`${entry.eventId} is missing from a unit that was committed`);
        return { ...entry.draft, seq: Number(row.seq), position: Number(row.position), recordedAt: row.recorded_at.toISOString(), prevHash: hashText(row.prev_hash), hash: hashText(row.hash) };
      });
      options.committed(recorded);
      waiting.resolve({ kind: "committed", recorded });
    }
    return rest;
  }

  async function runBatch(pgClient: pg.Client, batch: readonly Waiting[]): Promise<void> {
    const c = columns(batch);
    const jobs = batch.some(({ unit }) => unit.jobs.length > 0);
    const projected = batch.some(({ unit }) => unit.entries.some((entry) => byType.has(entry.event.type)));
    if (!jobs && !projected) {
      markUncertain(batch);
      const { rows } = await pgClient.query<PreparedRow & { first_position: string | null }>({ name: "evt_append", text: APPEND, values: [...c.prepare, ...c.append] });
      const row = only(rows);
      finish(batch, c, row, chained(c, row), row.first_position);
      return;
    }

    const begun = pgClient.query("begin");
    const preparing = pgClient.query<PreparedRow>({ name: "evt_prepare", text: PREPARE, values: c.prepare });
    const [, prepared] = await both(begun, preparing);
    try {
      const row = only(prepared.rows);
      const events = chained(c, row);
      const refused = refusedUnits(row);
      const tx = namedTx(pgClient);
      await project(tx, events.filter((event) => event !== null));
      const dueJobs = batch.flatMap(({ unit }, i) => (refused.has(i + 1) ? [] : unit.jobs));
      if (dueJobs.length > 0) {
        if (options.enqueue === undefined) throw new Error("a command enqueued a job, but this log was created without `enqueue`");
        await options.enqueue(tx, dueJobs);
      }
      markUncertain(batch);
      // The COMMIT travels with the insert; after a failed insert Postgres turns it into a ROLLBACK.
      const inserting = pgClient.query<{ first: string | null }>({ name: "evt_insert", text: INSERT, values: [...c.insert, row.recorded_at, row.seqs, row.prevs, row.hashes] });
      const committing = pgClient.query("commit");
      const [inserted, commit] = await both(inserting, committing);
      if (commit.command !== "COMMIT") throw new Error(`the transaction ended with ${commit.command}`);
      finish(batch, c, row, events, inserted.rows[0]?.first ?? null);
    } catch (error) {
      if (isConnectionError(error)) throw error;
      for (const waiting of batch) waiting.uncertain = false;
      await pgClient.query("rollback");
      throw error;
    }
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

  function finish(batch: readonly Waiting[], c: Columns, row: PreparedRow, events: readonly (Recorded | null)[], firstPosition: string | null): void {
    const conflicts = new Set(row.conflicts);
    const duplicates = new Set(row.duplicates);
    let position = Number(firstPosition ?? 0);
    const placed = events.map((event) => (event === null ? null : { ...event, position: position++ }));
    const appended = placed.filter((event) => event !== null);
    // Before anybody is answered: who reads right after its own append must find it.
    if (appended.length > 0) options.committed(appended);
    batch.forEach((waiting, i) => {
      if (conflicts.has(i + 1)) waiting.resolve({ kind: "conflict" });
      else if (duplicates.has(i + 1)) waiting.resolve({ kind: "duplicate_key" });
      else waiting.resolve({ kind: "committed", recorded: placed.filter((event, n) => event !== null && c.unitOf[n] === i + 1) as Recorded[] });
    });
  }

  return {
    submit(unit) {
      if (closed) return Promise.reject(new LogUnavailable(new Error("the log is closed")));
      return new Promise((resolve, reject) => {
        queue.push({ unit, uncertain: false, resolve, reject });
        running ??= drain();
      });
    },
    backendPid: () => (client as { processID?: number } | undefined)?.processID,
    async close() {
      closed = true;
      await running;
      await client?.end();
    },
  };
}

const markUncertain = (batch: readonly Waiting[]): void => {
  for (const waiting of batch) waiting.uncertain = true;
};

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
  readonly recorded_at: Date;
  readonly seqs: (string | null)[];
  readonly prevs: (Buffer | null)[];
  readonly hashes: (Buffer | null)[];
}

interface Columns {
  readonly entries: readonly Entry[];
  readonly unitOf: readonly number[];
  readonly prepare: unknown[];
  /** What `evt_append` takes after `prepare`. */
  readonly append: unknown[];
  readonly insert: unknown[];
}

/** Rows to the column arrays that the functions unnest. */
function columns(batch: readonly Waiting[]): Columns {
  const entries = batch.flatMap(({ unit }) => unit.entries);
  const unitOf = batch.flatMap(({ unit }, i) => unit.entries.map(() => i + 1));
  const streamKey = ({ organizationId, stream }: Entry) => `${organizationId}\n${stream.type}\n${stream.id}`;
  // One order everywhere, or two processes could wait for each other's heads.
  const keys = [...new Set(entries.map(streamKey))].toSorted();
  const place = new Map(keys.map((key, i) => [key, i + 1]));
  const parts = keys.map((key) => key.split("\n"));
  const streams = [0, 1, 2].map((n) => parts.map((part) => part[n]));
  const checks = batch.flatMap(({ unit }, i) => unit.expected.map((check) => ({ unit: i + 1, ...check })));
  const claims = batch.flatMap(({ unit }, i) => (unit.key === undefined ? [] : [{ unit: i + 1, ...unit.key, events: uuidArray(unit.entries) }]));
  const streamOf = entries.map((entry) => place.get(streamKey(entry)));
  const entryHashes = entries.map((entry) => entry.entryHash);
  const facts = [
    entries.map((entry) => entry.eventId),
    entries.map((entry) => entry.event.type),
    entries.map((entry) => entry.subject),
    entries.map((entry) => entry.subjectVersion),
    entries.map((entry) => entry.draft.runId ?? null),
    entries.map((entry) => entry.draft.correlationId),
    entries.map((entry) => entry.header),
    entries.map((entry) => entry.data),
    entries.map((entry) => entry.salt),
  ];
  return {
    entries,
    unitOf,
    prepare: [
      ...streams,
      checks.map((c) => c.unit), checks.map((c) => c.organizationId), checks.map((c) => c.subject), checks.map((c) => c.version),
      claims.map((k) => k.unit), claims.map((k) => k.organizationId), claims.map((k) => k.principalId), claims.map((k) => k.key),
      claims.map((k) => k.bodyHash), claims.map((k) => k.outcome), claims.map((k) => k.events),
      unitOf, streamOf, entryHashes,
    ],
    append: facts,
    insert: [...streams, streamOf, ...facts, entryHashes],
  };
}

const uuidArray = (entries: readonly Entry[]): string => `{${entries.map((entry) => entry.eventId).join(",")}}`;

/** `recorded` as inline projections see it: chained, without a position; null where the unit was refused. */
function chained(c: Columns, row: PreparedRow): (Recorded | null)[] {
  const recordedAt = row.recorded_at.toISOString();
  return c.entries.map((entry, i) => {
    const seq = row.seqs[i] ?? null;
    const prev = row.prevs[i] ?? null;
    const hash = row.hashes[i] ?? null;
    return seq === null || prev === null || hash === null
      ? null
      : { ...entry.draft, seq: Number(seq), recordedAt, prevHash: hashText(prev), hash: hashText(hash) };
  });
}

const refusedUnits = (row: PreparedRow): Set<number> => new Set([...row.conflicts, ...row.duplicates]);

function only<Row>(rows: readonly Row[]): Row {
  const row = rows[0];
  if (row === undefined) throw new Error("the append function returned no row");
  return row;
}

/** Awaits two statements that were sent together; the first one's error is the cause of the second's. */
async function both<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  const [a, b] = await Promise.allSettled([first, second]);
  if (a.status === "rejected") throw a.reason;
  if (b.status === "rejected") throw b.reason;
  return [a.value, b.value];
}

function projectionsByType(projections: readonly Projection[]): Map<string, Projection[]> {
  const map = new Map<string, Projection[]>();
  for (const projection of projections) {
    for (const type of projection.types) map.set(type, [...(map.get(type) ?? []), projection]);
  }
  return map;
}

const statementNames = new Map<string, string>();

/** Projections run the same few texts for ever: they are parsed once per connection. */
function namedTx(client: pg.Client): Tx {
  return {
    async query<Row>(text: string, values?: readonly unknown[]) {
      let name = statementNames.get(text);
      // Texts that are put together anew each time would fill the server's memory with plans.
      if (name === undefined && statementNames.size < 500) statementNames.set(text, (name = `project_${statementNames.size}`));
      const result = await client.query({ text, values: values === undefined ? [] : [...values], ...(name === undefined ? {} : { name }) });
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

const params = (types: readonly string[], from = 1): string => types.map((type, i) => `$${i + from}::${type}`).join(",");
const PREPARE_TYPES = [
  "text[]", "text[]", "text[]",
  "int[]", "text[]", "text[]", "bigint[]",
  "int[]", "text[]", "text[]", "text[]", "text[]", "text[]", "text[]",
  "int[]", "int[]", "bytea[]",
];
const FACT_TYPES = ["text[]", "text[]", "text[]", "bigint[]", "text[]", "text[]", "text[]", "text[]", "bytea[]"];
const PREPARE = `select * from public.evt_prepare(${params(PREPARE_TYPES)})`;
const APPEND = `select * from public.evt_append(${params([...PREPARE_TYPES, ...FACT_TYPES])})`;
const INSERT = `select public.evt_insert(${params(["text[]", "text[]", "text[]", "int[]", ...FACT_TYPES, "bytea[]", "timestamptz", "bigint[]", "bytea[]", "bytea[]"])}) as first`;

