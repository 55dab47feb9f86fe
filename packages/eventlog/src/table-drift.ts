/*
 * What differs between the tables that are shown and the same tables made again from the log. Both are read in one
 * transaction of the caller, whose snapshot is of one position (rebuild.ts).
 */
import type pg from "pg";

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

/** `columns`: of these tables, or of more. */
export async function compare(
  client: pg.ClientBase,
  shadow: string,
  tables: readonly string[],
  columns: readonly Column[],
): Promise<TableDrift[]> {
  const drift: TableDrift[] = [];
  for (const table of tables) {
    const [live, rebuilt] = ["public", shadow].map((schema) => columns.filter((of) => of.schema === schema && of.table === table));
    if (live!.length === 0) continue; // new in this schema
    if (await areSame(client, table, { schema: "public", columns: live! }, { schema: shadow, columns: rebuilt! })) continue;
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

interface Column {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  readonly has_hash: boolean;
}

/** By their names, and without those that the database makes of others (`generated`). */
export async function columnsOf(client: pg.ClientBase, tables: readonly string[], schemas: readonly string[]): Promise<readonly Column[]> {
  const { rows } = await client.query<Column>(
    `select n.nspname::text as schema, c.relname::text as table, quote_ident(a.attname) as name,
            exists (select from pg_opclass o join pg_am m on m.oid = o.opcmethod
                     where m.amname = 'hash' and o.opcdefault and (o.opcintype = a.atttypid or t.typcategory = 'A' and o.opcintype = 'anyarray'::regtype
                           or t.typname = 'varchar' and o.opcintype = 'text'::regtype)) as has_hash
       from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace join pg_type t on t.oid = a.atttypid
      where c.relname = any($1) and n.nspname = any($2) and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attname`,
    [tables, schemas],
  );
  return rows;
}

interface Side {
  readonly schema: string;
  readonly columns: readonly Column[];
}

/**
 * By number and sum of hashes of their rows, as nearly always: a fifth of what telling the differences takes. As
 * records, since text of every column costs more than its hash. Of a type without a hash the text is taken.
 */
async function areSame(client: pg.ClientBase, table: string, one: Side, other: Side): Promise<boolean> {
  const listOf = ({ columns }: Side) => columns.map(({ name }) => name).join();
  // Of another age: then the differences are looked for.
  if (listOf(one) !== listOf(other)) return false;
  const row = one.columns.map(({ name, has_hash }) => `t.${name}${has_hash ? "" : "::text"}`).join(", ");
  const digest = ({ schema }: Side) => `(select row(count(*), sum(hash_record_extended(row(${row}), 0)))::text from ${schema}.${table} t)`;
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
