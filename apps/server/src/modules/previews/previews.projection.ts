/* Keeps `proj_previews`. An erased creation leaves no row: without its port and session it leads nowhere. */
import type { PreviewEvent } from "@signalbox/contract/events/workbench";
import type { Projection } from "@signalbox/eventlog/log";

export const previewsProjection: Projection<PreviewEvent> = {
  name: "previews",
  types: ["preview.created", "preview.deleted"],
  tables: ["proj_previews"],

  async project(tx, batch) {
    const created = batch.flatMap((r) =>
      r.event.type === "preview.created" && r.redaction !== "full"
        ? [
            {
              organization_id: r.organizationId,
              id: r.subjectId,
              session_id: r.event.data.session_id,
              room_id: r.stream.id,
              port: r.event.data.port,
              created_by: r.event.data.by,
              created_at: r.occurredAt,
              expires_at: r.event.data.expires_at,
            },
          ]
        : [],
    );
    if (created.length > 0)
      await tx.query(
        "insert into proj_previews select * from jsonb_populate_recordset(null::proj_previews, $1::jsonb) on conflict (organization_id, id) do nothing",
        [JSON.stringify(created)],
      );
    const deleted = batch.flatMap((r) =>
      r.event.type === "preview.deleted"
        ? [{ organization_id: r.organizationId, id: r.subjectId, closed_at: r.occurredAt, reason: r.event.data.reason ?? "revoked" }]
        : [],
    );
    if (deleted.length > 0)
      await tx.query(
        `update proj_previews p set closed_at = d.closed_at, reason = d.reason
           from jsonb_to_recordset($1::jsonb) as d (organization_id text, id text, closed_at timestamptz, reason text)
          where p.organization_id = d.organization_id and p.id = d.id and p.closed_at is null`,
        [JSON.stringify(deleted)],
      );
  },
};
