/*
 * Who calls, in which organization, with what authority; and whether the browser was tricked.
 *
 *   Authorization: Bearer …   an API token (the organization it was made in), or a capability
 *   signalbox_session cookie  a person's browser; unsafe methods must come from our own pages
 *   x-workspace-id            one of the caller's organizations, else 404 as if it did not exist
 *
 * A header that is there is the one that counts: a wrong token is never saved by a good cookie.
 */
import type { CapabilityGrant } from "@signalbox/contract/capabilities";
import type { OrganizationRole } from "@signalbox/contract/primitives";
import type { Access, Scope } from "@signalbox/contract/route";
import { SCOPES } from "@signalbox/contract/identity";
import type { IncomingHttpHeaders } from "node:http";
import type { Caller, Credential } from "./handle.ts";

export const SESSION_COOKIE = "signalbox_session";

export interface Identification {
  readonly credential: Credential;
  readonly principal: Caller["principal"];
  /** The first is the default, unless it `hasLost` the one that it acted in. Empty: somebody who is in none (yet). */
  readonly organizations: readonly { readonly organizationId: string; readonly role: OrganizationRole }[];
  /** Theirs too, but not by this way in. */
  readonly closed?: readonly string[];
  readonly hasLost?: boolean;
  /** Null: all that the role allows. */
  readonly scopes: readonly Scope[] | null;
  readonly impersonatedBy?: Caller["impersonatedBy"];
  /** Of a capability: what it is confined to. */
  readonly grant?: CapabilityGrant | undefined;
}

export interface Authenticator {
  /** Null for a secret that is unknown, expired or revoked; nothing tells which. */
  identify(kind: "token" | "session", secret: string): Promise<Identification | null>;
}

export type Denial =
  | "unauthenticated"
  | "cross_site"
  | "organization_not_found"
  | "organization_required"
  | "organization_lost"
  | { readonly denied: "single_sign_on_required"; readonly organizationId: string };

/** Where a person acts who is in no organization, on routes that need none. Never one that exists. */
export const NO_ORGANIZATION = "ws_none";
const NOWHERE = { organizationId: NO_ORGANIZATION, role: "viewer" } as const;

export async function authenticate(
  authenticator: Authenticator,
  request: {
    readonly method: string;
    readonly headers: IncomingHttpHeaders;
    readonly cookie: string | undefined;
    readonly isOwnOrigin: (origin: string) => boolean;
    /** The route admits people of no organization. */
    readonly needsNone?: boolean;
  },
): Promise<Caller | Denial> {
  const { headers } = request;
  let found: Identification | null;
  if (headers.authorization !== undefined) {
    // A capability that was handed on three times is some thousand characters long; Node takes 16 KB of headers.
    const secret = /^bearer ([\x21-\x7e]{1,12000})$/i.exec(headers.authorization)?.[1];
    found = await authenticator.identify("token", secret ?? "");
  } else if (request.cookie !== undefined) {
    if (!isSafe(request.method) && !isSameOrigin(headers, request.isOwnOrigin)) return "cross_site";
    // What follows a dot is the signature that better-auth puts there; the secret alone is proof enough.
    found = await authenticator.identify("session", request.cookie.slice(0, 500).split(".")[0]!);
  } else {
    return "unauthenticated";
  }
  if (found === null) return "unauthenticated";
  const wanted = headers["x-workspace-id"];
  let membership: Identification["organizations"][number] | undefined;
  if (wanted !== undefined) membership = found.organizations.find((o) => o.organizationId === wanted);
  else membership = (found.hasLost === true ? undefined : found.organizations[0]) ?? (request.needsNone === true ? NOWHERE : undefined);
  if (membership === undefined) {
    // A page of the one that they were in must not go on in another without their knowing.
    if (wanted === undefined && found.hasLost === true && found.organizations.length > 0) return "organization_lost";
    const closed = wanted === undefined ? found.closed?.[0] : found.closed?.find((id) => id === wanted);
    if (closed !== undefined) return { denied: "single_sign_on_required", organizationId: closed };
    return wanted === undefined ? "organization_required" : "organization_not_found";
  }
  return {
    principal: found.principal,
    organizationId: membership.organizationId,
    role: membership.role,
    scopes: found.scopes ?? SCOPES,
    credential: found.credential,
    ...(found.impersonatedBy === undefined ? {} : { impersonatedBy: found.impersonatedBy }),
    ...(found.grant === undefined ? {} : { grant: found.grant }),
  };
}

const isSafe = (method: string): boolean => method === "GET" || method === "HEAD" || method === "OPTIONS";

/**
 * Browsers send at least one of the two with every unsafe request, and pages cannot forge them. A
 * cookie without either is not a browser of this century, and is refused.
 */
export function isSameOrigin(headers: IncomingHttpHeaders, isOwnOrigin: (origin: string) => boolean): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin") return false;
  if (headers.origin !== undefined) return isOwnOrigin(headers.origin);
  return site === "same-origin";
}

const RANK: Readonly<Record<OrganizationRole, number>> = { viewer: 0, member: 1, approver: 2, admin: 3, owner: 4 };
export const hasRole = (role: OrganizationRole, least: OrganizationRole): boolean => RANK[role] >= RANK[least];

/** Null when admitted; otherwise what is missing, in words. */
export function lacking(caller: Caller, access: Exclude<Access, string>): { readonly message: string; readonly fix: string } | null {
  if (!hasRole(caller.role, access.role)) {
    return {
      message: `This needs the role ${access.role}; yours is ${caller.role}.`,
      fix: "Ask an owner of the organization for that role.",
    };
  }
  const missing = access.scopes.filter((scope) => !caller.scopes.includes(scope));
  if (missing.length > 0) {
    return { message: `This token lacks the scope ${missing.join(", ")}.`, fix: "Use a token that was created with it." };
  }
  return null;
}
