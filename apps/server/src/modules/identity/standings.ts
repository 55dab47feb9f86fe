/*
 * Whether what was presented once still holds: asked by whoever opens something with a token that was made with it.
 * Thousands of sockets come back at once with one credential, so an answer is shared for half a second.
 */
import type { OrganizationRole } from "@signalbox/contract/primitives";
import type { Clock } from "@signalbox/kernel/clock";
import { sql } from "kysely";
import type { Database } from "../../module.ts";

interface Of {
  readonly organizationId: string;
  readonly principalId: string;
  readonly credentialId: string;
}

export type CapabilityHolds = (organizationId: string, id: string) => Promise<boolean>;

export interface Standings {
  of(who: Of): Promise<OrganizationRole | null>;
  forget(credentialIds: ReadonlySet<string>): void;
  /** Somebody's place in it may have changed. */
  forgetOrganization(organizationId: string): void;
}

const REMEMBERED_MS = 500;
const MOST_REMEMBERED = 10_000;

export function createStandings({
  db,
  clock,
  capabilityHolds,
}: {
  readonly db: Database;
  readonly clock: Clock;
  readonly capabilityHolds: CapabilityHolds;
}): Standings {
  const remembered = new Map<string, { readonly role: Promise<OrganizationRole | null>; readonly atMs: number; readonly who: Of }>();

  async function look({ organizationId, principalId, credentialId }: Of): Promise<OrganizationRole | null> {
    const now = clock.now();
    // Another module keeps those; their bearer's role is known here.
    const isCapability = credentialId.startsWith("cap_") && (await capabilityHolds(organizationId, credentialId));
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<{ role: OrganizationRole }>`
        select p.role from proj_principals p
         where p.id = ${principalId} and p.role is not null
           and (${isCapability}::boolean
             or exists (select from proj_tokens t where t.id = ${credentialId} and t.revoked_at is null and (t.expires_at is null or t.expires_at > ${now}))
             or exists (select from idn_sessions s
                 where s.id = ${credentialId} and s.expires_at > ${now}
                   and (exists (select from proj_impersonations i
                          where i.session_id = s.id and i.principal_id = p.id and i.operator_id = s.principal_id and i.ended_at is null and i.expires_at > ${now})
                     or s.principal_id = p.id and (s.only_in is null or s.only_in = p.organization_id)
                        and not exists (select from proj_single_sign_on o
                              where o.is_required and p.role <> 'owner' and not (s.method = 'single_sign_on' and s.only_in = p.organization_id)))))
           and not idn_is_suspended(p.organization_id, p.id)`.execute(tx),
    );
    return rows[0]?.role ?? null;
  }

  return {
    of(who) {
      const key = `${who.organizationId} ${who.principalId} ${who.credentialId}`;
      const atMs = performance.now();
      const known = remembered.get(key);
      if (known !== undefined && atMs - known.atMs < REMEMBERED_MS) return known.role;
      if (remembered.size >= MOST_REMEMBERED) remembered.clear();
      const role = look(who);
      remembered.set(key, { role, atMs, who });
      // What could not be asked is asked again.
      role.catch(() => remembered.delete(key));
      return role;
    },
    forget(credentialIds) {
      for (const [key, known] of remembered) if (credentialIds.has(known.who.credentialId)) remembered.delete(key);
    },
    forgetOrganization(organizationId) {
      for (const [key, known] of remembered) if (known.who.organizationId === organizationId) remembered.delete(key);
    },
  };
}
