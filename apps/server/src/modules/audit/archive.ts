/*
 * Old streams go to the store of contents, a stretch of at most `STRETCH` events at a time.
 *
 *   in the database ── named, put ──► stored ── read back, checked ──► verified ── `log.archived` ──► recorded ── evt_detach ──► detached
 *
 * Nothing leaves the database before the store handed back what was put there, chained, byte for byte, and the log says
 * so. `evt_detach` compares the very rows it takes away with what was read back, so an erasure in between refuses it. A
 * process that dies anywhere leaves a content that nobody names, or a row that says how far it was; the next run goes on
 * from there. Heads, places and hashes stay: checkpoints and proofs hold, and readers fill archived events in
 * (eventlog/archived.ts).
 */
import { archiveStreams, type ArchiveView, listArchives } from "@signalbox/contract/archives";
import { archivedEvents } from "@signalbox/eventlog/archived";
import type { Origin } from "@signalbox/eventlog/log";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { newId } from "@signalbox/kernel/id";
import type { Blobs } from "@signalbox/providers/blob/port";
import { follow, type Head } from "@signalbox/verify/chain";
import { nodePrimitives } from "@signalbox/verify/node";
import { hashBytes } from "@signalbox/verify/primitives";
import { createHash } from "node:crypto";
import { sql, type Kysely } from "kysely";
import type pg from "pg";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle } from "../../http/handle.ts";
import type { Deps, Job, Module } from "../../module.ts";
import { archiveRecord } from "./archive-record.ts";
import { type StoredEvent, storedStream } from "./chain-reader.ts";
import { contentsNamed } from "./content-names.ts";

export interface ArchiveDeps extends Deps {
  readonly logPool: pg.Pool;
  readonly blobs: Blobs;
  readonly organizations: () => Promise<readonly string[]>;
  /** Days after its last event that the stream of what is over goes by itself; null: never. Default null. */
  readonly archiveAfterDays?: number | null | undefined;
  /** Of these rooms, those that are over: the session has ended, or the room is archived. */
  readonly roomsOver?: ((organizationId: string, roomIds: readonly string[]) => Promise<readonly string[]>) | undefined;
  /** What rooms are called, and whose session each is the room of. Default: nobody knows. */
  readonly roomNames?:
    | ((
        organizationId: string,
        roomIds: readonly string[],
      ) => Promise<ReadonlyMap<string, { readonly title: string; readonly sessionId: string | null }>>)
    | undefined;
  /** Crash points of tests. */
  readonly atArchive?: ((step: "stored" | "verified" | "recorded" | "detached") => void) | undefined;
}

const KIND = "audit.archive";
const Payload = z.object({ older_than_days: z.int().min(0) });
const STRETCH = 5000;
const MOST = 500;
/** Looked at in one query. */
const QUIET_ROOMS = 1000;
/** Nothing is that old: only what was begun is ended. */
const NEVER_DAYS = 36_500;
const DAY_MS = 86_400_000;
/** What was to be taken away is not what was read back. */
const CHANGED = "SB003";
const ORIGIN: Origin = { principal: { id: "svc_archive", type: "service" } };

const typeOf = (header: string): string => (JSON.parse(header) as { type: string }).type;
const idOf = ({ id }: { readonly id: string }): string => id;

interface Candidate {
  readonly id: string;
  readonly head: number;
  readonly from: number;
  readonly lastAt: Date;
}
interface Row {
  readonly id: string;
  readonly stream_type: string;
  readonly stream_id: string;
  readonly from_seq: string;
  readonly to_seq: string;
  readonly events: number;
  readonly sha256: string;
  readonly bytes: string;
  readonly state: "storing" | "verified" | "detached";
  readonly created_at: Date;
  readonly detached_at: Date | null;
}
const COLUMNS = "id, stream_type, stream_id, from_seq, to_seq, events, sha256, bytes, state, created_at, detached_at";

