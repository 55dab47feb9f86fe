/* Signing in through an organization's own provider: a real one on a port, its tokens spoiled where it says so, and a real name server. */
import { databaseTest } from "@signalbox/testkit/database";
import { SignJWT } from "jose";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { CLOCK_TOLERANCE_S } from "./openid.ts";
import { type NameServer, startNameServer, startProvider, type TestProvider, throughProvider } from "./openid.fixture.ts";

const ORIGIN = "http://localhost";
const CLIENT = { id: "signalbox", secret: "kept-where-nobody-looks", redirectUri: `${ORIGIN}/api/auth/sso/callback` };
const database = databaseTest();
vi.spyOn(process.stderr, "write").mockImplementation(() => true);
let c: Composed;
let idp: TestProvider;
let dns: NameServer;

beforeAll(async () => {
  [idp, dns] = await Promise.all([startProvider(CLIENT), startNameServer()]);
  c = await startComposed(database, {
    environment: {
      SIGNALBOX_SIGN_IN: "accounts",
      SIGNALBOX_OWNER_EMAIL: "owner@example.com",
      SIGNALBOX_PUBLIC_URL: ORIGIN,
      SIGNALBOX_SSO_ALLOW_PRIVATE: "true",
      SIGNALBOX_NAME_SERVER: dns.address,
    },
  });
  await configure(c.owner);
  await prove(c.owner, "acme.test");
}, 60_000);
afterAll(async () => {
  await c.close();
  await idp.close();
  dns.close();
});
beforeEach(async () => {
  idp.spoil = null;
  // So many sign-ins from one address are the tests' doing.
  await database.rows("delete from idn_attempts");
});

const call = (method: string, path: string, token: string, body?: unknown) =>
  c.call(method, path, { token, ...(body === undefined ? {} : { body }) });
const configure = async (token: string, more: object = {}) =>
  call("PUT", "/v1/organization/single-sign-on", token, {
    issuer: idp.issuer,
    client_id: CLIENT.id,
    client_secret: CLIENT.secret,
    role_claim: "groups",
    role_mapping: [
      { value: "approvers", role: "approver" },
      { value: "admins", role: "admin" },
    ],
    default_role: "viewer",
    ...more,
  });
async function prove(token: string, name: string) {
  const claimed = await call("POST", "/v1/organization/domains", token, { domain: name });
  dns.records.set(claimed.body.record_name, ["something else", claimed.body.record_value]);
  const checked = await call("POST", `/v1/organization/domains/${claimed.body.id}/check`, token, {});
  return { id: claimed.body.id as string, ...checked };
}
const cookieOf = (answer: { headers: Record<string, unknown> }, name: string): string =>
  ([answer.headers["set-cookie"] ?? []].flat() as string[]).find((each) => each.startsWith(`${name}=`))?.split(";")[0] ?? "";

async function start(body: object, cookie = "") {
  const answer = await c.call("POST", "/api/auth/sso/start", { body, headers: { origin: ORIGIN, ...(cookie === "" ? {} : { cookie }) } });
  return { url: answer.body.url as string | null, status: answer.status, browser: cookieOf(answer, "signalbox_sso") };
}
const finish = (at: URL, browser: string) => c.call("GET", at.pathname + at.search, { headers: { cookie: browser } });
/** All the way, as a browser goes it. */
async function signOn(body: object = { email: `${idp.who.sub}@acme.test` }) {
  const { url, browser } = await start(body);
  const answer = await finish(await throughProvider(url!, idp.issuer), browser);
  return { to: answer.headers["location"] as string, cookie: cookieOf(answer, "signalbox_session"), answer };
}
const me = (cookie: string, headers = {}) => c.call("GET", "/v1/me", { headers: { cookie, ...headers } });
const person = (sub: string, more: object = {}) => ({
  sub,
  email: `${sub}@acme.test`,
  email_verified: true,
  name: `Person ${sub}`,
  ...more,
});

