/* One event of a session's room as the conversation shows it, worded as `sessions.conversation` words it. Pure. */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import type { AnyEvent } from "@signalbox/contract/events";
import type { ConversationItem } from "@signalbox/contract/sessions";

export type ToolCallItem = Extract<ConversationItem, { type: "tool_call" }>;

/** What an event says about an item that an earlier one made. */
export interface Change {
  readonly id: string;
  readonly type: ConversationItem["type"];
  readonly set: object;
}

/** null for an event that changes no item. */
export function changeOf(envelope: EventEnvelope): Change | null {
  const { type, data } = { type: envelope.type, data: envelope.data } as AnyEvent;
  const ended_seq = envelope.seq;
  switch (type) {
    case "tool.succeeded":
    case "tool.failed":
      return {
        id: data.tool_call_id,
        type: "tool_call",
        set: {
          status: type === "tool.failed" ? "failed" : "succeeded",
          error: type === "tool.failed" ? data.error : null,
          output: data.output ?? null,
          output_truncated: data.output_truncated ?? false,
          artifact_id: data.artifact_id ?? null,
          duration_ms: data.duration_ms,
          ended_seq,
        },
      };
    case "message.edited":
      return { id: data.message_id, type: "message", set: { content_md: data.content_md, edited_at: envelope.occurred_at } };
    case "approval.held":
      return { id: data.approval_id, type: "approval", set: { status: "held" } };
    case "approval.approved":
    case "approval.denied":
      return {
        id: data.approval_id,
        type: "approval",
        set: { status: type === "approval.approved" ? "approved" : "denied", decided_by: data.by, ended_seq },
      };
    case "approval.expired":
      return { id: data.approval_id, type: "approval", set: { status: "expired", ended_seq } };
    case "question.answered":
      return {
        id: data.question_id,
        type: "question",
        set: { status: "answered", answer: { options: data.options, text: data.text ?? null }, closed_by: data.by, ended_seq },
      };
    case "question.dismissed":
      return { id: data.question_id, type: "question", set: { status: "dismissed", closed_by: data.by, ended_seq } };
    default:
      return null;
  }
}

/** Whether a reading has something about an item that the events alone do not say: what the gate decided about a call. */
export const needsReading = (type: string): boolean => /^(policy|invocation)\./.test(type) || type === "egress.blocked";

/** The item that an event makes; null when it does not show, or changes one that is there. */
export function itemOf(envelope: EventEnvelope): ConversationItem | null {
  const at = { seq: envelope.seq, at: envelope.occurred_at, id: envelope.event_id as string, run_id: envelope.run_id ?? null };
  // The server validated it against the contract before it was appended.
  const { type, data } = { type: envelope.type, data: envelope.data } as AnyEvent;
  const notice = (level: "info" | "warning" | "error", text: string): ConversationItem => ({ ...at, type: "notice", level, text });
  switch (type) {
    case "message.created":
      return {
        ...at,
        type: "message",
        id: data.message_id,
        role: envelope.principal.type === "agent" ? "agent" : "user",
        author: envelope.principal.id,
        content_md: data.content_md ?? "",
        edited_at: null,
      };
    case "step.thought":
      return { ...at, id: data.step_id, type: "thought", text: data.text };
    case "step.plan_updated":
      return { ...at, type: "plan", entries: data.entries };
    case "tool.invoked":
      return {
        ...at,
        type: "tool_call",
        id: data.tool_call_id,
        name: data.name,
        title: data.title ?? null,
        status: "invoked",
        arguments: data.arguments,
        output: null,
        output_truncated: false,
        error: null,
        artifact_id: null,
        duration_ms: null,
        step_id: data.step_id,
        ended_seq: null,
        decision: null,
      };
    case "approval.requested":
      return {
        ...at,
        id: data.approval_id,
        type: "approval",
        approval_id: data.approval_id,
        title: data.title,
        status: "pending",
        decided_by: null,
        ended_seq: null,
      };
    case "question.asked":
      return {
        ...at,
        id: data.question_id,
        type: "question",
        question_id: data.question_id,
        header: data.header ?? null,
        text: data.text,
        options: data.options,
        multiple: data.multiple,
        free_text: data.free_text,
        status: "open",
        answer: null,
        closed_by: null,
        ended_seq: null,
      };
    case "run.completed":
      return { ...at, type: "run_ended", run_id: data.run_id, status: "succeeded", message: null };
    case "run.failed":
      return { ...at, type: "run_ended", run_id: data.run_id, status: "failed", message: data.message };
    case "run.needs_human":
      return { ...at, type: "run_ended", run_id: data.run_id, status: "needs_human", message: data.reason };
    case "run.timed_out":
      return {
        ...at,
        type: "run_ended",
        run_id: data.run_id,
        status: "timed_out",
        message: `The turn was ended after ${Math.round(data.after_ms / 60_000)} minutes.`,
      };
    case "run.canceled":
      return { ...at, type: "run_ended", run_id: data.run_id, status: "canceled", message: data.reason ?? null };
    case "session.paused":
      return notice("warning", data.reason);
    case "session.resumed":
      return notice("info", "The session is being brought back.");
    case "session.stopped":
      return notice("info", data.reason);
    case "session.failed":
      return notice("error", data.message);
    case "session.committed":
      return notice("info", `Committed ${data.commit.slice(0, 7)} on ${data.branch}: ${data.message}`);
    case "egress.blocked":
      return notice("warning", `Blocked a request to ${data.host}: ${data.reason}`);
    default:
      return null;
  }
}
