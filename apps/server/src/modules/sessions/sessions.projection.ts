import type { AnyEvent } from "@signalbox/contract/events";
import type { Projection, Recorded, Tx } from "@signalbox/eventlog/log";
import { columns, jsonText } from "./columns.ts";
import { ERASED } from "./session.ts";

const TYPES = [
  "session.created",
  "session.renamed",
  "session.starting",
  "session.started",
  "session.waiting",
  "session.continued",
  "session.paused",
  "session.resumed",
  "session.stopped",
  "session.completed",
  "session.failed",
  "session.archived",
  "session.unarchived",
  "session.changes_recorded",
  "session.committed",
  "session.model_changed",
  "session.deleted",
  "message.created",
  "message.edited",
  "question.asked",
  "question.answered",
  "question.dismissed",
  "tool.invoked",
  "run.started",
  "run.completed",
  "run.failed",
  "run.needs_human",
  "run.timed_out",
  "run.canceled",
  "approval.requested",
  "approval.approved",
  "approval.denied",
  "approval.expired",
  "ledger.settled",
  "budget.set",
  "event.redacted",
] as const satisfies readonly AnyEvent["type"][];
type ListEvent = Extract<AnyEvent, { type: (typeof TYPES)[number] }>;

/** A row as it is folded; `open` holds the ids of approvals not decided yet. */
interface Row {
  organization_id: string;
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
  created_at: string;
  updated_at: string;
  sandbox: string;
  sandbox_id: string | null;
  epoch: number;
  base_commit: string | null;
  agent_session_id: string | null;
  current_run_id: string | null;
  latest_step: string | null;
  latest_step_at: string | null;
  outcome: "succeeded" | "failed" | "canceled" | null;
  summary: string | null;
  last_message: string | null;
  last_message_id: string | null;
  first_prompt: string | null;
  first_prompt_id: string | null;
  active_ms: number;
  turn_started_at: string | Date | null;
  pending_questions: number;
  /** `[event, model]`, as JSON. */
  models: string;
  pending_approvals: number;
  tool_calls: number;
  messages: number;
  files_changed: string;
  patch_artifact_id: string | null;
  cost: number;
  budget: number;
  archived: boolean;
  subject_version: number;
  room_seq: number;
  ledger_seq: number;
  created_event: string;
  title_event: string;
  reason_event: string | null;
  step_event: string | null;
  changes_event: string | null;
  summary_event: string | null;
  last_event: string | null;
  prompt_event: string | null;
}

/** Column and its type for `unnest`; the order is that of the insert. */
const COLUMNS: readonly (readonly [keyof Row, string])[] = [
  ["organization_id", "text"],
  ["id", "text"],
  ["title", "text"],
  ["kind", "text"],
  ["status", "text"],
  ["status_reason", "text"],
  ["source", "text"],
  ["harness", "text"],
  ["model", "text"],
  ["room_id", "text"],
  ["thread_id", "text"],
  ["agent_id", "text"],
  ["created_by", "text"],
  ["created_at", "timestamptz"],
  ["updated_at", "timestamptz"],
  ["sandbox", "text"],
  ["sandbox_id", "text"],
  ["epoch", "bigint"],
  ["base_commit", "text"],
  ["agent_session_id", "text"],
  ["current_run_id", "text"],
  ["latest_step", "text"],
  ["latest_step_at", "timestamptz"],
  ["outcome", "text"],
  ["summary", "text"],
  ["last_message", "text"],
  ["last_message_id", "text"],
  ["first_prompt", "text"],
  ["first_prompt_id", "text"],
  ["active_ms", "bigint"],
  ["turn_started_at", "timestamptz"],
  ["pending_questions", "int"],
  ["models", "text"],
  ["pending_approvals", "int"],
  ["tool_calls", "int"],
  ["messages", "int"],
  ["files_changed", "text"],
  ["patch_artifact_id", "text"],
  ["cost", "bigint"],
  ["budget", "bigint"],
  ["archived", "boolean"],
  ["subject_version", "bigint"],
  ["room_seq", "bigint"],
  ["ledger_seq", "bigint"],
  ["created_event", "text"],
  ["title_event", "text"],
  ["reason_event", "text"],
  ["step_event", "text"],
  ["changes_event", "text"],
  ["summary_event", "text"],
  ["last_event", "text"],
  ["prompt_event", "text"],
];
const NUMBERS: readonly (keyof Row)[] = ["epoch", "cost", "budget", "active_ms", "subject_version", "room_seq", "ledger_seq"];