test("a person types their address, is vouched for, and is in: a member with the role that the provider's groups lead to, in one spelling of the log", async () => {
  idp.who = person("anna", { groups: ["staff", "approvers"] });
  const { to, cookie, answer } = await signOn({ email: "ANNA@Acme.test", next: "/sessions?x=1" });
  expect(to).toBe("/sessions?x=1");
  expect(String(answer.headers["set-cookie"])).toMatch(/signalbox_session=[^;]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=86400/);
  expect((await me(cookie)).body).toMatchObject({
    role: "approver",
    organization: { id: "ws_dev" },
    principal: { display_name: "Person anna" },
  });
  const logins = (await c.call("GET", "/v1/logins", { headers: { cookie } })).body.items;
  expect(logins).toEqual([expect.objectContaining({ method: "single_sign_on", is_this: true })]);
  const events = await database.rows<{ type: string; data: string }>(
    "select e.type, p.data from evt_events e join evt_payloads p using (position) where e.type in ('member.added', 'login.opened', 'single_sign_on.worked') order by e.position desc limit 3",
  );
  expect(events.map(({ type }) => type).toSorted()).toEqual(["login.opened", "member.added", "single_sign_on.worked"]);
  expect(events.find(({ type }) => type === "member.added")!.data).toContain('"joined_by":"single_sign_on"');
  expect(JSON.stringify(events)).not.toContain("acme.test");
});

test("the role follows the groups at each sign-in, and the account stays the same", async () => {
  idp.who = person("anna", { groups: ["admins", "approvers"] });
  const first = await me((await signOn()).cookie);
  expect(first.body.role).toBe("admin");
  idp.who = person("anna", { groups: [] });
  const second = await me((await signOn()).cookie);
  expect([second.body.role, second.body.principal.id]).toEqual(["viewer", first.body.principal.id]);
});

test("the last owner keeps the role whatever the groups say", async () => {
  const org = await c.organization();
  await configure(org.token);
  await prove(org.token, "solo.test");
  // Whose address it is, and who owns the organization, are one person.
  await database.rows(
    "insert into auth_users (id, name, email, email_verified, created_at, updated_at) values ($1, 'Solo', 'solo@solo.test', true, now(), now())",
    [org.ownerId],
  );
  idp.who = { ...person("solo"), email: "solo@solo.test", groups: [] };
  expect((await me((await signOn({ email: "solo@solo.test" })).cookie)).body).toMatchObject({
    role: "owner",
    organization: { id: org.id },
  });
});

test.each<[string, (claims: Record<string, unknown>) => Promise<string> | string]>([
  ["another issuer", (claims) => idp.sign({ ...claims, iss: "https://other.example" })],
  ["another audience", (claims) => idp.sign({ ...claims, aud: "another-client" })],
  ["another nonce", (claims) => idp.sign({ ...claims, nonce: "from-another-sign-in" })],
  ["no nonce", (claims) => idp.sign({ ...claims, nonce: undefined })],
  ["an end long past", (claims) => idp.sign({ ...claims, iat: now() - 7200, exp: now() - 3600 })],
  ["an end beyond what clocks may differ", (claims) => idp.sign({ ...claims, exp: now() - CLOCK_TOLERANCE_S - 5 })],
  ["a beginning beyond what clocks may differ", (claims) => idp.sign({ ...claims, nbf: now() + CLOCK_TOLERANCE_S + 30 })],
  ["no signature", (claims) => `${part({ alg: "none" })}.${part(claims)}.`],
  ["a signature cut off", async (claims) => (await idp.sign(claims)).replace(/\.[^.]*$/, ".")],
  ["the client's secret for a key", (claims) => new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from(CLIENT.secret))],
  [
    "the public key for a shared one",
    async (claims) => new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "first" }).sign(await publicKeyText()),
  ],
  ["a key that the provider does not have", (claims) => idp.sign(claims, { kid: "unknown" })],
  [
    "claims that were changed",
    async (claims) =>
      ((token) => `${token[0]}.${part({ ...claims, sub: "somebody-else" })}.${token[2]}`)((await idp.sign(claims)).split(".")),
  ],
])("an identity token with %s signs nobody in", async (_what, spoil) => {
  idp.who = person("mallory");
  idp.spoil = ({ claims }) => spoil(claims);
  const { to, cookie } = await signOn();
  expect([to, cookie]).toEqual(["/login?error=sso_invalid", ""]);
  expect(await database.rows("select 1 from auth_users where email like 'mallory%'")).toEqual([]);
});

test("clocks may differ a little, and keys may rotate at any moment", async () => {
  idp.who = person("anna");
  idp.spoil = ({ claims }) => idp.sign({ ...claims, exp: now() - CLOCK_TOLERANCE_S + 20 });
  expect((await signOn()).to).toBe("/");
  idp.spoil = null;
  await idp.rotate();
  expect((await signOn()).to).toBe("/");
});

