/* Reads of the runs' projections. `rooms` limits what is seen to those rooms (null: all). */
import type { RunKind } from "@signalbox/contract/events/runs";
import type { ArtifactView, AttemptView, RunStatus, RunView, StepView, ToolCallView } from "@signalbox/contract/runs";
import { type RawBuilder, sql } from "kysely";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import type { Database } from "../../module.ts";
import type { NewArtifact } from "./run-command.ts";

export type RunRecord = z.input<typeof RunView>;
export type StepRecord = z.input<typeof StepView>;
export type ToolCallRecord = z.input<typeof ToolCallView>;
export type ArtifactRecord = z.input<typeof ArtifactView>;
export type AttemptRecord = z.input<typeof AttemptView>;

export interface PageOf<T> {
  readonly items: T[];
  readonly next_cursor: string | null;
}
export interface Paging {
  readonly limit: number;
  readonly cursor?: string | undefined;
}
export interface RunFilter {
  readonly roomId?: string | undefined;
  readonly sessionId?: string | undefined;
  /** One, or any of several. */
  readonly status?: RunStatus | readonly RunStatus[] | undefined;
  readonly kind?: RunKind | undefined;
  readonly correlationId?: string | undefined;
  /** Part of title or goal, whatever its case. */
  readonly q?: string | undefined;
  readonly assignee?: string | undefined;
  /** Default `newest`. */
  readonly order?: "newest" | "oldest" | undefined;
  readonly rooms?: readonly string[] | null | undefined;
}

const byTime = z.tuple([z.iso.datetime(), z.string()]);
const byVersion = z.tuple([z.int()]);

interface RunRow {
  id: string;
  kind: RunKind;
  status: RunStatus;
  title: string | null;
  goal: string | null;
  input: RunRecord["input"];
  output: RunRecord["output"];
  summary: string | null;
  error_code: string | null;
  error_message: string | null;
  tags: string[];
  room_id: string | null;
  session_id: string | null;
  requested_by: string;
  assignee: string | null;
  claimed_by: string | null;
  attempt_no: number;
  max_attempts: number;
  epoch: string;
  lease_expires_at: Date | null;
  correlation_id: string;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
}

/** Heartbeats move the row of the lease, not the projection's column. */
const RUN = sql`r.id, r.kind, r.status, r.title, r.goal, r.input, r.output, r.summary, r.error_code, r.error_message, r.tags, r.room_id, r.session_id,
  r.requested_by, r.assignee, r.claimed_by, r.attempt_no, r.max_attempts, r.epoch, r.correlation_id, r.created_at, r.started_at, r.ended_at,
  case when r.lease_expires_at is null then null when l.epoch = r.epoch then l.expires_at else r.lease_expires_at end as lease_expires_at
  from proj_runs r left join run_leases l on l.organization_id = r.organization_id and l.run_id = r.id`;

export async function findRun(db: Database, organizationId: string, id: string): Promise<RunRecord | null> {
  const { rows } = await db.inOrganization(organizationId, (tx) => sql<RunRow>`select ${RUN} where r.id = ${id}`.execute(tx));
  return rows[0] === undefined ? null : runView(rows[0]);
}

/** Throws `InvalidCursor`. */
export async function findRuns(
  db: Database,
  organizationId: string,
  filter: RunFilter,
  { limit, cursor }: Paging,
): Promise<PageOf<RunRecord>> {
  const after = decodeCursor(cursor, byTime);
  const oldest = filter.order === "oldest";
  const where: RawBuilder<unknown>[] = [sql`true`];
  if (filter.roomId !== undefined) where.push(sql`r.room_id = ${filter.roomId}`);
  if (filter.sessionId !== undefined) where.push(sql`r.session_id = ${filter.sessionId}`);
  if (filter.status !== undefined) where.push(sql`r.status = any(${[filter.status].flat()}::text[])`);
  if (filter.correlationId !== undefined) where.push(sql`r.correlation_id = ${filter.correlationId}`);
  if (filter.assignee !== undefined) where.push(sql`r.assignee = ${filter.assignee}`);
  if (filter.q !== undefined) {
    const pattern = `%${filter.q.replaceAll(/[\\%_]/g, "\\$&")}%`;
    where.push(sql`(r.title ilike ${pattern} or r.goal ilike ${pattern})`);
  }
  if (filter.kind !== undefined) where.push(sql`r.kind = ${filter.kind}`);
  if (filter.rooms) where.push(sql`(r.room_id is null or r.room_id = any(${[...filter.rooms]}::text[]))`);
  if (after !== null) where.push(sql`(r.created_at, r.id) ${oldest ? sql`>` : sql`<`} (${after[0]}::timestamptz, ${after[1]})`);
  const order = oldest ? sql`r.created_at, r.id` : sql`r.created_at desc, r.id desc`;
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<RunRow>`select ${RUN} where ${sql.join(where, sql` and `)} order by ${order} limit ${limit + 1}`.execute(tx),
  );
  return pageOf(rows, limit, runView, (row) => [row.created_at.toISOString(), row.id]);
}

export async function findAttempts(db: Database, organizationId: string, runId: string): Promise<AttemptRecord[]> {
  interface Row {
    attempt_no: number;
    epoch: string;
    claimed_by: string;
    claimed_at: Date;
    ended_at: Date | null;
    end_reason: AttemptRecord["end_reason"];
  }
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<Row>`select attempt_no, epoch, claimed_by, claimed_at, ended_at, end_reason from proj_run_attempts where run_id = ${runId} order by attempt_no`.execute(
      tx,
    ),
  );
  return rows.map((r) => ({ ...r, epoch: Number(r.epoch), claimed_at: r.claimed_at.toISOString(), ended_at: iso(r.ended_at) }));
}

