/*
 * Organizations, members and teams over HTTP. What a role may do to a role is decided in
 * `organization.ts` from the history; here it is only put into words.
 */
import {
  addTeamMember,
  createOrganization,
  createTeam,
  deleteOrganization,
  deleteTeam,
  getOrganization,
  leaveOrganization,
  listMembers,
  listOrganizations,
  listTeams,
  removeMember,
  removeTeamMember,
  renameOrganization,
  renameTeam,
  setMemberRole,
  switchOrganization,
  transferOwnership,
  type MemberView,
  type OrganizationView,
  type TeamView,
} from "@signalbox/contract/organizations";
import type { OrganizationId, OrganizationRole, PrincipalId, TeamId } from "@signalbox/contract/primitives";
import type { Unit } from "@signalbox/eventlog/log";
import { newId } from "@signalbox/kernel/id";
import { sql } from "kysely";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle, refused, type BoundRoute, type Refused, type RequestContext } from "../../http/handle.ts";
import { accountEnds } from "./admission.ts";
import { organization, type OrganizationCommand, type OrganizationRefusal } from "./organization.ts";
import { principal } from "./principal.ts";
import type { IdentityParts } from "./public.ts";
import { team, type TeamCommand } from "./team.ts";

const MAX_ORGANIZATIONS = 50;
export const ERASE_JOB = "identity.erase_organization";

interface MemberRow {
  id: string;
  display_name: string;
  role: OrganizationRole;
  joined_at: Date;
  team_ids: string[];
}
interface TeamRow {
  id: string;
  name: string;
  created_at: Date;
  member_ids: string[];
}
type Membership = { organization_id: string; name: string; role: OrganizationRole; created_at: Date };
type Acting = Pick<RequestContext, "caller" | "origin">;

