/*
 * Every way of changing who is who: each route of the contract that is not about work, and each path of better-auth that
 * we let through, done once for real. What it changes in the tables of identity has to be told in the log; what tells
 * nothing has to change nothing. A new route or path, and a new table, fails here until it is named.
 */
import { randomUUID } from "node:crypto";
import { newId } from "@signalbox/kernel/id";
import { ROUTES } from "@signalbox/contract/routes";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type Answer, type Composed, startComposed } from "../composed.fixture.ts";
import { OPEN } from "../modules/accounts/auth.ts";
import { type GitHub, startGitHub } from "../modules/accounts/github.fixture.ts";
import { type NameServer, startNameServer, startProvider, type TestProvider, throughProvider } from "../modules/accounts/openid.fixture.ts";
import { newSecurityKey, type SecurityKey } from "../modules/accounts/passkey.fixture.ts";

const ORIGIN = "http://localhost";
const GITHUB = { id: "Iv1.0123456789", secret: "a-secret-of-an-oauth-app", redirectUri: `${ORIGIN}/api/auth/callback/github` };
const OIDC = { id: "signalbox", secret: "kept-where-nobody-looks", redirectUri: `${ORIGIN}/api/auth/sso/callback` };
const PASSWORDS = ["correct horse battery", "another horse battery"] as const;
const REASON = "they cannot find their session";
const database = databaseTest();
vi.spyOn(process.stderr, "write").mockImplementation(() => true);
let c: Composed;
let github: GitHub;
let idp: TestProvider;
let dns: NameServer;
/** Everything that must be in no event. */
const secrets = new Set<string>(PASSWORDS);

beforeAll(async () => {
  [github, idp, dns] = await Promise.all([startGitHub(GITHUB), startProvider(OIDC), startNameServer()]);
  c = await startComposed(database, {
    environment: {
      SIGNALBOX_SIGN_IN: "accounts",
      SIGNALBOX_SIGN_UP: "open",
      SIGNALBOX_OWNER_EMAIL: "owner@example.com",
      SIGNALBOX_PUBLIC_URL: ORIGIN,
      SIGNALBOX_SSO_ALLOW_PRIVATE: "true",
      SIGNALBOX_NAME_SERVER: dns.address,
      GITHUB_CLIENT_ID: GITHUB.id,
      GITHUB_CLIENT_SECRET: GITHUB.secret,
      SIGNALBOX_GITHUB_URL: github.url,
      SIGNALBOX_GITHUB_API_URL: github.url,
    },
  });
}, 120_000);
afterAll(async () => {
  await c.close();
  await Promise.all([github.close(), idp.close()]);
  dns.close();
});
beforeEach(async () => {
  // So many sign-ins from one address are the tests' doing.
  await database.rows("delete from idn_attempts");
});

/* What a step needs: people with accounts, browsers, mails. */

const post = (url: string, body: object, cookie = "", method = "POST"): Promise<Answer> =>
  c.call(method, url, { body, headers: { origin: ORIGIN, ...(cookie === "" ? {} : { cookie }) } });
const get = (url: string, cookie = ""): Promise<Answer> => c.call("GET", url, { headers: cookie === "" ? {} : { cookie } });
const asOwner = (method: string, url: string, body?: object) =>
  c.call(method, url, { token: c.owner, ...(body === undefined ? {} : { body }) });
const cookieOf = (answer: Answer, name = "signalbox_session"): string =>
  ([answer.headers["set-cookie"] ?? []].flat() as string[]).find((each) => each.startsWith(`${name}=`))?.split(";")[0] ?? "";
const allCookies = (answer: Answer): string =>
  ([answer.headers["set-cookie"] ?? []].flat() as string[]).map((each) => each.split(";")[0]!).join("; ");
