/*
 * Every table that is not derived, in one snapshot, through COPY; and back again.
 *
 * Left out, because they are made again: projections (from the log), the live deltas of sessions (kept
 * for a day at most), and what says which of them are there. Left out too: which processes run, for none of them runs
 * where it is restored, and their connections would count there. The rows of migrations come with the
 * migrations themselves, up to those that the backup was made with.
 */
import type { MigrationSet } from "@signalbox/eventlog/migrate";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type pg from "pg";
import { escapeIdentifier } from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { BackupError, type Manifest } from "./archive.ts";

const PART_BYTES = 4 * 1024 * 1024;
type Database = Pick<Manifest, "position" | "heads" | "migrations" | "tables" | "sequences">;

/** `client` is connected as `admin`. Ends with its transaction over. */
export async function dumpDatabase(client: pg.Client, write: (name: string, bytes: Buffer) => Promise<void>): Promise<Database> {
  // The owner of the tables: row-level security does not bind it, and it is no superuser.
  await client.query("set role sb_owner");
  await client.query("begin isolation level repeatable read read only");
  const { rows: migrations } = await client.query<Manifest["migrations"][number]>(
    "select set, number, name, hash from sb_migrations order by set, number",
  );
  const { rows: at } = await client.query<{ position: string }>("select coalesce(max(position), 0) as position from evt_events");
  const heads = await headsDigest(client);
  const tables: Manifest["tables"] = [];
  for (const { name, columns } of await tablesOf(client)) {
    const list = columns.map((column) => escapeIdentifier(column)).join(", ");
    const stream = client.query(copyTo(`copy ${escapeIdentifier(name)} (${list}) to stdout`));
    let [rows, part, size]: [number, number, number] = [0, 0, 0];
    let chunks: Buffer[] = [];
    const flush = async (): Promise<void> => {
      if (size === 0) return;
      await write(`database/${name}/${String(part++).padStart(6, "0")}`, Buffer.concat(chunks));
      [chunks, size] = [[], 0];
    };
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      // In COPY's text form a line feed ends a row and is nothing else.
      for (let i = chunk.indexOf(10); i >= 0; i = chunk.indexOf(10, i + 1)) rows++;
      chunks.push(chunk);
      size += chunk.length;
      if (size >= PART_BYTES) await flush();
    }
    await flush();
    tables.push({ name, columns, rows });
  }
  // Sequences know no snapshot: they may be ahead of it, never behind.
  const { rows: sequences } = await client.query<{ name: string; last: string }>(
    "select sequencename as name, last_value::text as last from pg_sequences where schemaname = 'public' and last_value is not null order by 1",
  );
  await client.query("commit");
  return { position: Number(at[0]!.position), heads, migrations, tables, sequences };
}

async function tablesOf(client: pg.Client): Promise<{ name: string; columns: string[] }[]> {
  const { rows } = await client.query<{ name: string; columns: string[]; needs: string[] }>(`
    select c.relname::text as name,
           array(select a.attname::text from pg_attribute a
                  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum) as columns,
           array(select r.confrelid::regclass::text from pg_constraint r
                  where r.conrelid = c.oid and r.contype = 'f' and r.confrelid <> c.oid) as needs
      from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and not c.relispartition
       and c.relname not like 'proj\\_%' and c.relname not in ('evt_projections', 'sb_migrations', 'cluster_nodes')
     order by 1`);
  // What others refer to comes first.
  const sorted: { name: string; columns: string[] }[] = [];
  while (sorted.length < rows.length) {
    const next = rows.filter(
      ({ name, needs }) =>
        !sorted.some((one) => one.name === name) &&
        needs.every((need) => sorted.some((one) => one.name === need) || !rows.some((one) => one.name === need)),
    );
    if (next.length === 0) throw new Error("tables that refer to each other in a circle cannot be backed up");
    sorted.push(...next.map(({ name, columns }) => ({ name, columns })));
  }
  return sorted;
}

async function headsDigest(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ heads: string | null }>(
    `select string_agg(organization_id || ' ' || stream_type || ':' || stream_id || ' ' || seq || ' ' || encode(hash, 'hex'), e'\\n'
                       order by organization_id collate "C", stream_type collate "C", stream_id collate "C") as heads from evt_stream_heads`,
  );
  return createHash("sha256")
    .update(rows[0]?.heads ?? "")
    .digest("hex");
}