export function organizationRoutes(parts: IdentityParts): readonly BoundRoute[] {
  const { log, db, anywhere, localOrganizationId, hasRunningSessions } = parts;
  const stream = (id: string) => ({ type: "organization" as const, id });

  const memberships = async (person: string): Promise<Membership[]> =>
    (await anywhere.query<Membership>("select * from idn_memberships($1)", [person])).rows;
  const tellOf = (unit: Unit, organizationId: string, command: OrganizationCommand) =>
    unit.decide(organization, stream(organizationId), `organization:${organizationId}`, command);

  async function change({ caller: { organizationId }, origin }: Acting, command: OrganizationCommand): Promise<OrganizationRefusal | null> {
    const { value } = await log.unit({ organizationId, origin }, async (unit) => {
      const decision = await tellOf(unit, organizationId, command);
      return decision.ok ? null : decision.refusal;
    });
    return value;
  }

  async function view(organizationId: string, role: OrganizationRole): Promise<z.input<typeof OrganizationView>> {
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<{ name: string; created_at: Date }>`select name, created_at from proj_organizations`.execute(tx),
    );
    return organizationView({ organization_id: organizationId, role, ...rows[0]! });
  }

  async function member(organizationId: string, id: string): Promise<MemberRow | null> {
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<MemberRow>`select ${MEMBER_COLUMNS} from proj_principals p where p.type = 'user' and p.role is not null and p.id = ${id}`.execute(
        tx,
      ),
    );
    return rows[0] ?? null;
  }

  async function teams(organizationId: string, id?: string): Promise<TeamRow[]> {
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<TeamRow>`
        select t.id, t.name, t.created_at, array(
            select m.principal_id from proj_team_members m
              join proj_principals p on p.organization_id = m.organization_id and p.id = m.principal_id and p.role is not null
             where m.organization_id = t.organization_id and m.team_id = t.id order by 1) as member_ids
          from proj_teams t where ${id ?? null}::text is null or t.id = ${id ?? null} order by t.name, t.id`.execute(tx),
    );
    return rows;
  }

  async function teamAnswer({ caller: { organizationId }, origin }: Acting, id: TeamId, command: TeamCommand) {
    const decision = await log.run(team, { organizationId, origin, stream: stream(organizationId), subject: `team:${id}` }, command);
    if (!decision.ok) return NO_TEAM;
    return teamView((await teams(organizationId, id))[0]!);
  }

  return [
    handle(listOrganizations, async ({ caller }) => {
      const all = await memberships(caller.principal.id);
      // A token is one organization's, as is what its provider vouched for: neither tells of others.
      const isConfined = caller.credential?.kind === "token" || caller.credential?.onlyIn !== undefined;
      const shown = isConfined ? all.filter((one) => one.organization_id === caller.organizationId) : all;
      return { items: shown.map(organizationView) };
    }),

    handle(switchOrganization, async ({ caller, body }) => {
      if (caller.credential?.kind !== "session")
        return refused("not_a_browser", {
          message: "A token acts in the organization that it was made in.",
          fix: "Make a token in the other organization.",
        });
      if (caller.credential.onlyIn !== undefined && caller.credential.onlyIn !== body.organization_id)
        return refused("sign_in_confined", {
          message: "This sign-in is good for one organization, which vouched for you.",
          fix: "Sign out, and sign in another way to act in your others.",
        });
      if (!(await memberships(caller.principal.id)).some((one) => one.organization_id === body.organization_id))
        return refused("organization_not_found", { message: "There is no such organization, or you are not in it." });
      await parts.logins.move(caller.credential.id, body.organization_id);
      // Sockets that it opened follow the old organization's feed: they come back in the new one.
      parts.revoked(caller.credential.id);
      return DONE;
    }),

    handle(createOrganization, async ({ caller, body, origin, now }) => {
      if (caller.principal.type !== "user")
        return refused("people_only", { message: "Only a person can found an organization.", fix: "Use a person's token." });
      if ((await memberships(caller.principal.id)).length >= MAX_ORGANIZATIONS)
        return refused("too_many_organizations", {
          message: `You are in ${MAX_ORGANIZATIONS} organizations already.`,
          fix: "Leave one that you do not need.",
        });
      const id = newId("ws") as OrganizationId;
      const found = () => parts.found({ organizationId: id, name: body.name, owner: caller.principal, origin });
      await parts.admission.give(caller.principal.id, found, accountEnds);
      return { id, name: body.name, role: "owner" as const, created_at: now };
    }),

    handle(getOrganization, async ({ caller }) => {
      const { organizationId, role } = caller;
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<{ n: string }>`select count(*) as n from proj_principals where type = 'user' and role is not null`.execute(tx),
      );
      const seq = await log.head(organizationId, stream(organizationId));
      return { ...(await view(organizationId, role)), member_count: Number(rows[0]?.n ?? 0), stream_seq: seq };
    }),

    handle(renameOrganization, async (request) => {
      await change(request, { type: "rename", name: request.body.name });
      return view(request.caller.organizationId, request.caller.role);
    }),

    handle(deleteOrganization, async ({ caller, origin, body }) => {
      const { organizationId } = caller;
      if (organizationId === localOrganizationId)
        return refused("organization_is_local", {
          message: "The installation's own organization cannot be deleted.",
          fix: "Rename it, or remove the data directory when the whole installation is to go.",
        });
      if (await hasRunningSessions(organizationId))
        return refused("sessions_running", {
          message: "There are sessions whose sandboxes are alive.",
          fix: "Stop or finish them first; then export and delete.",
        });
      const head = await log.head(organizationId, stream(organizationId));
      if (body.exported_seq < head)
        return refused("export_outdated", {
          message: `The organization's stream is at ${head}; the export that you name ends at ${body.exported_seq}.`,
          fix: "Export again with GET /v1/audit/export (signalbox log export), keep the file, and name its last seq.",
          details: { head },
        });
      const { value } = await log.unit({ organizationId, origin }, async (unit) => {
        const decision = await tellOf(unit, organizationId, {
          type: "delete",
          by: caller.principal.id as PrincipalId,
          typedName: body.name,
        });
        if (decision.ok) unit.enqueue({ kind: ERASE_JOB, organizationId, payload: {}, key: organizationId });
        return decision.ok ? null : decision.refusal;
      });
      if (value !== null) {
        if (value.code === "name_mismatch")
          return refused("name_mismatch", {
            message: "That is not the organization's name.",
            fix: "Type its name exactly as it is shown.",
          });
        throw new Error(`an owner's deletion cannot be refused as ${value.code}`);
      }
      await parts.organizationEnded(organizationId);
      return DONE;
    }),

    handle(leaveOrganization, async ({ caller: { organizationId, principal: person }, origin }) => {
      const refusal = await parts.departures.end({ organizationId, origin }, person.id, "leave");
      return refusal === null ? DONE : (memberRefusal(refusal) as Refused<"member_not_found" | "last_owner">);
    }),

    handle(transferOwnership, async (request) => {
      const { caller, body } = request;
      const suspended = await parts.suspendedMembers(caller.organizationId);
      const refusal = await parts.admission.give(
        body.to,
        () => change(request, { type: "transfer", from: caller.principal.id as PrincipalId, to: body.to, suspended }),
        () => GOING,
      );
      if (refusal === null) return DONE;
      if (refusal.code === "person_suspended") return SUSPENDED;
      return memberRefusal(refusal) as Refused<"member_not_found" | "role_too_low">;
    }),

    handle(listMembers, async ({ caller, query }) => {
      const after = decodeCursor(query.cursor, z.tuple([z.iso.datetime(), z.string()]));
      const like = query.q === undefined || query.q === "" ? null : `%${query.q.replaceAll(/[\\%_]/g, "\\$&")}%`;
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<MemberRow>`
          select ${MEMBER_COLUMNS} from proj_principals p
           where p.type = 'user' and p.role is not null
             and (${like}::text is null or p.display_name ilike ${like})
             and (${after?.[0] ?? null}::timestamptz is null or (p.joined_at, p.id) > (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::text))
           order by p.joined_at, p.id limit ${query.limit + 1}`.execute(tx),
      );
      return pageOf(rows, query.limit, memberView, (row) => [row.joined_at.toISOString(), row.id]);
    }),

    handle(setMemberRole, async (request) => {
      const { caller, params, body } = request;
      const by = caller.principal.id as PrincipalId;
      const suspended = await parts.suspendedMembers(caller.organizationId);
      const refusal = await parts.admission.give(
        params.id,
        () => change(request, { type: "set_role", principalId: params.id, role: body.role, by, suspended }),
        () => GOING,
      );
      if (refusal !== null) return memberRefusal(refusal);
      const row = await member(caller.organizationId, params.id);
      return row === null ? NO_MEMBER : memberView(row);
    }),

    handle(removeMember, async ({ caller, origin, params }) => {
      const by = caller.principal.id as PrincipalId;
      const refusal = await parts.departures.end({ organizationId: caller.organizationId, origin }, params.id, { by });
      return refusal === null ? DONE : memberRefusal(refusal);
    }),

    handle(listTeams, async ({ caller }) => ({ items: (await teams(caller.organizationId)).map(teamView) })),
    handle(createTeam, async ({ caller: { organizationId }, origin, body, idempotency }) => {
      const { value } = await log.unit({ organizationId, origin, idempotency }, async (unit) => {
        const id = newId("team") as TeamId;
        await unit.decide(team, stream(organizationId), `team:${id}`, { type: "create", id, name: body.name });
        return id;
      });
      return teamView((await teams(organizationId, value))[0]!);
    }),
    handle(renameTeam, async (request) => teamAnswer(request, request.params.id, { type: "rename", name: request.body.name })),
    handle(deleteTeam, async ({ caller: { organizationId }, origin, params }) => {
      const decision = await log.run(
        team,
        { organizationId, origin, stream: stream(organizationId), subject: `team:${params.id}` },
        { type: "delete" },
      );
      return decision.ok ? DONE : NO_TEAM;
    }),
    handle(addTeamMember, async (request) => {
      const principalId = request.body.principal_id;
      if ((await teams(request.caller.organizationId, request.params.id)).length === 0) return NO_TEAM;
      if ((await member(request.caller.organizationId, principalId)) === null) return NO_MEMBER;
      return teamAnswer(request, request.params.id, { type: "add_member", principalId });
    }),
    handle(removeTeamMember, async (request) =>
      teamAnswer(request, request.params.id, { type: "remove_member", principalId: request.params.principal_id }),
    ),
  ];
}