async function mailed(address: string, which: RegExp): Promise<string> {
  let found: RegExpExecArray | null = null;
  await expect
    .poll(
      async () => {
        const rows = await database.rows<{ body: string }>("select body from acc_outbox where recipient = $1 order by created_at desc", [
          address,
        ]);
        for (const { body } of rows) found ??= which.exec(body);
        return found;
      },
      { timeout: 20_000 },
    )
    .not.toBeNull();
  // Six digits may be in any id.
  if (found![1]!.length > 6) secrets.add(found![1]!);
  return found![1]!;
}
interface Somebody {
  readonly id: string;
  readonly email: string;
  /** A browser of theirs; better-auth knows it too. */
  readonly cookie: string;
}
let made = 0;
/** With an account, and by default a member of `ws_dev`. */
async function somebody(of: { password?: boolean; member?: boolean } = {}): Promise<Somebody> {
  const email = `person${++made}@example.com`;
  if (of.password === true) {
    await post("/api/auth/sign-up/email", { email, name: "P", password: PASSWORDS[0] });
    await get(new URL(await mailed(email, /(http:\S+verify-email\S+)/)).href.replace(ORIGIN, ""));
  }
  const cookie = await signIn(email);
  const [{ id }] = (await database.rows<{ id: string }>("select id from auth_users where email = $1", [email])) as [{ id: string }];
  if (of.member !== false)
    await c.server.identity.registerPrincipal({ organizationId: "ws_dev", id, type: "user", displayName: "P", role: "member" });
  return { id, email, cookie };
}
async function signIn(email: string): Promise<string> {
  const cookie = cookieOf(await post("/api/auth/verify", { email, code: await code(email) }));
  expect(cookie).not.toBe("");
  secrets.add(cookie.split("=")[1]!.split(".")[0]!);
  return cookie;
}
async function code(email: string): Promise<string> {
  await database.rows("delete from acc_outbox where recipient = $1", [email]);
  await post("/api/auth/email", { email });
  return mailed(email, /code is (\d{6})/);
}
async function operator(): Promise<string> {
  const { body } = await asOwner("POST", "/v1/auth/login-codes", {});
  return cookieOf(await post("/v1/auth/login", { code: body.code }));
}
async function passkeyOf(cookie: string): Promise<{ key: SecurityKey; id: string }> {
  const key = newSecurityKey(ORIGIN);
  const { body } = await (await registering(key, cookie))();
  return { key, id: body.id };
}
async function registering(key: SecurityKey, cookie: string): Promise<() => Promise<Answer>> {
  const options = await get("/api/auth/passkey/generate-register-options?name=mine", cookie);
  const response = key.register(options.body.challenge);
  return () => post("/api/auth/passkey/verify-registration", { response, name: "mine" }, `${cookie}; ${allCookies(options)}`);
}
async function resetToken(email: string): Promise<string> {
  await post("/api/auth/request-password-reset", { email, redirectTo: "/" });
  return mailed(email, /reset-password\/([^?\s]+)/);
}
async function atGitHub(person: { id: number; email: string }): Promise<() => Promise<Answer>> {
  const emails = [{ email: person.email, primary: true, verified: true, visibility: null }];
  github.who = { id: person.id, login: "p", name: null, email: null, emails };
  const begun = await post("/api/auth/sign-in/social", { provider: "github", callbackURL: "/" });
  const sent = await fetch(begun.body.url as string, { redirect: "manual" });
  const { pathname, search } = new URL(sent.headers.get("location")!);
  return () => get(pathname + search, allCookies(begun));
}
const sso = (organization: { token: string }, more: object = {}) =>
  c.call("PUT", "/v1/organization/single-sign-on", {
    token: organization.token,
    body: { issuer: idp.issuer, client_id: OIDC.id, client_secret: OIDC.secret, role_mapping: [], default_role: "member", ...more },
  });
async function domain(organization: { token: string }, name: string, isProven = true) {
  const { token } = organization;
  const claimed = (await c.call("POST", "/v1/organization/domains", { token, body: { domain: name } })).body;
  dns.records.set(claimed.record_name, [claimed.record_value]);
  if (isProven) await c.call("POST", `/v1/organization/domains/${claimed.id}/check`, { token, body: {} });
  return claimed.id as string;
}
async function invited(email: string): Promise<string> {
  return (await asOwner("POST", "/v1/invitations", { email, role: "member" })).body.id;
}
async function team(): Promise<string> {
  return (await asOwner("POST", "/v1/teams", { name: "Team" })).body.id;
}
const acting = async (): Promise<string> => {
  const [target, cookie] = [await c.person("member"), await operator()];
  await post("/v1/admin/impersonations", { organization_id: "ws_dev", principal_id: target.id, reason: REASON }, cookie);
  return cookie;
};
const capability = async () =>
  (await asOwner("POST", "/v1/capabilities", { name: "c", grant: { scopes: ["read"] } })).body as { id: string; token: string };
