/* What a hub reads to know what is wanted of it: the session's row and its turns, across organizations (as `sb_log`). */
import type pg from "pg";
import type { Session } from "./session.ts";

export interface TurnRow {
  readonly runId: string;
  readonly messageId: string | null;
  readonly requestedBy: string;
}
export interface Look {
  readonly status: Exclude<Session["status"], "none">;
  readonly reason: string | null;
  readonly cost: number;
  readonly budget: number;
  readonly pendingApprovals: number;
  /** Started and not ended. */
  readonly current: TurnRow | null;
  /** The first that waits. */
  readonly next: TurnRow | null;
  /** All that are queued or running, in order. */
  readonly open: readonly TurnRow[];
}

export async function lookAt(pool: pg.Pool, sessionId: string): Promise<Look> {
  const [{ rows }, turns] = await Promise.all([
    pool.query<{ status: Look["status"]; status_reason: string | null; cost: string; budget: string; pending_approvals: number }>({
      name: "session_look",
      text: `select status, status_reason, cost, budget, pending_approvals from proj_sessions where id = $1`,
      values: [sessionId],
    }),
    pool.query<{ run_id: string; message_id: string | null; requested_by: string; status: string }>({
      name: "session_look_turns",
      text: `select run_id, message_id, requested_by, status from proj_session_turns where session_id = $1 and status in ('queued', 'running') order by seq`,
      values: [sessionId],
    }),
  ]);
  const row = rows[0];
  if (row === undefined) throw new Error(`there is no session ${sessionId}`);
  const open = turns.rows.map((t) => ({ runId: t.run_id, messageId: t.message_id, requestedBy: t.requested_by, status: t.status }));
  return {
    status: row.status,
    reason: row.status_reason,
    cost: Number(row.cost),
    budget: Number(row.budget),
    pendingApprovals: row.pending_approvals,
    current: open.find((t) => t.status === "running") ?? null,
    next: open.find((t) => t.status === "queued") ?? null,
    open,
  };
}

/** How a turn and its session stand. */
export async function turnStatus(
  pool: pg.Pool,
  runId: string,
  sessionId: string,
): Promise<{ turn: string; session: Session["status"] } | undefined> {
  const { rows } = await pool.query<{ turn: string; session: Session["status"] }>({
    name: "session_turn_status",
    text: `select t.status as turn, s.status as session from proj_session_turns t join proj_sessions s on s.id = $2 where t.run_id = $1`,
    values: [runId, sessionId],
  });
  return rows[0];
}

/** Null: it was erased, or the run has none. */
export async function promptText(pool: pg.Pool, sessionId: string, turn: TurnRow): Promise<string | null> {
  const { rows } = await pool.query<{ body: string }>(`select body from proj_session_items where session_id = $1 and id = $2`, [
    sessionId,
    turn.messageId,
  ]);
  return rows[0] === undefined ? null : ((JSON.parse(rows[0].body) as { content_md?: string }).content_md ?? null);
}
