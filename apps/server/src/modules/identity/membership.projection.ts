import type { MembershipEvent } from "@signalbox/contract/events/organizations";
import type { OrganizationRole } from "@signalbox/contract/primitives";
import type { DomainEvent, Projection, Recorded, Tx } from "@signalbox/eventlog/log";
import { dueTo } from "@signalbox/eventlog/foreign";
import { columns } from "./columns.ts";
import { ERASED, identityProjection } from "./identity.projection.ts";

type Event = Recorded<MembershipEvent>;

/**
 * Roles in `proj_principals`, names and ends in `proj_organizations`, and teams. Of the events about
 * one member only the last of a batch is written; it comes after `identity`, which makes the rows.
 */
const membershipProjection: Projection<MembershipEvent> = {
  name: "membership",
  types: [
    "organization.renamed",
    "organization.ownership_transferred",
    "organization.deleted",
    "member.added",
    "member.role_changed",
    "member.removed",
    "member.left",
    "team.created",
    "team.renamed",
    "team.deleted",
    "team.member_added",
    "team.member_removed",
  ],
  tables: ["proj_organizations", "proj_principals", "proj_teams", "proj_team_members"],

  async project(tx, batch) {
    await roles(tx, batch);
    await organizations(tx, batch);
    await teams(tx, batch);
  },
};

/**
 * Both as one. Projections of a batch run beside each other; the roles are written into rows that `identity` makes, and
 * a person is registered and added in one batch, so the one must not overtake the other.
 */
export const peopleProjection: Projection = {
  name: "identity",
  types: [...identityProjection.types, ...membershipProjection.types],
  tables: [...new Set([...identityProjection.tables, ...membershipProjection.tables])],
  async project(tx, batch) {
    for (const part of [identityProjection, membershipProjection] as unknown as readonly Projection<DomainEvent>[]) {
      const due = dueTo(part, batch);
      if (due.length > 0) await part.project(tx, due);
    }
  },
};

/**
 * What an erased registration or token leaves: a name for each and no more, whatever the size of the organization. A
 * role that is no membership's (of before those were recorded) was the registration's.
 */
export const PEOPLE_OF_KIND = {
  principal: [
    `update proj_principals set display_name = '${ERASED}', role = case when member_version > 0 then role end,
            type = case when starts_with(id, 'agt_') then 'agent' when starts_with(id, 'svc_') then 'service' else 'user' end
      where organization_id = $1 and id = $2`,
  ],
  token: ["delete from proj_tokens where organization_id = $1 and id = $2"],
} as const;

async function roles(tx: Tx, batch: readonly Event[]): Promise<void> {
  interface Change {
    readonly organizationId: string;
    readonly id: string;
    readonly role: OrganizationRole | null;
    readonly joinedAt: string | null;
    readonly version: number;
  }
  const changes = new Map<string, Change>();
  const set = (r: Event, id: string, role: OrganizationRole | null, joinedAt: string | null = null): void => {
    const key = `${r.organizationId} ${id}`;
    changes.set(key, {
      organizationId: r.organizationId,
      id,
      role,
      joinedAt: joinedAt ?? changes.get(key)?.joinedAt ?? null,
      version: r.subjectVersion,
    });
  };
  for (const r of batch) {
    const { event } = r;
    if (event.type === "member.added") set(r, event.data.principal_id, event.data.role, r.occurredAt);
    else if (event.type === "member.role_changed") set(r, event.data.principal_id, event.data.to);
    else if (event.type === "member.removed" || event.type === "member.left") set(r, event.data.principal_id, null);
    else if (event.type === "organization.ownership_transferred") {
      set(r, event.data.from, "admin");
      set(r, event.data.to, "owner");
    }
  }
  if (changes.size === 0) return;
  await tx.query(
    `update proj_principals p set role = c.role, joined_at = coalesce(c.joined_at, p.joined_at), member_version = c.version
       from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[]) as c (organization_id, id, role, joined_at, version)
      where p.organization_id = c.organization_id and p.id = c.id and p.member_version < c.version`,
    columns([...changes.values()], (c) => [c.organizationId, c.id, c.role, c.joinedAt, c.version]),
  );
}

async function organizations(tx: Tx, batch: readonly Event[]): Promise<void> {
  const renamed = new Map<string, string>();
  for (const { organizationId, event } of batch)
    if (event.type === "organization.renamed" && event.data.name !== undefined) renamed.set(organizationId, event.data.name);
  if (renamed.size > 0)
    await tx.query(
      `update proj_organizations o set name = r.name from unnest($1::text[], $2::text[]) as r (id, name) where o.organization_id = r.id`,
      columns([...renamed], (row) => row),
    );
  const deleted = batch.filter(({ event }) => event.type === "organization.deleted");
  if (deleted.length === 0) return;
  await tx.query(
    `update proj_organizations o set deleted_at = d.at from unnest($1::text[], $2::timestamptz[]) as d (id, at) where o.organization_id = d.id`,
    columns(deleted, (r) => [r.organizationId, r.occurredAt]),
  );
  await tx.query("update proj_principals set role = null where organization_id = any($1::text[]) and role is not null", [
    deleted.map((r) => r.organizationId),
  ]);
}

async function teams(tx: Tx, batch: readonly Event[]): Promise<void> {
  // Few, and about one team mostly: in order, one statement each.
  for (const { organizationId, subjectId, occurredAt, event } of batch) {
    const team = [organizationId, subjectId];
    if (event.type === "team.created")
      await tx.query("insert into proj_teams (organization_id, id, name, created_at) values ($1, $2, $3, $4) on conflict do nothing", [
        ...team,
        event.data.name ?? ERASED,
        occurredAt,
      ]);
    else if (event.type === "team.renamed" && event.data.name !== undefined)
      await tx.query("update proj_teams set name = $3 where organization_id = $1 and id = $2", [...team, event.data.name]);
    else if (event.type === "team.deleted") {
      await tx.query("delete from proj_team_members where organization_id = $1 and team_id = $2", team);
      await tx.query("delete from proj_teams where organization_id = $1 and id = $2", team);
    } else if (event.type === "team.member_added")
      await tx.query("insert into proj_team_members (organization_id, team_id, principal_id) values ($1, $2, $3) on conflict do nothing", [
        ...team,
        event.data.principal_id,
      ]);
    else if (event.type === "team.member_removed")
      await tx.query("delete from proj_team_members where organization_id = $1 and team_id = $2 and principal_id = $3", [
        ...team,
        event.data.principal_id,
      ]);
  }
}
