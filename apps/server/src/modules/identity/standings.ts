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

export interface Standings {
  of(who: Of): Promise<OrganizationRole | null>;
  forget(credentialId: string): void;
}

const REMEMBERED_MS = 500;
const MOST_REMEMBERED = 10_000;

export function createStandings({ db, clock }: { readonly db: Database; readonly clock: Clock }): Standings {
  const remembered = new Map<
    string,
    { readonly role: Promise<OrganizationRole | null>; readonly atMs: number; readonly credentialId: string }
  >();

  async function look({ organizationId, principalId, credentialId }: Of): Promise<OrganizationRole | null> {
    const now = clock.now();
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<{ role: OrganizationRole }>`
        select p.role from proj_principals p
         where p.id = ${principalId} and p.role is not null
           and (exists (select from proj_tokens t where t.id = ${credentialId} and t.revoked_at is null and (t.expires_at is null or t.expires_at > ${now}))
             or exists (select from idn_sessions s where s.id = ${credentialId} and s.principal_id = p.id and s.expires_at > ${now}))`.execute(
        tx,
      ),
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
      remembered.set(key, { role, atMs, credentialId: who.credentialId });
      // What could not be asked is asked again.
      role.catch(() => remembered.delete(key));
      return role;
    },
    forget(credentialId) {
      for (const [key, known] of remembered) if (known.credentialId === credentialId) remembered.delete(key);
    },
  };
}