async function device(answer: "approve" | null): Promise<{ device_code: string; user_code: string }> {
  const { body } = await post("/v1/auth/device", { client_name: "CLI", scopes: ["read"] });
  if (answer !== null) await asOwner("POST", `/v1/auth/devices/${body.user_code}`, { decision: answer });
  return body;
}

/* The ways. Each makes what it needs and returns what is looked at; `tells` are the events that have to come of it. */

interface Way {
  readonly tells: readonly string[];
  ready(): Promise<() => Promise<Answer>>;
}
const way = (tells: readonly string[], ready: Way["ready"]): Way => ({ tells, ready });
const suspending = async (of: "organizations" | "people", then: "suspend" | "restore") => {
  const id = of === "people" ? (await c.person("member")).id : (await c.organization()).id;
  if (then === "restore") await asOwner("POST", `/v1/admin/${of}/${id}/suspend`, { reason: REASON });
  return () => asOwner("POST", `/v1/admin/${of}/${id}/${then}`, then === "suspend" ? { reason: REASON } : {});
};
const deleting = async () => {
  const { id, token } = await c.organization();
  const { body } = await c.call("GET", "/v1/organization", { token });
  return () =>
    c.call("POST", "/v1/organization/delete", {
      token,
      body: { name: body.name, exported_seq: body.stream_seq },
      headers: { "x-workspace-id": id },
    });
};