/** A migration that the backup has and this code has not, or has otherwise: it was made by a newer version. */
export function refuseNewer(
  manifest: Manifest,
  files: (set: MigrationSet) => readonly { number: number; hash: string }[],
  sets: readonly MigrationSet[],
): void {
  for (const { set, number, name, hash } of manifest.migrations) {
    const known = sets.find((one) => one.name === set);
    const file = known === undefined ? undefined : files(known).find((one) => one.number === number);
    if (file?.hash === hash) continue;
    throw new BackupError(
      `The backup was made by another version of Signalbox (${manifest.version}): it has ${set}/${name}, which this one does not know.`,
      "Restore it with the version that made it, then upgrade.",
    );
  }
}

/** Takes the parts in the order in which they were written. `client` is connected as `admin`, to an empty, migrated database. */
export function loadDatabase(client: pg.Client, manifest: Manifest) {
  let open: { name: string; stream: ReturnType<typeof copyFrom> & NodeJS.WritableStream; done: Promise<unknown> } | null = null;
  const close = async (): Promise<void> => {
    if (open === null) return;
    open.stream.end();
    await open.done;
    open = null;
  };
  return {
    async begin(): Promise<void> {
      await client.query("set role sb_owner");
      await client.query("begin");
      // What the migrations themselves put there is in the backup too.
      for (const { name } of manifest.tables) {
        const { rows } = await client.query<{ any: boolean }>(`select exists (select from only ${escapeIdentifier(name)}) as any`);
        if (rows[0]?.any === true) await client.query(`delete from only ${escapeIdentifier(name)}`);
      }
    },
    async part(name: string, content: AsyncIterable<Buffer>): Promise<void> {
      if (open?.name !== name) {
        await close();
        const table = manifest.tables.find((one) => one.name === name);
        if (table === undefined) throw new Error(`the manifest has no table ${name}`);
        const list = table.columns.map((column) => escapeIdentifier(column)).join(", ");
        const stream = client.query(copyFrom(`copy ${escapeIdentifier(name)} (${list}) from stdin`));
        const done = Promise.race([once(stream, "finish"), once(stream, "error").then(([error]) => Promise.reject(error as Error))]);
        done.catch(() => undefined); // awaited by `close`
        open = { name, stream, done };
      }
      for await (const chunk of content) if (!open.stream.write(chunk)) await Promise.race([once(open.stream, "drain"), open.done]);
    },
    /** Checks what was loaded: rows, heads, every hash of the log. Nothing is kept when it throws. */
    async end(): Promise<void> {
      await close();
      for (const { name, rows: expected } of manifest.tables) {
        const { rows } = await client.query<{ n: string }>(`select count(*) as n from only ${escapeIdentifier(name)}`);
        if (Number(rows[0]!.n) !== expected) throw new Error(`${name} has ${rows[0]!.n} rows, and the backup had ${expected}`);
      }
      for (const { name, last } of manifest.sequences)
        await client.query("select setval($1::regclass, $2::bigint)", [`public.${name}`, last]);
      if ((await headsDigest(client)) !== manifest.heads) throw new Error("the heads of the streams are not those of the backup");
      await verifyLog(client);
      await client.query("commit");
    },
  };
}

/** The whole chain, by the database itself: hashes, links, data, and that the heads are the last events. */
async function verifyLog(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ stream: string; seq: string; what: string }>(`
    with chained as (
      select e.*, p.data, p.salt,
             lag(e.hash) over (partition by e.organization_id, e.stream_type, e.stream_id order by e.seq) as before
        from evt_events e join evt_payloads p using (position)
    )
    select stream_type || ':' || stream_id as stream, seq,
           case when hash <> sha256('\\x01'::bytea || prev_hash || int8send(seq) || sha256('\\x00'::bytea || convert_to(header, 'UTF8'))) then 'its hash does not follow from its header'
                when before is not null and before <> prev_hash then 'it does not continue the event before it'
                else 'its data is not what was hashed' end as what
      from chained
     where hash <> sha256('\\x01'::bytea || prev_hash || int8send(seq) || sha256('\\x00'::bytea || convert_to(header, 'UTF8')))
        or (before is not null and before <> prev_hash and import_id is null)
        or (data is not null and 'sha256:' || encode(sha256(salt || convert_to(data, 'UTF8')), 'hex') <> substring(header from '"data_hash":"([^"]+)"'))
     limit 1`);
  const wrong = rows[0];
  if (wrong !== undefined)
    throw new BackupError(
      `The backed up log does not verify: ${wrong.stream} ${wrong.seq}: ${wrong.what}.`,
      "It was changed before it was backed up. Use an older backup.",
    );
}