export function createArchives(deps: ArchiveDeps) {
  const { db, log, logPool, blobs, clock } = deps;

  /** Rooms that are over and quiet, with events that are not archived; the longest quiet first. */
  async function candidates(organizationId: string, olderThanDays: number): Promise<Candidate[]> {
    const found: Candidate[] = [];
    const before = new Date(clock.nowMs() - olderThanDays * DAY_MS);
    // Page by page: however many old rooms are not over yet, those behind them have their turn.
    for (let after: readonly [Date | null, string] = [null, ""]; found.length < MOST;) {
      const rows = await quietRooms(organizationId, before, after);
      const over = new Set((await deps.roomsOver?.(organizationId, rows.map(idOf))) ?? []);
      for (const { id, head, archived, at } of rows)
        if (over.has(id)) found.push({ id, head: Number(head), from: Number(archived) + 1, lastAt: at });
      const last = rows.at(-1);
      if (last === undefined || rows.length < QUIET_ROOMS) break;
      after = [last.at, last.id];
    }
    return found.slice(0, MOST);
  }

  async function quietRooms(
    organizationId: string,
    before: Date,
    [at, id]: readonly [Date | null, string],
  ): Promise<readonly { readonly id: string; readonly head: string; readonly archived: string; readonly at: Date }[]> {
    const { rows } = await logPool.query<{ id: string; head: string; archived: string; at: Date }>(
      `select h.stream_id as id, h.seq as head, coalesce(a.last, 0) as archived, date_trunc('milliseconds', e.recorded_at) as at
         from evt_stream_heads h
         join evt_events e on e.organization_id = h.organization_id and e.stream_type = h.stream_type and e.stream_id = h.stream_id and e.seq = h.seq
         left join lateral (select max(to_seq) as last from evt_archives a where a.organization_id = h.organization_id
                             and a.stream_type = h.stream_type and a.stream_id = h.stream_id and a.state = 'detached') a on true
        where h.organization_id = $1 and h.stream_type = 'room' and h.import_id is null and h.seq > coalesce(a.last, 0) and e.recorded_at < $2
          and ($3::timestamptz is null or (date_trunc('milliseconds', e.recorded_at), h.stream_id) > ($3, $4))
        order by date_trunc('milliseconds', e.recorded_at), h.stream_id limit ${QUIET_ROOMS}`,
      [organizationId, before, at, id],
    );
    return rows;
  }

  async function* stretchLines(
    organizationId: string,
    stream: { type: string; id: string },
    from: number,
    to: number,
    seen: StoredEvent[],
  ) {
    const line = (value: object): Buffer => Buffer.from(`${JSON.stringify(value)}\n`);
    const header = { kind: "header", format: "signalbox-export/1", organization_id: organizationId, complete: false };
    yield line({ ...header, stream: `${stream.type}:${stream.id}`, from_seq: from, keys: [] });
    let events = 0;
    for await (const event of storedStream(db, log, organizationId, stream, from - 1)) {
      if (event.seq > to) break;
      events++;
      seen.push(event);
      yield line({ kind: "event", ...event });
    }
    yield line({ kind: "end", events, checkpoints: 0 });
  }

  /** Stored, read back, and compared: the row says it. */
  async function verified(organizationId: string, roomId: string, from: number, to: number): Promise<void> {
    const stream = { type: "room", id: roomId };
    const exported: StoredEvent[] = [];
    // Looked through once before: its name is on record before the store has it.
    const name = createHash("sha256");
    for await (const chunk of stretchLines(organizationId, stream, from, to, exported)) name.update(chunk);
    const first = exported[0];
    if (first === undefined) return;
    const id = newId("arch");
    const sha256 = `sha256:${name.digest("hex")}`;
    await logPool.query("select evt_archive_storing($1, $2, $3, $4, $5, $6, $7, $8)", [
      organizationId,
      id,
      stream.type,
      stream.id,
      from,
      to,
      sha256,
      clock.now(),
    ]);
    const stored = await blobs.put(organizationId, stretchLines(organizationId, stream, from, to, []), {
      maxBytes: Number.MAX_SAFE_INTEGER,
    });
    deps.atArchive?.("stored");
    if (stored.sha256 !== sha256) {
      // Something was erased while it was read: the next run exports it without.
      await blobs.erase(organizationId, stored.sha256);
      return drop(organizationId, { id, sha256 });
    }
    // From here on only what the store hands back counts.
    let head: Head = { seq: from - 1, hash: hashBytes(first.prev_hash)! };
    let events = 0;
    const digest = createHash("sha256");
    const named: string[] = [];
    for await (const event of archivedEvents(await blobs.stream(organizationId, stored.sha256))) {
      const step = await follow(nodePrimitives, head, { ...event, stream });
      if (!step.ok)
        throw new Error(`the stored archive of ${roomId} does not verify at ${event.seq} (${step.mismatch.kind}): nothing was detached`);
      head = step.head;
      events++;
      digest.update(hashBytes(event.hash)!);
      digest.update(event.data === null ? Buffer.of(0) : Buffer.concat([Buffer.of(1), dataHash(event.salt, event.data)]));
      named.push(...contentsNamed(typeOf(event.header), event.data));
    }
    if (head.seq !== to) throw new Error(`the stored archive of ${roomId} ends at ${head.seq}, not at ${to}: nothing was detached`);
    await logPool.query("select evt_archive_verified($1, $2, $3, $4, $5, $6)", [
      organizationId,
      id,
      events,
      stored.sizeBytes,
      digest.digest(),
      named,
    ]);
    deps.atArchive?.("verified");
  }

  /** Content first: what was erased since must not outlive it there. */
  async function drop(organizationId: string, of: Pick<Row, "id" | "sha256">): Promise<void> {
    await blobs.erase(organizationId, of.sha256);
    await logPool.query("select evt_archive_dropped($1, $2)", [organizationId, of.id]);
  }

  /** What the row says is done to its end; where the stream changed meanwhile it is dropped, and exported again by a later run. */
  async function finish(organizationId: string, row: Row): Promise<void> {
    if (row.state === "storing" || !(await stillStands(organizationId, row))) return drop(organizationId, row);
    const { rows } = await logPool.query<{ hash: string }>(
      `select 'sha256:' || encode(hash, 'hex') as hash from evt_events
        where organization_id = $1 and stream_type = $2 and stream_id = $3 and seq = $4`,
      [organizationId, row.stream_type, row.stream_id, row.to_seq],
    );
    const subject = `archive:${row.id}`;
    await log.run(
      archiveRecord,
      { organizationId, origin: ORIGIN, stream: { type: "organization", id: organizationId }, subject },
      {
        archive_id: row.id,
        stream: `${row.stream_type}:${row.stream_id}`,
        from_seq: Number(row.from_seq),
        to_seq: Number(row.to_seq),
        events: row.events,
        sha256: row.sha256,
        bytes: Number(row.bytes),
        last_hash: rows[0]!.hash,
      },
    );
    deps.atArchive?.("recorded");
    const { rows: said } = await logPool.query<{ event_id: string }>(
      "select event_id from evt_events where organization_id = $1 and subject = $2 and type = 'log.archived'",
      [organizationId, subject],
    );
    try {
      await logPool.query("select evt_detach($1, $2, $3, $4)", [organizationId, row.id, said[0]!.event_id, clock.now()]);
    } catch (error) {
      if ((error as { code?: string }).code !== CHANGED) throw error;
      return drop(organizationId, row);
    }
    deps.atArchive?.("detached");
  }

  /** Asked before it is recorded; `evt_detach` asks again. */
  async function stillStands(organizationId: string, row: Row): Promise<boolean> {
    const { rows } = await logPool.query<{ stands: boolean }>(
      `select d.digest = a.digest and d.events = a.events as stands
         from evt_archives a, evt_segment_digest(a.organization_id, a.stream_type, a.stream_id, a.from_seq, a.to_seq) d
        where a.organization_id = $1 and a.id = $2`,
      [organizationId, row.id],
    );
    return rows[0]?.stands === true;
  }

  async function unfinished(organizationId: string): Promise<Row[]> {
    const { rows } = await logPool.query<Row>(
      `select ${COLUMNS} from evt_archives where organization_id = $1 and state <> 'detached' order by created_at, id`,
      [organizationId],
    );
    return rows;
  }

  async function run(job: Job): Promise<void> {
    const { organizationId } = job;
    const payload = Payload.parse(job.payload);
    const goOn = async (): Promise<void> => {
      for (const row of await unfinished(organizationId)) await finish(organizationId, row);
    };
    await goOn();
    for (const { id, head, from } of await candidates(organizationId, payload.older_than_days))
      for (let first = from; first <= head; first += STRETCH) {
        if (job.signal.aborted) return wake(organizationId, payload.older_than_days);
        await verified(organizationId, id, first, Math.min(head, first + STRETCH - 1));
        await goOn();
      }
  }
  const wake = (organizationId: string, days: number): Promise<void> =>
    enqueueJobs(logPool, [{ kind: KIND, organizationId, payload: { older_than_days: days }, key: "archive" }]);

  /** The archived stretch that an event lies in, if it does. */
  async function placeOf(organizationId: string, eventId: string): Promise<(Row & { seq: number }) | null> {
    const { rows } = await logPool.query<Row & { seq: string }>(
      `select ${COLUMNS.replaceAll(/\w+/g, (name) => `a.${name}`)}, e.seq from evt_archived_events e join evt_archives a on a.id = e.archive_id
        where e.organization_id = $1 and e.event_id = $2::uuid`,
      [organizationId, eventId],
    );
    return rows[0] === undefined ? null : { ...rows[0], seq: Number(rows[0].seq) };
  }

  /** Its content is written anew without the payload, then the old one is erased. Idempotent. */
  async function erase(organizationId: string, target: string, redaction: string): Promise<void> {
    const place = await placeOf(organizationId, target);
    if (place === null) return;
    async function* without(): AsyncGenerator<Buffer> {
      let rest = "";
      const decoder = new TextDecoder();
      for await (const chunk of (await blobs.stream(organizationId, place!.sha256)) ?? []) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const event = JSON.parse(line) as { kind: string; seq: number };
          yield Buffer.from(
            `${event.kind === "event" && event.seq === place!.seq ? JSON.stringify({ ...event, data: null, salt: null }) : line}\n`,
          );
        }
      }
    }
    const written = await blobs.put(organizationId, without(), { maxBytes: Number.MAX_SAFE_INTEGER });
    if (written.sha256 !== place.sha256) {
      let events = 0;
      const named: string[] = [];
      for await (const { header, data } of archivedEvents(await blobs.stream(organizationId, written.sha256))) {
        events++;
        named.push(...contentsNamed(typeOf(header), data));
      }
      if (events !== place.events) throw new Error(`the archive ${place.id} could not be written anew: nothing was replaced`);
      await logPool.query("select evt_rearchive($1, $2, $3, $4, $5, $6)", [
        organizationId,
        place.id,
        redaction,
        written.sha256,
        written.sizeBytes,
        named,
      ]);
    }
    // Also those of a run that died before it came here.
    const { rows } = await logPool.query<{ sha256: string }>("select unnest(replaced) as sha256 from evt_archives where id = $1", [
      place.id,
    ]);
    for (const { sha256 } of rows) if (sha256 !== written.sha256) await blobs.erase(organizationId, sha256);
  }

  async function namesOf(organizationId: string, roomIds: readonly string[]) {
    const names = (await deps.roomNames?.(organizationId, roomIds)) ?? new Map<string, never>();
    return (id: string) => ({ title: names.get(id)?.title ?? null, session_id: names.get(id)?.sessionId ?? null });
  }
  const view = (row: Row): Omit<z.input<typeof ArchiveView>, "title" | "session_id"> => ({
    id: row.id,
    stream: `${row.stream_type}:${row.stream_id}`,
    from_seq: Number(row.from_seq),
    to_seq: Number(row.to_seq),
    events: row.events,
    sha256: row.sha256,
    bytes: Number(row.bytes),
    state: row.state === "detached" ? "detached" : "verified",
    created_at: row.created_at.toISOString(),
    detached_at: row.detached_at?.toISOString() ?? null,
  });

  const routes: Module["routes"] = [
    handle(listArchives, async ({ caller, query }) => {
      const after = decodeCursor(query.cursor, z.tuple([z.string()]))?.[0] ?? null;
      const { rows } = await db.inOrganization(caller.organizationId, (tx: Kysely<unknown>) =>
        sql<Row>`select ${sql.raw(COLUMNS)} from evt_archives where organization_id = ${caller.organizationId} and state <> 'storing'
          ${after === null ? sql`` : sql`and id < ${after}`} order by id desc limit ${query.limit + 1}`.execute(tx),
      );
      const nameOf = await namesOf(
        caller.organizationId,
        rows.map((row) => row.stream_id),
      );
      const found = pageOf(
        rows,
        query.limit,
        (row) => ({ ...view(row), ...nameOf(row.stream_id) }),
        (row) => [row.id],
      );
      return { ...found, after_days: deps.archiveAfterDays ?? null };
    }),
    handle(archiveStreams, async ({ caller, body }) => {
      const found = await candidates(caller.organizationId, body.older_than_days);
      const { rows } = await logPool.query<{ id: string; bytes: string }>(
        `select w.id, sum(octet_length(e.header) + coalesce(octet_length(p.data), 0)) as bytes
           from unnest($2::text[], $3::bigint[]) as w (id, first)
           join evt_events e on e.organization_id = $1 and e.stream_type = 'room' and e.stream_id = w.id and e.seq >= w.first
           join evt_payloads p using (position) group by w.id`,
        [caller.organizationId, found.map(({ id }) => id), found.map(({ from }) => from)],
      );
      const bytes = new Map(rows.map((row) => [row.id, Number(row.bytes)]));
      if (!body.dry_run) await wake(caller.organizationId, body.older_than_days);
      const nameOf = await namesOf(caller.organizationId, found.map(idOf));
      const streams = found.map(({ id, head, from, lastAt }) => ({
        stream: `room:${id}`,
        ...nameOf(id),
        events: head - from + 1,
        bytes: bytes.get(id) ?? 0,
        last_event_at: lastAt.toISOString(),
      }));
      return {
        dry_run: body.dry_run,
        streams,
        events: streams.reduce((sum, one) => sum + one.events, 0),
        bytes: streams.reduce((sum, one) => sum + one.bytes, 0),
      };
    }),
  ];

  const days = deps.archiveAfterDays ?? null;
  return {
    routes,
    jobs: { [KIND]: run } satisfies Module["jobs"],
    schedules: [
      {
        name: KIND,
        cron: "23 2 * * *",
        run: async () => {
          // What was asked for and not ended goes on, also where nothing goes by itself.
          for (const organizationId of await deps.organizations())
            if (days !== null || (await unfinished(organizationId)).length > 0) await wake(organizationId, days ?? NEVER_DAYS);
        },
      },
    ],
    erase,
  };
}

const dataHash = (salt: string | null, data: string): Buffer =>
  createHash("sha256")
    .update(Buffer.from(salt ?? "", "base64"))
    .update(data)
    .digest();
