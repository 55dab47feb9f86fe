/*
 * Short-lived tokens for the sync socket: JWT, HS256, `kid`, audience `signalbox-sync`.
 *
 * The key lives as long as the process: a restart closes every socket anyway, and clients fetch a
 * token for each connection.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { OrganizationRole, PrincipalType } from "@signalbox/contract/primitives";
import type { Scope } from "@signalbox/contract/route";
import { newId } from "@signalbox/kernel/id";
import { z } from "zod";
import type { Caller } from "../../http/handle.ts";

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
  crd: z.string().optional(),
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
  readonly credentialId: string | undefined;
  readonly expiresAtMs: number;
}

export interface SyncTokens {
  sign(caller: Caller, scopes: readonly string[], nowMs: number, ttlS: number): string;
  verify(token: string, nowMs: number): SyncGrant | "expired" | "invalid";
}

export function createSyncTokens(key: Buffer = randomBytes(32)): SyncTokens {
  const kid = randomBytes(6).toString("hex");
  const header = encode({ alg: "HS256", typ: "JWT", kid });
  const mac = (signed: string): Buffer => createHmac("sha256", key).update(signed).digest();

  return {
    sign(caller, scopes, nowMs, ttlS) {
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
        crd: caller.credential?.id,
        iat,
        exp: iat + ttlS,
      };
      const signed = `${header}.${encode(claims)}`;
      return `${signed}.${mac(signed).toString("base64url")}`;
    },
    verify(token, nowMs) {
      const [head = "", body = "", signature = "", ...rest] = token.split(".");
      // Comparing the whole header fixes algorithm and key: nothing in a token chooses how it is checked.
      if (rest.length > 0 || head !== header) return "invalid";
      const given = Buffer.from(signature, "base64url");
      const made = mac(`${head}.${body}`);
      if (given.length !== made.length || !timingSafeEqual(given, made)) return "invalid";
      const claims = Claims.parse(JSON.parse(Buffer.from(body, "base64url").toString()));
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
