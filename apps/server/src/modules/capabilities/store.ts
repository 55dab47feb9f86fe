/* What is kept of capabilities, asked in one organization. */
import type { CapabilityGrant, CapabilityKind, CapabilityView } from "@signalbox/contract/capabilities";
import type { CapabilityId, OrganizationRole, PrincipalId, PrincipalType } from "@signalbox/contract/primitives";
import { sql } from "kysely";
import type { z } from "zod";
import type { Database } from "../../module.ts";

export interface CapabilityRow {
  readonly id: CapabilityId;
  readonly kind: CapabilityKind;
  readonly name: string;
  readonly principal_id: PrincipalId;
  readonly issued_by: PrincipalId;
  readonly grant: CapabilityGrant;
  readonly path: readonly CapabilityId[];
  readonly offline: boolean;
  readonly replaces: CapabilityId | null;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly last_used_at: Date | null;
  /** Of it, or of one that it was made of. */
  readonly revoked_at: Date | null;
}

/** What decides whether a chain holds, beyond its signatures. */
export interface Standing {
  readonly known: readonly string[];
  readonly is_revoked: boolean;
  readonly made_of_root: string;
  readonly replaces: CapabilityId | null;
  readonly last_used_at: Date | null;
  readonly principal_type: PrincipalType | null;
  readonly display_name: string | null;
  readonly role: OrganizationRole | null;
}

const SELECT = sql`
  select c.id, c.kind, c.name, c.principal_id, c.issued_by, c.grant, c.path, c.offline, c.replaces, c.created_at, c.expires_at, u.last_used_at,
         (select min(a.revoked_at) from proj_capabilities a where a.organization_id = c.organization_id and a.id = any(c.path)) as revoked_at
    from proj_capabilities c left join cap_uses u on u.organization_id = c.organization_id and u.capability_id = c.id`;

export function capabilityStore(db: Database) {
  return {
    async list(
      organizationId: string,
      of: { readonly by: string | null; readonly before: string | null; readonly limit: number },
    ): Promise<readonly CapabilityRow[]> {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<CapabilityRow>`${SELECT}
           where (${of.by}::text is null or c.issued_by = ${of.by}) and (${of.before}::text is null or c.id < ${of.before})
           order by c.id desc limit ${of.limit}`.execute(tx),
      );
      return rows;
    },
    async get(organizationId: string, id: string): Promise<CapabilityRow | null> {
      const { rows } = await db.inOrganization(organizationId, (tx) => sql<CapabilityRow>`${SELECT} where c.id = ${id}`.execute(tx));
      return rows[0] ?? null;
    },
    /** Of the chain from its root on, in one query: every first use of a second asks it. */
    async standing(organizationId: string, ids: readonly string[], principalId: string): Promise<Standing> {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<Standing>`
          select array(select id from proj_capabilities where id = any(${[...ids]}::text[])) as known,
                 exists (select from proj_capabilities where id = any(${[...ids]}::text[]) and revoked_at is not null) as is_revoked,
                 (select count(*) from proj_capabilities where path @> array[${ids[0]}]::text[]) as made_of_root,
                 (select r.replaces from proj_capabilities r
                   where r.id = ${ids[0]} and exists (select from proj_capabilities o where o.id = r.replaces and o.revoked_at is null)) as replaces,
                 (select last_used_at from cap_uses where capability_id = ${ids.at(-1)}) as last_used_at,
                 p.type as principal_type, p.display_name, case when not idn_is_suspended(${organizationId}, ${principalId}) then p.role end as role
            from (select 1) one left join proj_principals p on p.id = ${principalId}`.execute(tx),
      );
      return rows[0]!;
    },
    /** It, and whatever was made of it. */
    async descendants(organizationId: string, id: string): Promise<readonly string[]> {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<{ id: string }>`select id from proj_capabilities where path @> array[${id}]::text[]`.execute(tx),
      );
      return [id, ...rows.map((row) => row.id)];
    },
    markUsed: (organizationId: string, id: string, at: string): Promise<unknown> =>
      db.inOrganization(organizationId, (tx) =>
        sql`insert into cap_uses (organization_id, capability_id, last_used_at) values (${organizationId}, ${id}, ${at})
            on conflict (organization_id, capability_id) do update set last_used_at = excluded.last_used_at`.execute(tx),
      ),
  };
}
export type CapabilityStore = ReturnType<typeof capabilityStore>;

export function viewOf(row: CapabilityRow, now: string): z.input<typeof CapabilityView> {
  const [status] = [row.revoked_at !== null ? "revoked" : row.expires_at.toISOString() <= now ? "expired" : "active"] as const;
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    principal_id: row.principal_id,
    issued_by: row.issued_by,
    grant: row.grant,
    parent_id: row.path.at(-2) ?? null,
    root_id: row.path[0]!,
    depth: row.path.length - 1,
    offline: row.offline,
    replaces: row.replaces,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
    last_used_at: row.last_used_at?.toISOString() ?? null,
    revoked_at: row.revoked_at?.toISOString() ?? null,
    status,
  };
}