/** Registers the founder in the new organization and makes them its owner, in one unit. */
export async function foundIn(
  unit: Unit,
  of: { readonly organizationId: string; readonly name: string; readonly owner: { readonly id: string; readonly displayName: string } },
): Promise<void> {
  const stream = { type: "organization" as const, id: of.organizationId };
  const subject = `organization:${of.organizationId}`;
  const principalId = of.owner.id as PrincipalId;
  await unit.decide(organization, stream, subject, {
    type: "create",
    organizationId: of.organizationId as OrganizationId,
    name: of.name,
  });
  await unit.decide(principal, stream, `principal:${principalId}`, {
    type: "register",
    id: principalId,
    principalType: "user",
    displayName: of.owner.displayName,
    role: "owner",
  });
  await unit.decide(organization, stream, subject, { type: "add", principalId, role: "owner", joinedBy: "founding", onlyFirst: true });
}

const DONE = { ok: true as const };
const NO_TEAM = refused("team_not_found", { message: "There is no such team.", fix: "List them with GET /v1/teams." });
/** Their account is ending: to everybody else they are gone. */
const GOING: OrganizationRefusal = { code: "member_not_found" };
const SUSPENDED = refused("person_suspended", {
  message: "They are suspended and get in nowhere: the organization would have no owner who does.",
  fix: "Hand it to somebody else, or ask whoever operates the installation to restore them.",
});
const NO_MEMBER = refused("member_not_found", { message: "There is no such member.", fix: "List them with GET /v1/members." });