/**
 * Keeps `proj_sessions`: two statements a batch (read the rows it touches, write them back), the fold between them
 * is plain code. Counts are not idempotent by themselves, so each row remembers up to which seq of its room and of
 * the ledger, and which version of its own subject, it was folded; what is not above that is skipped.
 */
export const sessionsProjection: Projection<ListEvent> = {
  name: "sessions.list",
  types: TYPES,
  tables: ["proj_sessions"],

  async project(tx, batch) {
    const erased = batch.flatMap((r) =>
      r.event.type === "event.redacted" && r.event.data.level === "full" ? r.event.data.target_event_id : [],
    );
    await foldInto(
      tx,
      batch.filter((r) => r.event.type !== "event.redacted"),
    );
    if (erased.length > 0) await erase(tx, erased);
  },
};

async function foldInto(tx: Tx, batch: readonly Recorded<ListEvent>[]): Promise<void> {
  const sessionOf = await sessionsOf(tx, batch);
  const ids = [...new Set(batch.flatMap((r) => sessionOf(r) ?? []))];
  if (ids.length === 0) return;
  // In one order, so that two appenders cannot wait for each other.
  const { rows } = await tx.query<Row>(`select * from proj_sessions where id = any($1) order by id for update`, [ids]);
  const table = new Map(rows.map((row) => [row.id, revive(row)]));
  const touched = new Set<string>();
  const deleted = new Set<string>();
  for (const r of batch) {
    const id = sessionOf(r);
    if (id === undefined) continue;
    if (r.event.type === "session.deleted") {
      deleted.add(id);
      table.delete(id);
      touched.delete(id);
      continue;
    }
    const row = table.get(id);
    const next = r.event.type === "session.created" ? (row ?? created(r)) : row && fold(row, r);
    if (next === undefined || next === row) continue;
    table.set(id, next);
    touched.add(id);
  }
  if (deleted.size > 0) await tx.query(`delete from proj_sessions where id = any($1)`, [[...deleted]]);
  const changed = [...touched].toSorted().map((id) => table.get(id)!);
  if (changed.length === 0) return;
  const names = COLUMNS.map(([name]) => name).join(", ");
  await tx.query(
    `insert into proj_sessions (${names}) select * from unnest(${COLUMNS.map(([, type], i) => `$${i + 1}::${type}[]`).join(", ")})
     on conflict (id) do update set ${COLUMNS.filter(([name]) => name !== "id")
       .map(([name]) => `${name} = excluded.${name}`)
       .join(", ")}`,
    columns(changed, (row) => COLUMNS.map(([name]) => row[name])),
  );
}

/** The log's driver gives bigint as text and timestamps as dates. */
function revive(row: Row): Row {
  const out = { ...row } as Record<keyof Row, unknown>;
  for (const name of NUMBERS) out[name] = Number(row[name]);
  return out as Row;
}