test("a way back is good once, for the browser that began it, and for ten minutes", async () => {
  idp.who = person("anna");
  const { url, browser } = await start({ email: "anna@acme.test" });
  const at = await throughProvider(url!, idp.issuer);
  // A browser that was led into somebody else's way, with a cookie of its own or none.
  const other = (await start({ email: "anna@acme.test" })).browser;
  for (const stranger of [other, "", "signalbox_sso=x"])
    expect((await finish(at, stranger)).headers["location"]).toBe("/login?error=sso_expired");
  const spoiled = new URL(at);
  spoiled.searchParams.set("state", "made-up");
  expect((await finish(spoiled, browser)).headers["location"]).toBe("/login?error=sso_expired");
  const answers = await Promise.all([finish(at, browser), finish(at, browser)]);
  expect(new Set(answers.map(({ headers }) => headers["location"]))).toEqual(new Set(["/", "/login?error=sso_expired"]));
  const late = await start({ email: "anna@acme.test" });
  await database.rows("update acc_sign_on_flows set expires_at = now() - interval '1 second'");
  expect((await finish(await throughProvider(late.url!, idp.issuer), late.browser)).headers["location"]).toBe("/login?error=sso_expired");
});

test("two tabs of one browser do not end each other's way", async () => {
  idp.who = person("anna");
  const one = await start({ email: "anna@acme.test" });
  const two = await start({ email: "anna@acme.test" }, one.browser);
  expect(two.browser).toBe(one.browser);
  for (const { url } of [one, two])
    expect((await finish(await throughProvider(url!, idp.issuer), one.browser)).headers["location"]).toBe("/");
});

test.each([
  "https://evil.example/",
  "//evil.example",
  "/\\evil.example",
  "/\t/evil.example",
  "javascript:alert(1)",
  "/%0d%0aset-cookie:x",
  "\\\\evil.example",
])("nobody is led away to %j", async (next) => {
  idp.who = person("anna");
  const { to } = await signOn({ email: "anna@acme.test", next });
  expect(new URL(to, ORIGIN).origin).toBe(ORIGIN);
  expect(to.startsWith("/") && !/^\/[/\\]/.test(to)).toBe(true);
});

test("what the provider refuses is said, and what it does not know leads nowhere", async () => {
  const { url, browser } = await start({ email: "anna@acme.test" });
  const state = new URL(url!).searchParams.get("state")!;
  const at = new URL(`${CLIENT.redirectUri}?error=access_denied&state=${state}&iss=${encodeURIComponent(idp.issuer)}`);
  expect((await finish(at, browser)).headers["location"]).toBe("/login?error=sso_refused");
  for (const email of ["x@unknown.test", "not an address", "anna@acme.test.evil.example"]) expect((await start({ email })).url).toBeNull();
});

test("an address that is not verified, or not of a proven domain, makes and takes nobody's account", async () => {
  await database.rows(
    "insert into auth_users (id, name, email, email_verified, created_at, updated_at) values ('usr_victim', 'V', 'victim@elsewhere.test', true, now(), now())",
  );
  const refusedAs = async (who: TestProvider["who"]) => {
    idp.who = who;
    const { to, cookie } = await signOn({ organization_id: "ws_dev" });
    expect(cookie).toBe("");
    return to;
  };
  expect(await refusedAs({ sub: "v1", email: "victim@elsewhere.test", email_verified: true })).toBe("/login?error=sso_email_foreign");
  expect(await refusedAs(person("v2", { email_verified: false }))).toBe("/login?error=sso_email_unverified");
  expect(await refusedAs({ sub: "v3", email: "v3@acme.test" })).toBe("/login?error=sso_email_unverified");
  expect(await refusedAs({ sub: "v4", email: "v4@acme.test", email_verified: "true" })).toBe("/login?error=sso_email_unverified");
  expect(await refusedAs({ sub: "v5" })).toBe("/login?error=sso_email_unverified");
  expect(await database.rows("select 1 from auth_accounts where user_id = 'usr_victim'")).toEqual([]);
  // A provider that never says so is taken at its word where an admin says that it may be.
  await configure(c.owner, { trusts_email: true });
  expect(await refusedAs(person("v2", { email_verified: false }))).toBe("/login?error=sso_email_unverified");
  idp.who = { sub: "v6", email: "v6@acme.test" };
  expect((await signOn()).to).toBe("/");
  await configure(c.owner);
});

test("an account made beforehand for somebody else's address is theirs alone once they come", async () => {
  await database.rows(
    "insert into auth_users (id, name, email, email_verified, created_at, updated_at) values ('usr_early', 'E', 'bo@acme.test', false, now(), now())",
  );
  await database.rows(
    "insert into auth_accounts (id, account_id, provider_id, user_id, password, created_at, updated_at) values ('auth_early', 'usr_early', 'credential', 'usr_early', 'x', now(), now())",
  );
  idp.who = person("bo");
  expect((await me((await signOn()).cookie)).body.principal.id).toBe("usr_early");
  expect(await database.rows("select provider_id from auth_accounts where user_id = 'usr_early' and password is not null")).toEqual([]);
});

