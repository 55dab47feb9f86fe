/*
 * What a reader of a shared session is told of an event: those of this session that its conversation is made of, with
 * what a viewer would see of them. An allow-list by type and by member: what is not named here does not leave.
 */
import type { SharedEvent } from "@signalbox/contract/shares";

const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  "message.created": ["message_id", "content_md"],
  "message.edited": ["message_id", "content_md"],
  "run.created": ["run_id", "kind", "title"],
  "run.edited": ["run_id", "title"],
  "run.started": ["run_id"],
  "run.completed": ["run_id", "summary"],
  "run.failed": ["run_id", "code", "message"],
  "run.needs_human": ["run_id", "reason"],
  "run.timed_out": ["run_id", "after_ms"],
  "run.canceled": ["run_id", "reason"],
  "step.created": ["step_id", "kind", "title"],
  "step.thought": ["step_id", "text"],
  "step.plan_updated": ["step_id", "entries"],
  "tool.invoked": ["tool_call_id", "step_id", "name", "title", "arguments"],
  "tool.succeeded": ["tool_call_id", "step_id", "output", "output_truncated", "duration_ms"],
  "tool.failed": ["tool_call_id", "step_id", "error", "output", "output_truncated", "duration_ms"],
  "approval.requested": ["approval_id", "action", "title"],
  "approval.held": ["approval_id"],
  "approval.approved": ["approval_id"],
  "approval.denied": ["approval_id"],
  "approval.expired": ["approval_id"],
  "question.asked": ["question_id", "header", "text", "options", "multiple", "free_text"],
  "question.answered": ["question_id", "options", "text"],
  "question.dismissed": ["question_id"],
  "session.renamed": ["title"],
  "session.waiting": ["reason"],
  "session.continued": [],
  "session.paused": ["reason"],
  "session.resumed": [],
  "session.stopped": ["reason"],
  "session.completed": [],
  "session.failed": ["message"],
  "session.started": [],
  "session.model_changed": ["model"],
  "session.changes_recorded": ["files"],
  "session.committed": ["commit", "branch", "message"],
};

interface Envelope {
  readonly seq: number;
  readonly type: string;
  readonly recorded_at: string;
  readonly subject: string;
  readonly session_id?: string;
  readonly run_id?: string;
  readonly principal: { readonly id: string; readonly type: string };
  readonly data: { readonly [name: string]: unknown };
}

/** Null: none of the reader's business. `mine`: ids of this session's runs and approvals, for what does not name the session. */
export function sharedEvent(text: string, sessionId: string, mine: Set<string>): SharedEvent | null {
  const event = JSON.parse(text) as Envelope;
  const id = event.subject.slice(event.subject.indexOf(":") + 1);
  const named = event.session_id ?? event.data["session_id"];
  if (named === sessionId) mine.add(id);
  else if (named !== undefined || !mine.has(event.run_id ?? id)) return null;
  const members = MEMBERS[event.type];
  if (members === undefined) return null;
  return {
    seq: event.seq,
    at: event.recorded_at,
    type: event.type,
    subject: event.subject,
    run_id: event.run_id ?? null,
    principal: { id: event.principal.id, type: event.principal.type },
    data: Object.fromEntries(
      members.flatMap((name) => (event.data[name] === undefined ? [] : [[name, event.data[name]]])),
    ) as SharedEvent["data"],
  };
}
