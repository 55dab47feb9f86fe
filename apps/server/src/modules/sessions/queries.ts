/* Reading sessions, inside one organization. Nothing here wakes or boots anything. */
import type { ConversationQuery, SessionView } from "@signalbox/contract/sessions";
import type { QueuedPrompt } from "@signalbox/contract/session-queue";
import { type Kysely, sql, type RawBuilder } from "kysely";
import { z } from "zod";
import { decodeCursor, InvalidCursor, pageOf } from "../../http/cursor.ts";
import type { Database } from "../../module.ts";
import type { Hydrate } from "@signalbox/eventlog/archived";
import type { Tx } from "@signalbox/eventlog/log";
import { readConversation, type ConversationPage } from "./conversation.ts";
import { inOrder } from "./queue.ts";
import { ERASED } from "./session.ts";

/** Whether agents of that harness can be told their model. */
type ChoosesModel = (harness: string) => boolean;
export type SessionView_ = z.input<typeof SessionView>;

interface Row {
  id: string;
  title: string;
  kind: string;
  status: string;
  status_reason: string | null;
  source: string;
  harness: string;
  model: string;
  room_id: string;
  thread_id: string;
  agent_id: string;
  created_by: string;
  created_at: Date;
  updated_at: Date;
  latest_step: string | null;
  latest_step_at: Date | null;
  outcome: SessionView_["outcome"];
  summary: string | null;
  last_message: string | null;
  active_ms: string;
  queued_prompts: string;
  pending_questions: number;
  room_seq: string;
  pending_approvals: number;
  tool_calls: number;
  messages: number;
  files_changed: string;
  cost: string;
  budget: string;
  archived: boolean;
  sandbox_id: string | null;
  current_run_id: string | null;
  current_title: string | null;
  current_status: string | null;
  epoch: string;
  patch_artifact_id: string | null;
  import_id: string | null;
  import_from: string | null;
  import_names: string | null;
}
export interface SessionRow {
  readonly view: SessionView_;
  readonly sandboxId: string | null;
  readonly currentRunId: string | null;
}

export interface ListFilter {
  readonly status?: readonly string[] | undefined;
  readonly model?: string | undefined;
  readonly repository?: string | undefined;
  readonly createdBy?: string | undefined;
  readonly outcome?: string | undefined;
  readonly sort?: "created_at" | "updated_at" | "cost" | undefined;
  readonly q?: string | undefined;
  readonly archived: boolean;
  /** Null: all. */
  readonly rooms: readonly string[] | null;
}
export type QueuedPrompt_ = z.input<typeof QueuedPrompt>;

export interface SessionQueries {
  get(organizationId: string, sessionId: string): Promise<SessionRow | null>;
  list(
    organizationId: string,
    filter: ListFilter,
    paging: { limit: number; cursor?: string | undefined },
  ): Promise<{ items: SessionView_[]; next_cursor: string | null }>;
  /** Windows and moments as `conversation.ts` explains them. */
  /** Those of the ids that have ended. */
  ended(organizationId: string, sessionIds: readonly string[]): Promise<ReadonlySet<string>>;
  conversation(organizationId: string, sessionId: string, query: ConversationQuery): Promise<ConversationPage>;
  /** In the order in which they will run. */
  prompts(organizationId: string, sessionId: string): Promise<QueuedPrompt_[]>;
  /** Whether any session's sandbox lives, or is about to. */
  anyAlive(organizationId: string): Promise<boolean>;
  isTurnOf(organizationId: string, sessionId: string, runId: string): Promise<boolean>;
  /** Every run there was. */
  runsOf(organizationId: string, sessionId: string): Promise<string[]>;
  /** Sessions whose room it is. */
  inRoom(organizationId: string, roomId: string): Promise<string[]>;
  openTurns(organizationId: string, sessionId: string): Promise<{ runId: string; status: string; requestedBy: string }[]>;
}

const ListKey = z.tuple([z.iso.datetime(), z.string()]);

const SELECT = sql`select s.*, t.title as current_title, t.status as current_status,
    (select count(*) from proj_session_turns q where q.session_id = s.id and q.status = 'queued') as queued_prompts,
    i.id as import_id, i.source_organization_id as import_from, i.names as import_names
  from proj_sessions s left join proj_session_turns t on t.run_id = s.current_run_id
    left join evt_imports i on s.id like 'ses\\_Z%' and i.organization_id = s.organization_id and s.id = any(i.sessions)`;

const iso = (at: Date): string => at.toISOString();

