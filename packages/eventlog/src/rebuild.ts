/*
 * Makes modules' projections again from the log, beside the live tables, and puts them in place while appends go on.
 *
 *   create schema shadow ─► replay the log into it (replay.ts), again and again, until little of it is left
 *     ─► GATE: replay the rest, take a snapshot ─► compare with the live tables in that snapshot (table-drift.ts)
 *     ─► for each module: GATE: replay the rest, move live tables out and shadow's in
 *     ─► drop what was moved out
 *
 * The gate is the advisory lock that every appender shares (0001-log.sql): while it is held alone no transaction that
 * could write these tables is open, so what the snapshot sees of both is of one position, and the swap cannot deadlock
 * with a projection. Appends wait only while the gate is held: for the tail of the log (`TAIL` events), never for the
 * comparison or for dropping tables; and whoever waits for the gate, or for a reader that has a table open, gives up
 * after `PATIENCE_MS`, lets appends through, and tries again.
 *
 * One rebuild at a time (RUNNING, held by the session). A process that dies in here leaves live tables as they were, or
 * as they are when rebuilt: the swap of a module is one transaction. What is left of its shadow goes at the next start (`dropShadows`) or the next rebuild.
 */
import { createHash } from "node:crypto";
import type { EventVersions } from "@signalbox/contract/event-versions";
import type pg from "pg";
import type { Hydrate } from "./archived.ts";
import type { Projection } from "./log.ts";
import { createReplay } from "./replay.ts";
import { columnsOf, compare, type TableDrift } from "./table-drift.ts";

/** One module's `schema.sql` with the projections that write its tables. */
export interface ProjectionSchema {
  /** Names it in the database for ever; the module's name. */
  readonly name: string;
  /** Plain `create table`, `create index`, `create policy`: run in an empty schema, never over what is there. */
  readonly sql: string;
  readonly projections: readonly Projection[];
}

export const schemaHash = ({ sql }: ProjectionSchema): string => createHash("sha256").update(sql).digest("hex");

export interface RebuildReport {
  readonly name: string;
  readonly events: number;
  /** Those it made. */
  readonly tables: readonly string[];
  /** The longest that appends had to wait for this. */
  readonly appendsWaitedMs: number;
  /** Empty when live and rebuilt tables were the same, or were not compared. */
  readonly drift: readonly TableDrift[];
  readonly swapped: boolean;
}

export interface RebuildOptions {
  /** Default true. False for a changed schema, whose old rows say nothing about the new ones. */
  readonly compare?: boolean | undefined;
  /** Default true. False only reports. */
  readonly swap?: boolean | undefined;
  /** Called every two thousand events. */
  readonly onProgress?: ((progress: RebuildProgress) => void) | undefined;
  /** Low priority: rests this many times as long as each piece of the replay took. Default 0. */
  readonly rest?: number | undefined;
  /** Another connection of the same role, to replay twice as much at once. */
  readonly beside?: pg.ClientBase | undefined;
  /** How archived events are read; default: there are none. */
  readonly hydrate?: Hydrate | undefined;
  /** Shapes that event types have had; default the contract's. */
  readonly versions?: EventVersions | undefined;
}

export interface RebuildProgress {
  /** Of one, or `ALL` while the log is replayed for several. */
  readonly name: string;
  /** It is the nth of so many. */
  readonly nth: number;
  readonly of: number;
  readonly step: "replaying" | "comparing" | "swapping";
  readonly events: number;
  /** As many as there were when it began; more may have come. */
  readonly total: number;
}

/** Somebody else rebuilds, or compares, on this database. */
export class RebuildRunning extends Error {
  override name = "RebuildRunning";
  constructor() {
    super("a rebuild of this database is running already; wait for it to end");
  }
}

/** What is replayed while appends wait: a few milliseconds of it. */
const TAIL = 500;
/** A log that grows faster than it is replayed never gets there; then the tail is as long as it is. */
const ROUNDS = 50;
const PATIENCE_MS = 1000;
const TRIES = 60;
const GATE = 5927081;
const RUNNING = 5927084;
/** Stands for the projections where several are replayed at once. */
const ALL = "all";
const SHADOW = "sb_shadow_made";
const MOVED = "sb_shadow_moved";
const DROP = `drop schema if exists ${SHADOW} cascade; drop schema if exists ${MOVED} cascade`;

