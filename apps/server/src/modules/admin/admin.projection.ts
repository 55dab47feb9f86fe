import type { AdminEvent } from "@signalbox/contract/events/admin";
import type { Projection } from "@signalbox/eventlog/log";

/** Few, and one at a time: in order, one statement each. An erased start lets nobody act as anybody; an erased suspension still holds. */
export const adminProjection: Projection<AdminEvent> = {
  name: "admin",
  types: [
    "impersonation.started",
    "impersonation.stopped",
    "organization.suspended",
    "organization.restored",
    "principal.suspended",
    "principal.restored",
  ],
  tables: ["proj_impersonations", "proj_suspensions"],

  async project(tx, batch) {
    for (const { organizationId, subjectId, occurredAt, redaction, event } of batch) {
      switch (event.type) {
        case "impersonation.started": {
          if (redaction === "full") break;
          const { data } = event;
          await tx.query(
            `insert into proj_impersonations (organization_id, id, operator_id, session_id, principal_id, reason, started_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
            [organizationId, subjectId, data.operator_id, data.login_id, data.principal_id, data.reason, occurredAt, data.expires_at],
          );
          break;
        }
        case "impersonation.stopped":
          await tx.query("update proj_impersonations set ended_at = $2 where id = $1 and ended_at is null", [subjectId, occurredAt]);
          break;
        case "organization.suspended":
        case "principal.suspended":
          await tx.query(
            `insert into proj_suspensions (organization_id, kind, id, reason, at) values ($1, $2, $3, $4, $5) on conflict do nothing`,
            [
              organizationId,
              event.type === "principal.suspended" ? "person" : "organization",
              subjectId,
              event.data.reason ?? "[redacted]",
              occurredAt,
            ],
          );
          break;
        case "organization.restored":
        case "principal.restored":
          await tx.query("delete from proj_suspensions where kind = $1 and id = $2", [
            event.type === "principal.restored" ? "person" : "organization",
            subjectId,
          ]);
          break;
      }
    }
  },
};