const WAYS: Readonly<Record<string, Way>> = {
  "admin.impersonations.start": way(["impersonation.started"], async () => {
    const [target, cookie] = [await c.person("member"), await operator()];
    return () => post("/v1/admin/impersonations", { organization_id: "ws_dev", principal_id: target.id, reason: REASON }, cookie);
  }),
  "auth.impersonation.stop": way(["impersonation.stopped"], async () => {
    const cookie = await acting();
    return () => post("/v1/auth/impersonation/stop", {}, cookie);
  }),
  "admin.organizations.suspend": way(["organization.suspended"], () => suspending("organizations", "suspend")),
  "admin.organizations.restore": way(["organization.restored"], () => suspending("organizations", "restore")),
  "admin.people.suspend": way(["principal.suspended"], () => suspending("people", "suspend")),
  "admin.people.restore": way(["principal.restored"], () => suspending("people", "restore")),
  "key_rings.rotate": way(["key_ring.rotated"], async () => () => asOwner("POST", "/v1/key-rings/sync/rotate", {})),
  "quotas.set": way(["quota.changed"], async () => {
    const { id } = await c.organization();
    return () => asOwner("PUT", `/v1/quotas/${id}`, { sessions: 5 });
  }),

  "auth.code.send": way([], async () => {
    const { email } = await somebody();
    return () => post("/api/auth/email", { email });
  }),
  "auth.code.verify": way(["login.opened"], async () => {
    const { email } = await somebody();
    const entered = await code(email);
    return () => post("/api/auth/verify", { email, code: entered });
  }),
  "auth.device.start": way([], async () => () => post("/v1/auth/device", { client_name: "CLI", scopes: ["read"] })),
  "auth.device.answer": way([], async () => {
    const { user_code } = await device(null);
    return () => asOwner("POST", `/v1/auth/devices/${user_code}`, { decision: "approve" });
  }),
  "auth.device.poll": way(["token.created"], async () => {
    const { device_code } = await device("approve");
    return () => post("/v1/auth/device/token", { device_code });
  }),
  "auth.login_codes.create": way(["login.link_made"], async () => () => asOwner("POST", "/v1/auth/login-codes", {})),
  "auth.login": way(["login.succeeded"], async () => {
    const { body } = await asOwner("POST", "/v1/auth/login-codes", {});
    secrets.add(body.code);
    return () => post("/v1/auth/login", { code: body.code });
  }),
  "auth.logout": way(["login.ended"], async () => {
    const { cookie } = await somebody();
    return () => post("/v1/auth/logout", {}, cookie);
  }),
  "auth.single_sign_on.start": way([], async () => {
    const organization = await c.organization();
    await sso(organization);
    return () => post("/api/auth/sso/start", { organization_id: organization.id });
  }),
  "auth.single_sign_on.finish": way(
    ["account.created", "account.email_proven", "account.provider_linked", "member.added", "single_sign_on.worked", "login.opened"],
    async () => {
      const organization = await c.organization();
      await sso(organization);
      await domain(organization, "vouched.test");
      idp.who = { sub: "anna", email: "anna@vouched.test", email_verified: true, name: "Anna" };
      const begun = await post("/api/auth/sso/start", { organization_id: organization.id });
      const at = await throughProvider(begun.body.url, idp.issuer);
      return () => get(at.pathname + at.search, cookieOf(begun, "signalbox_sso"));
    },
  ),
  "logins.end": way(["login.ended"], async () => {
    const { cookie, email } = await somebody();
    await signIn(email);
    const { items } = (await get("/v1/logins", cookie)).body;
    const id = items.find((one: { is_this: boolean }) => !one.is_this).id;
    return () => c.call("DELETE", `/v1/logins/${id}`, { headers: { cookie, origin: ORIGIN } });
  }),
  "logins.end_others": way(["login.ended"], async () => {
    const { cookie, email } = await somebody();
    await signIn(email);
    return () => post("/v1/logins/end-others", {}, cookie);
  }),

  "account.delete": way(["account.deletion_requested", "member.left", "principal.deleted", "login.ended", "account.deleted"], async () => {
    const { cookie, email } = await somebody({ password: true });
    return () => post("/v1/account/delete", { confirm: email }, cookie);
  }),

  "organizations.create": way(["organization.created", "member.added"], async () => {
    const { cookie } = await somebody({ member: false });
    return () => post("/v1/organizations", { name: "New" }, cookie);
  }),
  "organizations.join": way(["member.added"], async () => {
    const organization = await c.organization();
    const id = await domain(organization, "joins.test");
    await c.call("PATCH", `/v1/organization/domains/${id}`, { token: organization.token, body: { join_role: "viewer" } });
    const { cookie, id: person } = await somebody({ member: false });
    await database.rows("update auth_users set email = 'p@joins.test' where id = $1", [person]);
    return () => post(`/v1/organizations/offered/${organization.id}/join`, {}, cookie);
  }),
  // Where a browser acts is nothing about who somebody is.
  "organizations.switch": way([], async () => {
    const { cookie } = await somebody();
    const { body } = await post("/v1/organizations", { name: "Second" }, cookie);
    return () => post("/v1/organizations/switch", { organization_id: body.id }, cookie);
  }),
  "organization.rename": way(["organization.renamed"], async () => {
    const { token } = await c.organization();
    return () => c.call("PATCH", "/v1/organization", { token, body: { name: "Renamed" } });
  }),
  "organization.transfer": way(["organization.ownership_transferred"], async () => {
    const { token, id } = await c.organization();
    const to = (await c.person("admin", { organizationId: id })).id;
    return () => c.call("POST", "/v1/organization/transfer", { token, body: { to } });
  }),
  "organization.leave": way(["member.left"], async () => {
    const { token } = await c.person("member");
    return () => c.call("POST", "/v1/organization/leave", { token, body: {} });
  }),
  "organization.delete": way(["organization.deleted"], deleting),
  "members.set_role": way(["member.role_changed"], async () => {
    const { id } = await c.person("viewer");
    return () => asOwner("PATCH", `/v1/members/${id}`, { role: "member" });
  }),
  "members.remove": way(["member.removed"], async () => {
    const { id } = await c.person("viewer");
    return () => asOwner("DELETE", `/v1/members/${id}`);
  }),
  "teams.create": way(["team.created"], async () => () => asOwner("POST", "/v1/teams", { name: "T" })),
  "teams.rename": way(["team.renamed"], async () => {
    const id = await team();
    return () => asOwner("PATCH", `/v1/teams/${id}`, { name: "Other" });
  }),
  "teams.delete": way(["team.deleted"], async () => {
    const id = await team();
    return () => asOwner("DELETE", `/v1/teams/${id}`);
  }),
  "teams.add_member": way(["team.member_added"], async () => {
    const [id, person] = [await team(), await c.person("member")];
    return () => asOwner("POST", `/v1/teams/${id}/members`, { principal_id: person.id });
  }),
  "teams.remove_member": way(["team.member_removed"], async () => {
    const [id, person] = [await team(), await c.person("member")];
    await asOwner("POST", `/v1/teams/${id}/members`, { principal_id: person.id });
    return () => asOwner("DELETE", `/v1/teams/${id}/members/${person.id}`);
  }),
  "invitations.create": way(
    ["invitation.created"],
    async () => () => asOwner("POST", "/v1/invitations", { email: `new${++made}@example.com`, role: "viewer" }),
  ),
  "invitations.resend": way(["invitation.sent_again"], async () => {
    const id = await invited("again@example.com");
    return () => asOwner("POST", `/v1/invitations/${id}/resend`, {});
  }),
  "invitations.revoke": way(["invitation.revoked"], async () => {
    const id = await invited("revoked@example.com");
    return () => asOwner("DELETE", `/v1/invitations/${id}`);
  }),
  "invitations.accept": way(["invitation.accepted", "member.added"], async () => {
    const { email, cookie } = await somebody({ member: false });
    const id = await invited(email);
    return () => post(`/v1/invites/${id}/accept`, {}, cookie);
  }),
  "tokens.create": way(["token.created"], async () => () => asOwner("POST", "/v1/tokens", { name: "t", scopes: ["read"] })),
  "tokens.revoke": way(["token.revoked"], async () => {
    const { body } = await asOwner("POST", "/v1/tokens", { name: "t", scopes: ["read"] });
    secrets.add(body.secret);
    return () => asOwner("DELETE", `/v1/tokens/${body.id}`);
  }),
  "capabilities.issue": way(
    ["capability.issued"],
    async () => () => asOwner("POST", "/v1/capabilities", { name: "c", grant: { scopes: ["read"] } }),
  ),
  "capabilities.delegate": way(["capability.delegated"], async () => {
    const { token } = await capability();
    return () => asOwner("POST", "/v1/capabilities/delegate", { token, name: "d", grant: { scopes: ["read"] } });
  }),
  "capabilities.inspect": way([], async () => {
    const { token } = await capability();
    return () => asOwner("POST", "/v1/capabilities/inspect", { token });
  }),
  "capabilities.revoke": way(["capability.revoked"], async () => {
    const { id } = await capability();
    return () => asOwner("DELETE", `/v1/capabilities/${id}`);
  }),
  "single_sign_on.set": way(["single_sign_on.configured"], async () => {
    const organization = await c.organization();
    return () => sso(organization);
  }),
  "single_sign_on.test": way([], async () => {
    const organization = await c.organization();
    await sso(organization);
    return () => c.call("POST", "/v1/organization/single-sign-on/test", { token: organization.token, body: {} });
  }),
  "single_sign_on.remove": way(["single_sign_on.removed"], async () => {
    const organization = await c.organization();
    await sso(organization);
    return () => c.call("DELETE", "/v1/organization/single-sign-on", { token: organization.token });
  }),
  "domains.claim": way(["domain.claimed"], async () => {
    const { token } = await c.organization();
    return () => c.call("POST", "/v1/organization/domains", { token, body: { domain: "claimed.test" } });
  }),
  "domains.check": way(["domain.proven"], async () => {
    const organization = await c.organization();
    const id = await domain(organization, "proven.test", false);
    return () => c.call("POST", `/v1/organization/domains/${id}/check`, { token: organization.token, body: {} });
  }),
  "domains.change": way(["domain.joining_set"], async () => {
    const organization = await c.organization();
    const id = await domain(organization, "changed.test");
    return () => c.call("PATCH", `/v1/organization/domains/${id}`, { token: organization.token, body: { join_role: "viewer" } });
  }),
  "domains.release": way(["domain.released"], async () => {
    const organization = await c.organization();
    const id = await domain(organization, "released.test");
    return () => c.call("DELETE", `/v1/organization/domains/${id}`, { token: organization.token });
  }),

  "POST /sign-up/email": way(["account.created", "account.password_set"], async () => {
    const email = `person${++made}@example.com`;
    return () => post("/api/auth/sign-up/email", { email, name: "P", password: PASSWORDS[0] });
  }),
  "GET /verify-email": way(["account.email_proven"], async () => {
    const email = `person${++made}@example.com`;
    await post("/api/auth/sign-up/email", { email, name: "P", password: PASSWORDS[0] });
    const link = new URL(await mailed(email, /(http:\S+verify-email\S+)/));
    return () => get(link.pathname + link.search);
  }),
  "POST /send-verification-email": way([], async () => {
    const email = `person${++made}@example.com`;
    await post("/api/auth/sign-up/email", { email, name: "P", password: PASSWORDS[0] });
    return () => post("/api/auth/send-verification-email", { email });
  }),
  "POST /sign-in/email": way(["login.opened"], async () => {
    const { email } = await somebody({ password: true });
    return () => post("/api/auth/sign-in/email", { email, password: PASSWORDS[0] });
  }),
  "POST /change-password": way(["account.password_changed"], async () => {
    const { cookie } = await somebody({ password: true });
    return () => post("/api/auth/change-password", { currentPassword: PASSWORDS[0], newPassword: PASSWORDS[1] }, cookie);
  }),
  "POST /request-password-reset": way([], async () => {
    const { email } = await somebody({ password: true });
    return () => post("/api/auth/request-password-reset", { email, redirectTo: "/" });
  }),
  "GET /reset-password/:token": way([], async () => {
    const token = await resetToken((await somebody({ password: true })).email);
    return () => get(`/api/auth/reset-password/${token}?callbackURL=%2F`);
  }),
  // Whoever was in is out, and that is told too.
  "POST /reset-password": way(["account.password_changed", "login.ended"], async () => {
    const token = await resetToken((await somebody({ password: true })).email);
    return () => post("/api/auth/reset-password", { token, newPassword: PASSWORDS[1] });
  }),
  "POST /sign-in/social": way([], async () => () => post("/api/auth/sign-in/social", { provider: "github", callbackURL: "/" })),
  "GET /callback/github": way(["account.provider_linked", "login.opened"], async () => {
    const { email } = await somebody();
    return atGitHub({ id: ++made, email });
  }),
  "GET /passkey/generate-register-options": way([], async () => {
    const { cookie } = await somebody();
    return () => get("/api/auth/passkey/generate-register-options?name=mine", cookie);
  }),
  "POST /passkey/verify-registration": way(["account.passkey_added"], async () => {
    const { cookie } = await somebody();
    return registering(newSecurityKey(ORIGIN), cookie);
  }),
  "GET /passkey/generate-authenticate-options": way([], async () => () => get("/api/auth/passkey/generate-authenticate-options")),
  "POST /passkey/verify-authentication": way(["login.opened"], async () => {
    const { key } = await passkeyOf((await somebody()).cookie);
    const options = await get("/api/auth/passkey/generate-authenticate-options");
    const response = key.sign(options.body.challenge);
    return () => post("/api/auth/passkey/verify-authentication", { response }, allCookies(options));
  }),
  "GET /passkey/list-user-passkeys": way([], async () => {
    const { cookie } = await somebody();
    return () => get("/api/auth/passkey/list-user-passkeys", cookie);
  }),
  "POST /passkey/delete-passkey": way(["account.passkey_removed"], async () => {
    const { cookie } = await somebody();
    const { id } = await passkeyOf(cookie);
    return () => post("/api/auth/passkey/delete-passkey", { id }, cookie);
  }),
};
/** The same code with another provider's name. */
const LIKE: Readonly<Record<string, string>> = { "GET /callback/google": "GET /callback/github" };

