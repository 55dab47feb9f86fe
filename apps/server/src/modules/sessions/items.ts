/* What an event is in the conversation: an item, the end of one, or what the gate said about one. Pure. */
import type { AnyEvent } from "@signalbox/contract/events";
import type { Recorded } from "@signalbox/eventlog/log";
import { unreachable } from "@signalbox/kernel/decider";
import { ERASED } from "./session.ts";

export type ItemEvent = Extract<
  AnyEvent,
  {
    type:
      | "message.created"
      | "step.thought"
      | "step.plan_updated"
      | "tool.invoked"
      | "tool.succeeded"
      | "tool.failed"
      | "approval.requested"
      | "approval.held"
      | "approval.approved"
      | "approval.denied"
      | "approval.expired"
      | "question.asked"
      | "question.answered"
      | "question.dismissed"
      | "message.edited"
      | "invocation.requested"
      | "policy.denied"
      | "session.model_changed"
      | "session.deleted"
      | "run.completed"
      | "run.failed"
      | "run.canceled"
      | "run.needs_human"
      | "run.timed_out"
      | "session.paused"
      | "session.resumed"
      | "session.stopped"
      | "session.failed"
      | "session.committed"
      | "egress.blocked"
      | "event.redacted";
  }
>;

export interface Item {
  readonly id: string;
  readonly type: "message" | "thought" | "tool_call" | "plan" | "approval" | "question" | "run_ended" | "notice";
  readonly body: object;
}

export const runOf = (r: Recorded<ItemEvent>): string | undefined => r.runId ?? (r.subject.startsWith("run:") ? r.subjectId : undefined);

/** The item that the event ends. */
export function endsItem({ event, subjectId }: Recorded<ItemEvent>): string {
  return event.type === "tool.succeeded" || event.type === "tool.failed" ? event.data.tool_call_id : subjectId;
}

/** Null: it ends nothing. `value` null: its end was erased, and only that it ended is known. */
export function outcomeOf(r: Recorded<ItemEvent>): { readonly value: object | null } | null {
  const { event } = r;
  const erased = r.redaction === "full";
  switch (event.type) {
    case "tool.succeeded":
    case "tool.failed": {
      // Which call it ended is gone with it.
      if (erased) return null;
      const { output, output_truncated, artifact_id, duration_ms } = event.data;
      return {
        value: {
          status: event.type === "tool.succeeded" ? "succeeded" : "failed",
          output: output ?? null,
          output_truncated: output_truncated ?? false,
          artifact_id: artifact_id ?? null,
          duration_ms,
          error: event.type === "tool.failed" ? event.data.error : null,
        },
      };
    }
    case "approval.held":
      return { value: { status: "held", decided_by: null } };
    case "approval.approved":
      return { value: { status: "approved", decided_by: event.data.by ?? null } };
    case "approval.denied":
      return { value: { status: "denied", decided_by: event.data.by ?? null } };
    case "approval.expired":
      return { value: { status: "expired", decided_by: null } };
    case "question.answered":
      return {
        value: {
          status: "answered",
          answer: erased ? null : { options: event.data.options, text: event.data.text ?? null },
          closed_by: event.data.by ?? null,
        },
      };
    case "question.dismissed":
      return { value: { status: "dismissed", answer: null, closed_by: event.data.by ?? null } };
    default:
      return null;
  }
}

/** What `outcomeOf` says of it without its data. */
export function erasedOutcome(type: string, { status }: { readonly status: string }): object | null {
  if (type === "approval") return { status, decided_by: null };
  return type === "question" ? { status, answer: null, closed_by: null } : null;
}

/** What `itemOf` says of it without its data. */
export function erasedBody(type: string, body: object): object {
  if (type === "approval") return {};
  return type === "message" ? { ...body, content_md: ERASED } : { ...body, message: null };
}

export const isDecision = ({ event }: Recorded<ItemEvent>): boolean =>
  event.type === "invocation.requested" || event.type === "policy.denied";

