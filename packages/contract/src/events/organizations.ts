import { z } from "zod";
import { OrganizationId, OrganizationRole, PrincipalId, TeamId } from "../primitives.ts";

/** How somebody came to be a member. */
export const JoinedBy = z.enum(["founding", "invitation", "domain", "single_sign_on", "operator"]).meta({ id: "JoinedBy" });
export type JoinedBy = z.infer<typeof JoinedBy>;

/**
 * Who is in an organization, and as what. They carry no name and no address, so that there is never
 * a reason to erase one: names are in `principal.registered`.
 */
export const MembershipEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("organization.renamed"), data: z.object({ organization_id: OrganizationId, name: z.string() }) }),
  z.object({
    type: z.literal("organization.ownership_transferred"),
    data: z.object({ organization_id: OrganizationId, from: PrincipalId, to: PrincipalId }),
  }),
  z.object({ type: z.literal("organization.deleted"), data: z.object({ organization_id: OrganizationId, by: PrincipalId }) }),
  z.object({
    type: z.literal("member.added"),
    data: z.object({ organization_id: OrganizationId, principal_id: PrincipalId, role: OrganizationRole, joined_by: JoinedBy }),
  }),
  z.object({
    type: z.literal("member.role_changed"),
    data: z.object({ organization_id: OrganizationId, principal_id: PrincipalId, from: OrganizationRole, to: OrganizationRole }),
  }),
  z.object({ type: z.literal("member.removed"), data: z.object({ organization_id: OrganizationId, principal_id: PrincipalId }) }),
  z.object({ type: z.literal("member.left"), data: z.object({ organization_id: OrganizationId, principal_id: PrincipalId }) }),
  z.object({ type: z.literal("team.created"), data: z.object({ team_id: TeamId, name: z.string() }) }),
  z.object({ type: z.literal("team.renamed"), data: z.object({ team_id: TeamId, name: z.string() }) }),
  z.object({ type: z.literal("team.deleted"), data: z.object({ team_id: TeamId }) }),
  z.object({ type: z.literal("team.member_added"), data: z.object({ team_id: TeamId, principal_id: PrincipalId }) }),
  z.object({ type: z.literal("team.member_removed"), data: z.object({ team_id: TeamId, principal_id: PrincipalId }) }),
]);
export type MembershipEvent = z.infer<typeof MembershipEvent>;
