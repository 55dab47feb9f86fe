import type { InvitationEvent } from "@signalbox/contract/events/invitations";
import type { Projection } from "@signalbox/eventlog/log";

/** Few, and one at a time: in order, one statement each. An erased invitation has no address, and is in no list. */
export const invitationsProjection: Projection<InvitationEvent> = {
  name: "invitations",
  types: ["invitation.created", "invitation.sent_again", "invitation.revoked", "invitation.accepted"],
  tables: ["proj_invitations"],

  async project(tx, batch) {
    for (const { organizationId, subjectId, occurredAt, principal, redaction, event } of batch) {
      const key = [organizationId, subjectId];
      if (event.type === "invitation.created") {
        if (redaction === "full") continue;
        await tx.query(
          `insert into proj_invitations (organization_id, id, email, role, status, invited_by, created_at, expires_at)
           values ($1, $2, $3, $4, 'open', $5, $6, $7) on conflict do nothing`,
          [...key, event.data.email, event.data.role, principal.id, occurredAt, event.data.expires_at],
        );
      } else if (event.type === "invitation.sent_again") {
        await tx.query("update proj_invitations set expires_at = $3 where organization_id = $1 and id = $2", [
          ...key,
          event.data.expires_at,
        ]);
      } else {
        const status = event.type === "invitation.revoked" ? "revoked" : "accepted";
        await tx.query("update proj_invitations set status = $3 where organization_id = $1 and id = $2", [...key, status]);
      }
    }
  },
};