function viewOf(row: Row, choosesModel: ChoosesModel): SessionView_ {
  return {
    id: row.id,
    title: row.title,
    kind: row.kind,
    status: row.status,
    status_reason: row.status_reason,
    source: JSON.parse(row.source) as unknown,
    harness: row.harness,
    model: row.model,
    can_change_model: choosesModel(row.harness),
    room_id: row.room_id,
    thread_id: row.thread_id,
    agent_id: row.agent_id,
    created_by: row.created_by,
    created_at: iso(row.created_at),
    updated_at: iso(row.updated_at),
    current_run:
      row.current_run_id === null ? null : { id: row.current_run_id, status: row.current_status ?? "running", title: row.current_title },
    latest_step: row.latest_step,
    latest_step_at: row.latest_step_at === null ? null : iso(row.latest_step_at),
    outcome: row.outcome,
    summary: row.summary,
    last_message: row.last_message,
    queued_prompts: Number(row.queued_prompts),
    active_seconds: Math.round(Number(row.active_ms) / 1000),
    pending_questions: row.pending_questions,
    pending_approvals: row.pending_approvals,
    tool_calls: row.tool_calls,
    messages: row.messages,
    files_changed: JSON.parse(row.files_changed) as unknown,
    cost_micro_usd: Number(row.cost),
    budget_micro_usd: Number(row.budget),
    archived: row.archived,
    imported:
      row.import_id === null
        ? null
        : { import_id: row.import_id, from: row.import_from, names: JSON.parse(row.import_names ?? "{}") as Record<string, string> },
  } as SessionView_;
}

