/*
 * Imported logs: verified completely, then kept whole or not at all. specs/import.md.
 *
 *   body ─► file ─► look through (verify, understand) ─► contents to blobs ─► one transaction ─► `log.imported`
 *            │             │ 422, nothing kept                                     │ there already: 200, as it is
 *            └── removed in the end, or at the next start
 */
import { createWriteStream } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { deleteImport, getImport, type ImportView, importLog, listImports } from "@signalbox/contract/imports";
import type { ImportId, OrganizationId, RoomId, SessionId } from "@signalbox/contract/primitives";
import { appendForeign, removeForeign, type AppendForeignOptions } from "@signalbox/eventlog/append-foreign";
import { importIdOf, translation } from "@signalbox/eventlog/foreign";
import type { NewJob, Origin, Projection, Recorded } from "@signalbox/eventlog/log";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { newId } from "@signalbox/kernel/id";
import { verifyExport } from "@signalbox/verify/export";
import { nodePrimitives } from "@signalbox/verify/node";
import { parseKey } from "@signalbox/verify/note";
import { type Kysely, sql } from "kysely";
import type pg from "pg";
import { z } from "zod";
import type { Blobs } from "@signalbox/providers/blob/port";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle, refused, type BoundRoute } from "../../http/handle.ts";
import type { Deps, Job } from "../../module.ts";
import type { Exports } from "./export.ts";
import { blobsOf, type ImportFile, type Looked, lookThrough, pagesOf } from "./import-file.ts";
import { importRecord } from "./import-record.ts";

export interface ImportDeps extends Pick<Deps, "db" | "log" | "logger"> {
  readonly logPool: pg.Pool;
  readonly blobs: Blobs;
  readonly exports: Exports;
  /** Where uploads wait while they are looked through. */
  readonly directory: string;
  readonly projections: () => readonly Projection[];
  readonly at?: AppendForeignOptions["at"];
}

export interface Imports {
  readonly routes: readonly BoundRoute[];
  readonly jobs: Readonly<Record<string, (job: Job) => Promise<void>>>;
  /** Of an export on disk. */
  keep(of: {
    organizationId: string;
    file: string;
    name?: string | undefined;
    origin: Origin;
    now: string;
  }): Promise<{ ok: true; view: View } | Extract<Looked, { ok: false }>>;
  verify(
    organizationId: string,
    importId: string,
  ): Promise<{
    head: { seq: number; hash: Uint8Array } | null;
    checked: number;
    mismatch: Awaited<ReturnType<typeof verifyExport>>["first_mismatch"];
  }>;
  /** Removes what a process that died left behind. */
  tidy(): Promise<void>;
}

type View = z.input<typeof ImportView>;
interface Row {
  id: string;
  name: string;
  source_organization_id: string;
  streams: number;
  events: number;
  rooms: string[];
  sessions: string[];
  names: string;
  signed_by: string;
  digest: string;
  imported_at: Date;
  imported_by: string;
}
const COLUMNS = sql`id, name, source_organization_id, streams, events, rooms, sessions, names, signed_by, digest, imported_at, imported_by`;
const RecordJob = z.object({ import_id: z.string() });
/** An upload that has grown for no longer than this may still be coming in. */
const UPLOAD_MS = 3_600_000;
const IMPORTER = { principal: { id: "svc_import", type: "service" } } as const;

