import type { ModelKeyEvent } from "@signalbox/contract/events/ledger";
import type { SessionEvent } from "@signalbox/contract/events/sessions";
import type { Projection, Recorded } from "@signalbox/eventlog/log";

export const modelKeys: Projection<ModelKeyEvent> = {
  name: "models.keys",
  types: ["model_key.issued", "model_key.revoked"],
  tables: ["proj_model_keys"],

  async project(tx, batch) {
    // An erased key would not say what it opens: it opens nothing.
    const issued = batch.flatMap((r) => (r.event.type === "model_key.issued" && r.redaction !== "full" ? [{ r, data: r.event.data }] : []));
    if (issued.length > 0) {
      await tx.query(
        `insert into proj_model_keys (organization_id, key_id, session_id, room_id, principal_id, key_hash, models, expires_at, revoked, subject_version)
         select o, k, s, nullif(m, ''), p, h, array(select jsonb_array_elements_text(a::jsonb)), e, false, v
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::bigint[]) as t (o, k, s, m, p, h, a, e, v)
         on conflict do nothing`,
        [
          issued.map(({ r }) => r.organizationId),
          issued.map(({ data }) => data.key_id),
          issued.map(({ data }) => data.session_id),
          issued.map(({ data }) => data.room_id ?? ""),
          issued.map(({ data }) => data.principal_id),
          issued.map(({ data }) => data.key_hash),
          issued.map(({ data }) => JSON.stringify(data.models)),
          issued.map(({ data }) => data.expires_at),
          issued.map(({ r }) => r.subjectVersion),
        ],
      );
    }
    const revoked = batch.filter((r) => r.event.type === "model_key.revoked");
    if (revoked.length === 0) return;
    await tx.query(
      `update proj_model_keys p set revoked = true, subject_version = c.v
         from unnest($1::text[], $2::text[], $3::bigint[]) as c (o, k, v)
        where p.organization_id = c.o and p.key_id = c.k and p.subject_version < c.v`,
      [revoked.map((r) => r.organizationId), revoked.map((r) => r.subjectId), revoked.map((r) => r.subjectVersion)],
    );
  },
};

const ENDINGS: ReadonlySet<string> = new Set(["session.completed", "session.stopped", "session.failed"]);

export const modelSessions: Projection<SessionEvent> = {
  name: "models.sessions",
  types: ["session.created", "session.starting", "session.resumed", "session.completed", "session.stopped", "session.failed"],
  tables: ["proj_model_sessions"],

  async project(tx, batch) {
    // Within a batch only the last change of a session matters.
    const last = [...new Map(batch.map((r: Recorded<SessionEvent>) => [`${r.organizationId} ${r.subjectId}`, r])).values()];
    if (last.length === 0) return;
    await tx.query(
      `insert into proj_model_sessions as p (organization_id, session_id, has_ended, subject_version)
       select * from unnest($1::text[], $2::text[], $3::boolean[], $4::bigint[])
       on conflict (organization_id, session_id) do update set has_ended = excluded.has_ended, subject_version = excluded.subject_version
        where p.subject_version < excluded.subject_version`,
      [
        last.map((r) => r.organizationId),
        last.map((r) => r.subjectId),
        last.map((r) => ENDINGS.has(r.event.type)),
        last.map((r) => r.subjectVersion),
      ],
    );
  },
};