/** By the first part of their ids: about work and its evidence, never about who is who. What is not here needs a way above. */
const WORK = new Set(
  "approvals artifacts attention audit durable egress invocations jobs kill_switch messages model_connections models policy previews push questions repositories rooms runs samples sessions shares sinks sync terminals threads toolcalls".split(
    " ",
  ),
);

/* What is looked at. */

const TABLES: Readonly<Record<string, string>> = {
  auth_users: "id, email, email_verified",
  auth_accounts: "id, provider_id, account_id, user_id, password",
  auth_passkeys: "id, name, user_id, public_key",
  idn_sessions: "id, principal_id, only_in",
  idn_login_codes: "code_hash, used_at",
  idn_token_secrets: "token_id",
  key_rings: "ring, kid",
  quo_limits: "*",
  proj_organizations: "organization_id, name, deleted_at",
  proj_principals: "organization_id, id, role",
  proj_tokens: "id, revoked_at",
  proj_teams: "id, name",
  proj_team_members: "team_id, principal_id",
  proj_invitations: "id, status, expires_at",
  proj_single_sign_on: "*",
  proj_domains: "*",
  proj_suspensions: "*",
  proj_impersonations: "id, ended_at",
  proj_capabilities: "id, revoked_at",
};
/** Of the same modules, and yet not who is who: a question that is open, a limit that is counted, a mail that waits. */
const BESIDE = new Set([
  "auth_verifications",
  "idn_attempts",
  "idn_devices",
  "acc_outbox",
  "acc_sign_on_flows",
  "quo_seats",
  "quo_usage",
  "quo_storage",
  "quo_blobs",
]);