export function createImports(deps: ImportDeps): Imports {
  const { db, log, logPool, blobs } = deps;

  async function find(organizationId: string, importId: string): Promise<Row | null> {
    const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql<Row>`select ${COLUMNS} from evt_imports where organization_id = ${organizationId} and id = ${importId}`.execute(tx),
    );
    return rows[0] ?? null;
  }

  const imports: Imports = {
    routes: [
      handle(importLog, async ({ body, query, caller, origin, now }) => {
        await mkdir(deps.directory, { recursive: true, mode: 0o700 });
        const file = path.join(deps.directory, `${newId("upload")}.ndjson`);
        try {
          await pipeline(Readable.from(body), createWriteStream(file, { flags: "wx", mode: 0o600 }));
          const kept = await imports.keep({ organizationId: caller.organizationId, file, name: query.name, origin, now });
          if (kept.ok) return kept.view;
          if (kept.code === "import_unsupported")
            return refused(kept.code, {
              message: kept.message,
              fix: "Export it again with a version of Signalbox that is not newer than this one.",
            });
          return refused(kept.code, {
            message: kept.message,
            fix: "Get the file again from where it was exported; nothing of it was kept.",
            details: { first_mismatch: kept.report.first_mismatch, problems: kept.report.problems, uncovered: kept.report.uncovered },
          });
        } finally {
          await rm(file, { force: true });
        }
      }),
      handle(listImports, async ({ query, caller }) => {
        const after = decodeCursor(query.cursor, z.tuple([z.iso.datetime(), z.string()]));
        const { rows } = await db.inOrganization(caller.organizationId, (tx: Kysely<unknown>) =>
          sql<Row>`select ${COLUMNS} from evt_imports where organization_id = ${caller.organizationId}
            ${after === null ? sql`` : sql`and (imported_at, id) < (${after[0]}::timestamptz, ${after[1]})`}
            order by imported_at desc, id desc limit ${query.limit + 1}`.execute(tx),
        );
        return pageOf(rows, query.limit, viewOf, (row) => [row.imported_at.toISOString(), row.id]);
      }),
      handle(getImport, async ({ params, caller }) => {
        const row = await find(caller.organizationId, params.id);
        return row === null ? NOT_FOUND : viewOf(row);
      }),
      handle(deleteImport, async ({ params, caller, origin }) => {
        const row = await find(caller.organizationId, params.id);
        if (row === null) return NOT_FOUND;
        // Kept, but its record was still to be written when the process died: it is removed by its record all the same.
        await record(caller.organizationId, row, origin);
        const decision = await log.run(
          importRecord,
          {
            ...target(caller.organizationId, row.id, origin),
            jobs: (): NewJob[] => [
              { kind: "audit.import.remove", organizationId: caller.organizationId, payload: { import_id: row.id }, key: row.id },
            ],
          },
          {
            type: "remove",
            data: {
              import_id: row.id as ImportId,
              events: row.events,
              rooms: row.rooms as RoomId[],
              sessions: row.sessions as SessionId[],
              digest: row.digest,
            },
          },
        );
        if (!decision.ok) return NOT_FOUND;
        await remove(caller.organizationId, row.id);
        return viewOf(row);
      }),
    ],

    jobs: {
      "audit.import.record": async (job) => {
        const row = await find(job.organizationId, RecordJob.parse(job.payload).import_id);
        if (row !== null) await record(job.organizationId, row, IMPORTER);
      },
      "audit.import.remove": async (job) => remove(job.organizationId, RecordJob.parse(job.payload).import_id),
    },

    async keep({ organizationId, file, name, origin, now }) {
      const looked = await lookThrough(file);
      if (!looked.ok) return looked;
      const importId = importIdOf(organizationId, looked.file.digest);
      const there = await find(organizationId, importId);
      if (there !== null) {
        await record(organizationId, there, IMPORTER);
        return { ok: true, view: viewOf(there) };
      }
      for await (const content of blobsOf(file)) await blobs.put(organizationId, content);
      await append(organizationId, importId, file, looked.file, name, origin, now);
      const row = await find(organizationId, importId);
      if (row === null) throw new Error("what was just imported is not there");
      await record(organizationId, row, origin);
      return { ok: true, view: viewOf(row) };
    },

    async verify(organizationId, importId) {
      const lines: AsyncIterable<string> = texts(deps.exports.imported(organizationId, importId));
      const header = await first(deps.exports.imported(organizationId, importId));
      const { keys } = z.object({ keys: z.array(z.string()) }).parse(JSON.parse(header));
      const report = await verifyExport(nodePrimitives, lines, await Promise.all(keys.map((key) => parseKey(nodePrimitives, key))));
      const wrong = report.first_mismatch ?? (report.valid ? null : { ...NOWHERE, expected: null, actual: report.problems[0] ?? null });
      return { head: null, checked: report.events, mismatch: wrong };
    },

    async tidy() {
      await mkdir(deps.directory, { recursive: true, mode: 0o700 });
      for (const name of await readdir(deps.directory)) {
        const file = path.join(deps.directory, name);
        // Younger ones may be coming in, in another process.
        if (name.endsWith(".ndjson") && Date.now() - (await stat(file)).mtimeMs > UPLOAD_MS) await rm(file, { force: true });
      }
    },
  };

  async function append(
    organizationId: string,
    importId: string,
    file: string,
    looked: ImportFile,
    name: string | undefined,
    origin: Origin,
    now: string,
  ): Promise<void> {
    const to = translation({ organizationId, importId });
    const about = {
      organizationId,
      importId,
      digest: looked.digest,
      name: name ?? looked.title ?? `From ${looked.sourceOrganizationId}`,
      sourceOrganizationId: looked.sourceOrganizationId,
      signedBy: looked.signedBy,
      events: looked.events,
      heads: looked.heads,
      rooms: looked.rooms.map(to.id),
      sessions: looked.sessions.map(to.id),
      names: Object.fromEntries(Object.entries(looked.names).map(([id, displayName]) => [to.id(id), displayName])),
      importedBy: origin.principal.id,
      importedAt: now,
    };
    await appendForeign(about, {
      pool: logPool,
      projections: deps.projections(),
      pages: () => pagesOf(file),
      lines: looked.lines,
      ending: endingOf(organizationId, dataOf({ ...about, id: importId, streams: looked.heads.length })),
      enqueue: enqueueJobs,
      jobs: [{ kind: "audit.import.record", organizationId, payload: { import_id: importId }, key: importId }],
      at: deps.at,
    });
  }

  const target = (organizationId: string, importId: string, origin: Origin) => ({
    organizationId,
    origin,
    stream: { type: "organization", id: organizationId } as const,
    subject: `import:${importId}`,
  });

  async function record(organizationId: string, row: Row, origin: Origin): Promise<void> {
    const data = dataOf({
      id: row.id,
      name: row.name,
      sourceOrganizationId: row.source_organization_id,
      streams: row.streams,
      events: row.events,
      rooms: row.rooms,
      sessions: row.sessions,
      signedBy: row.signed_by,
      digest: row.digest,
    });
    await log.run(importRecord, target(organizationId, row.id, origin), { type: "record", data });
  }

  async function remove(organizationId: string, importId: string): Promise<void> {
    const { rows } = await logPool.query<{ event_id: string }>(
      `select event_id from evt_events where organization_id = $1 and subject = $2 and type = 'log.import_removed' order by position desc limit 1`,
      [organizationId, `import:${importId}`],
    );
    if (rows[0] !== undefined) await removeForeign(logPool, { organizationId, importId }, rows[0].event_id);
  }

  return imports;
}