test("one organization's provider opens no other's door: not its domain, not its members, not by the same issuer and subject", async () => {
  const org = await c.organization();
  await configure(org.token);
  expect((await prove(org.token, "acme.test")).body.error.code).toBe("domain_taken");
  idp.who = person("anna");
  // The same subject of the same issuer, asked by the other organization: not its to vouch for.
  expect((await signOn({ organization_id: org.id })).to).toBe("/login?error=sso_email_foreign");
  // Somebody in both: what ws_dev's provider vouched for reaches no further.
  const { cookie } = await signOn();
  const { id } = (await me(cookie)).body.principal;
  await c.server.identity.registerPrincipal({ organizationId: org.id, id, type: "user", displayName: "Anna", role: "admin" });
  expect((await me(cookie, { "x-workspace-id": org.id })).status).toBe(404);
  const headers = { cookie, origin: ORIGIN };
  expect((await c.call("POST", "/v1/organizations/switch", { headers, body: { organization_id: org.id } })).body.error.code).toBe(
    "sign_in_confined",
  );
  expect((await c.call("GET", "/v1/organizations", { headers })).body.items.map((one: { id: string }) => one.id)).toEqual(["ws_dev"]);
  // Nor does a link that was made with it.
  await configure(org.token, { role_claim: null, default_role: "member" });
  const { body } = await c.call("POST", "/v1/auth/login-codes", { token: org.token, body: {} });
  const link = await c.call("POST", "/v1/auth/login", { body: { code: body.code } });
  expect((await me(cookieOf(link, "signalbox_session"), { "x-workspace-id": "ws_dev" })).status).toBe(404);
});

test("only what has worked can be required; then members come in no other way, and an owner still does", async () => {
  const org = await c.organization();
  await configure(org.token, { role_claim: null, default_role: "member" });
  expect((await configure(org.token, { role_claim: null, default_role: "member", is_required: true })).body.error.code).toBe(
    "single_sign_on_untried",
  );
  await prove(org.token, "strict.test");
  idp.who = { ...person("cleo"), email: "cleo@strict.test" };
  const { cookie } = await signOn({ email: "cleo@strict.test" });
  expect((await me(cookie)).body.role).toBe("member");
  // By a link of before, as the same member and as the owner.
  const member = (await me(cookie)).body.principal.id as string;
  const byLink = async (id: string) =>
    cookieOf(
      await c.call("POST", "/v1/auth/login", { body: { code: (await c.server.identity.issueLoginCode(org.id, id)).code } }),
      "signalbox_session",
    );
  const [other, owner] = [await byLink(member), await byLink(org.ownerId)];
  expect((await me(other)).status).toBe(200);
  expect((await configure(org.token, { role_claim: null, default_role: "member", is_required: true })).status).toBe(200);
  const refused = await me(other);
  expect([refused.status, refused.body.error.code, refused.body.error.details]).toEqual([
    403,
    "single_sign_on_required",
    { organization_id: org.id },
  ]);
  expect([(await me(cookie)).status, (await me(owner)).status]).toEqual([200, 200]);
  // Another issuer has to work before it is required.
  expect((await configure(org.token, { issuer: "http://127.0.0.1:1", is_required: true })).body.error.code).toBe("single_sign_on_untried");
});

test("whom no role follows for stays out, member or not; without a default only members come in", async () => {
  const org = await c.organization();
  await configure(org.token, { default_role: null });
  await prove(org.token, "narrow.test");
  idp.who = { ...person("dora"), email: "dora@narrow.test", groups: ["unknown"] };
  const of = { email: "dora@narrow.test" };
  expect((await signOn(of)).to).toBe("/login?error=sso_no_role");
  await configure(org.token, { role_claim: null, default_role: null });
  expect((await signOn(of)).to).toBe("/login?error=sso_no_role");
  expect(await database.rows("select 1 from auth_users where email = 'dora@narrow.test'")).toEqual([]);
  await configure(org.token);
  expect((await signOn(of)).to).toBe("/");
  await configure(org.token, { role_claim: null, default_role: null });
  expect((await signOn(of)).to).toBe("/");
});

