import type { IdentityEvent } from "@signalbox/contract/events/identity";
import type { Projection, Recorded } from "@signalbox/eventlog/log";
import { columns } from "./columns.ts";

type Of<T extends IdentityEvent["type"]> = Recorded<Extract<IdentityEvent, { type: T }>>;

/** Keeps `proj_organizations`, `proj_principals` and `proj_tokens`, one statement per kind of event. */
export const identityProjection: Projection<IdentityEvent> = {
  name: "identity",
  types: ["organization.created", "principal.registered", "principal.deleted", "token.created", "token.revoked"],
  tables: ["proj_organizations", "proj_principals", "proj_tokens"],

  async project(tx, batch) {
    const organizations = of(batch, "organization.created");
    if (organizations.length > 0) {
      await tx.query(
        `insert into proj_organizations (organization_id, name, created_at)
         select * from unnest($1::text[], $2::text[], $3::timestamptz[]) on conflict do nothing`,
        columns(organizations, (r) => [r.organizationId, r.event.data.name ?? ERASED, r.occurredAt]),
      );
    }
    const principals = of(batch, "principal.registered");
    if (principals.length > 0) {
      await tx.query(
        `insert into proj_principals (organization_id, id, type, display_name, role, created_at, joined_at, subject_version)
         select o, i, t, n, r, c, c, v from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[]) as t (o, i, t, n, r, c, v)
         on conflict do nothing`,
        columns(principals, (r) => [
          r.organizationId,
          r.subjectId,
          r.event.data.principal_type ?? typeOf(r.subjectId),
          r.event.data.display_name ?? ERASED,
          r.event.data.role ?? null,
          r.occurredAt,
          r.subjectVersion,
        ]),
      );
    }
    const deleted = of(batch, "principal.deleted");
    if (deleted.length > 0)
      await tx.query(
        `update proj_principals p set display_name = '${DELETED_PERSON}', role = null
           from unnest($1::text[], $2::text[]) as d (organization_id, id) where p.organization_id = d.organization_id and p.id = d.id`,
        columns(deleted, (r) => [r.organizationId, r.subjectId]),
      );
    // An erased token's data would not say whose it was: it stays unknown, which admits nobody.
    const created = of(batch, "token.created").filter((r) => r.redaction !== "full");
    if (created.length > 0) {
      await tx.query(
        // Arrays of arrays must be rectangular for unnest; scopes travel as JSON.
        `insert into proj_tokens (organization_id, id, name, principal_id, scopes, created_at, expires_at)
         select o, i, n, p, array(select jsonb_array_elements_text(s)), c, e
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::timestamptz[], $7::timestamptz[]) as t (o, i, n, p, s, c, e)
         on conflict do nothing`,
        columns(created, (r) => {
          const { name, principal_id, scopes, expires_at } = r.event.data;
          return [r.organizationId, r.subjectId, name, principal_id, JSON.stringify(scopes), r.occurredAt, expires_at ?? null];
        }),
      );
    }
    const revoked = of(batch, "token.revoked");
    if (revoked.length > 0) {
      await tx.query(
        `update proj_tokens t set revoked_at = r.at
           from unnest($1::text[], $2::text[], $3::timestamptz[]) as r (organization_id, id, at)
          where t.organization_id = r.organization_id and t.id = r.id and t.revoked_at is null`,
        columns(revoked, (r) => [r.organizationId, r.subjectId, r.occurredAt]),
      );
    }
  },
};

/** Who wrote what stays, once their account is deleted; migration 0853 writes it into mails that wait. */
const DELETED_PERSON = "Deleted person";
/** Stands where a redaction took the text. */
export const ERASED = "[redacted]";
const typeOf = (id: string): string => (id.startsWith("agt_") ? "agent" : id.startsWith("svc_") ? "service" : "user");

function of<T extends IdentityEvent["type"]>(batch: readonly Recorded<IdentityEvent>[], type: T): Of<T>[] {
  return batch.filter((r): r is Of<T> => r.event.type === type);
}