const NOT_FOUND = refused("import_not_found", { fix: "List imports with GET /v1/audit/imports." });
const NOWHERE = { stream: "", seq: 0, event_id: null, event_type: null, kind: "malformed" } as const;

const viewOf = (row: Row): View => ({
  id: row.id,
  name: row.name,
  source_organization_id: row.source_organization_id,
  streams: row.streams,
  events: row.events,
  sessions: row.sessions,
  verified: true,
  signed_by: row.signed_by,
  names: JSON.parse(row.names) as Record<string, string>,
  imported_at: row.imported_at.toISOString(),
  imported_by: row.imported_by,
});

interface About {
  readonly id: string;
  readonly name: string;
  readonly sourceOrganizationId: string;
  readonly streams: number;
  readonly events: number;
  readonly rooms: readonly string[];
  readonly sessions: readonly string[];
  readonly signedBy: string;
  readonly digest: string;
}
const dataOf = (of: About) => ({
  import_id: of.id as ImportId,
  name: of.name,
  source_organization_id: of.sourceOrganizationId as OrganizationId,
  streams: of.streams,
  events: of.events,
  rooms: of.rooms as RoomId[],
  sessions: of.sessions as SessionId[],
  signed_by: of.signedBy,
  digest: of.digest,
});

/** As projections will see it once it is recorded. */
const endingOf = (organizationId: string, data: ReturnType<typeof dataOf>): Recorded => ({
  eventId: "",
  event: { type: "log.imported", data },
  version: 1,
  organizationId,
  stream: { type: "organization", id: organizationId },
  seq: 0,
  subject: `import:${data.import_id}`,
  subjectId: data.import_id,
  subjectVersion: 0,
  occurredAt: "",
  recordedAt: "",
  principal: IMPORTER.principal,
  zone: "supervised",
  correlationId: "",
  redaction: "none",
  prevHash: "",
  hash: "",
});

async function* texts(frames: AsyncIterable<{ text: string }>): AsyncGenerator<string> {
  for await (const frame of frames) yield frame.text;
}
async function first(frames: AsyncIterable<{ text: string }>): Promise<string> {
  for await (const frame of frames) return frame.text;
  throw new Error("an import has at least its header");
}
