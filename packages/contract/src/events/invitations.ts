import { z } from "zod";
import { InvitationId, OrganizationRole, PrincipalId, Timestamp } from "../primitives.ts";

/** The invited address is in `invitation.created` alone: erased there, nobody can accept it any more. */
export const InvitationEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("invitation.created"),
    data: z.object({ invitation_id: InvitationId, email: z.string(), role: OrganizationRole, expires_at: Timestamp }),
  }),
  z.object({ type: z.literal("invitation.sent_again"), data: z.object({ invitation_id: InvitationId, expires_at: Timestamp }) }),
  z.object({ type: z.literal("invitation.revoked"), data: z.object({ invitation_id: InvitationId }) }),
  z.object({ type: z.literal("invitation.accepted"), data: z.object({ invitation_id: InvitationId, principal_id: PrincipalId }) }),
]);
export type InvitationEvent = z.infer<typeof InvitationEvent>;
