import type { SingleSignOnEvent } from "@signalbox/contract/events/single-sign-on";
import type { Projection } from "@signalbox/eventlog/log";

/** Few, and one at a time: in order, one statement each. What was erased lets nobody in. */
export const singleSignOnProjection: Projection<SingleSignOnEvent> = {
  name: "single_sign_on",
  types: [
    "single_sign_on.configured",
    "single_sign_on.removed",
    "single_sign_on.worked",
    "domain.claimed",
    "domain.proven",
    "domain.joining_set",
    "domain.released",
  ],
  tables: ["proj_single_sign_on", "proj_domains"],

  async project(tx, batch) {
    for (const { organizationId, subjectId, occurredAt, redaction, event } of batch) {
      const key = [organizationId, subjectId];
      switch (event.type) {
        case "single_sign_on.configured": {
          const { data } = event;
          if (redaction === "full") {
            await tx.query("delete from proj_single_sign_on where organization_id = $1", [organizationId]);
            break;
          }
          await tx.query(
            `insert into proj_single_sign_on as o (organization_id, issuer, client_id, role_claim, role_mapping, default_role, is_required, trusts_email, has_worked, changed_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, false, $9)
             on conflict (organization_id) do update set
               issuer = excluded.issuer, client_id = excluded.client_id, role_claim = excluded.role_claim, role_mapping = excluded.role_mapping,
               default_role = excluded.default_role, is_required = excluded.is_required, trusts_email = excluded.trusts_email, changed_at = excluded.changed_at,
               has_worked = o.has_worked and o.issuer = excluded.issuer and o.client_id = excluded.client_id`,
            [
              organizationId,
              data.issuer,
              data.client_id,
              data.role_claim ?? null,
              JSON.stringify(data.role_mapping),
              data.default_role ?? null,
              data.is_required,
              data.trusts_email,
              occurredAt,
            ],
          );
          break;
        }
        case "single_sign_on.removed":
          await tx.query("delete from proj_single_sign_on where organization_id = $1", [organizationId]);
          break;
        case "single_sign_on.worked":
          await tx.query("update proj_single_sign_on set has_worked = true where organization_id = $1", [organizationId]);
          break;
        case "domain.claimed":
          if (redaction === "full") break;
          await tx.query(
            `insert into proj_domains (organization_id, id, domain, record, claimed_at) values ($1, $2, $3, $4, $5) on conflict do nothing`,
            [...key, event.data.domain, event.data.record, occurredAt],
          );
          break;
        case "domain.proven":
          await tx.query("update proj_domains set proven_at = $3 where organization_id = $1 and id = $2", [...key, occurredAt]);
          break;
        case "domain.joining_set":
          await tx.query("update proj_domains set join_role = $3 where organization_id = $1 and id = $2", [
            ...key,
            event.data.role ?? null,
          ]);
          break;
        case "domain.released":
          await tx.query("delete from proj_domains where organization_id = $1 and id = $2", key);
          break;
      }
    }
  },
};
