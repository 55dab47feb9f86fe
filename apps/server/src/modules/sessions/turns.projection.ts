import type { AuditEvent } from "@signalbox/contract/events/audit";
import type { RunEvent } from "@signalbox/contract/events/runs";
import type { SessionEvent } from "@signalbox/contract/events/sessions";
import type { Projection, Recorded, Tx } from "@signalbox/eventlog/log";
import { columns } from "./columns.ts";

type TurnEvent = RunEvent | Extract<AuditEvent, { type: "event.redacted" }> | Extract<SessionEvent, { type: "session.deleted" }>;

const STATUS: Partial<Record<TurnEvent["type"], string>> = {
  "run.started": "running",
  "run.completed": "succeeded",
  "run.failed": "failed",
  "run.needs_human": "needs_human",
  "run.timed_out": "timed_out",
  "run.canceled": "canceled",
  "run.skipped": "skipped",
};

/** Keeps `proj_session_turns` and `proj_session_moves`: which prompts a session has, and which of them is next. */
export const turnsProjection: Projection<TurnEvent> = {
  name: "sessions.turns",
  types: [
    "run.created",
    "run.edited",
    "session.prompt_moved",
    ...(Object.keys(STATUS) as TurnEvent["type"][]),
    "session.deleted",
    "event.redacted",
  ],
  tables: ["proj_session_turns", "proj_session_moves"],

  async project(tx, batch) {
    const created = batch.filter(isTurn);
    if (created.length > 0) {
      await tx.query(
        `insert into proj_session_turns
           (organization_id, run_id, session_id, seq, status, title, message_id, requested_by, created_at, event_id, subject_version, title_event, title_version)
         select o, r, s, q, 'queued', t, m, b, a, e, v, e, v
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
    await titles(tx, batch);
    await moves(tx, batch);
    const deleted = batch.flatMap((r) => (r.event.type === "session.deleted" ? [r.subjectId] : []));
    if (deleted.length > 0) {
      await tx.query(`delete from proj_session_turns where session_id = any($1)`, [deleted]);
      await tx.query(`delete from proj_session_moves where session_id = any($1)`, [deleted]);
    }
    const erased = batch.flatMap((r) =>
      r.event.type === "event.redacted" && r.event.data.level === "full" ? r.event.data.target_event_id : [],
    );
    if (erased.length === 0) return;
    await tx.query(`update proj_session_turns set message_id = null where event_id = any($1)`, [erased]);
    await tx.query(`update proj_session_turns set title = null where title_event = any($1)`, [erased]);
    await tx.query(`delete from proj_session_moves where event_id = any($1)`, [erased]);
  },
};

async function titles(tx: Tx, batch: readonly Recorded<TurnEvent>[]): Promise<void> {
  const edited = new Map(batch.filter((r) => r.event.type === "run.edited").map((r) => [r.subjectId, r]));
  if (edited.size === 0) return;
  await tx.query(
    `update proj_session_turns t set title = c.title, title_event = c.event, title_version = c.version
       from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) as c (id, title, event, version)
      where t.run_id = c.id and t.title_version < c.version`,
    columns([...edited.values()], (r) => [
      r.subjectId,
      r.event.type === "run.edited" ? (r.event.data.title ?? null) : null,
      r.eventId,
      r.subjectVersion,
    ]),
  );
}

/** Kept as they were said: what order they make is the reader's to work out, so that one can be erased. */
async function moves(tx: Tx, batch: readonly Recorded<TurnEvent>[]): Promise<void> {
  const moved = batch.filter((r) => r.event.type === "session.prompt_moved" && r.redaction !== "full");
  if (moved.length === 0) return;
  await tx.query(
    `insert into proj_session_moves (organization_id, event_id, session_id, seq, run_id, before_run_id)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[]) on conflict do nothing`,
    columns(moved, ({ organizationId, eventId, event, seq }) => {
      if (event.type !== "session.prompt_moved") throw new Error(`not a move: ${event.type}`);
      return [organizationId, eventId, event.data.session_id, seq, event.data.run_id, event.data.before_run_id];
    }),
  );
}

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
