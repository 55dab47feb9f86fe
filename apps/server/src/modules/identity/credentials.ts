/*
 * From a secret to who presents it.
 *
 * Secrets are 32 random bytes, kept as sha256. A wrong, expired, used or revoked one is answered by
 * the same query with the same nothing, so that neither text nor time tells them apart.
 *
 * Who was found is remembered for `FRESH_MS`, and forgotten at once when this process revokes it or
 * the organization's stream moves: an API call then costs no query. The bound is for other
 * processes whose wake-up is late; expiry is checked at every use.
 */
import { createHash } from "node:crypto";
import type { OrganizationRole, PrincipalType } from "@signalbox/contract/primitives";
import type { Scope } from "@signalbox/contract/route";
import { NO_ORGANIZATION } from "../../http/authenticate.ts";
import type { Tx } from "@signalbox/eventlog/log";
import type { Clock } from "@signalbox/kernel/clock";

export interface Identified {
  readonly credential: {
    readonly kind: "token" | "session";
    readonly id: string;
    readonly onlyIn?: string | undefined;
    readonly expiresAtMs?: number | undefined;
  };
  readonly principal: { readonly id: string; readonly type: PrincipalType; readonly displayName: string };
  /** The first is the default. Empty: an account in no organization. */
  readonly organizations: readonly { readonly organizationId: string; readonly role: OrganizationRole }[];
  /** Theirs too, but not by this way in: it wants its own provider. */
  readonly closed: readonly string[];
  /** The one that it acted in is theirs no more, so none is meant that is not named. */
  readonly hasLost: boolean;
  readonly impersonatedBy?: { readonly id: string; readonly untilMs: number } | undefined;
  /** Null: all that the role allows. */
  readonly scopes: readonly Scope[] | null;
  readonly expiresAtMs: number;
}

interface Row {
  credential_id: string;
  /** Null, as the role: an account in no organization. */
  organization_id: string | null;
  principal_id: string;
  principal_type: PrincipalType;
  display_name: string;
  role: OrganizationRole | null;
  scopes: Scope[] | null;
  expires_at: Date | null;
  used_at: Date | null;
  /** Of sessions. */
  only_in?: string | null;
  is_closed?: boolean;
  impersonated_by?: string | null;
  impersonated_until?: Date | null;
  acts_in?: string;
}

export interface Found extends Identified {
  /** When it was last marked as used, as far as is known. */
  readonly usedAtMs: number;
}

export interface Credentials {
  find(kind: "token" | "session", secret: string): Promise<Found | null>;
  forget(credentialIds: ReadonlySet<string>): void;
  forgetOrganization(organizationId: string): void;
  /** Somebody came into another organization. */
  forgetPrincipal(principalId: string): void;
}

const FRESH_MS = 1000;
const MAX_REMEMBERED = 10_000;

export const secretHash = (secret: string): Buffer => createHash("sha256").update(secret).digest();

export function createCredentials({ anywhere, clock }: { anywhere: Tx; clock: Clock }): Credentials {
  const remembered = new Map<string, { found: Found; atMs: number }>();
  /** Counts what was forgotten: an answer asked for before must not be remembered after. */
  let generation = 0;

  return {
    async find(kind, secret) {
      const hash = secretHash(secret);
      const key = `${kind}:${hash.toString("base64")}`;
      const nowMs = clock.nowMs();
      const known = remembered.get(key);
      if (
        known !== undefined &&
        nowMs - known.atMs < FRESH_MS &&
        !((known.found.impersonatedBy?.untilMs ?? Number.POSITIVE_INFINITY) <= nowMs)
      )
        return known.found.expiresAtMs > nowMs ? known.found : null;
      remembered.delete(key);
      const asked = generation;
      const { rows } = await anywhere.query<Row>(`select * from idn_${kind}($1, $2)`, [hash, clock.now()]);
      const row = rows[0];
      if (row === undefined) return null;
      const found: Found = {
        credential: {
          kind,
          id: row.credential_id,
          onlyIn: row.only_in ?? undefined,
          // A cookie's end moves on as it is used.
          expiresAtMs: kind === "token" ? row.expires_at?.getTime() : undefined,
        },
        principal: { id: row.principal_id, type: row.principal_type, displayName: row.display_name },
        organizations: rows.flatMap(({ organization_id, role, is_closed }) =>
          organization_id === null || role === null || is_closed === true ? [] : [{ organizationId: organization_id, role }],
        ),
        closed: rows.flatMap(({ organization_id, is_closed }) => (organization_id !== null && is_closed === true ? [organization_id] : [])),
        hasLost: row.acts_in !== undefined && row.acts_in !== NO_ORGANIZATION && !rows.some((one) => one.organization_id === row.acts_in),
        ...(row.impersonated_by == null
          ? {}
          : { impersonatedBy: { id: row.impersonated_by, untilMs: row.impersonated_until?.getTime() ?? 0 } }),
        scopes: row.scopes,
        expiresAtMs: row.expires_at?.getTime() ?? Number.POSITIVE_INFINITY,
        usedAtMs: row.used_at?.getTime() ?? 0,
      };
      if (asked === generation) {
        if (remembered.size >= MAX_REMEMBERED) remembered.clear();
        remembered.set(key, { found, atMs: nowMs });
      }
      return found;
    },
    forget(credentialIds) {
      generation++;
      for (const [key, { found }] of remembered) if (credentialIds.has(found.credential.id)) remembered.delete(key);
    },
    forgetOrganization(organizationId) {
      generation++;
      for (const [key, { found }] of remembered)
        if (found.organizations.some((o) => o.organizationId === organizationId) || found.closed.includes(organizationId))
          remembered.delete(key);
    },
    forgetPrincipal(principalId) {
      generation++;
      for (const [key, { found }] of remembered) if (found.principal.id === principalId) remembered.delete(key);
    },
  };
}
