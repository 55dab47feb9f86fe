/* The log as evidence: verify, checkpoints, export, redaction. */
import {
  createCheckpoint,
  exportLog,
  getAuditKeys,
  getRebuild,
  listCheckpoints,
  listRedactions,
  proveEvent,
  type RebuildProgress as Progress,
  rebuildProjections,
  redactEvent,
  rotateAuditKey,
  verifyStream,
} from "@signalbox/contract/log";
import type { EventType } from "@signalbox/contract/events";
import type { EventId } from "@signalbox/contract/primitives";
import { EACH_PAYLOAD, recordedOf, STORED_COLUMNS, type StoredRow } from "@signalbox/eventlog/envelope";
import type { Origin, Projection, Recorded, StreamRef, StreamType } from "@signalbox/eventlog/log";
import { type RebuildProgress, type RebuildReport, RebuildRunning } from "@signalbox/eventlog/rebuild";
import type { JobOutcome } from "@signalbox/jobs/types";
import { follow, GENESIS, type Head, type Mismatch } from "@signalbox/verify/chain";
import { nodePrimitives } from "@signalbox/verify/node";
import { hashBytes, hashText } from "@signalbox/verify/primitives";
import { sql, type Kysely } from "kysely";
import type pg from "pg";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { type Caller, handle, refused } from "../../http/handle.ts";
import type { Deps, Module } from "../../module.ts";
import { envelopeOf } from "../../envelope.ts";
import type { Blobs } from "@signalbox/providers/blob/port";
import { type ArchiveDeps, createArchives } from "./archive.ts";
import { createAnchors, type AnchorsDeps } from "./anchors.ts";
import { type StoredEvent, storedStream } from "./chain-reader.ts";
import { CHECKPOINT_COLUMNS, checkpoint, checkpointView, type CheckpointRow } from "./checkpoint.ts";
import { type ContentsDeps, createContents } from "./contents.ts";
import { createDrift } from "./drift.ts";
import { createExports } from "./export.ts";
import { createImports, type ImportDeps, type Imports } from "./imports.ts";
import { keyMissing, keyRingSubject, missingText, ringOf, ringViews, rotation, rotationOf, signerOf } from "./key-ring.ts";
import { createProofs } from "./proof.ts";
import { contentOnlyOf, eraseContents, type ErasingDeps } from "./redacted-content.ts";
import { isEvidence, redaction } from "./redaction.ts";
import type { Signer, SigningKeys } from "./signing-key.ts";

export { openSigningKeys } from "./signing-key.ts";
export type { Anchors } from "./anchors.ts";
export type { Imports } from "./imports.ts";

export interface AuditDeps extends Deps {
  readonly blobs: Blobs;
  /** `<data-dir>/imports`: where uploads wait. */
  readonly importsDirectory: string;
  /** Of all modules, for what an import shows. */
  readonly projections: () => readonly Projection[];
  readonly atImport?: ImportDeps["at"];
  /** Where checkpoints are left outside; default nowhere. */
  readonly anchors?: AnchorsDeps["anchors"];
  readonly atAnchor?: AnchorsDeps["atAnchor"];
  readonly archiveAfterDays?: ArchiveDeps["archiveAfterDays"];
  readonly roomsOver?: ArchiveDeps["roomsOver"];
  readonly roomNames?: ArchiveDeps["roomNames"];
  readonly atArchive?: ArchiveDeps["atArchive"];
  readonly contentGraceH?: ContentsDeps["contentGraceH"];
  /** Crash points of tests, while content goes with its event. */
  readonly atErasedContent?: ErasingDeps["at"];
  /** Connects as `sb_log`. */
  readonly logPool: pg.Pool;
  readonly keys: SigningKeys;
  /** When, as five fields of cron; null for never. `sample`: a seventh of the projections each time, so that a week sees them all. */
  readonly driftCheck: { readonly cron: string; readonly of: "all" | "sample" } | null;
  readonly organizations: () => Promise<readonly string[]>;
  /** Rooms whose events a caller may see; null: everything. */
  readonly visibleRooms: (caller: Caller) => Promise<readonly string[] | null>;
  /** Whether somebody's access rests on it: erased, nobody could say any more why they have it, and they would lose it. */
  readonly isInForce: (event: Recorded) => Promise<boolean>;
  /** Makes every projection anew from the log; compares, and swaps unless `dryRun`. */
  readonly rebuild: (options: {
    /** Low priority: how many times as long as it worked it rests. */
    rest?: number;
    dryRun: boolean;
    /** By their names; null for all. */
    only: ((projection: string) => boolean) | null;
    onProgress?: (progress: RebuildProgress) => void;
  }) => Promise<readonly RebuildReport[] | "no_such_projection">;
}

