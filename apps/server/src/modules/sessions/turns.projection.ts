import type { AuditEvent } from "@signalbox/contract/events/audit";
import type { RunEvent } from "@signalbox/contract/events/runs";
import type { Projection, Recorded } from "@signalbox/eventlog/log";
import { columns } from "./columns.ts";

type TurnEvent = RunEvent | Extract<AuditEvent, { type: "event.redacted" }>;

const STATUS: Partial<Record<TurnEvent["type"], string>> = {
  "run.started": "running",
  "run.completed": "succeeded",
  "run.failed": "failed",
  "run.needs_human": "needs_human",
  "run.timed_out": "timed_out",
  "run.canceled": "canceled",
  "run.skipped": "skipped",
};

/** Keeps `proj_session_turns`: which prompts a session has, and which of them is next. */
export const turnsProjection: Projection<TurnEvent> = {
  name: "sessions.turns",
  types: ["run.created", ...(Object.keys(STATUS) as TurnEvent["type"][]), "event.redacted"],
  tables: ["proj_session_turns"],

  async project(tx, batch) {
    const created = batch.filter(isTurn);
    if (created.length > 0) {
      await tx.query(
        `insert into proj_session_turns
           (organization_id, run_id, session_id, seq, status, title, message_id, requested_by, created_at, event_id, subject_version)
         select o, r, s, q, 'queued', t, m, b, a, e, v
           from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::text[], $10::bigint[]) as u (o, r, s, q, t, m, b, a, e, v)
         on conflict (run_id) do nothing`,
        columns(created, createdColumns),
      );
    }
    // Within a batch only the last change of a run matters.
    const changed = new Map(batch.filter((r) => r.event.type in STATUS).map((r) => [r.subjectId, r]));
    if (changed.size > 0) {
      await tx.query(
        `update proj_session_turns t set status = c.status, subject_version = c.version
           from unnest($1::text[], $2::text[], $3::bigint[]) as c (id, status, version)
          where t.run_id = c.id and t.subject_version < c.version`,
        columns([...changed.values()], (r) => [r.subjectId, STATUS[r.event.type], r.subjectVersion]),
      );
    }
    const erased = batch.flatMap((r) => (r.event.type === "event.redacted" ? (r.event.data.target_event_id ?? []) : []));
    if (erased.length > 0)
      await tx.query(`update proj_session_turns set title = null, message_id = null where event_id = any($1)`, [erased]);
  },
};

/** Of an erased creation its envelope still says whose it was; the message that it was about is not found any more. */
function isTurn({ event, redaction, sessionId }: Recorded<TurnEvent>): boolean {
  if (event.type !== "run.created") return false;
  return redaction === "full" ? sessionId !== undefined : event.data.kind === "turn" && event.data.session_id !== undefined;
}

function createdColumns({
  event,
  organizationId,
  subjectId,
  seq,
  occurredAt,
  eventId,
  subjectVersion,
  sessionId,
  principal,
}: Recorded<TurnEvent>): unknown[] {
  if (event.type !== "run.created") throw new Error(`not a creation: ${event.type}`);
  const { session_id, title, input, requested_by }: Partial<typeof event.data> = event.data;
  const message = input?.["message_id"];
  return [
    organizationId,
    subjectId,
    session_id ?? sessionId,
    seq,
    title ?? null,
    typeof message === "string" ? message : null,
    requested_by ?? principal.id,
    occurredAt,
    eventId,
    subjectVersion,
  ];
}
