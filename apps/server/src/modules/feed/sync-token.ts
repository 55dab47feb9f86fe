/*
 * Short-lived tokens for the sync socket: JWT, HS256, `kid`, audience `signalbox-sync`.
 *
 * The keys are the installation's (`key-ring.ts`): what one gateway signed the others accept, also after a restart.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { OrganizationRole, PrincipalType } from "@signalbox/contract/primitives";
import type { Scope } from "@signalbox/contract/route";
import { newId } from "@signalbox/kernel/id";
import { z } from "zod";
import type { Caller } from "../../http/handle.ts";
import type { KeyRing } from "../../key-ring.ts";

const AUDIENCE = "signalbox-sync";
const ISSUER = "signalbox";

const Claims = z.object({
  iss: z.literal(ISSUER),
  aud: z.literal(AUDIENCE),
  sub: z.string(),
  typ: z.enum(["user", "agent", "service"]),
  org: z.string(),
  role: z.enum(["viewer", "member", "approver", "admin", "owner"]),
  scopes: z.array(z.string()).min(1),
  acs: z.array(z.enum(["read", "write", "approve", "admin", "engine"])),
  jti: z.string(),
  crd: z.string(),
  iat: z.number(),
  exp: z.number(),
});

/** What a token lets its bearer follow. */
export interface SyncGrant {
  readonly organizationId: string;
  readonly principal: { readonly id: string; readonly type: PrincipalType };
  readonly role: OrganizationRole;
  /** Topics, or `room:*`, `session:*`. */
  readonly scopes: readonly string[];
  /** What the credential that asked for it was allowed: a socket that takes input must not allow more. */
  readonly access: readonly Scope[];
  /** The API token or cookie session it was made with; ends with it. */
  readonly credentialId: string;
  readonly expiresAtMs: number;
}

export interface SyncTokens {
  sign(caller: Caller, scopes: readonly string[], nowMs: number, ttlS: number): Promise<string>;
  verify(token: string, nowMs: number): Promise<SyncGrant | "expired" | "invalid">;
}

const Header = z.strictObject({ alg: z.literal("HS256"), typ: z.literal("JWT"), kid: z.string().regex(/^[0-9a-f]{12}$/) });

export function createSyncTokens(keys: KeyRing): SyncTokens {
  const mac = (key: Buffer, signed: string): Buffer => createHmac("sha256", key).update(signed).digest();

  return {
    async sign(caller, scopes, nowMs, ttlS) {
      const { kid, key } = await keys.current();
      const iat = Math.floor(nowMs / 1000);
      const claims: z.input<typeof Claims> = {
        iss: ISSUER,
        aud: AUDIENCE,
        sub: caller.principal.id,
        typ: caller.principal.type,
        org: caller.organizationId,
        role: caller.role,
        scopes: [...scopes],
        acs: [...caller.scopes],
        jti: newId("jti"),
        // Whoever calls without one gets a token that admits nobody.
        crd: caller.credential?.id ?? "",
        iat,
        exp: iat + ttlS,
      };
      const signed = `${encode({ alg: "HS256", typ: "JWT", kid })}.${encode(claims)}`;
      return `${signed}.${mac(key, signed).toString("base64url")}`;
    },
    async verify(token, nowMs) {
      const [head = "", body = "", signature = "", ...rest] = token.split(".");
      // Of the header only the key's name is a choice: the algorithm is fixed.
      const kid = rest.length > 0 ? undefined : Header.safeParse(decode(head)).data?.kid;
      const key = kid === undefined ? null : await keys.named(kid);
      if (key === null) return "invalid";
      const given = Buffer.from(signature, "base64url");
      const made = mac(key, `${head}.${body}`);
      if (given.length !== made.length || !timingSafeEqual(given, made)) return "invalid";
      const { data: claims } = Claims.safeParse(decode(body));
      // Signed by an older version of ours: the next one is fetched.
      if (claims === undefined) return "invalid";
      if (claims.exp * 1000 <= nowMs) return "expired";
      return {
        organizationId: claims.org,
        principal: { id: claims.sub, type: claims.typ },
        role: claims.role,
        scopes: claims.scopes,
        access: claims.acs,
        credentialId: claims.crd,
        expiresAtMs: claims.exp * 1000,
      };
    },
  };
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString());
  } catch {
    return null; // Not JSON: no token of ours.
  }
}