export function decisionOf(r: Recorded<ItemEvent>): object | null {
  const { event } = r;
  if (r.redaction === "full") return null;
  if (event.type === "invocation.requested") {
    const { decision, action, reason_code, approval_id, invocation_id } = event.data;
    return { decision, action, reason_code, approval_id: approval_id ?? null, invocation_id };
  }
  if (event.type !== "policy.denied") throw new Error(`not a decision: ${event.type}`);
  return { decision: "deny", action: event.data.action, reason_code: event.data.reason_code, approval_id: null, invocation_id: null };
}

const KEPT_ERASED: ReadonlySet<ItemEvent["type"]> = new Set([
  "message.created",
  "approval.requested",
  "run.completed",
  "run.failed",
  "run.canceled",
  "run.needs_human",
  "run.timed_out",
]);

export function itemOf(r: Recorded<ItemEvent>): Item | null {
  const { event } = r;
  if (r.redaction === "full" && !KEPT_ERASED.has(event.type)) return null;
  switch (event.type) {
    case "message.created":
      return {
        id: r.subjectId,
        type: "message",
        body: {
          role: r.principal.type === "agent" ? "agent" : "user",
          author: r.principal.id,
          content_md: r.redaction === "full" ? ERASED : event.data.content_md,
        },
      };
    case "step.thought":
      // A thought is a step of its own (`recorder.ts`), so the step's id is the thought's.
      return { id: event.data.step_id, type: "thought", body: { text: event.data.text } };
    case "step.plan_updated":
      return { id: r.eventId, type: "plan", body: { entries: event.data.entries } };
    case "tool.invoked":
      return {
        id: event.data.tool_call_id,
        type: "tool_call",
        body: { name: event.data.name, title: event.data.title ?? null, arguments: event.data.arguments, step_id: event.data.step_id },
      };
    case "tool.succeeded":
    case "tool.failed":
    case "approval.held":
    case "approval.approved":
    case "approval.denied":
    case "approval.expired":
    case "question.answered":
    case "question.dismissed":
    case "message.edited":
    case "invocation.requested":
    case "policy.denied":
    case "session.deleted":
    case "event.redacted":
      return null;
    case "approval.requested":
      return { id: r.subjectId, type: "approval", body: r.redaction === "full" ? {} : { title: event.data.title } };
    case "question.asked": {
      const { header, text, options, multiple, free_text } = event.data;
      return { id: r.subjectId, type: "question", body: { header: header ?? null, text, options, multiple, free_text } };
    }
    case "session.model_changed":
      return notice(r, "info", `The model is ${event.data.model} from the next turn on.`);
    case "run.completed":
      return ended(r, "succeeded", null);
    case "run.failed":
      return ended(r, "failed", event.data.message ?? null);
    case "run.canceled":
      return ended(r, "canceled", event.data.reason ?? null);
    case "run.needs_human":
      return ended(r, "needs_human", event.data.reason ?? null);
    case "run.timed_out":
      return ended(
        r,
        "timed_out",
        r.redaction === "full" ? null : `The turn was ended after ${Math.round(event.data.after_ms / 60_000)} minutes.`,
      );
    case "session.paused":
      return notice(r, "warning", event.data.reason);
    case "session.resumed":
      return notice(r, "info", "The session is being brought back.");
    case "session.stopped":
      return notice(r, "info", event.data.reason);
    case "session.failed":
      return notice(r, "error", event.data.message);
    case "session.committed":
      return notice(r, "info", `Committed ${event.data.commit.slice(0, 7)} on ${event.data.branch}: ${event.data.message}`);
    case "egress.blocked":
      return notice(r, "warning", `Blocked a request to ${event.data.host}: ${event.data.reason}`);
    default:
      return unreachable(event);
  }
}

/** Only turns are conversation: the end of a task in a session's room is the task's own affair. */
const ended = (r: Recorded<ItemEvent>, status: string, message: string | null): Item => ({
  id: r.eventId,
  type: "run_ended",
  body: { status, message },
});
const notice = (r: Recorded<ItemEvent>, level: "info" | "warning" | "error", text: string): Item => ({
  id: r.eventId,
  type: "notice",
  body: { level, text },
});
