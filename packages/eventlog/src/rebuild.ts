/*
 * Makes a module's projections again from the log, beside the live tables, and puts them in place while appends go on.
 *
 *   create schema shadow ─► replay the log into it, again and again, until little of it is left
 *     ─► GATE: replay the rest, take a snapshot ─► compare with the live tables in that snapshot
 *     ─► GATE: replay the rest, move live tables out and shadow's in ─► drop what was moved out
 *
 * The gate is the advisory lock that every appender shares (0001-log.sql): while it is held alone no transaction that
 * could write these tables is open, so what the snapshot sees of both is of one position, and the swap cannot deadlock
 * with a projection. Appends wait only while the gate is held: for the tail of the log (`TAIL` events), never for the
 * comparison or for dropping tables; and whoever waits for the gate, or for a reader that has a table open, gives up
 * after `PATIENCE_MS`, lets appends through, and tries again.
 *
 * One rebuild at a time (RUNNING, held by the session). A process that dies in here leaves live tables as they were:
 * the swap is one transaction. What is left of its shadow goes at the next start (`dropShadows`) or the next rebuild.
 */
import { createHash } from "node:crypto";
import type { EventVersions } from "@signalbox/contract/event-versions";
import type pg from "pg";
import { collect, type Asked } from "./ahead.ts";
import { recordedOf, STORED_COLUMNS, type StoredRow } from "./envelope.ts";
import { dueTo } from "./foreign.ts";
import type { Projection, Recorded, Tx } from "./log.ts";
import { txOf } from "./organization.ts";

/** One module's `schema.sql` with the projections that write its tables. */
export interface ProjectionSchema {
  /** Names it in the database for ever; the module's name. */
  readonly name: string;
  /** Plain `create table`, `create index`, `create policy`: run in an empty schema, never over what is there. */
  readonly sql: string;
  readonly projections: readonly Projection[];
}

export const schemaHash = ({ sql }: ProjectionSchema): string => createHash("sha256").update(sql).digest("hex");

export interface TableDrift {
  readonly table: string;
  /** Rows that the log does not explain, and rows of the log that the table lacks; a changed row counts in both. */
  readonly onlyLive: number;
  readonly onlyRebuilt: number;
  /** The same counts for each organization that has some, with up to five ids that name such rows. */
  readonly byOrganization: readonly OrganizationDrift[];
  /** Up to five of each, for the report. */
  readonly examples: { readonly live: readonly unknown[]; readonly rebuilt: readonly unknown[] };
}

export interface OrganizationDrift {
  /** Null for a table without organizations. */
  readonly organizationId: string | null;
  readonly onlyLive: number;
  readonly onlyRebuilt: number;
  readonly keys: readonly string[];
}

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
  /** Shapes that event types have had; default the contract's. */
  readonly versions?: EventVersions | undefined;
}

