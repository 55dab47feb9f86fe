import { z } from "zod";
import { OrganizationId, OrganizationRole, page, PageQuery, PrincipalId, PrincipalType, Timestamp, Title, TokenId } from "./primitives.ts";
import { route, type Scope } from "./route.ts";

export const SCOPES = ["read", "write", "approve", "admin", "engine"] as const satisfies readonly Scope[];
export const TokenScope = z.enum(SCOPES).meta({ id: "TokenScope" });

export const MeView = z
  .object({
    principal: z.object({ id: PrincipalId, type: PrincipalType, display_name: z.string() }),
    organization: z.object({ id: OrganizationId, name: z.string() }),
    role: OrganizationRole,
    scopes: z.array(TokenScope),
    impersonation: z
      .object({ operator_id: PrincipalId, operator_name: z.string(), expires_at: Timestamp })
      .optional()
      .describe("Who acts as `principal` here, and until when; absent: they do themselves."),
  })
  .meta({ id: "Me" });
export const PrincipalView = z
  .object({ id: PrincipalId, type: PrincipalType, display_name: z.string(), role: OrganizationRole.nullable(), created_at: Timestamp })
  .meta({ id: "Principal" });
export const TokenView = z
  .object({
    id: TokenId,
    name: z.string(),
    principal_id: PrincipalId,
    scopes: z.array(TokenScope),
    created_at: Timestamp,
    expires_at: Timestamp.nullable(),
    last_used_at: Timestamp.nullable(),
    revoked_at: Timestamp.nullable(),
  })
  .meta({ id: "ApiToken" });

/** The printed link carries `code`: single use, 15 minutes. Sets the session cookie. */
export const login = route({
  id: "auth.login",
  summary: "Exchange a one-time login code for a session cookie",
  method: "POST",
  path: "/v1/auth/login",
  body: z.object({ code: z.string().min(1).max(200) }),
  ok: MeView,
  refusals: { login_code_invalid: 403 },
  access: "public",
});
export const logout = route({
  id: "auth.logout",
  summary: "End this browser's session",
  method: "POST",
  path: "/v1/auth/logout",
  body: z.object({}),
  ok: z.object({ ok: z.literal(true) }),
  refusals: {},
  access: "person",
});
export const createLoginCode = route({
  id: "auth.login_codes.create",
  summary: "Make a new one-time login link",
  method: "POST",
  path: "/v1/auth/login-codes",
  body: z.object({}),
  ok: z.object({ code: z.string(), url: z.string(), expires_at: Timestamp }).meta({ id: "LoginCode" }),
  okStatus: 201,
  refusals: {},
  access: { resource: "self", role: "viewer", scopes: ["admin"] },
});
export const getMe = route({
  id: "me.get",
  summary: "Who you are here",
  method: "GET",
  path: "/v1/me",
  ok: MeView,
  refusals: {},
  access: { resource: "self", role: "viewer", scopes: [] },
});
export const listPrincipals = route({
  id: "principals.list",
  summary: "Users, agents and services of the organization",
  method: "GET",
  path: "/v1/principals",
  query: PageQuery.extend({ type: PrincipalType.optional() }),
  ok: page(PrincipalView).meta({ id: "PrincipalPage" }),
  refusals: {},
  access: { resource: "principal", role: "viewer", scopes: ["read"] },
});
export const createToken = route({
  id: "tokens.create",
  summary: "Create an API token; its secret is shown once",
  method: "POST",
  path: "/v1/tokens",
  body: z.object({
    name: Title,
    scopes: z
      .array(TokenScope)
      .min(1)
      .default([...SCOPES]),
    expires_at: Timestamp.optional(),
  }),
  ok: TokenView.extend({ secret: z.string() }).meta({ id: "NewApiToken" }),
  okStatus: 201,
  refusals: { expires_at_invalid: 400, scope_not_held: 403 },
  access: { resource: "token", role: "member", scopes: ["admin"] },
});
export const listTokens = route({
  id: "tokens.list",
  summary: "Your API tokens",
  method: "GET",
  path: "/v1/tokens",
  query: PageQuery,
  ok: page(TokenView).meta({ id: "TokenPage" }),
  refusals: {},
  access: { resource: "token", role: "member", scopes: ["read"] },
});
export const revokeToken = route({
  id: "tokens.revoke",
  summary: "Revoke an API token",
  method: "DELETE",
  path: "/v1/tokens/:id",
  params: z.object({ id: TokenId }),
  ok: TokenView,
  refusals: { token_not_found: 404 },
  access: { resource: "token", role: "member", scopes: ["admin"] },
});
