/* Inviting people. An invitation's id is in the link that was mailed, and is not guessed. */
import { z } from "zod";
import { InvitationId, OrganizationId, OrganizationRole, page, PageQuery, PrincipalId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

export const InvitationStatus = z.enum(["open", "expired", "accepted", "revoked"]).meta({ id: "InvitationStatus" });
export const InvitationView = z
  .object({
    id: InvitationId,
    email: z.string(),
    role: OrganizationRole,
    status: InvitationStatus,
    invited_by: PrincipalId,
    created_at: Timestamp,
    expires_at: Timestamp,
    url: z.string().describe("What was mailed; may be handed over in any other way."),
  })
  .meta({ id: "Invitation" });
export const ShownInvitation = z
  .object({
    id: InvitationId,
    organization_name: z.string(),
    email_hint: z.string().describe("Like a…@example.com."),
    role: OrganizationRole,
    status: InvitationStatus,
    expires_at: Timestamp,
  })
  .meta({ id: "ShownInvitation" });

const params = z.object({ id: InvitationId });
const manage = { resource: "invitation", role: "admin", scopes: ["admin"] } as const;

export const createInvitation = route({
  id: "invitations.create",
  summary: "Invite somebody by e-mail",
  method: "POST",
  path: "/v1/invitations",
  body: z.object({ email: z.string().trim().min(3).max(255), role: OrganizationRole.default("member") }),
  ok: InvitationView,
  okStatus: 201,
  refusals: {
    accounts_not_configured: 409,
    email_invalid: 422,
    role_too_low: 403,
    already_member: 409,
    already_invited: 409,
  },
  access: manage,
});
export const listInvitations = route({
  id: "invitations.list",
  summary: "Invitations of the organization, newest first",
  method: "GET",
  path: "/v1/invitations",
  query: PageQuery,
  ok: page(InvitationView).meta({ id: "InvitationPage" }),
  refusals: {},
  access: { resource: "invitation", role: "admin", scopes: ["read"] },
});
export const resendInvitation = route({
  id: "invitations.resend",
  summary: "Mail an invitation again; it lasts a week from now",
  method: "POST",
  path: "/v1/invitations/:id/resend",
  params,
  body: z.object({}),
  ok: InvitationView,
  refusals: { invitation_not_found: 404, invitation_closed: 409 },
  access: manage,
});
export const revokeInvitation = route({
  id: "invitations.revoke",
  summary: "Take an invitation back",
  method: "DELETE",
  path: "/v1/invitations/:id",
  params,
  ok: z.object({ ok: z.literal(true) }),
  refusals: { invitation_not_found: 404, invitation_closed: 409 },
  access: manage,
});
export const listMyInvitations = route({
  id: "invitations.mine",
  summary: "Open invitations to the address that you have proven",
  method: "GET",
  path: "/v1/me/invitations",
  ok: z.object({ items: z.array(ShownInvitation) }).meta({ id: "MyInvitations" }),
  refusals: {},
  access: "person",
});
export const showInvitation = route({
  id: "invitations.show",
  summary: "What an invitation is to, for whoever has its link",
  method: "GET",
  path: "/v1/invites/:id",
  params,
  ok: ShownInvitation,
  refusals: { invitation_not_found: 404 },
  access: "public",
});
export const acceptInvitation = route({
  id: "invitations.accept",
  summary: "Come in. Only with the invited address, proven",
  method: "POST",
  path: "/v1/invites/:id/accept",
  params,
  body: z.object({}),
  ok: z.object({ organization_id: OrganizationId, role: OrganizationRole }).meta({ id: "AcceptedInvitation" }),
  refusals: { invitation_not_found: 404, invitation_closed: 409, invitation_expired: 410, invitation_for_another: 403 },
  access: "person",
});