export interface RebuildProgress {
  readonly name: string;
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

/** Each statement of a projection is planned anew for every batch, since the tables grow meanwhile. */
const BATCH = 2000;
/** What is replayed while appends wait: a few milliseconds of it. */
const TAIL = 500;
/** A log that grows faster than it is replayed never gets there; then the tail is as long as it is. */
const ROUNDS = 50;
const PATIENCE_MS = 1000;
const TRIES = 60;
const GATE = 5927081;
const RUNNING = 5927084;

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
export const rebuild = (client: pg.ClientBase, schema: ProjectionSchema, options: RebuildOptions = {}): Promise<RebuildReport> =>
  alone(client, () => rebuildAlone(client, schema, options));

async function rebuildAlone(client: pg.ClientBase, schema: ProjectionSchema, options: RebuildOptions): Promise<RebuildReport> {
  const shadow = `sb_shadow_${schema.name.replaceAll(/[^a-z0-9]/g, "_")}`;
  const moved = `${shadow}_old`;
  const dropBoth = `drop schema if exists ${shadow} cascade; drop schema if exists ${moved} cascade`;
  await client.query(`${dropBoth}; create schema ${shadow}; create schema ${moved}; grant usage on schema ${shadow} to sb_log, sb_app`);
  const gate = createGate(client);
  try {
    await client.query(`set search_path = ${shadow}, public`);
    await client.query(schema.sql);
    const replay = await createReplay(client, schema, options);
    const { rows } = await client.query<{ name: string }>(
      "select relname as name from pg_class where relnamespace = $1::regnamespace and relkind in ('r', 'p') order by 1",
      [shadow],
    );
    const tables = rows.map((row) => row.name);
    for (let round = 0; round < ROUNDS && (await replay.upToHead({ rest: options.rest ?? 0 })) > TAIL; round++);

    let drift: TableDrift[] = [];
    if (options.compare !== false) {
      replay.report("comparing");
      await gate.closed(async () => {
        await replay.upToHead();
        await client.query("begin isolation level repeatable read");
        await client.query("select 1"); // the snapshot is taken here; the gate opens while it is looked at
      });
      drift = await inTransaction(client, () => compare(client, shadow, tables));
    }
    const swapped = options.swap !== false;
    if (swapped) {
      for (let round = 0; round < ROUNDS && (await replay.upToHead()) > TAIL; round++);
      replay.report("swapping");
      await gate.closed(async () => {
        await replay.upToHead();
        await client.query("begin");
        await inTransaction(client, () => swap(client, schema, { shadow, moved, tables }));
      });
    }
    return { name: schema.name, events: replay.count(), tables, appendsWaitedMs: gate.longestMs(), drift, swapped };
  } finally {
    await client.query(`reset search_path; ${dropBoth}`);
  }
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

  async function once(work: () => Promise<void>): Promise<void> {
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
  }

  return {
    longestMs: () => Math.round(longest),
    /** `work` may run again: what it does is a transaction, or may be done twice. */
    async closed(work: () => Promise<void>): Promise<void> {
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

async function swap(
  client: pg.ClientBase,
  schema: ProjectionSchema,
  { shadow, moved, tables }: { shadow: string; moved: string; tables: readonly string[] },
): Promise<void> {
  // Dropping a large table takes a while; moving it does not.
  for (const table of tables) await client.query(`alter table if exists public.${table} set schema ${moved}`);
  for (const table of tables) await client.query(`alter table ${shadow}.${table} set schema public`);
  await client.query(
    `insert into public.evt_projections (name, schema_hash) values ($1, $2)
     on conflict (name) do update set schema_hash = excluded.schema_hash, rebuilt_at = now()`,
    [schema.name, schemaHash(schema)],
  );
}

async function createReplay(client: pg.ClientBase, { name, projections }: ProjectionSchema, options: RebuildOptions) {
  const types = [...new Set(projections.flatMap((projection) => projection.types))];
  const tx = inTurn(txOf(client));
  const { rows: all } = await client.query<{ n: string }>("select count(*) as n from public.evt_events where type = any($1)", [types]);
  const total = Number(all[0]?.n ?? 0);
  let count = 0;
  let position = 0;
  const report = (step: RebuildProgress["step"]): void => options.onProgress?.({ name, step, events: count, total });

  async function project(to: Tx, piece: readonly Recorded[]): Promise<void> {
    // At once, as when it ran inline. All settle before anything is rolled back.
    const projected = await Promise.allSettled(
      projections.map(async (projection) => {
        const due = dueTo(projection, piece);
        if (due.length > 0) await projection.project(to, due);
      }),
    );
    const failed = projected.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  /** What projections ask for, run ahead of the database as when they ran inline; those that must see an answer run later. */
  async function prepare(rows: readonly StoredRow[]): Promise<readonly Prepared[]> {
    const events = rows.map((row) => {
      const event = recordedOf(row, options.versions);
      // As when it ran inline: a projection must not come to rely on it. Ours alone until now.
      (event as { position?: number | undefined }).position = undefined;
      return event;
    });
    const prepared: Prepared[] = [];
    for (const piece of pieces(events)) prepared.push({ piece, asked: await collect((to) => project(to, piece)) });
    return prepared;
  }

  async function replay(prepared: readonly Prepared[]): Promise<void> {
    for (const { piece, asked } of prepared) {
      if (asked === null) await project(tx, piece);
      else for (const { text, values } of asked) await tx.query(text, values);
    }
  }

  async function page(after: number): Promise<readonly StoredRow[]> {
    const { rows } = await tx.query<StoredRow>(
      `select ${STORED_COLUMNS} from public.evt_events e join public.evt_payloads p using (position)
        where e.position > $1 and e.type = any($2) order by e.position limit ${BATCH}`,
      [after, types],
    );
    return rows;
  }

  return {
    count: () => count,
    report,
    /** How many it replayed. */
    async upToHead({ rest }: { rest: number } = { rest: 0 }): Promise<number> {
      if (types.length === 0) return 0;
      const before = count;
      let rows = await page(position);
      let prepared = prepare(rows);
      while (rows.length > 0) {
        const began = performance.now();
        const last = Number(rows.at(-1)!.position);
        const ready = await prepared;
        // While the database projects this page, the next is read before it and made ready behind it.
        const next = rows.length < BATCH ? [] : page(last);
        // Of one piece, or a projection that failed half-way would be given the same events again. A shadow that a
        // crash takes back is dropped anyway: nobody waits for the disk.
        const begun = tx.query("begin; set local synchronous_commit = off");
        const projecting = begun.then(() => inTransaction(client, () => replay(ready)));
        const following = (async () => {
          const read = await next;
          await turn(); // what is projected is sent first
          return { read, prepared: await prepare(read) };
        })();
        const [projected, followed] = await Promise.allSettled([projecting, following]);
        if (projected.status === "rejected") throw projected.reason;
        count += rows.length;
        position = last;
        report("replaying");
        if (followed.status === "rejected") throw followed.reason;
        rows = followed.value.read;
        prepared = Promise.resolve(followed.value.prepared);
        if (rest > 0) await sleep((performance.now() - began) * rest);
      }
      return count - before;
    },
  };
}

interface Prepared {
  readonly piece: readonly Recorded[];
  /** Null when one of the projections looks at an answer. */
  readonly asked: readonly Asked[] | null;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Whoever asks while another's statement runs waits for it: the connection takes one at a time. */
function inTurn(tx: Tx): Tx {
  let last: Promise<unknown> = Promise.resolve();
  return {
    query(text, values) {
      const asked = last.then(() => tx.query(text, values));
      last = asked.catch(() => undefined); // is whose it is
      return asked as never;
    },
  };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * What ends or forgets an import changes rows that other projections made, so it stands alone: a copy that was removed
 * and came again must not be forgotten because both are in one batch.
 */
function pieces(events: readonly Recorded[]): Recorded[][] {
  const out: Recorded[][] = [[]];
  for (const event of events) {
    if (event.event.type === "log.imported" || event.event.type === "log.import_removed") out.push([event], []);
    else out.at(-1)!.push(event);
  }
  return out.filter((piece) => piece.length > 0);
}

async function compare(client: pg.ClientBase, shadow: string, tables: readonly string[]): Promise<TableDrift[]> {
  const drift: TableDrift[] = [];
  for (const table of tables) {
    const { rows: live } = await client.query<{ exists: boolean }>("select to_regclass($1) is not null as exists", [`public.${table}`]);
    if (live[0]?.exists !== true) continue;
    if (await areSame(client, `public.${table}`, `${shadow}.${table}`)) continue;
    // As jsonb, so that a column order of another age does not matter; `all` keeps repeated rows apart.
    const rowsOf = (schema: string) => `select to_jsonb(t) as row from ${schema}.${table} t`;
    const onlyLive = await difference(client, rowsOf("public"), rowsOf(shadow));
    const onlyRebuilt = await difference(client, rowsOf(shadow), rowsOf("public"));
    if (onlyLive.count + onlyRebuilt.count > 0) {
      const counts = new Map<string | null, { onlyLive: number; onlyRebuilt: number; rows: unknown[] }>();
      for (const [side, found] of [
        ["onlyLive", onlyLive],
        ["onlyRebuilt", onlyRebuilt],
      ] as const)
        for (const { organization, n, rows } of found.byOrganization) {
          const of = counts.get(organization) ?? { onlyLive: 0, onlyRebuilt: 0, rows: [] };
          counts.set(organization, { ...of, [side]: Number(n), rows: [...of.rows, ...rows] });
        }
      const keys = await keyColumns(client, shadow, table);
      drift.push({
        table,
        onlyLive: onlyLive.count,
        onlyRebuilt: onlyRebuilt.count,
        byOrganization: [...counts].map(([organizationId, { rows, ...of }]) => ({ organizationId, ...of, keys: namesOf(rows, keys) })),
        examples: { live: onlyLive.examples, rebuilt: onlyRebuilt.examples },
      });
    }
  }
  return drift;
}

/**
 * By number and sum of hashes of their rows, as nearly always: a fifth of what telling the differences takes. Rows
 * whose columns have another order than they had are not the same here; then the differences are looked for.
 */
async function areSame(client: pg.ClientBase, one: string, other: string): Promise<boolean> {
  const digest = (table: string) => `(select row(count(*), sum(hashtextextended(t::text, 0)))::text from ${table} t)`;
  const { rows } = await client.query<{ same: boolean }>(`select ${digest(one)} = ${digest(other)} as same`);
  return rows[0]?.same === true;
}

interface Difference {
  readonly count: number;
  readonly examples: unknown[];
  readonly byOrganization: readonly { readonly organization: string | null; readonly n: string; readonly rows: unknown[] }[];
}

async function difference(client: pg.ClientBase, left: string, right: string): Promise<Difference> {
  const { rows } = await client.query<Difference["byOrganization"][number]>(
    `with d as (${left} except all ${right}), numbered as (
       select row, row ->> 'organization_id' as organization, row_number() over (partition by row ->> 'organization_id' order by row) as nth from d)
     select organization, count(*) as n, jsonb_agg(row) filter (where nth <= 5) as rows from numbered group by organization order by organization`,
  );
  return {
    count: rows.reduce((sum, { n }) => sum + Number(n), 0),
    examples: rows.flatMap((of) => of.rows).slice(0, 5),
    byOrganization: rows,
  };
}

async function keyColumns(client: pg.ClientBase, schema: string, table: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select a.attname::text as name from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
      where i.indrelid = $1::regclass and i.indisprimary and a.attname <> 'organization_id' order by a.attnum`,
    [`${schema}.${table}`],
  );
  return rows.map(({ name }) => name);
}

/** An id says which row it is and nothing about anybody; whatever else is part of a key is left out. */
const ID = /^(?:[a-z_]{2,30}:)?[a-z]{2,8}_[0-9A-Za-z]{1,40}(?:\.[0-9]+)?$|^[0-9]{1,19}$|^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const namesOf = (rows: readonly unknown[], keys: readonly string[]): string[] =>
  [
    ...new Set(
      rows.map((row) =>
        keys
          .map((key) => String((row as Record<string, unknown>)[key]))
          .map((value) => (ID.test(value) ? value : "…"))
          .join(" "),
      ),
    ),
  ].slice(0, 5);
