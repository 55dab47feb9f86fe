/*
 * A database as rows of text, to be put into an empty one of the same migrations, years later.
 *
 * Logical, so that another major version of Postgres takes it: each row is what `to_jsonb` says, kept as text (a
 * number beyond 2^53 would not survive JavaScript). What is derived (`proj_*`) is not in it; what belongs to the moment
 * (jobs, leases, sockets) or needs a key of that installation (sealed secrets) has its table, without rows.
 */
import { migrate, type MigrationSet } from "@signalbox/eventlog/migrate";
import type { ConnectionFor } from "@signalbox/eventlog/roles";
import { Client } from "pg";

export interface DatabaseDump {
  /** Which migrations it had, in the order of their sets. */
  readonly migrations: readonly { readonly set: string; readonly number: number; readonly hash: string }[];
  readonly sequences: Readonly<Record<string, string>>;
  readonly tables: Readonly<Record<string, { readonly columns: readonly string[]; readonly rows: readonly string[] }>>;
}

const NOT_ROWS = /^(jobs?|job_.*|secrets|secret_data_keys|session_hubs|session_live.*|evt_readers|evt_projections|push_.*)$/;
const NOT_AT_ALL = /^(proj_.*|sb_migrations)$/;

/** `client` must be a superuser. */
export async function dumpDatabase(client: Client): Promise<DatabaseDump> {
  const { rows: migrations } = await client.query<DatabaseDump["migrations"][number]>(
    "select set, number, hash from sb_migrations order by set, number",
  );
  const { rows: sequences } = await client.query<{ name: string; value: string | null }>(
    "select sequencename as name, last_value::text as value from pg_sequences where schemaname = 'public'",
  );
  const { rows: names } = await client.query<{ name: string; columns: string[] }>(
    `select c.relname as name, array_agg(a.attname::text order by a.attnum) as columns
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      group by c.relname order by c.relname`,
  );
  const tables: Record<string, { columns: string[]; rows: string[] }> = {};
  for (const { name, columns } of names) {
    if (NOT_AT_ALL.test(name)) continue;
    const rows = NOT_ROWS.test(name)
      ? []
      : (
          await client.query<{ row: string }>(
            `select to_jsonb(t)::text as row from (select ${columns.map(quoted).join(", ")} from ${name}) t`,
          )
        ).rows;
    tables[name] = { columns, rows: rows.map(({ row }) => row) };
  }
  return {
    migrations,
    sequences: Object.fromEntries(sequences.flatMap(({ name, value }) => (value === null ? [] : [[name, value]]))),
    tables,
  };
}

/** Migrates an empty database as far as the dump's was, then fills it. */
export async function restoreDatabase(connection: ConnectionFor, sets: readonly MigrationSet[], dump: DatabaseDump): Promise<void> {
  await migrate(connection, sets, { only: dump.migrations });
  const client = new Client(connection("admin"));
  await client.connect();
  try {
    for (const [name, { columns, rows }] of Object.entries(dump.tables)) {
      if (rows.length === 0) continue;
      const list = columns.map(quoted).join(", ");
      await client.query(
        `insert into public.${name} (${list}) overriding system value
         select ${list} from jsonb_populate_recordset(null::public.${name}, $1::jsonb) on conflict do nothing`,
        [`[${rows.join(",")}]`],
      );
    }
    for (const [name, value] of Object.entries(dump.sequences))
      await client.query("select setval($1::regclass, $2)", [`public.${name}`, value]);
  } finally {
    await client.end();
  }
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
