import type { SinkEvent } from "@signalbox/contract/events/sinks";
import type { Projection } from "@signalbox/eventlog/log";

/** Keeps `proj_sinks`, one event after the other: they are rare. An erased creation leaves nothing to publish to. */
export const sinksProjection: Projection<SinkEvent> = {
  name: "sinks",
  types: ["sink.created", "sink.changed", "sink.paused", "sink.resumed", "sink.deleted"],
  tables: ["proj_sinks"],
  async project(tx, batch) {
    for (const { event, organizationId, subjectId, subjectVersion, occurredAt, redaction } of batch) {
      if (redaction === "full" && event.type !== "sink.deleted") continue;
      const set = (sets: string, ...values: unknown[]) =>
        tx.query(`update proj_sinks set ${sets}, subject_version = $2 where id = $1 and subject_version < $2`, [
          subjectId,
          subjectVersion,
          ...values,
        ]);
      switch (event.type) {
        case "sink.created": {
          const { name, kind, url, types, room_ids, by } = event.data;
          await tx.query(
            `insert into proj_sinks (organization_id, id, name, kind, url, types, room_ids, status, created_at, created_by, subject_version)
             values ($1, $2, $3, $4, $5, $6::text[], $7::text[], 'active', $8, $9, $10) on conflict do nothing`,
            [organizationId, subjectId, name, kind, url, types, room_ids, occurredAt, by, subjectVersion],
          );
          break;
        }
        case "sink.changed": {
          const { name, url, types, room_ids } = event.data;
          await set(
            `name = coalesce($3, name), url = coalesce($4, url), types = coalesce($5::text[], types), room_ids = coalesce($6::text[], room_ids)`,
            name ?? null,
            url ?? null,
            types ?? null,
            room_ids ?? null,
          );
          break;
        }
        case "sink.paused":
          await set("status = 'paused', paused_reason = $3", event.data.reason);
          break;
        case "sink.resumed":
          await set("status = 'active', paused_reason = null");
          break;
        case "sink.deleted":
          await tx.query("delete from proj_sinks where id = $1", [subjectId]);
          break;
        default:
          break;
      }
    }
  },
};