async function look(): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const [table, columns] of Object.entries(TABLES)) {
    const rows = await database.rows<{ row: string }>(
      `select row(${columns === "*" ? "t.*" : columns})::text as row from ${table} t order by 1`,
    );
    all[table] = rows.map(({ row }) => row).join("\n");
  }
  return all;
}
const told = async (after: string): Promise<string[]> =>
  (await database.rows<{ type: string }>("select type from evt_events where position > $1 order by position", [after])).map(
    ({ type }) => type,
  );
/** Everything that was to be told has been. */
const settled = () =>
  expect
    .poll(async () => (await database.rows("select 1 from jobs where kind in ('accounts.tell', 'identity.erase_organization')")).length, {
      timeout: 30_000,
    })
    .toBe(0);
const head = async (): Promise<string> =>
  (await database.rows<{ at: string }>("select coalesce(max(position), 0)::text as at from evt_events"))[0]!.at;

test("every route that is not about work, and every path that is let through, is tried below; and every table of theirs is looked at", async () => {
  const routes = ROUTES.filter(({ method, id }) => method !== "GET" && !WORK.has(id.split(".")[0]!)).map(({ id }) => id);
  expect([...routes, ...OPEN].filter((id) => WAYS[id] === undefined && WAYS[LIKE[id] ?? ""] === undefined)).toEqual([]);
  const tables = await database.rows<{ name: string }>(
    "select relname as name from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace and relname ~ '^(auth|idn|acc|adm|quo|key)_' order by 1",
  );
  expect(tables.map(({ name }) => name).filter((name) => TABLES[name] === undefined && !BESIDE.has(name))).toEqual([]);
});

