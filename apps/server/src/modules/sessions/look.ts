/* What a hub reads to know what is wanted of it: the session's row and its turns, across organizations (as `sb_log`). */
import type pg from "pg";
import { inOrder } from "./queue.ts";
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
  readonly pendingQuestions: number;
  /** With which the next turn runs. */
  readonly model: string;
  /** Its organization is: nothing of it runs until it is let in again. */
  readonly suspended: boolean;
  /** Started and not ended. */
  readonly current: TurnRow | null;
  /** The first that waits. */
  readonly next: TurnRow | null;
  /** All that are queued or running, in order. */
  readonly open: readonly TurnRow[];
}

export async function lookAt(pool: pg.Pool, sessionId: string): Promise<Look> {
  const [{ rows }, turns] = await Promise.all([
    pool.query<{
      status: Look["status"];
      status_reason: string | null;
      cost: string;
      budget: string;
      pending_approvals: number;
      pending_questions: number;
      model: string;
      suspended: boolean;
    }>({
      name: "session_look",
      text: `select status, status_reason, cost, budget, pending_approvals, pending_questions, model,
                    idn_is_suspended(organization_id, '') as suspended from proj_sessions where id = $1`,
      values: [sessionId],
    }),
    openTurns(pool, sessionId),
  ]);
  const row = rows[0];
  if (row === undefined) throw new Error(`there is no session ${sessionId}`);
  return {
    status: row.status,
    reason: row.status_reason,
    cost: Number(row.cost),
    budget: Number(row.budget),
    pendingApprovals: row.pending_approvals,
    pendingQuestions: row.pending_questions,
    model: row.model,
    suspended: row.suspended,
    current: turns.find((t) => t.status === "running") ?? null,
    next: turns.find((t) => t.status === "queued") ?? null,
    open: turns,
  };
}

/** What is queued or running, in the order in which it runs. */
async function openTurns(pool: pg.Pool, sessionId: string): Promise<(TurnRow & { readonly status: string })[]> {
  const { rows } = await pool.query<{
    run_id: string;
    message_id: string | null;
    requested_by: string;
    status: string;
    seq: string;
    moved: boolean;
  }>({
    name: "session_look_turns",
    text: `select run_id, message_id, requested_by, status, seq, exists (select 1 from proj_session_moves m where m.session_id = $1) as moved
             from proj_session_turns where session_id = $1 and status in ('queued', 'running') order by seq`,
    values: [sessionId],
  });
  const open = rows.map((t) => ({
    runId: t.run_id,
    messageId: t.message_id,
    requestedBy: t.requested_by,
    status: t.status,
    seq: Number(t.seq),
  }));
  if (rows[0]?.moved !== true || open.length < 2) return open;
  const { rows: moves } = await pool.query<{ run_id: string; before_run_id: string | null; seq: string }>(
    `select run_id, before_run_id, seq from proj_session_moves where session_id = $1`,
    [sessionId],
  );
  // A turn that is over may still be where another one was moved to.
  const { rows: named } = await pool.query<{ run_id: string; seq: string }>(
    `select run_id, seq from proj_session_turns where session_id = $1 and status not in ('queued', 'running') and run_id = any($2)`,
    [sessionId, moves.flatMap((m) => [m.run_id, m.before_run_id])],
  );
  const gone = named.map((t) => ({ runId: t.run_id, messageId: null, requestedBy: "", status: "over", seq: Number(t.seq) }));
  return inOrder(
    [...open, ...gone],
    moves.map((m) => ({ runId: m.run_id, beforeRunId: m.before_run_id, seq: Number(m.seq) })),
  ).filter(({ status }) => status !== "over");
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
  const { rows } = await pool.query<{ body: string; edited: string | null }>(
    `select body, edited from proj_session_items where session_id = $1 and id = $2`,
    [sessionId, turn.messageId],
  );
  return rows[0] === undefined ? null : (rows[0].edited ?? (JSON.parse(rows[0].body) as { content_md?: string }).content_md ?? null);
}
