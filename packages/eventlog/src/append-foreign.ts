/*
 * Keeps a verified foreign log: one transaction, all of it or nothing.
 *
 *   begin ─► evt_import_begin ─► project page by page ─► evt_import_events page by page ─► evt_import_end ─► commit
 *            (there already?)     (no lock but on its own rows)    (holds the lock of positions)
 *
 * Projecting comes first, so that other writers wait for the lock of positions only while rows are
 * inserted. Nothing is appended to streams of ours here, no reader is told, no reaction runs, and
 * projections are given only what they take from imports (`dueTo`).
 */
import type pg from "pg";
import { recordedOf } from "./envelope.ts";
import { dueTo, translation, type ImportKey } from "./foreign.ts";
import type { NewJob, Projection, Recorded, StreamRef, Tx } from "./log.ts";
import { txOf } from "./organization.ts";

/** One event as exported. */
export interface ForeignEvent {
  readonly stream: { readonly type: string; readonly id: string };
  readonly seq: number;
  readonly recorded_at: string;
  readonly header: string;
  readonly data: string | null;
  /** base64 */
  readonly salt: string | null;
  /** `sha256:<hex>` */
  readonly prev_hash: string;
  readonly hash: string;
}

export interface ForeignLog extends ImportKey {
  readonly digest: string;
  readonly name: string;
  readonly sourceOrganizationId: string;
  readonly signedBy: string;
  readonly events: number;
  /** Where each stream ends, by its own name. */
  readonly heads: readonly { readonly stream: StreamRef; readonly seq: number; readonly hash: string }[];
  readonly rooms: readonly string[];
  readonly sessions: readonly string[];
  readonly names: Readonly<Record<string, string>>;
  readonly importedBy: string;
  readonly importedAt: string;
}

export interface AppendForeignOptions {
  /** As `sb_log`. */
  readonly pool: pg.Pool;
  readonly projections: readonly Projection[];
  /** Read twice, in the same order. */
  readonly pages: () => AsyncIterable<readonly ForeignEvent[]>;
  /** Lines of the export that are no events, with the number of events before each. */
  readonly lines: readonly { readonly after: number; readonly line: string }[];
  /** What will be appended about it: projections end with it what the foreign log left open. */
  readonly ending: Recorded;
  readonly enqueue: (tx: Tx, jobs: readonly NewJob[]) => Promise<void>;
  readonly jobs: readonly NewJob[];
  /** For tests: called between the steps. */
  readonly at?: ((step: "begun" | "projected" | "inserted" | "ended") => Promise<void> | void) | undefined;
}

/** False when it is there already. */
export async function appendForeign(log: ForeignLog, options: AppendForeignOptions): Promise<boolean> {
  const client = await options.pool.connect();
  let broken: Error | undefined;
  try {
    await client.query("begin");
    try {
      await begin(client, log);
    } catch (error) {
      if ((error as { code?: string; constraint?: string }).constraint !== "evt_imports_pkey") throw error;
      await client.query("rollback");
      return false;
    }
    const tx = txOf(client);
    await options.at?.("begun");
    for await (const page of options.pages()) await project(tx, options.projections, page, log);
    for (const projection of options.projections) {
      const due = dueTo(projection, [options.ending]);
      if (due.length > 0) await projection.project(tx, due);
    }
    await options.at?.("projected");
    let first: number | undefined;
    for await (const page of options.pages()) {
      const at = await insert(client, page, log);
      first ??= at;
    }
    await options.at?.("inserted");
    await end(client, log, options.lines, first ?? 0);
    await options.enqueue(tx, options.jobs);
    await options.at?.("ended");
    await client.query("commit");
    return true;
  } catch (error) {
    try {
      await client.query("rollback");
    } catch (rollbackError) {
      broken = rollbackError as Error; // the connection is gone, and the transaction with it
    }
    throw error;
  } finally {
    client.release(broken);
  }
}

async function begin(client: pg.ClientBase, log: ForeignLog): Promise<void> {
  await client.query("select public.evt_import_begin($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)", [
    log.organizationId,
    log.importId,
    log.digest,
    log.name,
    log.sourceOrganizationId,
    log.signedBy,
    log.heads.length,
    log.events,
    log.rooms,
    log.sessions,
    JSON.stringify(log.names),
    log.importedBy,
    log.importedAt,
  ]);
}

async function project(tx: Tx, projections: readonly Projection[], page: readonly ForeignEvent[], key: ImportKey): Promise<void> {
  // Without a position, as every projection that runs inline.
  const events = page.map((event) => ({ ...recordedOf(rowOf(event, key)), position: undefined }));
  for (const projection of projections) {
    const due = dueTo(projection, events);
    if (due.length > 0) await projection.project(tx, due);
  }
}

