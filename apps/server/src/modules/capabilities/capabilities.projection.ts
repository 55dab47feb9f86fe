/* Keeps `proj_capabilities`. An erased one leaves no row, and what is not there admits nobody. */
import type { CapabilityEvent } from "@signalbox/contract/events/capabilities";
import type { Projection } from "@signalbox/eventlog/log";

export const capabilitiesProjection: Projection<CapabilityEvent> = {
  name: "capabilities",
  types: ["capability.issued", "capability.delegated", "capability.revoked"],
  tables: ["proj_capabilities"],

  async project(tx, batch) {
    const made = batch.flatMap((r) => {
      const { event } = r;
      if (r.redaction === "full" || (event.type !== "capability.issued" && event.type !== "capability.delegated")) return [];
      const isRoot = event.type === "capability.issued";
      const { kind, name, principal_id, grant, expires_at } = event.data;
      return [
        {
          organization_id: r.organizationId,
          id: r.subjectId,
          kind,
          name,
          principal_id,
          issued_by: isRoot ? event.data.by : principal_id,
          grant,
          path: isRoot ? [r.subjectId] : event.data.path,
          offline: isRoot ? false : event.data.offline,
          replaces: isRoot ? (event.data.replaces ?? null) : null,
          created_at: r.occurredAt,
          expires_at,
          revoked_at: null,
          subject_version: r.subjectVersion,
        },
      ];
    });
    if (made.length > 0)
      await tx.query(
        "insert into proj_capabilities select * from jsonb_populate_recordset(null::proj_capabilities, $1::jsonb) on conflict do nothing",
        [JSON.stringify(made)],
      );
    const revoked = batch.flatMap((r) =>
      r.event.type === "capability.revoked"
        ? [{ organization_id: r.organizationId, id: r.subjectId, at: r.occurredAt, version: r.subjectVersion }]
        : [],
    );
    if (revoked.length > 0)
      await tx.query(
        `update proj_capabilities c set revoked_at = r.at, subject_version = r.version
           from jsonb_to_recordset($1::jsonb) as r (organization_id text, id text, at timestamptz, version bigint)
          where c.organization_id = r.organization_id and c.id = r.id and c.revoked_at is null`,
        [JSON.stringify(revoked)],
      );
  },
};
