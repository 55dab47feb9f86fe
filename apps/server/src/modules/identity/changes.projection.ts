/* What changed about who is who, as the security page shows it: one row an event of the organization's stream. */
import type { EventType } from "@signalbox/contract/events";
import type { Projection } from "@signalbox/eventlog/log";
import { columns } from "./columns.ts";

const TYPES = [
  "account.created",
  "account.deleted",
  "account.deletion_requested",
  "account.deletion_stopped",
  "account.email_proven",
  "account.email_changed",
  "account.password_set",
  "account.password_changed",
  "account.password_removed",
  "account.provider_linked",
  "account.provider_unlinked",
  "account.passkey_added",
  "account.passkey_renamed",
  "account.passkey_removed",
  "login.link_made",
  "login.opened",
  "login.succeeded",
  "login.ended",
  "token.created",
  "token.revoked",
  "capability.issued",
  "capability.revoked",
  "invitation.created",
  "invitation.accepted",
  "invitation.revoked",
  "member.added",
  "member.role_changed",
  "member.removed",
  "member.left",
  "organization.ownership_transferred",
  "single_sign_on.configured",
  "single_sign_on.removed",
  "single_sign_on.worked",
  "domain.claimed",
  "domain.proven",
  "domain.joining_set",
  "domain.released",
  "impersonation.started",
  "impersonation.stopped",
  "organization.suspended",
  "organization.restored",
  "principal.deleted",
  "principal.suspended",
  "principal.restored",
  "key_ring.rotated",
] as const satisfies readonly EventType[];

/** Any of them; an erased one has none of it. */
interface Data {
  readonly principal_id?: string;
  readonly to?: string;
  readonly from?: string;
  readonly role?: string | null;
  readonly name?: string;
  readonly method?: string;
  readonly provider?: string;
  readonly how?: string;
  readonly domain?: string;
  readonly issuer?: string;
  readonly ring?: string;
}

const aboutOf = (type: string, data: Data): string | null =>
  (type === "organization.ownership_transferred" ? data.to : data.principal_id) ?? null;
/** Never an address: an invitation's is not among these. */
function detailOf(type: string, data: Data): string | null {
  if (type === "member.role_changed" && data.from !== undefined) return `${data.from} → ${data.to}`;
  return data.name ?? data.method ?? data.provider ?? data.how ?? data.role ?? data.domain ?? data.issuer ?? data.ring ?? null;
}

const ROWS_OF_ONE = ["delete from proj_identity_changes where organization_id = $1 and ref = $2"];
/** Ids that no other kind of subject has; a sign-in's, a year of them, are not read for a token's name. */
export const CHANGES_OF_KIND = { token: ROWS_OF_ONE, invitation: ROWS_OF_ONE, capability: ROWS_OF_ONE } as const;

export const changesProjection: Projection = {
  name: "identity_changes",
  types: TYPES,
  tables: ["proj_identity_changes"],
  async project(tx, batch) {
    await tx.query(
      `insert into proj_identity_changes (organization_id, seq, event_id, type, at, by_id, about, ref, detail)
       select * from unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[])
       on conflict do nothing`,
      columns(batch, ({ organizationId, seq, eventId, event, occurredAt, principal, subjectId }) => [
        organizationId,
        seq,
        eventId,
        event.type,
        occurredAt,
        principal.id,
        aboutOf(event.type, event.data as Data),
        subjectId,
        detailOf(event.type, event.data as Data),
      ]),
    );
  },
};
