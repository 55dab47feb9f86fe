/* Who and what there is: names, roles, organizations. */
import type { OrganizationRole } from "@signalbox/contract/primitives";
import { sql } from "kysely";
import type { IdentityDeps, IdentityModule } from "./public.ts";

export function createDirectory({ db, anywhere }: Pick<IdentityDeps, "db" | "anywhere">): Pick<
  IdentityModule,
  "displayNames" | "principalExists" | "organizationName" | "roleOf" | "organizations"
> & {
  /** Those of its members who get in nowhere. */
  suspendedMembers(organizationId: string): Promise<ReadonlySet<string>>;
} {
  return {
    async displayNames(organizationId, ids) {
      if (ids.length === 0) return new Map();
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<{ id: string; display_name: string }>`select id, display_name from proj_principals where id = any(${[...ids]})`.execute(tx),
      );
      return new Map(rows.map((row) => [row.id, row.display_name]));
    },

    async principalExists(organizationId, id) {
      const { rows } = await db.inOrganization(organizationId, (tx) => sql`select 1 from proj_principals where id = ${id}`.execute(tx));
      return rows.length > 0;
    },

    async organizationName(organizationId) {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<{ name: string }>`select name from proj_organizations where organization_id = ${organizationId}`.execute(tx),
      );
      return rows[0]?.name ?? organizationId;
    },

    async roleOf(organizationId, id) {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<{ role: OrganizationRole | null }>`select role from proj_principals where id = ${id}`.execute(tx),
      );
      return rows[0]?.role ?? null;
    },

    async suspendedMembers(organizationId) {
      const { rows } = await anywhere.query<{ id: string }>("select id from idn_suspended_members($1) as m (id)", [organizationId]);
      return new Set(rows.map((row) => row.id));
    },

    async organizations() {
      const { rows } = await anywhere.query<{ id: string }>("select id from idn_organizations() as o (id)");
      return rows.map((row) => row.id);
    },
  };
}
