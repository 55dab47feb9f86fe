/*
 * How people sign in. What browsers do beyond this (passwords, passkeys, other providers) is
 * better-auth's own API below /api/auth; the two routes there are for clients that know no cookies.
 */
import { z } from "zod";
import { TokenScope } from "./identity.ts";
import { PrincipalId, Timestamp, Title } from "./primitives.ts";
import { route } from "./route.ts";

const Email = z.string().trim().min(3).max(255);
const done = z.object({ ok: z.literal(true) });

export const LoginId = z
  .string()
  .regex(/^login_[0-9A-HJKMNP-TV-Z]{26}$/, "expected an id like login_01J…")
  .brand<"LoginId">();
export const LoginView = z
  .object({
    id: LoginId,
    method: z.string(),
    user_agent: z.string().nullable(),
    ip_address: z.string().nullable(),
    created_at: Timestamp,
    seen_at: Timestamp,
    expires_at: Timestamp,
    is_this: z.boolean().describe("The one that asks."),
  })
  .meta({ id: "Login" });

export const getSignInMethods = route({
  id: "auth.methods",
  summary: "How one can sign in here",
  method: "GET",
  path: "/v1/auth/methods",
  ok: z
    .object({
      accounts: z.boolean().describe("False: by the printed link only."),
      sign_up: z.enum(["open", "invited"]),
      providers: z.array(z.object({ id: z.string(), name: z.string() })),
    })
    .meta({ id: "SignInMethods" }),
  refusals: {},
  access: "public",
});
export const sendSignInCode = route({
  id: "auth.code.send",
  summary: "Mail a sign-in code. The answer is the same whether or not there is such an account",
  method: "POST",
  path: "/api/auth/email",
  body: z.object({ email: Email }),
  ok: z.object({ ok: z.literal(true), status: z.literal("code-sent"), email: z.string() }).meta({ id: "SignInCodeSent" }),
  refusals: { accounts_not_configured: 409, email_invalid: 422 },
  access: "public",
});
export const verifySignInCode = route({
  id: "auth.code.verify",
  summary: "Sign in with a mailed code",
  method: "POST",
  path: "/api/auth/verify",
  body: z.object({
    code: z.string().trim().min(6).max(128),
    email: Email.optional().describe("Default: the one that this browser asked for."),
  }),
  ok: z
    .object({
      ok: z.literal(true),
      userId: PrincipalId,
      status: z.literal("authenticated"),
      user: z.object({ id: PrincipalId, name: z.string(), email: z.string() }),
      redirect: z.string(),
    })
    .meta({ id: "SignedIn" }),
  refusals: { accounts_not_configured: 409, code_invalid: 422 },
  access: "public",
});

export const listLogins = route({
  id: "logins.list",
  summary: "Your open sign-ins",
  method: "GET",
  path: "/v1/logins",
  ok: z.object({ items: z.array(LoginView) }).meta({ id: "LoginList" }),
  refusals: {},
  access: "person",
});
export const endLogin = route({
  id: "logins.end",
  summary: "End one of your sign-ins; what it has open closes",
  method: "DELETE",
  path: "/v1/logins/:id",
  params: z.object({ id: LoginId }),
  ok: done,
  refusals: { login_not_found: 404 },
  access: "person",
});
export const endOtherLogins = route({
  id: "logins.end_others",
  summary: "End all of your sign-ins but this one",
  method: "POST",
  path: "/v1/logins/end-others",
  body: z.object({}),
  ok: z.object({ ended: z.int() }),
  refusals: {},
  access: "person",
});

const UserCode = z
  .string()
  .trim()
  .regex(/^[A-Za-z]{4}-?[0-9]{4}$/, "expected a code like ABCD-1234");
export const startDevice = route({
  id: "auth.device.start",
  summary: "Begin a sign-in of a program (RFC 8628): show the person the code, then poll",
  method: "POST",
  path: "/v1/auth/device",
  body: z.object({
    client_name: Title,
    scopes: z.array(TokenScope).min(1).default(["read", "write", "approve"]),
  }),
  ok: z
    .object({
      device_code: z.string(),
      user_code: z.string(),
      verification_uri: z.string(),
      verification_uri_complete: z.string(),
      expires_in: z.int(),
      interval: z.int(),
    })
    .meta({ id: "DeviceSignIn" }),
  refusals: {},
  access: "public",
});
export const pollDevice = route({
  id: "auth.device.poll",
  summary: "Ask whether the person has answered; the token is handed out once",
  method: "POST",
  path: "/v1/auth/device/token",
  body: z.object({ device_code: z.string().min(1).max(200) }),
  ok: z.object({ access_token: z.string(), token_type: z.literal("Bearer"), scope: z.string() }).meta({ id: "DeviceToken" }),
  refusals: { authorization_pending: 400, slow_down: 400, access_denied: 400, expired_token: 400 },
  access: "public",
});
export const getDevice = route({
  id: "auth.device.get",
  summary: "What a program asks for that shows this code",
  method: "GET",
  path: "/v1/auth/devices/:user_code",
  params: z.object({ user_code: UserCode }),
  ok: z.object({ client_name: z.string(), scopes: z.array(TokenScope), expires_at: Timestamp }).meta({ id: "DeviceRequest" }),
  refusals: { device_not_found: 404 },
  access: { resource: "token", role: "member", scopes: ["admin"] },
});
export const answerDevice = route({
  id: "auth.device.answer",
  summary: "Let the program in, as you, in this organization; or do not",
  method: "POST",
  path: "/v1/auth/devices/:user_code",
  params: z.object({ user_code: UserCode }),
  body: z.object({ decision: z.enum(["approve", "deny"]) }),
  ok: done,
  refusals: { device_not_found: 404, scope_not_held: 403 },
  access: { resource: "token", role: "member", scopes: ["admin"] },
});
