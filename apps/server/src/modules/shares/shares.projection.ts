import type { AuditEvent } from "@signalbox/contract/events/audit";
import type { SessionEvent } from "@signalbox/contract/events/sessions";
import type { ShareEvent } from "@signalbox/contract/events/shares";
import type { Projection, Recorded } from "@signalbox/eventlog/log";

type Event = ShareEvent | Extract<AuditEvent, { type: "event.redacted" }> | Extract<SessionEvent, { type: "session.deleted" }>;
type Created = Recorded<Extract<ShareEvent, { type: "share.created" }>>;

/** Keeps `proj_shares`. A link whose creation was erased opens nothing any more. */
export const sharesProjection: Projection<Event> = {
  name: "shares",
  types: ["share.created", "share.revoked", "session.deleted", "event.redacted"],
  tables: ["proj_shares"],

  async project(tx, batch) {
    const created = batch.filter((r): r is Created => r.event.type === "share.created" && r.redaction !== "full");
    if (created.length > 0) {
      await tx.query(
        `insert into proj_shares (organization_id, id, session_id, room_id, token_hash, created_by, created_at, expires_at, event_id)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::text[])
         on conflict do nothing`,
        [
          created.map((r) => r.organizationId),
          created.map((r) => r.subjectId),
          created.map((r) => r.event.data.session_id),
          created.map((r) => r.event.data.room_id),
          created.map((r) => r.event.data.token_hash),
          created.map((r) => r.event.data.by),
          created.map((r) => r.occurredAt),
          created.map((r) => r.event.data.expires_at),
          created.map((r) => r.eventId),
        ],
      );
    }
    const revoked = batch.filter((r) => r.event.type === "share.revoked");
    if (revoked.length > 0) {
      await tx.query(
        `update proj_shares s set revoked_at = c.at from unnest($1::text[], $2::timestamptz[]) as c (id, at) where s.id = c.id and s.revoked_at is null`,
        [revoked.map((r) => r.subjectId), revoked.map((r) => r.occurredAt)],
      );
    }
    const deleted = batch.flatMap((r) => (r.event.type === "session.deleted" ? [r.subjectId] : []));
    if (deleted.length > 0) await tx.query(`delete from proj_shares where session_id = any($1)`, [deleted]);
    const erased = batch.flatMap((r) =>
      r.event.type === "event.redacted" && r.event.data.level === "full" ? r.event.data.target_event_id : [],
    );
    if (erased.length > 0) await tx.query(`delete from proj_shares where event_id = any($1)`, [erased]);
  },
};