test("the secret is shown to nobody and is nowhere in clear; nobody maps above their own role; a test says what is wrong", async () => {
  const seen = await call("GET", "/v1/organization/single-sign-on", c.owner);
  expect(seen.body).toMatchObject({ configuration: { issuer: idp.issuer, has_worked: true }, redirect_uri: CLIENT.redirectUri });
  const tables = await database.rows<{ name: string }>(
    "select relname as name from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace",
  );
  for (const { name } of tables) {
    const [row] = await database.rows<{ all: string | null }>(`select string_agg(t::text, ' ') as all from ${name} t`);
    expect(row?.all ?? "", name).not.toContain(CLIENT.secret);
  }
  const admin = await c.person("admin");
  expect((await configure(admin.token, { role_mapping: [{ value: "x", role: "owner" }] })).body.error.code).toBe("role_too_low");
  expect((await call("POST", "/v1/organization/single-sign-on/test", c.owner, {})).body).toEqual({ works: true, problem: null });
  const org = await c.organization();
  expect((await configure(org.token, { client_secret: undefined })).body.error.code).toBe("client_secret_missing");
  await configure(org.token, { issuer: "http://127.0.0.1:1" });
  expect((await call("POST", "/v1/organization/single-sign-on/test", org.token, {})).body).toMatchObject({
    works: false,
    problem: expect.any(String),
  });
  expect((await start({ organization_id: org.id })).status).toBe(502);
  // An issuer that says it is another.
  await configure(org.token, { issuer: `${idp.issuer}/elsewhere` });
  expect((await call("POST", "/v1/organization/single-sign-on/test", org.token, {})).body.works).toBe(false);
  // The secret was given for one issuer, and goes to no other.
  expect((await configure(org.token, { issuer: "http://127.0.0.1:2", client_secret: undefined })).body.error.code).toBe(
    "client_secret_missing",
  );
});

test("a domain is proven by its record, offered to those whose proven address is of it, and joined once", async () => {
  const org = await c.organization();
  const claimed = await call("POST", "/v1/organization/domains", org.token, { domain: " Join.Test. " });
  expect(claimed.body).toMatchObject({ domain: "join.test", is_proven: false, record_name: "_signalbox.join.test" });
  for (const name of ["localhost", "join test", "exämple.test", "127.0.0.1", "a..b"])
    expect((await call("POST", "/v1/organization/domains", org.token, { domain: name })).status, name).toBe(422);
  const at = `/v1/organization/domains/${claimed.body.id}`;
  expect((await call("POST", `${at}/check`, org.token, {})).body.error.code).toBe("domain_unproven");
  expect((await call("PATCH", at, org.token, { join_role: "member" })).body.error.code).toBe("domain_unproven");
  dns.records.set("_signalbox.join.test", [`${claimed.body.record_value}x`]);
  expect((await call("POST", `${at}/check`, org.token, {})).body.error.code).toBe("domain_unproven");
  dns.records.set("_signalbox.join.test", [claimed.body.record_value]);
  expect((await call("POST", `${at}/check`, org.token, {})).body.is_proven).toBe(true);
  // Two people of ws_dev, whose addresses are of that domain; one has not proven theirs.
  const [proven, unproven] = [await c.person("member"), await c.person("member")];
  for (const [one, is] of [
    [proven, true],
    [unproven, false],
  ] as const)
    await database.rows(
      "insert into auth_users (id, name, email, email_verified, created_at, updated_at) values ($1, 'J', $2, $3, now(), now())",
      [one.id, `${one.id.toLowerCase()}@join.test`, is],
    );
  const offered = async (token: string) => (await call("GET", "/v1/organizations/offered", token)).body.items;
  expect(await offered(proven.token)).toEqual([]);
  await call("PATCH", at, org.token, { join_role: "viewer" });
  expect(await offered(proven.token)).toEqual([{ id: org.id, name: "Other", role: "viewer" }]);
  expect(await offered(unproven.token)).toEqual([]);
  const join = (token: string) => call("POST", `/v1/organizations/offered/${org.id}/join`, token, {});
  expect((await join(unproven.token)).status).toBe(404);
  const answers = await Promise.all([join(proven.token), join(proven.token)]);
  expect(answers.map(({ status }) => status)).toContain(200);
  expect(await offered(proven.token)).toEqual([]);
  const added = await database.rows(
    "select 1 from evt_events e join evt_payloads p using (position) where e.type = 'member.added' and p.data like '%\"joined_by\":\"domain\"%'",
  );
  expect(added.length).toBe(1);
  await call("DELETE", at, org.token);
  expect((await call("GET", "/v1/organization/domains", org.token)).body.items).toEqual([]);
});

const now = (): number => Math.floor(Date.now() / 1000);
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
async function publicKeyText(): Promise<Uint8Array> {
  const { keys } = (await (await fetch(`${idp.issuer}/jwks`)).json()) as { keys: unknown[] };
  return Buffer.from(JSON.stringify(keys[0]));
}