const rowOf = (event: ForeignEvent, key: ImportKey) => ({
  position: "0",
  seq: String(event.seq),
  recorded_at: new Date(event.recorded_at),
  header: event.header,
  prev_hash: bytesOf(event.prev_hash),
  hash: bytesOf(event.hash),
  data: event.data,
  import_id: key.importId,
  organization_id: key.organizationId,
});

const bytesOf = (hash: string): Buffer => Buffer.from(hash.slice("sha256:".length), "hex");

/** The position of the page's first event. */
async function insert(client: pg.ClientBase, page: readonly ForeignEvent[], key: ImportKey): Promise<number> {
  const events = page.map((event) => ({ ...recordedOf(rowOf(event, key)), raw: event }));
  const streams = [...new Map(events.map(({ stream }) => [`${stream.type}:${stream.id}`, stream])).entries()];
  const place = new Map(streams.map(([name], i) => [name, i + 1]));
  const { rows } = await client.query<{ first: string }>(
    `select public.evt_import_events($1, $2, $3::text[], $4::text[], $5::int[], $6::bigint[], $7::uuid[], $8::text[], $9::text[], $10::bigint[],
       $11::text[], $12::text[], $13::timestamptz[], $14::text[], $15::text[], $16::bytea[], $17, $18) as first`,
    [
      key.organizationId,
      key.importId,
      streams.map(([, stream]) => stream.type),
      streams.map(([, stream]) => stream.id),
      events.map(({ stream }) => place.get(`${stream.type}:${stream.id}`)),
      events.map((event) => event.seq),
      events.map((event) => event.eventId),
      events.map((event) => event.event.type),
      events.map((event) => event.subject),
      events.map((event) => event.subjectVersion),
      events.map((event) => event.runId ?? null),
      events.map((event) => event.correlationId),
      events.map((event) => event.recordedAt),
      events.map(({ raw }) => raw.header),
      events.map(({ raw }) => raw.data),
      events.map(({ raw }) => (raw.salt === null ? null : Buffer.from(raw.salt, "base64"))),
      Buffer.concat(events.map(({ raw }) => bytesOf(raw.prev_hash))),
      Buffer.concat(events.map(({ raw }) => bytesOf(raw.hash))),
    ],
  );
  return Number(rows[0]?.first);
}

async function end(client: pg.ClientBase, log: ForeignLog, lines: AppendForeignOptions["lines"], first: number): Promise<void> {
  const to = translation(log);
  await client.query("select public.evt_import_end($1, $2, $3::text[], $4::text[], $5::bigint[], $6, $7::bigint[], $8::text[])", [
    log.organizationId,
    log.importId,
    log.heads.map(({ stream }) => stream.type),
    log.heads.map(({ stream }) => to.stream(stream).id),
    log.heads.map(({ seq }) => seq),
    Buffer.concat(log.heads.map(({ hash }) => bytesOf(hash))),
    lines.map(({ after }) => (after >= log.events ? null : first + after)),
    lines.map(({ line }) => line),
  ]);
}

/** Removes a copy whole, as the `log.import_removed` with that id says. Idempotent. `pool` connects as `sb_log`. */
export async function removeForeign(pool: pg.Pool, key: ImportKey, removalEventId: string): Promise<void> {
  await pool.query("select public.evt_remove_import($1, $2, $3)", [key.organizationId, key.importId, removalEventId]);
}

/**
 * Keeps a module's tables right about what an import brought: ends what was still open in it, and forgets what is
 * removed with it. Statements may join `import (organization_id, rooms, sessions)`, whose ids are all foreign.
 */
export function importProjection(of: {
  readonly name: string;
  readonly tables: readonly string[];
  readonly end: readonly string[];
  readonly remove: readonly string[];
}): Projection {
  return {
    name: of.name,
    types: ["log.imported", "log.import_removed"],
    tables: of.tables,
    async project(tx, batch) {
      for (const { event, organizationId } of batch) {
        const { rooms = [], sessions = [] } = event.data as { rooms?: readonly string[]; sessions?: readonly string[] };
        const values = [organizationId, rooms.filter(isImported), sessions.filter(isImported)];
        for (const text of event.type === "log.imported" ? of.end : of.remove) await tx.query(`${IMPORT}\n${text}`, values);
      }
    },
  };
}
const IMPORT = "with import as (select $1::text as organization_id, $2::text[] as rooms, $3::text[] as sessions)";
const isImported = (id: string): boolean => /^[a-z]+_Z/.test(id);
