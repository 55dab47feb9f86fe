/* Reading sessions, inside one organization. Nothing here wakes or boots anything. */
import type { SessionView, ConversationItem } from "@signalbox/contract/sessions";
import { type Kysely, sql, type RawBuilder } from "kysely";
import { z } from "zod";
import { decodeCursor, encodeCursor, pageOf } from "../../http/cursor.ts";
import type { Database } from "../../module.ts";

export type SessionView_ = z.input<typeof SessionView>;
export type Item = z.input<typeof ConversationItem>;

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

export interface SessionQueries {
  get(organizationId: string, sessionId: string): Promise<SessionRow | null>;
  list(
    organizationId: string,
    filter: { status?: string | undefined; q?: string | undefined; archived: boolean; rooms: readonly string[] | null },
    paging: { limit: number; cursor?: string | undefined },
  ): Promise<{ items: SessionView_[]; next_cursor: string | null }>;
  conversation(
    organizationId: string,
    sessionId: string,
    paging: { limit: number; cursor?: string | undefined },
  ): Promise<{ items: Item[]; next_cursor: string | null; prev_cursor: string | null; last_seq: number }>;
  openTurns(organizationId: string, sessionId: string): Promise<{ runId: string; status: string; requestedBy: string }[]>;
}

const ListKey = z.tuple([z.iso.datetime(), z.string()]);
const ItemKey = z.tuple([z.int().min(0)]);

const SELECT = sql`select s.*, t.title as current_title, t.status as current_status,
    i.id as import_id, i.source_organization_id as import_from, i.names as import_names
  from proj_sessions s left join proj_session_turns t on t.run_id = s.current_run_id
    left join evt_imports i on s.id like 'ses\\_Z%' and i.organization_id = s.organization_id and s.id = any(i.sessions)`;

const iso = (at: Date): string => at.toISOString();

function viewOf(row: Row): SessionView_ {
  return {
    id: row.id,
    title: row.title,
    kind: row.kind,
    status: row.status,
    status_reason: row.status_reason,
    source: JSON.parse(row.source) as unknown,
    harness: row.harness,
    model: row.model,
    room_id: row.room_id,
    thread_id: row.thread_id,
    agent_id: row.agent_id,
    created_by: row.created_by,
    created_at: iso(row.created_at),
    updated_at: iso(row.updated_at),
    current_run:
      row.current_run_id === null ? null : { id: row.current_run_id, status: row.current_status ?? "running", title: row.current_title },
    latest_step: row.latest_step,
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

export function createSessionQueries(db: Database): SessionQueries {
  const rows = <R>(organizationId: string, query: RawBuilder<R>): Promise<R[]> =>
    db.inOrganization(organizationId, async (tx: Kysely<unknown>) => (await query.execute(tx)).rows);

  return {
    async get(organizationId, sessionId) {
      const [row] = await rows(organizationId, sql<Row>`${SELECT} where s.id = ${sessionId}`);
      return row === undefined ? null : { view: viewOf(row), sandboxId: row.sandbox_id, currentRunId: row.current_run_id };
    },

    async list(organizationId, { status, q, archived, rooms }, { limit, cursor }) {
      const after = decodeCursor(cursor, ListKey);
      const found = await rows(
        organizationId,
        sql<Row>`${SELECT} where s.archived = ${archived}
          ${status === undefined ? sql`` : sql`and s.status = ${status}`}
          ${q === undefined || q.trim() === "" ? sql`` : sql`and (s.title ilike ${like(q)} or s.source ilike ${like(q)} or s.id = ${q.trim()})`}
          ${rooms === null ? sql`` : sql`and s.room_id = any(${[...rooms]})`}
          ${after === null ? sql`` : sql`and (s.created_at, s.id) < (${after[0]}::timestamptz, ${after[1]})`}
          order by s.created_at desc, s.id desc limit ${limit + 1}`,
      );
      return pageOf(found, limit, viewOf, (row) => [iso(row.created_at), row.id]);
    },

    async conversation(organizationId, sessionId, { limit, cursor }) {
      const [after] = decodeCursor(cursor, ItemKey) ?? [0];
      const found = await rows(
        organizationId,
        sql<ItemRow>`select id, seq, at, type, run_id, body, outcome from proj_session_items where session_id = ${sessionId} and seq > ${after} order by seq limit ${limit + 1}`,
      );
      const [head] = await rows(organizationId, sql<{ seq: string }>`select room_seq as seq from proj_sessions where id = ${sessionId}`);
      const last = found[limit - 1];
      return {
        items: found.slice(0, limit).map(itemOf),
        next_cursor: found.length > limit && last !== undefined ? encodeCursor([Number(last.seq)]) : null,
        prev_cursor: null,
        last_seq: Math.max(Number(head?.seq ?? 0), ...found.slice(-1).map((row) => Number(row.seq))),
      };
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

interface ItemRow {
  id: string;
  seq: string;
  at: Date;
  type: string;
  run_id: string | null;
  body: string;
  outcome: string | null;
}

const NOT_ENDED = { status: "invoked", output: null, output_truncated: false, error: null, artifact_id: null, duration_ms: null };

function itemOf({ id, seq, at, type, run_id, body, outcome }: ItemRow): Item {
  const base = { type, seq: Number(seq), at: iso(at), id, run_id };
  const own = JSON.parse(body) as Record<string, unknown>;
  switch (type) {
    case "tool_call":
      return { ...base, ...own, ...(outcome === null ? NOT_ENDED : (JSON.parse(outcome) as object)) } as unknown as Item;
    case "approval":
      return { ...base, approval_id: id } as unknown as Item;
    case "message":
      return { ...base, role: own["role"], author: own["author"], content_md: own["content_md"] ?? "" } as unknown as Item;
    default:
      return { ...base, ...own } as unknown as Item;
  }
}

const like = (q: string): string => `%${q.trim().replaceAll(/[\\%_]/g, "\\$&")}%`;