async function sessionsOf(tx: Tx, batch: readonly Recorded<ListEvent>[]): Promise<(r: Recorded<ListEvent>) => string | undefined> {
  const direct = (r: Recorded<ListEvent>): string | undefined =>
    r.sessionId ?? ("session_id" in r.event.data ? r.event.data.session_id : undefined);
  const lost = batch.filter((r) => direct(r) === undefined);
  const runs = [...new Set(lost.flatMap((r) => (r.event.type.startsWith("run.") ? [r.subjectId] : [])))];
  const approvals = [...new Set(lost.flatMap((r) => (r.event.type.startsWith("approval.") ? [r.subjectId] : [])))];
  const found = new Map<string, string>();
  if (runs.length > 0) {
    const { rows } = await tx.query<{ id: string; session_id: string }>(
      `select run_id as id, session_id from proj_session_turns where run_id = any($1)`,
      [runs],
    );
    for (const row of rows) found.set(row.id, row.session_id);
  }
  if (approvals.length > 0) {
    const { rows } = await tx.query<{ id: string; session_id: string }>(
      `select id, session_id from proj_session_items where type = 'approval' and id = any($1)`,
      [approvals],
    );
    for (const row of rows) found.set(row.id, row.session_id);
    for (const r of batch)
      if (r.event.type === "approval.requested" && r.event.data.session_id !== undefined) found.set(r.subjectId, r.event.data.session_id);
  }
  return (r) => direct(r) ?? found.get(r.subjectId);
}

function created(r: Recorded<ListEvent>): Row | undefined {
  // An erased creation leaves nothing to list.
  if (r.event.type !== "session.created" || r.redaction === "full") return undefined;
  const d = r.event.data;
  return {
    organization_id: r.organizationId,
    id: d.session_id,
    title: d.title,
    kind: d.kind,
    status: "creating",
    status_reason: null,
    source: jsonText(d.source),
    harness: d.harness,
    model: d.model,
    room_id: d.room_id,
    thread_id: d.thread_id,
    agent_id: d.agent_id,
    created_by: d.created_by,
    created_at: r.occurredAt,
    updated_at: r.occurredAt,
    sandbox: d.sandbox,
    sandbox_id: null,
    epoch: 0,
    base_commit: null,
    agent_session_id: null,
    current_run_id: null,
    latest_step: null,
    latest_step_at: null,
    outcome: null,
    summary: null,
    last_message: null,
    last_message_id: null,
    first_prompt: null,
    first_prompt_id: null,
    active_ms: 0,
    turn_started_at: null,
    pending_questions: 0,
    models: JSON.stringify([[r.eventId, d.model]]),
    pending_approvals: 0,
    tool_calls: 0,
    messages: 0,
    files_changed: "[]",
    patch_artifact_id: null,
    cost: 0,
    budget: d.budget_micro_usd,
    archived: false,
    subject_version: r.subjectVersion,
    room_seq: 0,
    ledger_seq: 0,
    created_event: r.eventId,
    title_event: r.eventId,
    reason_event: null,
    step_event: null,
    changes_event: null,
    summary_event: null,
    last_event: null,
    prompt_event: null,
  };
}

function fold(row: Row, r: Recorded<ListEvent>): Row {
  if (r.subject === `session:${row.id}`) {
    return r.subjectVersion <= row.subject_version
      ? row
      : { ...row, ...ofSession(row, r), ...ofEnd(row, r), ...fromEvent(r), subject_version: r.subjectVersion, updated_at: r.occurredAt };
  }
  if (r.stream.type === "ledger") return r.seq <= row.ledger_seq ? row : { ...row, ...ofLedger(row, r), ledger_seq: r.seq };
  if (r.stream.type !== "room") return row;
  return r.seq <= row.room_seq ? row : { ...row, ...ofRoom(row, r), room_seq: r.seq, updated_at: r.occurredAt };
}

/** A turn that was under way when the session ended did not succeed. */
function ofEnd(row: Row, r: Recorded<ListEvent>): Partial<Row> {
  const isEnd = r.event.type === "session.stopped" || r.event.type === "session.failed" || r.event.type === "session.completed";
  return isEnd && row.current_run_id !== null
    ? { ...timed(row, r.occurredAt), outcome: "canceled", summary: null, summary_event: null }
    : {};
}

/** What the turn that ends took. */
const timed = (row: Row, at: string): Partial<Row> => ({
  turn_started_at: null,
  active_ms: row.active_ms + (row.turn_started_at === null ? 0 : Math.max(0, Date.parse(at) - new Date(row.turn_started_at).getTime())),
});