const STREAM = /^(room|organization|ledger):[0-9A-Za-z_]+$/;
const EraseJob = z.object({ target: z.string() });

export interface AuditModule extends Module {
  /** One stream as it is stored, ascending, after `afterSeq`. */
  storedStream(organizationId: string, stream: StreamRef, afterSeq: number): AsyncGenerator<StoredEvent>;
  readonly imports: Imports;
  /** Of the contents that this process collected. */
  readonly contentGauges: readonly (readonly [name: string, help: string, read: () => number])[];
  /** Erases what events of a subject say, as the route does: recorded, then done. What is erased already stays so. */
  eraseOf(of: {
    readonly organizationId: string;
    readonly origin: Origin;
    readonly subject: string;
    readonly type: EventType;
    readonly reason: string;
  }): Promise<void>;
  /** What signs for an organization just now; a refusal (`signing_key_missing`) when the server does not have it. */
  signer(organizationId: string): Promise<Signer>;
}

export function createAudit(deps: AuditDeps): AuditModule {
  const { db, log, logPool, keys } = deps;
  const exports = createExports(deps);
  const proofs = createProofs(deps);
  const drift = createDrift({ log, logPool, organizations: deps.organizations });
  const anchors = createAnchors(deps);
  const archives = createArchives(deps);
  const contents = createContents(deps);
  const imports = createImports({ ...deps, exports, directory: deps.importsDirectory, at: deps.atImport });

  async function headOf(organizationId: string, stream: StreamRef): Promise<{ seq: number; importId: string | null } | null> {
    const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql<{ seq: string; import_id: string | null }>`select seq, import_id from evt_stream_heads
        where organization_id = ${organizationId} and stream_type = ${stream.type} and stream_id = ${stream.id} and seq > 0`.execute(tx),
    );
    return rows[0] === undefined ? null : { seq: Number(rows[0].seq), importId: rows[0].import_id };
  }

  async function verify(organizationId: string, stream: StreamRef, fromSeq: number) {
    const at = await headOf(organizationId, stream);
    if (at === null) return null;
    const lastSeq = at.seq;
    if (at.importId !== null) return { ...(await imports.verify(organizationId, at.importId)), lastSeq };
    let head: Head | null = fromSeq <= 1 ? GENESIS : null;
    let checked = 0;
    let mismatch: Mismatch | null = null;
    for await (const event of storedStream(db, log, organizationId, stream, Math.max(0, fromSeq - 1))) {
      // Beginning inside a stream, the first event's own link is taken as given and everything after it is checked.
      head ??= { seq: event.seq - 1, hash: hashBytes(event.prev_hash) ?? new Uint8Array(32) };
      const step = await follow(nodePrimitives, head, event);
      checked++;
      if (!step.ok) {
        mismatch = step.mismatch;
        break;
      }
      head = step.head;
    }
    return { head, checked, lastSeq, mismatch };
  }

  async function eventBy(organizationId: string, eventId: string): Promise<Recorded | null> {
    const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql<StoredRow>`select ${sql.raw(STORED_COLUMNS)} from evt_events e left join evt_payloads p using (position)
        where e.organization_id = ${organizationId} and e.event_id = ${eventId}::uuid`.execute(tx),
    );
    const [row] = await log.hydrate(rows);
    return row === undefined ? null : recordedOf(row);
  }

  let running: z.input<typeof Progress> | null = null;
  const routes = [
    ...imports.routes,
    ...anchors.routes,
    ...archives.routes,
    handle(verifyStream, async ({ query, caller }) => {
      const stream = streamRef(query.stream);
      const result = await verify(caller.organizationId, stream, query.from_seq);
      if (result === null)
        return refused("stream_not_found", { fix: "List streams with GET /v1/audit/export, or rooms with GET /v1/rooms." });
      return {
        stream: query.stream,
        checked: result.checked,
        last_seq: result.lastSeq,
        last_hash: result.mismatch === null && result.head !== null ? hashText(result.head.hash) : null,
        valid: result.mismatch === null,
        first_mismatch: result.mismatch,
      };
    }),
    handle(listCheckpoints, async ({ query, caller }) => {
      const after = decodeCursor(query.cursor, z.tuple([z.int()]))?.[0] ?? Number.MAX_SAFE_INTEGER;
      const { rows } = await db.inOrganization(caller.organizationId, (tx: Kysely<unknown>) =>
        sql<CheckpointRow>`select ${sql.raw(CHECKPOINT_COLUMNS)} from audit_checkpoints
          where organization_id = ${caller.organizationId} and position < ${after} order by position desc limit ${query.limit + 1}`.execute(
          tx,
        ),
      );
      return pageOf(rows, query.limit, checkpointView, (row) => [Number(row.position)]);
    }),
    handle(createCheckpoint, async ({ caller, now }) => {
      const made = await checkpoint(logPool, keys, caller.organizationId, now);
      if (made === null) throw new Error("an organization that answers requests has events");
      await anchors.signed(caller.organizationId);
      return made;
    }),
    handle(getAuditKeys, async ({ caller }) => {
      return { organization_id: caller.organizationId, keys: ringViews(await ringOf(logPool, caller.organizationId, keys)) };
    }),
    handle(rotateAuditKey, async ({ body, caller, origin, now }) => {
      const { organizationId } = caller;
      const { key: from } = (await ringOf(logPool, organizationId, keys)).at(-1)!;
      const old = await keys.find(organizationId, from.id);
      if (old === null && !body.replace_lost) throw keyMissing(from.id);
      if (old !== null && body.replace_lost)
        return refused("signing_key_present", {
          message: `The key ${from.id} is there and can hand over by itself.`,
          fix: "Rotate without replacing: verifiers then follow from the old key to the new one.",
        });
      // What the old key vouches for reaches up to here.
      const before = old === null ? null : await checkpoint(logPool, keys, organizationId, now);
      const next = await keys.create(organizationId);
      const data = rotationOf(from, old, next, { position: before?.position ?? 0, time: now, reason: body.reason ?? null });
      const decision = await log.run(
        rotation,
        { organizationId, origin, stream: { type: "organization", id: organizationId }, subject: keyRingSubject(organizationId) },
        { type: "rotate", rotation: data },
      );
      if (!decision.ok) return decision;
      await checkpoint(logPool, keys, organizationId, now);
      return ringViews(await ringOf(logPool, organizationId, keys)).find(({ key_id }) => key_id === next.key.id)!;
    }),
    handle(exportLog, async ({ query, caller, now }) => {
      if (query.stream !== undefined && !STREAM.test(query.stream))
        return refused("stream_not_found", {
          message: `"${query.stream.replaceAll("\0", "")}" is not a stream.`,
          fix: "Name one as <type>:<id>, like room:room_01J…",
        });
      const { organizationId } = caller;
      if (query.session_id !== undefined) {
        const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
          sql<{ stream_id: string; import_id: string | null }>`select stream_id, import_id from evt_events
            where organization_id = ${organizationId} and stream_type = 'room' and subject = ${`session:${query.session_id}`} limit 1`.execute(
            tx,
          ),
        );
        const room = rows[0];
        if (room === undefined) return refused("session_not_found");
        return room.import_id === null
          ? exports.session(organizationId, room.stream_id, query.session_id, now)
          : exports.imported(organizationId, room.import_id);
      }
      const stream = query.stream === undefined ? null : streamRef(query.stream);
      if (stream === null) return exports.whole(organizationId, null, now);
      const head = await headOf(organizationId, stream);
      if (head === null) return refused("stream_not_found");
      return head.importId === null ? exports.whole(organizationId, stream, now) : exports.imported(organizationId, head.importId);
    }),
    handle(proveEvent, async ({ query, caller, now }) => {
      const place = query.stream !== undefined && query.seq !== undefined ? { stream: streamRef(query.stream), seq: query.seq } : null;
      if ((query.event_id === undefined) === (place === null))
        return refused("event_not_named", {
          message: "A proof is of one event.",
          fix: "Name it with event_id, or with stream and seq.",
        });
      const found = await proofs.find(caller.organizationId, place ?? query.event_id!);
      const rooms = await deps.visibleRooms(caller);
      if (found === null || (rooms !== null && !(found.stream.type === "room" && rooms.includes(found.stream.id))))
        return refused("event_not_found", { message: "There is no such event, or you may not see it." });
      if (found.importId !== null)
        return refused("event_imported", {
          message: "This event was imported: its proof is for those to give whose log it is from.",
          fix: "Export the import (its own checkpoints are in it) and verify that.",
        });
      return proofs.prove(caller.organizationId, found, now);
    }),
    handle(redactEvent, async ({ body, caller, origin }) => {
      const target = await eventBy(caller.organizationId, body.event_id);
      if (target === null) return refused("event_not_found");
      if (isEvidence(target))
        return refused(target.event.type === "event.redacted" ? "event_already_redacted" : "event_is_evidence", {
          message: `A ${target.event.type} is itself evidence and cannot be erased.`,
        });
      if (await deps.isInForce(target))
        return refused("event_in_force", {
          message: `Somebody's access rests on this ${target.event.type}.`,
          fix: "Remove the member, or revoke the token, then erase it.",
        });
      const decision = await redact(target, origin, body.reason);
      if (!decision.ok) return decision;
      const erased = await eventBy(caller.organizationId, body.event_id);
      if (erased === null) throw new Error("a redacted event keeps its header");
      return envelopeOf(erased);
    }),
    handle(rebuildProjections, async ({ body }) => {
      let reports: Awaited<ReturnType<typeof deps.rebuild>>;
      try {
        reports = await deps.rebuild({
          dryRun: body.dry_run,
          only: body.projection === undefined ? null : (name) => name === body.projection,
          onProgress: ({ name, ...progress }) => (running = { projection: name, ...progress }),
        });
      } catch (error) {
        if (!(error instanceof RebuildRunning)) throw error;
        return refused("rebuild_running", {
          message: "Another rebuild, or the check for drift, is at work on this database.",
          fix: "Wait for it; GET /v1/audit/rebuild says how far it is.",
        });
      } finally {
        running = null;
      }
      if (reports === "no_such_projection")
        return refused("projection_not_found", { fix: "Leave the name out, and the report names each one that there is." });
      await drift.record(reports);
      const projections = reports.map((report) => ({
        projection: report.name,
        events: report.events,
        drift: report.drift.map((of) => ({ table: of.table, only_live: of.onlyLive, only_rebuilt: of.onlyRebuilt })),
        swapped: report.swapped,
        appends_waited_ms: report.appendsWaitedMs,
      }));
      return { drifted: projections.some((one) => one.drift.length > 0), projections };
    }),
    handle(getRebuild, async () => ({ running })),
    handle(listRedactions, async ({ query, caller }) => {
      const after = decodeCursor(query.cursor, z.tuple([z.int()]))?.[0] ?? Number.MAX_SAFE_INTEGER;
      const { rows } = await db.inOrganization(caller.organizationId, (tx: Kysely<unknown>) =>
        sql<StoredRow>`select ${sql.raw(STORED_COLUMNS)} from (
            select * from evt_events e where e.organization_id = ${caller.organizationId} and e.type = 'event.redacted' and e.position < ${after}
             order by e.position desc limit ${query.limit + 1}) e ${sql.raw(EACH_PAYLOAD)} order by e.position desc`.execute(tx),
      );
      return pageOf(
        rows,
        query.limit,
        (row) => envelopeOf(recordedOf(row)),
        (row) => [Number(row.position)],
      );
    }),
  ];

  async function redact(target: Recorded, origin: Origin, reason: string) {
    const { organizationId, eventId } = target;
    const decision = await log.run(
      redaction,
      {
        organizationId,
        origin: { ...origin, ...(target.roomId === undefined ? {} : { roomId: target.roomId }) },
        stream: target.stream,
        subject: `event:${eventId}`,
        jobs: () => [{ kind: "audit.erase", organizationId, payload: { target: eventId }, key: eventId }],
      },
      { type: "redact", target: eventId as EventId, reason, content: await contentOnlyOf(deps, organizationId, target) },
    );
    if (decision.ok) await erase(organizationId, eventId);
    return decision;
  }

  async function eraseOf({ organizationId, origin, subject, type, reason }: Parameters<AuditModule["eraseOf"]>[0]): Promise<void> {
    const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql<StoredRow>`select ${sql.raw(STORED_COLUMNS)} from evt_events e left join evt_payloads p using (position)
        where e.organization_id = ${organizationId} and e.subject = ${subject} and e.type = ${type} and e.import_id is null
        order by e.subject_version`.execute(tx),
    );
    for (const target of (await log.hydrate(rows)).map((row) => recordedOf(row))) {
      if (await deps.isInForce(target)) throw new Error(`somebody's access rests on ${target.event.type} of ${subject}`);
      await redact(target, origin, reason);
    }
  }

  /**
   * Idempotent: the database erases once, and only what an `event.redacted` in the log names. The text is gone when it
   * resolves; content that another has put again a moment ago is looked at again by the job.
   */
  async function erase(organizationId: string, target: string): Promise<JobOutcome> {
    const { rows } = await logPool.query<{ event_id: string; content: string[] | null }>(
      `select e.event_id, p.data::jsonb -> 'content' as content from evt_events e join evt_payloads p using (position)
        where e.organization_id = $1 and e.subject = $2 and e.type = 'event.redacted' limit 1`,
      [organizationId, `event:${target}`],
    );
    if (rows[0] === undefined) return;
    await logPool.query("select evt_erase($1, $2)", [target, rows[0].event_id]);
    await archives.erase(organizationId, target, rows[0].event_id);
    const runAgainAt = await eraseContents({ ...deps, at: deps.atErasedContent }, organizationId, rows[0].content ?? []);
    if (runAgainAt !== null) return { runAgainAt };
  }

  /** Nobody waits for it: it rests thrice as long as it works. */
  async function checkDrift(): Promise<void> {
    if (deps.driftCheck === null) return;
    const day = Math.floor(deps.clock.nowMs() / 86_400_000) % 7;
    let nth = 0;
    const only = deps.driftCheck.of === "all" ? null : () => nth++ % 7 === day;
    try {
      const reports = await deps.rebuild({ dryRun: true, only, rest: 3 });
      if (reports !== "no_such_projection") await drift.record(reports);
    } catch (error) {
      if (!(error instanceof RebuildRunning)) throw error;
      deps.logger.info("the check for drift is left to the next time: a rebuild is running");
    }
  }

  return {
    routes,
    projections: [],
    schemas: [],
    jobs: {
      ...imports.jobs,
      ...anchors.jobs,
      ...archives.jobs,
      "audit.erase": async (job) => erase(job.organizationId, EraseJob.parse(job.payload).target),
    },
    start: imports.tidy,
    stop: anchors.close,
    imports,
    eraseOf,
    contentGauges: contents.gauges,
    signer: (organizationId) => signerOf(logPool, organizationId, keys),
    async health() {
      for (const organizationId of await deps.organizations()) {
        const current = (await ringOf(logPool, organizationId, keys)).at(-1)!;
        if ((await keys.find(organizationId, current.key.id)) === null)
          return {
            ok: false,
            detail: `${organizationId}: ${missingText(current.key.id)} Nothing is signed until it is restored or replaced.`,
          };
      }
      // What follows is nothing that a load balancer should act on: the log is right and everything works.
      const told = [await anchors.lag(), contents.problem()].filter((one) => one !== null);
      const open = await drift.open();
      const tables = [...new Set(open.map(({ table }) => table))].toSorted();
      const since = open.map((of) => of.since).toSorted()[0];
      if (open.length > 0)
        told.push(
          `${tables.join(", ")} ${tables.length === 1 ? "differs" : "differ"} from the log since ${since}; run: signalbox log rebuild`,
        );
      return { ok: true, detail: told.length === 0 ? null : told.join("; ") };
    },
    storedStream: (organizationId, stream, afterSeq) => storedStream(db, log, organizationId, stream, afterSeq),
    schedules: [
      ...anchors.schedules,
      ...archives.schedules,
      ...contents.schedules,
      ...(deps.driftCheck === null ? [] : [{ name: "audit.drift", cron: deps.driftCheck.cron, run: checkDrift }]),
      {
        name: "audit.checkpoint",
        cron: "*/5 * * * *",
        run: async () => {
          // One organization that cannot be signed for must not keep the others from it.
          for (const organizationId of await deps.organizations())
            await checkpoint(logPool, keys, organizationId, deps.clock.now()).catch((error: unknown) =>
              deps.logger.error({ err: error, organizationId }, "a checkpoint could not be signed"),
            );
        },
      },
    ],
  };
}

function streamRef(text: string): StreamRef {
  const at = text.indexOf(":");
  return { type: text.slice(0, at) as StreamType, id: text.slice(at + 1) };
}
