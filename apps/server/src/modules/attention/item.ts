/*
 * Which events put something on people's lists, and which take it off again.
 *
 *   approval.requested ─► approval            approved | denied | expired
 *   question.asked ─────► question            answered | dismissed
 *   run.failed,
 *   run.timed_out ──────► run_failed          run.resolved, or the session's next turn (`retried`)
 *   run.needs_human ────► run_needs_human     run.resolved, run.completed, the session's next turn
 *   session.failed ─────► session_failed      session.starting or resumed (`retried`), archived, deleted
 *   projection.drifted ─► projection_drifted  projection.repaired
 *   invocation.unknown ─► invocation_unknown  completed | failed
 *
 * A session that fails takes its run's failure with it: one cause is one item.
 */
import type { AttentionKind } from "@signalbox/contract/attention";
import type { Recorded } from "@signalbox/eventlog/log";

export interface Opening {
  readonly id: string;
  readonly kind: AttentionKind;
  /** What the event itself says; runs and sessions have their title elsewhere. */
  readonly title: string | null;
  readonly detail: string | null;
}
/** Which open items end, by subject or by session, and how. */
export interface Closing {
  readonly outcome: string;
  readonly subjectId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly kinds: readonly AttentionKind[];
}

const OF_RUN: readonly AttentionKind[] = ["run_failed", "run_needs_human"];
const OF_SESSION: readonly AttentionKind[] = [...OF_RUN, "session_failed", "question", "environment_request"];

/** Types that the list is made of. Questions are named as text: they may be declared later than this is built. */
export const ATTENTION_TYPES = [
  "approval.requested",
  "approval.held",
  "approval.approved",
  "approval.denied",
  "approval.expired",
  "question.asked",
  "question.answered",
  "question.dismissed",
  "run.failed",
  "run.timed_out",
  "run.needs_human",
  "run.resolved",
  "run.completed",
  "run.canceled",
  "session.failed",
  "session.starting",
  "session.resumed",
  "session.archived",
  "session.deleted",
  "invocation.unknown",
  "invocation.completed",
  "invocation.failed",
  "projection.drifted",
  "projection.repaired",
] as const;

const text = (data: object, key: string): string | null => {
  const value = (data as Record<string, unknown>)[key];
  return typeof value === "string" && value !== "" ? value : null;
};

export function openingOf({ event: { type, data }, subjectId, subjectVersion }: Recorded): Opening | null {
  switch (type) {
    case "approval.requested":
      return { id: `approval:${subjectId}`, kind: "approval", title: text(data, "title"), detail: null };
    case "question.asked":
      return {
        id: `question:${subjectId}`,
        kind: "question",
        title: text(data, "header") ?? text(data, "text"),
        detail: text(data, "text"),
      };
    case "run.failed":
      return { id: `run_failed:${subjectId}`, kind: "run_failed", title: null, detail: text(data, "message") };
    case "run.timed_out":
      return { id: `run_failed:${subjectId}`, kind: "run_failed", title: null, detail: "It took longer than it may." };
    case "run.needs_human":
      return { id: `run_needs_human:${subjectId}`, kind: "run_needs_human", title: null, detail: text(data, "reason") };
    case "session.failed":
      // It may be resumed and fail again.
      return { id: `session_failed:${subjectId}.${subjectVersion}`, kind: "session_failed", title: null, detail: text(data, "message") };
    case "invocation.unknown":
      return {
        id: `invocation_unknown:${subjectId}.${subjectVersion}`,
        kind: "invocation_unknown",
        title: "It is not known whether an effect happened",
        detail: text(data, "reason"),
      };
    case "projection.drifted":
      return {
        id: `projection_drifted:${subjectId}.${subjectVersion}`,
        kind: "projection_drifted",
        title: "What is shown differs from the log",
        detail: driftOf(data),
      };
    default:
      return null;
  }
}

function driftOf(data: { projection?: string; table?: string; only_live?: number; only_rebuilt?: number }): string | null {
  const { projection, table, only_live: live = 0, only_rebuilt: rebuilt = 0 } = data;
  if (table === undefined) return null;
  return `${table}: ${live} rows that the log does not explain, ${rebuilt} that it lacks. The log is right; signalbox log rebuild --projection ${projection} mends it.`;
}

export function closingOf({ event: { type }, subjectId, sessionId }: Recorded): Closing | null {
  switch (type) {
    case "approval.approved":
    case "approval.denied":
    case "approval.expired":
      return { subjectId, kinds: ["approval"], outcome: type.slice("approval.".length) };
    case "question.answered":
    case "question.dismissed":
      return { subjectId, kinds: ["question"], outcome: type.slice("question.".length) };
    case "run.resolved":
      return { subjectId, kinds: OF_RUN, outcome: "resolved" };
    case "run.completed":
      return { subjectId, kinds: OF_RUN, outcome: "completed" };
    case "run.canceled":
      return { subjectId, kinds: OF_RUN, outcome: "canceled" };
    case "run.created":
      // The session's next turn: whoever asked for it has seen how the last one ended.
      return sessionId === undefined ? null : { sessionId, kinds: OF_RUN, outcome: "retried" };
    case "session.failed":
      return { sessionId: subjectId, kinds: ["run_failed"], outcome: "session_failed" };
    case "session.starting":
    case "session.resumed":
      return { sessionId: subjectId, kinds: ["session_failed"], outcome: "retried" };
    case "session.archived":
    case "session.deleted":
      return { sessionId: subjectId, kinds: OF_SESSION, outcome: "resolved" };
    case "invocation.completed":
    case "invocation.failed":
      return { subjectId, kinds: ["invocation_unknown"], outcome: type.slice("invocation.".length) };
    case "projection.repaired":
      return { subjectId, kinds: ["projection_drifted"], outcome: "repaired" };
    default:
      return null;
  }
}