const SHORT = 280;
const short = (text: string): string => (text.length <= SHORT ? text : `${text.slice(0, SHORT - 1)}…`).toWellFormed();

function ofSession(row: Row, { event, eventId, redaction }: Recorded<ListEvent>): Partial<Row> {
  if (redaction === "full") return ofErased(row, event.type);
  switch (event.type) {
    case "session.model_changed": {
      const models = [...(JSON.parse(row.models) as [string, string][]), [eventId, event.data.model]];
      return { model: event.data.model, models: JSON.stringify(models) };
    }
    case "session.renamed":
      return { title: event.data.title };
    case "session.starting":
      return {
        status: row.status === "creating" ? "creating" : "resuming",
        status_reason: "Starting the sandbox and the agent.",
        sandbox_id: event.data.sandbox_id,
        epoch: event.data.epoch,
      };
    case "session.started":
      return {
        status: "running",
        status_reason: null,
        sandbox_id: event.data.sandbox_id,
        epoch: event.data.epoch,
        base_commit: event.data.base_commit ?? row.base_commit,
        agent_session_id: event.data.agent_session_id ?? row.agent_session_id,
      };
    case "session.waiting":
      return { status: "waiting", status_reason: event.data.reason };
    case "session.continued":
      return { status: "running", status_reason: null };
    case "session.paused":
      return { status: "paused", status_reason: event.data.reason };
    case "session.resumed":
      return { status: "resuming", status_reason: "Starting the sandbox and the agent." };
    case "session.stopped":
      return { status: "stopped", status_reason: event.data.reason, current_run_id: null };
    case "session.completed":
      return { status: "completed", status_reason: null, current_run_id: null };
    case "session.failed":
      return { status: "failed", status_reason: event.data.message, current_run_id: null };
    case "session.archived":
      return { archived: true };
    case "session.unarchived":
      return { archived: false };
    case "session.changes_recorded":
      return { files_changed: jsonText(event.data.files), patch_artifact_id: event.data.patch_artifact_id ?? null };
    default:
      return {};
  }
}

/** Which event said what stands in the row. */
function fromEvent({ event, eventId }: Recorded<ListEvent>): Partial<Row> {
  switch (event.type) {
    case "session.renamed":
      return { title_event: eventId };
    case "session.waiting":
    case "session.paused":
    case "session.stopped":
    case "session.failed":
      return { reason_event: eventId };
    case "session.changes_recorded":
      return { changes_event: eventId };
    default:
      return {};
  }
}

/** Leaves what a replay of the erased events leaves. */
async function erase(tx: Tx, events: readonly string[]): Promise<void> {
  await tx.query(`delete from proj_sessions where created_event = any($1)`, [events]);
  await tx.query(
    `update proj_sessions set
       title = case when title_event = any($1) then $2 else title end,
       status_reason = case when reason_event = any($1) and status_reason is not null then $2 else status_reason end,
       latest_step = case when step_event = any($1) then null else latest_step end,
       files_changed = case when changes_event = any($1) then '[]' else files_changed end,
       patch_artifact_id = case when changes_event = any($1) then null else patch_artifact_id end,
       summary = case when summary_event = any($1) then null else summary end,
       last_message = case when last_event = any($1) then $2 else last_message end,
       first_prompt = case when prompt_event = any($1) then $2 else first_prompt end
     where title_event = any($1) or reason_event = any($1) or step_event = any($1) or changes_event = any($1)
        or summary_event = any($1) or last_event = any($1) or prompt_event = any($1)`,
    [events, ERASED],
  );
  const { rows } = await tx.query<{ id: string; models: string }>(
    `select s.id, s.models from proj_sessions s join unnest($1::text[]) e (id) on s.models like '%"' || e.id || '"%'`,
    [events],
  );
  for (const { id, models } of rows) {
    const left = (JSON.parse(models) as [string, string][]).filter(([event]) => !events.includes(event));
    await tx.query(`update proj_sessions set models = $2, model = $3 where id = $1`, [id, JSON.stringify(left), left.at(-1)?.[1] ?? ""]);
  }
}

