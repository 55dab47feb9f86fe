/*
 * No table shows one organization's rows to another: generated from the catalog, so that a new table is tried without
 * being named here. A row of another organization is put into each, past every check and trigger; then it is asked for.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { databaseTest } from "@signalbox/testkit/database";
import { Client, escapeIdentifier } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../composed.fixture.ts";

const OURS = "ws_ours";
const THEIRS = "ws_theirs";
const database = databaseTest();
let c: Composed;
let tables: Table[];

interface Table {
  readonly name: string;
  readonly has_organization: boolean;
  readonly has_policy: boolean;
  readonly is_partition: boolean;
  /** Row-level security is on, and nothing lets anybody by. */
  readonly is_closed: boolean;
  readonly may: Record<"select" | "insert" | "update" | "delete", boolean>;
}

beforeAll(async () => {
  c = await startComposed(database);
  // Of what is divided by the hour, one that there is.
  await database.rows("select session_live_hour(now())");
  tables = await database.rows<Table>(`
    select t.relname::text as name, t.relispartition as is_partition,
           t.relrowsecurity and not exists (select from pg_policies p where p.schemaname = 'public' and p.tablename = t.relname) as is_closed,
           exists (select from pg_attribute a where a.attrelid = t.oid and a.attname = 'organization_id' and not a.attisdropped) as has_organization,
           t.relrowsecurity and (
             select bool_and(p.qual = '(organization_id = current_setting(''signalbox.organization_id''::text, true))') is true from pg_policies p
              where p.schemaname = 'public' and p.tablename = t.relname and p.roles && '{public,sb_app}') as has_policy,
           json_build_object('select', has_table_privilege('sb_app', t.oid, 'select'), 'insert', has_table_privilege('sb_app', t.oid, 'insert'),
                             'update', has_table_privilege('sb_app', t.oid, 'update'), 'delete', has_table_privilege('sb_app', t.oid, 'delete')) as may
      from pg_class t where t.relkind in ('r', 'p') and t.relnamespace = 'public'::regnamespace order by 1`);
}, 60_000);
afterAll(() => c.close());

test("every table has an organization and a policy, but those that the documentation names", () => {
  const text = readFileSync(path.join(import.meta.dirname, "../../../../docs/security.md"), "utf8");
  const paragraph = /^Tables without an organization.*$/m.exec(text)?.[0] ?? "";
  const named = [...paragraph.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
  const without = tables.filter((table) => !table.is_partition && !(table.has_organization && table.has_policy)).map(({ name }) => name);
  expect(new Set(without)).toEqual(new Set(named));
});

test("a part of a table is reached through the whole, whose policy holds", () => {
  // Its row-level security is on, and without a policy lets nobody see anything.
  const open = tables.filter(({ is_partition, is_closed }) => is_partition && !is_closed);
  expect(tables.filter(({ is_partition }) => is_partition).length).toBeGreaterThan(0);
  expect(open.map(({ name }) => name)).toEqual([]);
});

test("another organization's row is neither seen nor changed nor made, in any table", async () => {
  const admin = new Client(database.connection("admin"));
  await admin.connect();
  const tried = new Set<string>();
  try {
    // Neither checks nor triggers nor references: what stands in a row does not matter, whose it is does.
    await admin.query("set session_replication_role = replica");
    for (const table of tables.filter(({ is_partition, has_policy }) => !is_partition && has_policy)) {
      const name = escapeIdentifier(table.name);
      const row = await rowFor(admin, table.name);
      const insert = `insert into ${name} (${row.columns.join(", ")}) values (${row.values.join(", ")})`;
      await admin.query(insert);
      for (const organizationId of [OURS, THEIRS])
        await asRequest(organizationId, async (client) => {
          const reached: string[] = [];
          const reach = async (what: keyof Table["may"], text: string): Promise<void> => {
            if (table.may[what] && table.may.select && ((await client.query(text)).rowCount ?? 0) > 0) reached.push(what);
          };
          await reach("select", `select 1 from ${name} where organization_id = '${THEIRS}'`);
          await reach("update", `update ${name} set organization_id = organization_id where organization_id = '${THEIRS}'`);
          await reach("delete", `delete from ${name} where organization_id = '${THEIRS}'`);
          const may = (["select", "update", "delete"] as const).filter((what) => table.may[what] && table.may.select);
          expect([table.name, organizationId, ...reached]).toEqual([table.name, organizationId, ...(organizationId === OURS ? [] : may)]);
          if (may.length > 0) tried.add(table.name);
          if (table.may.insert && organizationId === OURS)
            await expect(client.query(insert), table.name).rejects.toThrow("row-level security");
        });
    }
  } finally {
    await admin.end();
  }
  expect(tried).toContain("session_strips");
  expect(tried.size).toBeGreaterThan(60);
}, 120_000);

/** As requests do; nothing of it stays. */
async function asRequest(organizationId: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client(database.connection("sb_app"));
  await client.connect();
  try {
    await client.query(`begin; select set_config('signalbox.organization_id', '${organizationId}', true)`);
    await work(client);
  } finally {
    await client.end();
  }
}

/** One row of `THEIRS` with something in each column that asks for it; the table's checks go. */
async function rowFor(admin: Client, table: string): Promise<{ readonly columns: string[]; readonly values: string[] }> {
  const checks = await admin.query<{ name: string }>(
    "select conname as name from pg_constraint where conrelid = to_regclass('public.' || quote_ident($1)) and contype = 'c'",
    [table],
  );
  for (const { name } of checks.rows) await admin.query(`alter table ${escapeIdentifier(table)} drop constraint ${escapeIdentifier(name)}`);
  const { rows } = await admin.query<{ name: string; type: string }>(
    `select a.attname::text as name, format_type(a.atttypid, null) as type from pg_attribute a
      where a.attrelid = to_regclass('public.' || quote_ident($1)) and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity = ''
        and (a.attname = 'organization_id' or a.attnotnull and not a.atthasdef)`,
    [table],
  );
  return {
    columns: rows.map(({ name }) => escapeIdentifier(name)),
    values: rows.map(({ name, type }) => (name === "organization_id" ? `'${THEIRS}'` : valueOf(type))),
  };
}

function valueOf(type: string): string {
  if (type.endsWith("[]")) return `'{}'::${type}`;
  if (type.startsWith("timestamp")) return "now()";
  if (type === "uuid") return "gen_random_uuid()";
  if (type === "bytea") return "decode(repeat('00', 32), 'hex')";
  if (type.startsWith("json")) return `'{}'::${type}`;
  if (type === "boolean") return "false";
  if (type === "date") return "current_date";
  if (type === "text" || type.startsWith("character")) return "'x'";
  // Nobody else's number.
  return `${type === "bigint" ? 9e15 : 30_000}::${type}`;
}