function memberRefusal(refusal: OrganizationRefusal): Refused<"member_not_found" | "role_too_low" | "last_owner"> {
  switch (refusal.code) {
    case "last_owner":
      return refused("last_owner", {
        message: "The last owner stays: an organization always has one who can get in.",
        fix: "Transfer the ownership first, make somebody else an owner too, or delete the organization.",
      });
    case "role_too_low":
      return refused("role_too_low", {
        message: `Only ${refusal.details.needs === "owner" ? "an owner" : "an admin"} may do that.`,
        fix: "Ask one; GET /v1/members lists them.",
        details: refusal.details,
      });
    case "member_not_found":
    case "organization_not_found":
      return NO_MEMBER;
    default:
      throw new Error(`a change of members cannot be refused as ${refusal.code}`);
  }
}

const MEMBER_COLUMNS = sql`p.id, p.display_name, p.role, p.joined_at, array(
  select m.team_id from proj_team_members m where m.organization_id = p.organization_id and m.principal_id = p.id order by 1) as team_ids`;

const organizationView = (row: Membership): z.input<typeof OrganizationView> => ({
  id: row.organization_id,
  name: row.name,
  role: row.role,
  created_at: row.created_at.toISOString(),
});
const memberView = (row: MemberRow): z.input<typeof MemberView> => ({
  principal_id: row.id,
  display_name: row.display_name,
  role: row.role,
  joined_at: row.joined_at.toISOString(),
  team_ids: row.team_ids,
});
const teamView = (row: TeamRow): z.input<typeof TeamView> => ({
  id: row.id,
  name: row.name,
  member_ids: row.member_ids,
  created_at: row.created_at.toISOString(),
});