/** Nobody else rebuilds while `work` does. `wait`: for who does now; else that is a `RebuildRunning`. */
export async function alone<T>(client: pg.ClientBase, work: () => Promise<T>, { wait }: { wait: boolean } = { wait: false }): Promise<T> {
  if (wait) await client.query(`select pg_advisory_lock(${RUNNING})`);
  else {
    const { rows } = await client.query<{ got: boolean }>(`select pg_try_advisory_lock(${RUNNING}) as got`);
    if (rows[0]?.got !== true) throw new RebuildRunning();
  }
  try {
    return await work();
  } finally {
    await client.query(`select pg_advisory_unlock(${RUNNING})`);
  }
}

/** What rebuilds that were killed left behind. Does nothing while one runs. */
export async function dropShadows(client: pg.ClientBase): Promise<void> {
  try {
    await alone(client, async () => {
      const { rows } = await client.query<{ name: string }>(
        "select nspname as name from pg_namespace where nspname like 'sb\\_shadow\\_%'",
      );
      for (const { name } of rows) await client.query(`drop schema if exists ${name} cascade`);
    });
  } catch (error) {
    if (!(error instanceof RebuildRunning)) throw error;
  }
}

/** `client` must be `sb_owner` (or have become it) and have no transaction open. */
export async function rebuild(client: pg.ClientBase, schema: ProjectionSchema, options: RebuildOptions = {}): Promise<RebuildReport> {
  const [report] = await rebuildAll(client, [schema], options);
  if (report === undefined) throw new Error("a rebuild of one schema reports it");
  return report;
}

/** Several modules' at once: the log is read once for all of them. */
export const rebuildAll = (
  client: pg.ClientBase,
  schemas: readonly ProjectionSchema[],
  options: RebuildOptions = {},
): Promise<readonly RebuildReport[]> => alone(client, () => rebuildAlone(client, schemas, options));

interface Made extends ProjectionSchema {
  readonly tables: readonly string[];
}

async function rebuildAlone(
  client: pg.ClientBase,
  schemas: readonly ProjectionSchema[],
  options: RebuildOptions,
): Promise<RebuildReport[]> {
  await client.query(`${DROP}; create schema ${SHADOW}; create schema ${MOVED}; grant usage on schema ${SHADOW} to sb_log, sb_app`);
  const gate = createGate(client);
  const clients = options.beside === undefined ? [client] : [client, options.beside];
  try {
    // A shadow that a crash takes back is dropped anyway: nobody waits for the disk before the swap.
    for (const one of clients) await one.query(`set search_path = ${SHADOW}, public; set synchronous_commit = off`);
    const made = await makeTables(client, schemas);
    const indexes = await withoutSlowIndexes(client);

    const replay = createReplay(clients, made, {
      versions: options.versions,
      hydrate: options.hydrate,
      onPage: (events) => report("replaying", events),
    });
    const total = await replay.total();
    const all = { name: made.length === 1 ? made[0]!.name : ALL, nth: made.length, of: made.length };
    const report = (step: RebuildProgress["step"], events: number, what: Omit<RebuildProgress, "step" | "events" | "total"> = all) =>
      options.onProgress?.({ ...what, step, events, total });
    for (let round = 0; round < ROUNDS && (await replay.upToHead({ rest: options.rest ?? 0 })) > TAIL; round++);
    for (const index of indexes) await client.query(index);

    const drift = new Map<string, readonly TableDrift[]>();
    let waitedMs = 0;
    const isCompared = options.compare !== false;
    if (isCompared) {
      report("comparing", replay.count());
      let snapshot = "";
      waitedMs = await gate.closed(async () => {
        await replay.upToHead();
        await client.query("begin isolation level repeatable read");
        // It is taken here; the gate opens while it is looked at.
        snapshot = (await client.query<{ id: string }>("select pg_export_snapshot() as id")).rows[0]!.id;
      });
      await inTransaction(client, async () => {
        const columns = await columnsOf(
          client,
          made.flatMap(({ tables }) => tables),
          ["public", SHADOW],
        );
        const left = made.entries();
        async function compareLeft(one: pg.ClientBase): Promise<void> {
          for (const [i, { name, tables }] of left) {
            report("comparing", replay.count(), { name, nth: i + 1, of: made.length });
            drift.set(name, await compare(one, SHADOW, tables, columns));
          }
        }
        const others = clients.slice(1).map(async (one) => {
          await one.query(`begin isolation level repeatable read; set transaction snapshot '${snapshot}'`);
          await inTransaction(one, () => compareLeft(one));
        });
        const compared = await Promise.allSettled([compareLeft(client), ...others]);
        const failed = compared.find((result) => result.status === "rejected");
        if (failed !== undefined) throw failed.reason;
      });
    }
    if (options.swap !== false) for (let round = 0; round < ROUNDS && (await replay.upToHead()) > TAIL; round++);
    const reports: RebuildReport[] = [];
    for (const [i, schema] of made.entries()) {
      const { name, tables } = schema;
      let ownMs = 0;
      if (options.swap !== false) {
        report("swapping", replay.count(), { name, nth: i + 1, of: made.length });
        // One module at a time: a reader that has a table of one open does not hold up the others.
        ownMs = await gate.closed(async () => {
          await replay.upToHead();
          await client.query("begin; set local synchronous_commit = on");
          await inTransaction(client, () => swap(client, schema));
        });
        replay.end(name);
      }
      reports.push({
        name,
        events: replay.countOf(name),
        tables,
        appendsWaitedMs: Math.round(Math.max(waitedMs, ownMs)),
        drift: drift.get(name) ?? [],
        swapped: options.swap !== false,
      });
    }
    return reports;
  } finally {
    await client.query(DROP);
    for (const one of clients) await one.query("reset search_path; reset synchronous_commit");
  }
}

