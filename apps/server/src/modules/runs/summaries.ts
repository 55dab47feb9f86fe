/* Runs and engines as documents of the feed: `runtime.run_summaries`, `runtime.worker_summaries`. */
import type { RunSummary, WorkerSummary } from "@signalbox/contract/sync";
import type { Recorded } from "@signalbox/eventlog/log";
import { type RawBuilder, sql } from "kysely";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import type { Database } from "../../module.ts";
import type { TopicDocument, TopicDocuments } from "../feed/public.ts";

const RUN_TYPES = [
  "run.created",
  "run.claimed",
  "run.edited",
  "run.started",
  "run.released",
  "run.completed",
  "run.failed",
  "run.needs_human",
  "run.timed_out",
  "run.canceled",
  "run.skipped",
  "run.resolved",
  "run.assigned",
  "run.unassigned",
] as const;
/** Those after which an engine holds a run, or holds it no longer. */
const WORKER_TYPES = [
  "run.claimed",
  "run.released",
  "run.completed",
  "run.failed",
  "run.needs_human",
  "run.timed_out",
  "run.canceled",
  "run.resolved",
] as const;

const byTime = z.tuple([z.iso.datetime(), z.string()]);
const RUN_PREFIX = "runtime/run_summary:";
const WORKER_PREFIX = "runtime/worker_summary:";

interface RunRow {
  id: string;
  kind: RunSummary["kind"];
  status: RunSummary["status"];
  title: string | null;
  room_id: string | null;
  session_id: string | null;
  requested_by: string;
  assignee: string | null;
  claimed_by: string | null;
  attempt_no: number;
  error_code: string | null;
  error_message: string | null;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
  subject_version: string;
}
const RUN = sql`id, kind, status, title, room_id, session_id, requested_by, assignee, claimed_by, attempt_no, error_code, error_message,
  created_at, started_at, ended_at, subject_version from proj_runs`;

const ids = (events: readonly Recorded[]): string[] => [...new Set(events.map((r) => r.subjectId))];
const iso = (at: Date | null): string | null => at?.toISOString() ?? null;

function runDocument({ error_code, error_message, subject_version, ...row }: RunRow): TopicDocument {
  const payload: z.input<typeof RunSummary> = {
    ...row,
    error: error_code === null || error_message === null ? null : { code: error_code, message: error_message },
    created_at: row.created_at.toISOString(),
    started_at: iso(row.started_at),
    ended_at: iso(row.ended_at),
  };
  return {
    key: `${RUN_PREFIX}${row.id}`,
    version: Number(subject_version),
    payload,
    audience: { rooms: row.room_id === null ? null : [row.room_id], kind: "everyone", principalId: null },
  };
}

export function runSummaries(db: Database): TopicDocuments {
  const some = async (organizationId: string, where: RawBuilder<unknown>): Promise<RunRow[]> =>
    (await db.inOrganization(organizationId, (tx) => sql<RunRow>`select ${RUN} where ${where}`.execute(tx))).rows;
  return {
    topic: "runtime.run_summaries",
    types: RUN_TYPES,
    async moved(organizationId, events) {
      const moved = ids(events);
      const rows = new Map((await some(organizationId, sql`id = any(${moved}::text[])`)).map((row) => [row.id, row]));
      return moved.flatMap((id) => rows.get(id) ?? []).map(runDocument);
    },
    hydration: {
      collection: "run_summaries",
      prefix: RUN_PREFIX,
      async list(viewer, { limit, cursor }) {
        const after = decodeCursor(cursor, byTime);
        const rooms = viewer.rooms === null ? null : [...viewer.rooms];
        const rows = await some(
          viewer.organizationId,
          sql`(${rooms}::text[] is null or room_id is null or room_id = any(${rooms}::text[]))
              and (${after?.[0] ?? null}::timestamptz is null or (created_at, id) < (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::text))
              order by created_at desc, id desc limit ${limit + 1}`,
        );
        return pageOf(rows, limit, runDocument, (row) => [row.created_at.toISOString(), row.id]);
      },
      async find(organizationId, id) {
        const [row] = await some(organizationId, sql`id = ${id}`);
        return row === undefined ? null : runDocument(row);
      },
    },
  };
}

interface WorkerRow {
  claimed_by: string;
  first_seen: Date;
  last_seen: Date;
  attempts: number;
  ended: number;
  holding: number;
  completed: number;
  failed: number;
  /** Null: one of its runs is in no room. */
  rooms: string[] | null;
}

export function workerSummaries(
  db: Database,
  displayNames: (organizationId: string, ids: readonly string[]) => Promise<ReadonlyMap<string, string>>,
): TopicDocuments {
  async function documents(organizationId: string, which: RawBuilder<unknown>): Promise<TopicDocument[]> {
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<WorkerRow>`
        select a.claimed_by, min(a.claimed_at) as first_seen, max(greatest(a.claimed_at, coalesce(a.ended_at, a.claimed_at))) as last_seen,
               count(*)::int as attempts, count(a.ended_at)::int as ended,
               (count(*) filter (where a.ended_at is null and r.status in ('claimed', 'running')))::int as holding,
               (count(*) filter (where a.end_reason = 'completed'))::int as completed,
               (count(*) filter (where a.end_reason = 'failed'))::int as failed,
               case when bool_or(r.room_id is null) then null else array_agg(distinct r.room_id) end as rooms
          from proj_run_attempts a join proj_runs r on r.organization_id = a.organization_id and r.id = a.run_id
         where ${which} group by a.claimed_by order by last_seen desc, a.claimed_by limit 200`.execute(tx),
    );
    const names = await displayNames(
      organizationId,
      rows.map((row) => row.claimed_by),
    );
    return rows.map((row) => {
      const payload: z.input<typeof WorkerSummary> = {
        id: row.claimed_by,
        display_name: names.get(row.claimed_by) ?? row.claimed_by,
        status: row.holding > 0 ? "busy" : "idle",
        holding: row.holding,
        completed: row.completed,
        failed: row.failed,
        first_seen_at: row.first_seen.toISOString(),
        last_seen_at: row.last_seen.toISOString(),
      };
      return {
        key: `${WORKER_PREFIX}${row.claimed_by}`,
        // Each claim and each end is a change, and neither is ever taken back.
        version: row.attempts + row.ended,
        payload,
        audience: { rooms: row.rooms, kind: "everyone", principalId: null },
      };
    });
  }

  return {
    topic: "runtime.worker_summaries",
    types: WORKER_TYPES,
    moved: (organizationId, events) =>
      documents(
        organizationId,
        sql`a.claimed_by in (select claimed_by from proj_run_attempts w where w.run_id = any(${ids(events)}::text[]))`,
      ),
    hydration: {
      collection: "worker_summaries",
      prefix: WORKER_PREFIX,
      // All that there are: nobody has more than two hundred engines.
      list: async ({ organizationId }) => ({ items: await documents(organizationId, sql`true`), next_cursor: null }),
      find: async (organizationId, id) => (await documents(organizationId, sql`a.claimed_by = ${id}`))[0] ?? null,
    },
  };
}
