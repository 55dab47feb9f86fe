import type { RunEvent } from "@signalbox/contract/events/runs";
import type { Projection, Recorded } from "@signalbox/eventlog/log";
import { columns } from "./columns.ts";

const STATUS: Partial<Record<RunEvent["type"], string>> = {
  "run.started": "running",
  "run.completed": "succeeded",
  "run.failed": "failed",
  "run.needs_human": "needs_human",
  "run.timed_out": "timed_out",
  "run.canceled": "canceled",
  "run.skipped": "skipped",
};

/** Keeps `proj_session_turns`: which prompts a session has, and which of them is next. */
export const turnsProjection: Projection<RunEvent> = {
  name: "sessions.turns",
  types: ["run.created", ...(Object.keys(STATUS) as RunEvent["type"][])],
  tables: ["proj_session_turns"],

  async project(tx, batch) {
    const created = batch.filter((r) => r.event.type === "run.created" && r.event.data.kind === "turn" && r.event.data.session_id !== undefined);
    if (created.length > 0) {
      await tx.query(
        `insert into proj_session_turns
           (organization_id, run_id, session_id, seq, status, title, message_id, requested_by, created_at, subject_version)
         select o, r, s, q, 'queued', t, m, b, a, v
           from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::bigint[]) as u (o, r, s, q, t, m, b, a, v)
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
  },
};

function createdColumns({ event, organizationId, subjectId, seq, occurredAt, subjectVersion }: Recorded<RunEvent>): unknown[] {
  if (event.type !== "run.created") throw new Error(`not a creation: ${event.type}`);
  const { session_id, title, input, requested_by } = event.data;
  const message = input?.["message_id"];
  return [organizationId, subjectId, session_id, seq, title ?? null, typeof message === "string" ? message : null, requested_by, occurredAt, subjectVersion];
}
