/*
 * Makes a module's projections again from the log, beside the live tables, and puts them in place.
 *
 *   create schema shadow ─► replay the log into it (appends go on) ─► close the gate ─► replay the rest
 *     ─► compare with the live tables ─► drop live, move shadow's tables to public ─► open the gate
 *
 * The gate is the advisory lock that every appender shares (0001-log.sql): while it is held alone,
 * no transaction that could write these tables is open, so the comparison is exact and the swap
 * cannot deadlock with a projection. It is closed only for the tail of the log.
 */
import { createHash } from "node:crypto";
import type { EventVersions } from "@signalbox/contract/event-versions";
import type pg from "pg";
import { recordedOf, STORED_COLUMNS, type StoredRow } from "./envelope.ts";
import { dueTo } from "./foreign.ts";
import type { Projection, Recorded } from "./log.ts";
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
  /** Up to five of each, for the report. */
  readonly examples: { readonly live: readonly unknown[]; readonly rebuilt: readonly unknown[] };
}

export interface RebuildReport {
  readonly name: string;
  readonly events: number;
  /** Empty when live and rebuilt tables were the same, or were not compared. */
  readonly drift: readonly TableDrift[];
  readonly swapped: boolean;
}

export interface RebuildOptions {
  /** Default true. False for a changed schema, whose old rows say nothing about the new ones. */
  readonly compare?: boolean | undefined;
  /** Default true. False only reports. */
  readonly swap?: boolean | undefined;
  /** Shapes that event types have had; default the contract's. */
  readonly versions?: EventVersions | undefined;
}

const BATCH = 1000;

/** `client` must be `sb_owner` (or have become it) and have no transaction open. */
export async function rebuild(client: pg.ClientBase, schema: ProjectionSchema, options: RebuildOptions = {}): Promise<RebuildReport> {
  const shadow = `sb_shadow_${schema.name.replaceAll(/[^a-z0-9]/g, "_")}`;
  await client.query(`drop schema if exists ${shadow} cascade; create schema ${shadow}; grant usage on schema ${shadow} to sb_log, sb_app`);
  try {
    await client.query(`set search_path = ${shadow}, public`);
    await client.query(schema.sql);
    const replay = replayer(client, schema, options.versions);
    let position = await replay.upToHead(0);
    await client.query("begin");
    try {
      await client.query("select pg_advisory_xact_lock(5927081)");
      position = await replay.upToHead(position);
      const { rows } = await client.query<{ name: string }>(
        "select relname as name from pg_class where relnamespace = $1::regnamespace and relkind in ('r', 'p') order by 1",
        [shadow],
      );
      const tables = rows.map((row) => row.name);
      const drift = options.compare === false ? [] : await compare(client, shadow, tables);
      const swapped = options.swap !== false;
      if (swapped) {
        for (const table of tables) await client.query(`drop table if exists public.${table} cascade`);
        for (const table of tables) await client.query(`alter table ${shadow}.${table} set schema public`);
        await client.query(
          `insert into public.evt_projections (name, schema_hash) values ($1, $2)
           on conflict (name) do update set schema_hash = excluded.schema_hash, rebuilt_at = now()`,
          [schema.name, schemaHash(schema)],
        );
      }
      await client.query("commit");
      return { name: schema.name, events: replay.count(), drift, swapped };
    } catch (error) {
      await client.query("rollback");
      throw error;
    }
  } finally {
    await client.query(`reset search_path; drop schema if exists ${shadow} cascade`);
  }
}

function replayer(client: pg.ClientBase, { projections }: ProjectionSchema, versions: EventVersions | undefined) {
  const types = [...new Set(projections.flatMap((projection) => projection.types))];
  const tx = txOf(client);
  let count = 0;
  return {
    count: () => count,
    async upToHead(from: number): Promise<number> {
      let position = from;
      if (types.length === 0) return position;
      for (;;) {
        const { rows } = await client.query<StoredRow>(
          `select ${STORED_COLUMNS} from public.evt_events e join public.evt_payloads p using (position)
            where e.position > $1 and e.type = any($2) order by e.position limit ${BATCH}`,
          [position, types],
        );
        const events: Recorded[] = rows.map((row) => recordedOf(row, versions));
        for (const piece of pieces(events)) {
          for (const projection of projections) {
            // Without a position, as when it ran inline: a projection must not come to rely on it.
            const due = dueTo(projection, piece).map((event) => ({ ...event, position: undefined }));
            if (due.length > 0) await projection.project(tx, due);
          }
        }
        count += events.length;
        position = events.at(-1)?.position ?? position;
        if (rows.length < BATCH) return position;
      }
    },
  };
}

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
    // As jsonb, so that a column order of another age does not matter; `all` keeps repeated rows apart.
    const rowsOf = (schema: string) => `select to_jsonb(t) as row from ${schema}.${table} t`;
    const onlyLive = await difference(client, rowsOf("public"), rowsOf(shadow));
    const onlyRebuilt = await difference(client, rowsOf(shadow), rowsOf("public"));
    if (onlyLive.count + onlyRebuilt.count > 0) {
      drift.push({
        table,
        onlyLive: onlyLive.count,
        onlyRebuilt: onlyRebuilt.count,
        examples: { live: onlyLive.examples, rebuilt: onlyRebuilt.examples },
      });
    }
  }
  return drift;
}

async function difference(client: pg.ClientBase, left: string, right: string): Promise<{ count: number; examples: unknown[] }> {
  const { rows } = await client.query<{ count: string; examples: unknown[] | null }>(
    `with d as (${left} except all ${right})
     select (select count(*) from d) as count, (select jsonb_agg(row) from (select row from d limit 5) e) as examples`,
  );
  return { count: Number(rows[0]?.count ?? 0), examples: rows[0]?.examples ?? [] };
}