export function createSessionQueries(db: Database, hydrate: Hydrate, choosesModel: ChoosesModel): SessionQueries {
  const rows = <R>(organizationId: string, query: RawBuilder<R>): Promise<R[]> =>
    db.inOrganization(organizationId, async (tx: Kysely<unknown>) => (await query.execute(tx)).rows);

  return {
    async get(organizationId, sessionId) {
      const [row] = await rows(organizationId, sql<Row>`${SELECT} where s.id = ${sessionId}`);
      return row === undefined ? null : { view: viewOf(row, choosesModel), sandboxId: row.sandbox_id, currentRunId: row.current_run_id };
    },

    async list(
      organizationId,
      { status, model, repository, createdBy, outcome, sort = "created_at", q, archived, rooms },
      { limit, cursor },
    ) {
      const after = decodeCursor(cursor, ListKey);
      if (after !== null && (typeof after[0] === "number") !== (sort === "cost")) throw new InvalidCursor("a cursor of another order");
      const by = sort === "cost" ? sql`s.cost` : sort === "updated_at" ? sql`s.updated_at` : sql`s.created_at`;
      const type = sort === "cost" ? sql`bigint` : sql`timestamptz`;
      const found = await rows(
        organizationId,
        sql<Row>`${SELECT} where s.archived = ${archived}
          ${status === undefined ? sql`` : sql`and s.status = any(${[...status]}::text[])`}
          ${model === undefined ? sql`` : sql`and s.model = ${model}`}
          ${repository === undefined ? sql`` : sql`and s.source::jsonb ->> 'url' = ${repository}`}
          ${createdBy === undefined ? sql`` : sql`and s.created_by = ${createdBy}`}
          ${outcome === undefined ? sql`` : sql`and s.outcome = ${outcome}`}
          ${q === undefined || q.trim() === "" ? sql`` : sql`and (s.title ilike ${like(q)} or s.source ilike ${like(q)} or s.first_prompt ilike ${like(q)} or s.id = ${q.trim()})`}
          ${rooms === null ? sql`` : sql`and s.room_id = any(${[...rooms]})`}
          ${after === null ? sql`` : sql`and (${by}, s.id) < (${after[0]}::${type}, ${after[1]})`}
          order by ${by} desc, s.id desc limit ${limit + 1}`,
      );
      return pageOf(
        found,
        limit,
        (row) => viewOf(row, choosesModel),
        (row) => [sort === "cost" ? Number(row.cost) : iso(sort === "updated_at" ? row.updated_at : row.created_at), row.id],
      );
    },

    async anyAlive(organizationId) {
      const found = await rows(
        organizationId,
        sql`select 1 from proj_sessions where status in ('creating', 'running', 'waiting', 'resuming', 'paused') limit 1`,
      );
      return found.length > 0;
    },

    async ended(organizationId, sessionIds) {
      const found = await rows(
        organizationId,
        sql<{
          id: string;
        }>`select id from proj_sessions where id = any(${[...sessionIds]}::text[]) and status in ('stopped', 'failed', 'completed')`,
      );
      return new Set(found.map(({ id }) => id));
    },

    async conversation(organizationId, sessionId, query) {
      const [head] = await rows(organizationId, sql<{ seq: string }>`select room_seq as seq from proj_sessions where id = ${sessionId}`);
      return readConversation(db, hydrate, organizationId, sessionId, query, Number(head?.seq ?? 0));
    },

    async prompts(organizationId, sessionId) {
      const [turns, moves] = await db.inOrganization(organizationId, async (tx: Kysely<unknown>) => [
        (
          await sql<TurnRow>`select t.run_id, t.seq, t.status, t.message_id, t.requested_by, t.created_at, i.body, i.edited, i.edited_at
              from proj_session_turns t left join proj_session_items i on i.session_id = t.session_id and i.id = t.message_id
             where t.session_id = ${sessionId}
               and (t.status = 'queued' or t.run_id in (select run_id from proj_session_moves where session_id = ${sessionId}
                    union select before_run_id from proj_session_moves where session_id = ${sessionId}))`.execute(tx)
        ).rows,
        (
          await sql<{ run_id: string; before_run_id: string | null; seq: string }>`
            select run_id, before_run_id, seq from proj_session_moves where session_id = ${sessionId}`.execute(tx)
        ).rows,
      ]);
      return inOrder(
        turns.map((row) => ({ ...row, runId: row.run_id, seq: Number(row.seq) })),
        moves.map((row) => ({ runId: row.run_id, beforeRunId: row.before_run_id, seq: Number(row.seq) })),
      )
        .filter(({ status }) => status === "queued")
        .map((row, position) => ({
          run_id: row.run_id as never,
          message_id: row.message_id as never,
          content_md: row.edited ?? (row.body === null ? ERASED : ((JSON.parse(row.body) as { content_md?: string }).content_md ?? "")),
          author: row.requested_by as never,
          created_at: iso(row.created_at),
          edited_at: row.edited_at === null ? null : iso(row.edited_at),
          position,
        }));
    },

    async runsOf(organizationId, sessionId) {
      const found = await rows(
        organizationId,
        sql<{ run_id: string }>`select run_id from proj_session_turns where session_id = ${sessionId}`,
      );
      return found.map((row) => row.run_id);
    },

    async inRoom(organizationId, roomId) {
      const found = await rows(organizationId, sql<{ id: string }>`select id from proj_sessions where room_id = ${roomId} order by id`);
      return found.map(({ id }) => id);
    },

    async isTurnOf(organizationId, sessionId, runId) {
      const found = await rows(
        organizationId,
        sql<{ one: number }>`select 1 as one from proj_session_turns where run_id = ${runId} and session_id = ${sessionId}`,
      );
      return found.length > 0;
    },

    async openTurns(organizationId, sessionId) {
      const found = await rows(
        organizationId,
        sql<{
          run_id: string;
          status: string;
          requested_by: string;
        }>`select run_id, status, requested_by from proj_session_turns where session_id = ${sessionId} and status in ('queued', 'running') order by seq`,
      );
      return found.map((row) => ({ runId: row.run_id, status: row.status, requestedBy: row.requested_by }));
    },
  };
}

interface TurnRow {
  run_id: string;
  seq: string;
  status: string;
  message_id: string | null;
  requested_by: string;
  created_at: Date;
  body: string | null;
  edited: string | null;
  edited_at: Date | null;
}

const like = (q: string): string => `%${q.trim().replaceAll(/[\\%_]/g, "\\$&")}%`;

const ACTIVE = "status in ('creating', 'running', 'waiting', 'resuming')";
/** Of those that run, or are about to, in the organization of the transaction. */
export async function activeSessionIds(tx: Kysely<unknown>): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`select id from proj_sessions where ${sql.raw(ACTIVE)}`.execute(tx);
  return rows.map((row) => row.id);
}
/** How many of them each of the organizations has; `anywhere` sees all. */
export async function activeSessionCounts(anywhere: Tx, organizationIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const { rows } = await anywhere.query<{ organization_id: string; running: number }>(
    `select organization_id, count(*)::int as running from proj_sessions where organization_id = any($1) and ${ACTIVE} group by organization_id`,
    [organizationIds],
  );
  return new Map(rows.map((row) => [row.organization_id, row.running]));
}