describe.each(Object.entries(WAYS))("%s", (name, { tells, ready }) => {
  test(
    tells.length === 0 ? "changes nothing about who is who" : `is told as ${tells.join(", ")}`,
    async () => {
      const act = await ready();
      await settled();
      const [before, at] = [await look(), await head()];
      const answer = await act();
      expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(400);
      await expect.poll(() => told(at), { timeout: 30_000 }).toEqual(expect.arrayContaining([...tells]));
      await settled();
      const after = await look();
      const changed = Object.keys(TABLES).filter((table) => before[table] !== after[table]);
      if (tells.length === 0) expect(changed, `${name} tells nothing`).toEqual([]);
      else expect(changed, `${name} changed nothing that is looked at`).not.toEqual([]);
    },
    60_000,
  );
});

test("a sign-in that is ended while it acts as somebody ends that too, with an event by the operator", async () => {
  for (const end of ["logout", "elsewhere"] as const) {
    const cookie = await acting();
    const other = await operator();
    const at = await head();
    if (end === "logout") await post("/v1/auth/logout", {}, cookie);
    else await post("/v1/logins/end-others", {}, other);
    const events = await database.rows<{ type: string; header: string; data: string }>(
      "select e.type, e.header, p.data from evt_events e join evt_payloads p using (position) where e.position > $1 and e.type in ('impersonation.stopped', 'login.ended')",
      [at],
    );
    expect(
      events.map(({ type }) => type),
      end,
    ).toEqual(expect.arrayContaining(["impersonation.stopped", "login.ended"]));
    for (const { type, header, data } of events) {
      expect(JSON.parse(header).principal.id, type).toBe("usr_owner");
      if (type === "login.ended") expect(JSON.parse(data).principal_id).toBe("usr_owner");
    }
  }
});