/** The schemas with the tables that each of them made. */
async function makeTables(client: pg.ClientBase, schemas: readonly ProjectionSchema[]): Promise<readonly Made[]> {
  const known = new Set<string>();
  const made: Made[] = [];
  for (const schema of schemas) {
    await client.query(schema.sql);
    const { rows } = await client.query<{ name: string }>(
      "select relname as name from pg_class where relnamespace = $1::regnamespace and relkind in ('r', 'p') order by 1",
      [SHADOW],
    );
    const tables = rows.map(({ name }) => name).filter((name) => !known.has(name));
    for (const table of tables) known.add(table);
    made.push({ ...schema, tables });
  }
  return made;
}

/**
 * GIN indexes are dear to keep and no projection looks for anything by them: they are made when the tables are full.
 * The statements that make them.
 */
async function withoutSlowIndexes(client: pg.ClientBase): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string; made_by: string }>(
    `select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as made_by
       from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
      where c.relnamespace = $1::regnamespace and m.amname = 'gin'`,
    [SHADOW],
  );
  for (const { name } of rows) await client.query(`drop index ${name}`);
  return rows.map(({ made_by }) => made_by);
}

/** Ends the transaction that is open. */
async function inTransaction<T>(client: pg.ClientBase, work: () => Promise<T>): Promise<T> {
  try {
    const value = await work();
    await client.query("commit");
    return value;
  } catch (error) {
    await client.query("rollback");
    throw error;
  }
}

/** Lock not available; deadlock detected (with a request that reads two of the tables). */
const TRY_AGAIN: ReadonlySet<unknown> = new Set(["55P03", "40P01"]);

function createGate(client: pg.ClientBase) {
  let longest = 0;

  async function once(work: () => Promise<void>): Promise<number> {
    await client.query(`set lock_timeout = ${PATIENCE_MS}`);
    const began = performance.now();
    try {
      await client.query(`select pg_advisory_lock(${GATE})`);
      try {
        await work();
      } finally {
        // Of the session, not of a transaction: the snapshot's goes on with the gate open.
        await client.query(`select pg_advisory_unlock(${GATE})`);
      }
    } finally {
      longest = Math.max(longest, performance.now() - began);
      await client.query("reset lock_timeout");
    }
    return longest;
  }

  return {
    /**
     * `work` may run again: what it does is a transaction, or may be done twice. The longest that appends had to wait
     * for one try, in ms.
     */
    async closed(work: () => Promise<void>): Promise<number> {
      longest = 0;
      for (let attempt = 1; ; attempt++) {
        try {
          return await once(work);
        } catch (error) {
          if (attempt === TRIES || !TRY_AGAIN.has((error as { code?: string }).code)) throw error;
          await sleep(Math.min(2000, 50 * 2 ** attempt));
        }
      }
    },
  };
}

async function swap(client: pg.ClientBase, schema: Made): Promise<void> {
  // Dropping a large table takes a while; moving it does not.
  const moves = [
    ...schema.tables.map((table) => `alter table if exists public.${table} set schema ${MOVED}`),
    ...schema.tables.map((table) => `alter table ${SHADOW}.${table} set schema public`),
  ];
  if (moves.length > 0) await client.query(moves.join("; "));
  await client.query(
    `insert into public.evt_projections (name, schema_hash) values ($1, $2)
     on conflict (name) do update set schema_hash = excluded.schema_hash, rebuilt_at = now()`,
    [schema.name, schemaHash(schema)],
  );
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
