import type { AnyEvent } from "@signalbox/contract/events";
import type { Projection, Recorded, Tx } from "@signalbox/eventlog/log";
import { unreachable } from "@signalbox/kernel/decider";
import { columns } from "./columns.ts";
import { ERASED } from "./session.ts";

type ItemEvent = Extract<
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

interface Item {
  readonly id: string;
  readonly type: "message" | "thought" | "tool_call" | "plan" | "approval" | "run_ended" | "notice";
  readonly body: object;
}

/** Keeps `proj_session_items`. Ids are those of the events' own objects, so an item is one row however often it is replayed. */
export const itemsProjection: Projection<ItemEvent> = {
  name: "sessions.items",
  types: [
    "message.created",
    "step.thought",
    "step.plan_updated",
    "tool.invoked",
    "tool.succeeded",
    "tool.failed",
    "approval.requested",
    "run.completed",
    "run.failed",
    "run.canceled",
    "run.needs_human",
    "run.timed_out",
    "session.paused",
    "session.resumed",
    "session.stopped",
    "session.failed",
    "session.committed",
    "egress.blocked",
    "event.redacted",
  ],
  tables: ["proj_session_items"],

  async project(tx, batch) {
    // A room without sessions has messages and runs too; only what belongs to a session is conversation.
    const sessionOf = await sessionsOfRuns(tx, batch);
    const mine = batch.flatMap((r) => {
      const sessionId = r.sessionId ?? sessionOf.get(runOf(r) ?? "");
      return sessionId === undefined || r.stream.type !== "room" ? [] : [{ r, sessionId, item: itemOf(r) }];
    });
    const items = mine.flatMap((m) => (m.item === null ? [] : [{ ...m, item: m.item }]));
    if (items.length > 0) {
      await tx.query(
        `insert into proj_session_items (organization_id, session_id, id, seq, at, type, run_id, body, event_id)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[])
         on conflict (session_id, id) do nothing`,
        columns(items, ({ r, sessionId, item }) => [
          r.organizationId,
          sessionId,
          item.id,
          r.seq,
          r.occurredAt,
          item.type,
          runOf(r) ?? null,
          JSON.stringify(item.body),
          r.eventId,
        ]),
      );
    }
    const outcomes = mine.filter(
      ({ r }) => (r.event.type === "tool.succeeded" || r.event.type === "tool.failed") && r.redaction !== "full",
    );
    if (outcomes.length > 0) {
      await tx.query(
        `update proj_session_items i set outcome = o.outcome, outcome_event = o.event
           from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as o (session_id, id, outcome, event)
          where i.session_id = o.session_id and i.id = o.id and i.outcome is null`,
        columns(outcomes, ({ r, sessionId }) => [
          sessionId,
          (r.event.data as { tool_call_id: string }).tool_call_id,
          JSON.stringify(outcomeOf(r)),
          r.eventId,
        ]),
      );
    }
    const erased = batch.flatMap((r) => (r.event.type === "event.redacted" ? (r.event.data.target_event_id ?? []) : []));
    if (erased.length > 0) await erase(tx, erased);
  },
};

const runOf = (r: Recorded<ItemEvent>): string | undefined => r.runId ?? (r.subject.startsWith("run:") ? r.subjectId : undefined);

/** A run may be ended by a route that knows nothing of sessions. */
async function sessionsOfRuns(tx: Tx, batch: readonly Recorded<ItemEvent>[]): Promise<Map<string, string>> {
  const runs = [...new Set(batch.filter((r) => r.sessionId === undefined).flatMap((r) => runOf(r) ?? []))];
  if (runs.length === 0) return new Map();
  const { rows } = await tx.query<{ run_id: string; session_id: string }>(
    `select run_id, session_id from proj_session_turns where run_id = any($1)`,
    [runs],
  );
  return new Map(rows.map((row) => [row.run_id, row.session_id]));
}

/** Leaves what a replay of the erased events leaves (`itemOf` with no data). */
async function erase(tx: Tx, events: readonly string[]): Promise<void> {
  await tx.query(`delete from proj_session_items where event_id = any($1) and type in ('thought', 'tool_call', 'plan', 'notice')`, [
    events,
  ]);
  await tx.query(`update proj_session_items set outcome = null, outcome_event = null where outcome_event = any($1)`, [events]);
  const { rows } = await tx.query<{ session_id: string; id: string; type: string; body: string }>(
    `select session_id, id, type, body from proj_session_items where event_id = any($1) and type in ('message', 'run_ended')`,
    [events],
  );
  if (rows.length === 0) return;
  const bodyOf = (row: { type: string; body: string }): object => ({
    ...(JSON.parse(row.body) as object),
    ...(row.type === "message" ? { content_md: ERASED } : { message: null }),
  });
  await tx.query(
    `update proj_session_items i set body = e.body from unnest($1::text[], $2::text[], $3::text[]) as e (session_id, id, body) where i.session_id = e.session_id and i.id = e.id`,
    columns(rows, (row) => [row.session_id, row.id, JSON.stringify(bodyOf(row))]),
  );
}

function outcomeOf({ event }: Recorded<ItemEvent>): object {
  if (event.type !== "tool.succeeded" && event.type !== "tool.failed") throw new Error(`not an outcome: ${event.type}`);
  const { output, output_truncated, artifact_id, duration_ms } = event.data;
  return {
    status: event.type === "tool.succeeded" ? "succeeded" : "failed",
    output: output ?? null,
    output_truncated: output_truncated ?? false,
    artifact_id: artifact_id ?? null,
    duration_ms,
    error: event.type === "tool.failed" ? event.data.error : null,
  };
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

function itemOf(r: Recorded<ItemEvent>): Item | null {
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
        body: { name: event.data.name, title: event.data.title ?? null, arguments: event.data.arguments },
      };
    case "tool.succeeded":
    case "tool.failed":
    case "event.redacted":
      return null;
    case "approval.requested":
      return { id: r.subjectId, type: "approval", body: {} };
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
