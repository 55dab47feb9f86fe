import type { AuditEvent } from "@signalbox/contract/events/audit";
import type { QuestionEvent } from "@signalbox/contract/events/questions";
import type { SessionEvent } from "@signalbox/contract/events/sessions";
import type { Projection, Recorded } from "@signalbox/eventlog/log";
import { columns, jsonText } from "./columns.ts";
import { ERASED } from "./session.ts";

type Event = QuestionEvent | Extract<AuditEvent, { type: "event.redacted" }> | Extract<SessionEvent, { type: "session.deleted" }>;
type Closed = Recorded<Extract<QuestionEvent, { type: "question.answered" | "question.dismissed" }>>;

const NOTHING = jsonText({ header: null, text: ERASED, options: [], multiple: false, free_text: true });

/** Keeps `proj_questions`. Of an erased question remains that one was asked, of an erased answer that it was given. */
export const questionsProjection: Projection<Event> = {
  name: "sessions.questions",
  types: ["question.asked", "question.answered", "question.dismissed", "session.deleted", "event.redacted"],
  tables: ["proj_questions"],

  async project(tx, batch) {
    const asked = batch.filter((r) => r.event.type === "question.asked" && r.sessionId !== undefined);
    if (asked.length > 0) {
      await tx.query(
        `insert into proj_questions (organization_id, id, session_id, room_id, run_id, status, body, asked_by, asked_at, event_id, subject_version)
         select o, i, s, m, r, 'open', b, p, a, e, v
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::text[], $10::bigint[])
             as u (o, i, s, m, r, b, p, a, e, v) on conflict (id) do nothing`,
        columns(asked, (r) => [
          r.organizationId,
          r.subjectId,
          r.sessionId,
          r.stream.id,
          r.runId ?? "",
          bodyOf(r),
          r.principal.id,
          r.occurredAt,
          r.eventId,
          r.subjectVersion,
        ]),
      );
    }
    const closed = batch.filter((r): r is Closed => r.event.type === "question.answered" || r.event.type === "question.dismissed");
    if (closed.length > 0) {
      await tx.query(
        `update proj_questions q set status = c.status, answer = c.answer, closed_by = c.by, closed_at = c.at, reason = c.reason,
                closed_event = c.event, subject_version = c.version
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::bigint[])
             as c (id, status, answer, by, at, reason, event, version)
          where q.id = c.id and q.subject_version < c.version`,
        columns(closed, (r) => [
          r.subjectId,
          r.event.type === "question.answered" ? "answered" : "dismissed",
          r.event.type === "question.answered" && r.redaction !== "full"
            ? jsonText({ options: r.event.data.options, text: r.event.data.text ?? null })
            : null,
          r.principal.id,
          r.occurredAt,
          r.event.type === "question.dismissed" ? (r.event.data.reason ?? null) : null,
          r.eventId,
          r.subjectVersion,
        ]),
      );
    }
    const deleted = batch.flatMap((r) => (r.event.type === "session.deleted" ? [r.subjectId] : []));
    if (deleted.length > 0) await tx.query(`delete from proj_questions where session_id = any($1)`, [deleted]);
    const erased = batch.flatMap((r) =>
      r.event.type === "event.redacted" && r.event.data.level === "full" ? r.event.data.target_event_id : [],
    );
    if (erased.length === 0) return;
    await tx.query(`update proj_questions set body = $2 where event_id = any($1)`, [erased, NOTHING]);
    await tx.query(`update proj_questions set answer = null, reason = null where closed_event = any($1)`, [erased]);
  },
};

function bodyOf(r: Recorded<Event>): string {
  if (r.event.type !== "question.asked" || r.redaction === "full") return NOTHING;
  const { header, text, options, multiple, free_text } = r.event.data;
  return jsonText({ header: header ?? null, text, options, multiple, free_text });
}