test("somebody in two organizations has each change told once in both; nobody else's log hears of it", async () => {
  const { cookie, id, email } = await somebody({ password: true });
  const second = (await post("/v1/organizations", { name: "Second" }, cookie)).body.id;
  const third = await c.organization();
  await settled();
  const at = await head();
  await post("/api/auth/reset-password", { token: await resetToken(email), newPassword: PASSWORDS[1] });
  await settled();
  const events = await database.rows<{ organization_id: string; data: string }>(
    "select e.organization_id, p.data from evt_events e join evt_payloads p using (position) where e.position > $1 and e.type = 'account.password_changed'",
    [at],
  );
  expect(new Set(events.map((event) => event.organization_id))).toEqual(new Set(["ws_dev", second]));
  expect(events).toHaveLength(2);
  expect(new Set(events.map(({ data }) => data)).size).toBe(1);
  expect(JSON.parse(events[0]!.data)).toEqual({ principal_id: id, change_id: expect.any(String), how: "reset" });
  expect(third.id).not.toBe(second);
});

test("what changes is told also when it is changed past every route, and once when it is told twice", async () => {
  const { id } = await somebody();
  await settled();
  const at = await head();
  const save = (kind: string, payload: object) =>
    database.rows("insert into jobs (organization_id, kind, payload, max_attempts) values ('ws_dev', $1, $2, 3)", [
      kind,
      JSON.stringify(payload),
    ]);
  await database.rows("update auth_users set email = 'moved@example.com' where id = $1", [id]);
  await expect.poll(() => told(at), { timeout: 20_000 }).toContain("account.email_changed");
  const again = {
    change: "passkey_renamed",
    change_id: randomUUID(),
    passkey_id: newId("auth"),
    principal_id: id,
    at: new Date().toISOString(),
  };
  await save("accounts.tell", again);
  await save("accounts.tell", again);
  await settled();
  expect((await told(at)).filter((type) => type.startsWith("account."))).toEqual(["account.email_changed", "account.passkey_renamed"]);
});

test("no end of a sign-in is told twice", async () => {
  await settled();
  const twice = await database.rows(
    "select p.data from evt_events e join evt_payloads p using (position) where e.type = 'login.ended' group by p.data having count(*) > 1",
  );
  expect(twice).toEqual([]);
});

test("no event of all these holds a secret, and of addresses only an invitation's", async () => {
  const rows = await database.rows<{ type: string; text: string }>(
    "select e.type, e.header || coalesce(p.data, '') as text from evt_events e join evt_payloads p using (position)",
  );
  expect(rows.length).toBeGreaterThan(100);
  for (const { type, text } of rows) {
    for (const secret of secrets) expect(text.includes(secret), `${type} holds ${secret}`).toBe(false);
    if (type.startsWith("account.") || type.startsWith("login.")) expect(text).not.toContain("@");
  }
});