/** The type alone still says what became of the session. */
function ofErased(row: Row, type: ListEvent["type"]): Partial<Row> {
  switch (type) {
    case "session.renamed":
      return { title: ERASED };
    case "session.starting":
      return { status: row.status === "creating" ? "creating" : "resuming" };
    case "session.started":
    case "session.continued":
      return { status: "running", status_reason: null };
    case "session.waiting":
      return { status: "waiting", status_reason: ERASED };
    case "session.paused":
      return { status: "paused", status_reason: ERASED };
    case "session.resumed":
      return { status: "resuming", status_reason: null };
    case "session.stopped":
      return { status: "stopped", status_reason: ERASED, current_run_id: null };
    case "session.completed":
      return { status: "completed", status_reason: null, current_run_id: null };
    case "session.failed":
      return { status: "failed", status_reason: ERASED, current_run_id: null };
    case "session.archived":
      return { archived: true };
    case "session.unarchived":
      return { archived: false };
    case "session.changes_recorded":
      return { files_changed: "[]", patch_artifact_id: null };
    default:
      return {};
  }
}

function ofLedger(row: Row, { event }: Recorded<ListEvent>): Partial<Row> {
  if (event.type === "ledger.settled") return { cost: row.cost + (event.data.cost_micro_usd ?? 0) };
  if (event.type === "budget.set") return { budget: event.data.cap_micro_usd ?? row.budget };
  return {};
}

function ofRoom(row: Row, { event, subjectId, eventId, occurredAt, principal }: Recorded<ListEvent>): Partial<Row> {
  switch (event.type) {
    case "message.created": {
      const text = short(event.data.content_md ?? ERASED);
      const isFirstPrompt = row.first_prompt_id === null && principal.type !== "agent";
      return {
        messages: row.messages + 1,
        last_message: text,
        last_message_id: subjectId,
        last_event: eventId,
        ...(isFirstPrompt ? { first_prompt: text, first_prompt_id: subjectId, prompt_event: eventId } : {}),
      };
    }
    case "message.edited": {
      const text = short(event.data.content_md ?? ERASED);
      return {
        ...(row.last_message_id === subjectId ? { last_message: text, last_event: eventId } : {}),
        ...(row.first_prompt_id === subjectId ? { first_prompt: text, prompt_event: eventId } : {}),
      };
    }
    case "question.asked":
      return { pending_questions: row.pending_questions + 1 };
    case "question.answered":
    case "question.dismissed":
      return { pending_questions: Math.max(0, row.pending_questions - 1) };
    case "tool.invoked":
      return {
        tool_calls: row.tool_calls + 1,
        latest_step_at: occurredAt,
        latest_step: (event.data.title ?? event.data.name ?? null)?.slice(0, 200) ?? null,
        step_event: eventId,
      };
    case "run.started":
      return { current_run_id: subjectId, turn_started_at: occurredAt };
    case "run.completed":
    case "run.failed":
    case "run.needs_human":
    case "run.timed_out":
    case "run.canceled": {
      if (row.current_run_id !== subjectId) return {};
      const outcome = event.type === "run.completed" ? "succeeded" : event.type === "run.canceled" ? "canceled" : "failed";
      const summary = event.type === "run.completed" ? event.data.summary : undefined;
      return {
        current_run_id: null,
        ...timed(row, occurredAt),
        outcome,
        summary: summary === undefined ? null : short(summary),
        summary_event: eventId,
      };
    }
    case "approval.requested":
      return { pending_approvals: row.pending_approvals + 1 };
    case "approval.approved":
    case "approval.denied":
    case "approval.expired":
      return { pending_approvals: Math.max(0, row.pending_approvals - 1) };
    default:
      return {};
  }
}
