/* Organizations, who is in them, and teams. `/v1/organization` is the one that the call acts in. */
import { z } from "zod";
import { OrganizationId, OrganizationRole, page, PageQuery, PrincipalId, TeamId, Timestamp, Title } from "./primitives.ts";
import { route } from "./route.ts";

export const OrganizationView = z
  .object({ id: OrganizationId, name: z.string(), role: OrganizationRole.describe("The caller's."), created_at: Timestamp })
  .meta({ id: "Organization" });
export const MemberView = z
  .object({
    principal_id: PrincipalId,
    display_name: z.string(),
    role: OrganizationRole,
    joined_at: Timestamp,
    team_ids: z.array(TeamId),
  })
  .meta({ id: "Member" });
export const TeamView = z
  .object({ id: TeamId, name: z.string(), member_ids: z.array(PrincipalId), created_at: Timestamp })
  .meta({ id: "Team" });

const done = z.object({ ok: z.literal(true) });
const memberParams = z.object({ id: PrincipalId });
const teamParams = z.object({ id: TeamId });

export const listOrganizations = route({
  id: "organizations.list",
  summary: "The organizations that the caller may act in; name one in x-workspace-id",
  method: "GET",
  path: "/v1/organizations",
  ok: z.object({ items: z.array(OrganizationView) }).meta({ id: "OrganizationList" }),
  refusals: {},
  access: "person",
});
export const switchOrganization = route({
  id: "organizations.switch",
  summary: "Act in another organization from now on, in this browser; x-workspace-id does it for one call",
  method: "POST",
  path: "/v1/organizations/switch",
  body: z.object({ organization_id: OrganizationId }),
  ok: done,
  refusals: { organization_not_found: 404, not_a_browser: 409, sign_in_confined: 409 },
  access: "person",
});
export const createOrganization = route({
  id: "organizations.create",
  summary: "Found an organization and own it",
  method: "POST",
  path: "/v1/organizations",
  body: z.object({ name: Title }),
  ok: OrganizationView,
  okStatus: 201,
  refusals: { people_only: 403, too_many_organizations: 409 },
  access: "person",
});
export const getOrganization = route({
  id: "organization.get",
  summary: "The organization that the call acts in",
  method: "GET",
  path: "/v1/organization",
  ok: OrganizationView.extend({
    member_count: z.int(),
    stream_seq: z.int().describe("Head of the organization's stream; what an export must reach before a deletion."),
  }).meta({ id: "OrganizationDetails" }),
  refusals: {},
  access: { resource: "organization", role: "viewer", scopes: ["read"] },
});
export const renameOrganization = route({
  id: "organization.rename",
  summary: "Rename the organization",
  method: "PATCH",
  path: "/v1/organization",
  body: z.object({ name: Title }),
  ok: OrganizationView,
  refusals: {},
  access: { resource: "organization", role: "admin", scopes: ["admin"] },
});
export const deleteOrganization = route({
  id: "organization.delete",
  summary: "Delete the organization: everything but its log, which keeps a tombstone. Export it first",
  method: "POST",
  path: "/v1/organization/delete",
  body: z.object({
    name: z.string().describe("The organization's name, typed again."),
    exported_seq: z.int().min(0).describe("The last seq of the organization's stream in the export that you keep."),
  }),
  ok: done,
  okStatus: 202,
  refusals: {
    name_mismatch: 409,
    export_outdated: 409,
    sessions_running: 409,
    organization_is_local: 409,
  },
  access: { resource: "organization", role: "owner", scopes: ["admin"] },
});
export const leaveOrganization = route({
  id: "organization.leave",
  summary: "Leave the organization",
  method: "POST",
  path: "/v1/organization/leave",
  body: z.object({}),
  ok: done,
  refusals: { last_owner: 409, member_not_found: 404 },
  access: { resource: "self", role: "viewer", scopes: ["admin"] },
});
export const transferOwnership = route({
  id: "organization.transfer",
  summary: "Make another member owner in the caller's place; the caller stays as an admin",
  method: "POST",
  path: "/v1/organization/transfer",
  body: z.object({ to: PrincipalId }),
  ok: done,
  refusals: { member_not_found: 404, role_too_low: 403, person_suspended: 409 },
  access: { resource: "organization", role: "owner", scopes: ["admin"] },
});

export const listMembers = route({
  id: "members.list",
  summary: "People of the organization, oldest first",
  method: "GET",
  path: "/v1/members",
  query: PageQuery.extend({ q: z.string().trim().max(200).optional().describe("Part of a name.") }),
  ok: page(MemberView).meta({ id: "MemberPage" }),
  refusals: {},
  access: { resource: "member", role: "viewer", scopes: ["read"] },
});
export const setMemberRole = route({
  id: "members.set_role",
  summary: "Give a member another role",
  method: "PATCH",
  path: "/v1/members/:id",
  params: memberParams,
  body: z.object({ role: OrganizationRole }),
  ok: MemberView,
  refusals: { member_not_found: 404, role_too_low: 403, last_owner: 409 },
  access: { resource: "member", role: "admin", scopes: ["admin"] },
});
export const removeMember = route({
  id: "members.remove",
  summary: "Remove a member; their tokens and open connections here end at once",
  method: "DELETE",
  path: "/v1/members/:id",
  params: memberParams,
  ok: done,
  refusals: { member_not_found: 404, role_too_low: 403, last_owner: 409 },
  access: { resource: "member", role: "admin", scopes: ["admin"] },
});

export const listTeams = route({
  id: "teams.list",
  summary: "Teams of the organization",
  method: "GET",
  path: "/v1/teams",
  ok: z.object({ items: z.array(TeamView) }).meta({ id: "TeamList" }),
  refusals: {},
  access: { resource: "team", role: "viewer", scopes: ["read"] },
});
export const createTeam = route({
  id: "teams.create",
  summary: "Make a team",
  method: "POST",
  path: "/v1/teams",
  body: z.object({ name: Title }),
  ok: TeamView,
  okStatus: 201,
  refusals: {},
  access: { resource: "team", role: "admin", scopes: ["admin"] },
  idempotent: true,
});
export const renameTeam = route({
  id: "teams.rename",
  summary: "Rename a team",
  method: "PATCH",
  path: "/v1/teams/:id",
  params: teamParams,
  body: z.object({ name: Title }),
  ok: TeamView,
  refusals: { team_not_found: 404 },
  access: { resource: "team", role: "admin", scopes: ["admin"] },
});
export const deleteTeam = route({
  id: "teams.delete",
  summary: "Delete a team; its members stay in the organization",
  method: "DELETE",
  path: "/v1/teams/:id",
  params: teamParams,
  ok: done,
  refusals: { team_not_found: 404 },
  access: { resource: "team", role: "admin", scopes: ["admin"] },
});
export const addTeamMember = route({
  id: "teams.add_member",
  summary: "Put a member into a team",
  method: "POST",
  path: "/v1/teams/:id/members",
  params: teamParams,
  body: z.object({ principal_id: PrincipalId }),
  ok: TeamView,
  refusals: { team_not_found: 404, member_not_found: 404 },
  access: { resource: "team", role: "admin", scopes: ["admin"] },
});
export const removeTeamMember = route({
  id: "teams.remove_member",
  summary: "Take a member out of a team",
  method: "DELETE",
  path: "/v1/teams/:id/members/:principal_id",
  params: z.object({ id: TeamId, principal_id: PrincipalId }),
  ok: TeamView,
  refusals: { team_not_found: 404 },
  access: { resource: "team", role: "admin", scopes: ["admin"] },
});
