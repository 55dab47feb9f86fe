/*
 * Numbered SQL files, forward only, each in a transaction of its own.
 *
 * A *set* is a directory of files `NNNN-name.sql`; sets run in the order given, because later ones
 * may refer to earlier ones' tables. A file's row is inserted before its statements, so that two
 * servers migrating at once collide there (the second waits, then finds the work done).
 *
 * Files are `breaking` unless their first lines say `-- breaking: no`. A database that is ahead of
 * this code is refused, except by additions that say so.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type pg from "pg";
import { Client } from "pg";
import { ensureRoles, type ConnectionFor } from "./roles.ts";

export interface MigrationSet {
  /** Names the set in the database for ever. */
  readonly name: string;
  readonly directory: string;
}

export interface MigrationReport {
  readonly applied: readonly string[];
  /** Non-breaking migrations of a newer version that the database already has. */
  readonly ahead: readonly string[];
}

export const LOG_MIGRATIONS: MigrationSet = { name: "eventlog", directory: path.join(import.meta.dirname, "../migrations") };

interface MigrationFile {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly hash: string;
  readonly breaking: boolean;
}

export interface MigrateOptions {
  /** Only as far as an older version went: for what it backed up, and for tests of upgrades. */
  readonly only?: readonly { readonly set: string; readonly number: number }[] | undefined;
}

/** Creates the roles, then brings the database to this version. */
export async function migrate(
  connection: ConnectionFor,
  sets: readonly MigrationSet[],
  { only }: MigrateOptions = {},
): Promise<MigrationReport> {
  const due = (set: MigrationSet, file: MigrationFile): boolean =>
    only === undefined || only.some((one) => one.set === set.name && one.number === file.number);
  const client = new Client(connection("admin"));
  await client.connect();
  try {
    await ensureRoles(client);
    await client.query("set role sb_owner");
    await createBookkeeping(client);
    const ahead = await refuseAhead(client, sets);
    const applied: string[] = [];
    for (const set of sets) {
      for (const file of filesOf(set)) if (due(set, file) && (await apply(client, set, file))) applied.push(`${set.name}/${file.name}`);
    }
    return { applied, ahead };
  } finally {
    await client.end();
  }
}

async function createBookkeeping(client: pg.Client): Promise<void> {
  // Two first boots at once: "if not exists" alone still races on the catalogue.
  await client.query("select pg_advisory_lock(5927080)");
  try {
    await client.query(`
      alter default privileges for role sb_owner grant select, insert, update, delete on tables to sb_app, sb_log;
      alter default privileges for role sb_owner grant usage on sequences to sb_app, sb_log;
      create table if not exists sb_migrations (
        set        text        not null,
        number     int         not null,
        name       text        not null,
        hash       text        not null,
        breaking   boolean     not null,
        applied_at timestamptz not null default now(),
        primary key (set, number)
      );
      revoke insert, update, delete on sb_migrations from sb_app, sb_log;`);
  } finally {
    await client.query("select pg_advisory_unlock(5927080)");
  }
}

async function refuseAhead(client: pg.Client, sets: readonly MigrationSet[]): Promise<string[]> {
  const { rows } = await client.query<{ set: string; number: number; name: string; breaking: boolean }>(
    "select set, number, name, breaking from sb_migrations order by set, number",
  );
  const unknown = rows.filter((row) => {
    const set = sets.find(({ name }) => name === row.set);
    return set === undefined ? row.breaking : !filesOf(set).some((file) => file.number === row.number);
  });
  const breaking = unknown.filter((row) => row.breaking).map((row) => `${row.set}/${row.name}`);
  if (breaking.length > 0) {
    throw new Error(
      `The database was used by a newer Signalbox: it has ${breaking.join(", ")}, which this version does not know. ` +
        `Start that newer version, or restore a backup from before the upgrade.`,
    );
  }
  return unknown.map((row) => `${row.set}/${row.name}`);
}

async function apply(client: pg.Client, set: MigrationSet, file: MigrationFile): Promise<boolean> {
  await client.query("begin");
  try {
    // Must come first, so that a concurrent migrator waits here and then sees it done.
    const { rowCount } = await client.query(
      "insert into sb_migrations (set, number, name, hash, breaking) values ($1, $2, $3, $4, $5) on conflict do nothing",
      [set.name, file.number, file.name, file.hash, file.breaking],
    );
    if (rowCount === 0) {
      const { rows } = await client.query<{ hash: string }>("select hash from sb_migrations where set = $1 and number = $2", [
        set.name,
        file.number,
      ]);
      if (rows[0]?.hash !== file.hash) {
        throw new Error(`${set.name}/${file.name} was changed after it had been applied; add a new migration instead.`);
      }
      await client.query("rollback");
      return false;
    }
    await client.query(file.sql);
    await client.query("commit");
    return true;
  } catch (error) {
    await client.query("rollback");
    throw new Error(`migration ${set.name}/${file.name} failed: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

export function filesOf(set: MigrationSet): MigrationFile[] {
  const files = readdirSync(set.directory)
    .filter((name) => name.endsWith(".sql"))
    .toSorted()
    .map((name) => {
      const number = Number(/^(\d{4})-/.exec(name)?.[1] ?? Number.NaN);
      if (Number.isNaN(number)) throw new Error(`${set.directory}/${name}: migrations are named NNNN-name.sql`);
      const sql = readFileSync(path.join(set.directory, name), "utf8");
      return { number, name, sql, hash: createHash("sha256").update(sql).digest("hex"), breaking: !/^-- breaking: no$/m.test(sql) };
    });
  const twice = files.find((file, i) => files.findIndex((other) => other.number === file.number) !== i);
  if (twice !== undefined) throw new Error(`${set.directory}: two migrations have the number of ${twice.name}`);
  return files;
}