interface StepRow {
  id: string;
  run_id: string;
  kind: string;
  title: string | null;
  created_at: Date;
  subject_version: string;
}
export async function findSteps(
  db: Database,
  organizationId: string,
  runId: string,
  { limit, cursor }: Paging,
): Promise<PageOf<StepRecord>> {
  const [after] = decodeCursor(cursor, byVersion) ?? [0];
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<StepRow>`select id, run_id, kind, title, created_at, subject_version from proj_steps
                  where run_id = ${runId} and subject_version > ${after} order by subject_version limit ${limit + 1}`.execute(tx),
  );
  return pageOf(rows, limit, stepView, (row) => [Number(row.subject_version)]);
}
export async function findStep(db: Database, organizationId: string, id: string): Promise<StepRecord | null> {
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<StepRow>`select id, run_id, kind, title, created_at, subject_version from proj_steps where id = ${id}`.execute(tx),
  );
  return rows[0] === undefined ? null : stepView(rows[0]);
}

interface CallRow {
  id: string;
  step_id: string;
  run_id: string;
  name: string;
  title: string | null;
  status: ToolCallRecord["status"];
  arguments: ToolCallRecord["arguments"];
  output: string | null;
  output_truncated: boolean;
  error: string | null;
  artifact_id: string | null;
  duration_ms: string | null;
  created_at: Date;
  invoked_version: string;
}
const CALL = sql`id, step_id, run_id, name, title, status, arguments, output, output_truncated, error, artifact_id, duration_ms, created_at, invoked_version from proj_tool_calls`;
export async function findToolCalls(
  db: Database,
  organizationId: string,
  runId: string,
  { limit, cursor }: Paging,
): Promise<PageOf<ToolCallRecord>> {
  const [after] = decodeCursor(cursor, byVersion) ?? [0];
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<CallRow>`select ${CALL} where run_id = ${runId} and invoked_version > ${after} order by invoked_version limit ${limit + 1}`.execute(
      tx,
    ),
  );
  return pageOf(rows, limit, callView, (row) => [Number(row.invoked_version)]);
}
export async function findToolCall(db: Database, organizationId: string, id: string): Promise<ToolCallRecord | null> {
  const { rows } = await db.inOrganization(organizationId, (tx) => sql<CallRow>`select ${CALL} where id = ${id}`.execute(tx));
  return rows[0] === undefined ? null : callView(rows[0]);
}

interface ArtifactRow {
  id: string;
  run_id: string | null;
  step_id: string | null;
  room_id: string | null;
  kind: NewArtifact["kind"];
  name: string;
  media_type: string;
  size_bytes: string;
  sha256: string | null;
  uri: string | null;
  text: string | null;
  created_at: Date;
}
/** Lists leave the text out: it may be 64 KiB each. */
export async function findArtifacts(
  db: Database,
  organizationId: string,
  filter: { runId?: string | undefined; sessionId?: string | undefined; rooms?: readonly string[] | null | undefined },
  { limit, cursor }: Paging,
): Promise<PageOf<ArtifactRecord>> {
  const after = decodeCursor(cursor, byTime);
  const where: RawBuilder<unknown>[] = [sql`true`];
  if (filter.runId !== undefined) where.push(sql`run_id = ${filter.runId}`);
  if (filter.sessionId !== undefined) where.push(sql`session_id = ${filter.sessionId}`);
  if (filter.rooms) where.push(sql`(room_id is null or room_id = any(${[...filter.rooms]}::text[]))`);
  if (after !== null) where.push(sql`(created_at, id) < (${after[0]}::timestamptz, ${after[1]})`);
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<ArtifactRow>`
      select id, run_id, step_id, room_id, kind, name, media_type, size_bytes, sha256, uri, null::text as text, created_at from proj_artifacts
       where ${sql.join(where, sql` and `)} order by created_at desc, id desc limit ${limit + 1}`.execute(tx),
  );
  return pageOf(rows, limit, artifactView, (row) => [row.created_at.toISOString(), row.id]);
}
export async function findArtifact(
  db: Database,
  organizationId: string,
  id: string,
): Promise<{ artifact: ArtifactRecord; roomId: string | null } | null> {
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<ArtifactRow>`select id, run_id, step_id, room_id, kind, name, media_type, size_bytes, sha256, uri, text, created_at from proj_artifacts where id = ${id}`.execute(
      tx,
    ),
  );
  return rows[0] === undefined ? null : { artifact: artifactView(rows[0]), roomId: rows[0].room_id };
}

const iso = (at: Date | null): string | null => at?.toISOString() ?? null;

// Ids come from the log, where the contract's schemas put them.
const runView = ({ error_code, error_message, ...row }: RunRow): RunRecord => ({
  ...row,
  error: error_code === null || error_message === null ? null : { code: error_code, message: error_message },
  epoch: Number(row.epoch),
  lease_expires_at: iso(row.lease_expires_at),
  created_at: row.created_at.toISOString(),
  started_at: iso(row.started_at),
  ended_at: iso(row.ended_at),
});
const stepView = ({ subject_version: _order, ...row }: StepRow): StepRecord => ({ ...row, created_at: row.created_at.toISOString() });
const callView = ({ invoked_version: _order, ...row }: CallRow): ToolCallRecord => ({
  ...row,
  duration_ms: row.duration_ms === null ? null : Number(row.duration_ms),
  created_at: row.created_at.toISOString(),
});
const artifactView = ({ room_id: _room, ...row }: ArtifactRow): ArtifactRecord => ({
  ...row,
  size_bytes: Number(row.size_bytes),
  created_at: row.created_at.toISOString(),
});
