/* The operator's area: who operates sees everything, suspends, and acts as somebody with both names in every event; to everybody else there is no such thing. */
import { newId } from "@signalbox/kernel/id";
import { databaseTest } from "@signalbox/testkit/database";
import { testClock } from "@signalbox/testkit/clock";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const ORIGIN = "http://localhost";
const REASON = "a customer asked us to look at it";
const database = databaseTest();
const clock = testClock(new Date().toISOString());
vi.spyOn(process.stderr, "write").mockImplementation(() => true);
let c: Composed;
let other: { id: string; ownerId: string; token: string };

beforeAll(async () => {
  c = await startComposed(database, {
    clock,
    environment: {
      SIGNALBOX_SIGN_IN: "accounts",
      SIGNALBOX_OWNER_EMAIL: "owner@example.com",
      SIGNALBOX_PUBLIC_URL: ORIGIN,
      SIGNALBOX_OPERATORS: "Ops@Example.com, not an address",
    },
  });
  other = await c.organization();
}, 240_000);
afterAll(() => c.close());

const call = (method: string, url: string, of: { token?: string; cookie?: string; body?: unknown }) =>
  c.call(method, url, {
    ...(of.token === undefined ? {} : { token: of.token }),
    ...(of.body === undefined ? {} : { body: of.body }),
    headers: { origin: ORIGIN, ...(of.cookie === undefined ? {} : { cookie: of.cookie }) },
  });
async function browserOf(organizationId: string, principalId: string): Promise<string> {
  const { code } = await c.server.identity.issueLoginCode(organizationId, principalId);
  const answer = await c.call("POST", "/v1/auth/login", { body: { code } });
  return String([answer.headers["set-cookie"]].flat()[0]).split(";")[0]!;
}
const operator = () => browserOf("ws_dev", "usr_owner");
const me = (cookie: string) => call("GET", "/v1/me", { cookie });

test("who operates is configuration: the installation's owner, and whoever has proven a named address; to others it is not there", async () => {
  const admin = await c.person("admin");
  const owner = await c.person("owner");
  for (const token of [admin.token, owner.token, other.token]) {
    const answer = await call("GET", "/v1/admin/status", { token });
    expect([answer.status, answer.body.error.code]).toEqual([404, "not_found"]);
  }
  expect((await call("GET", "/v1/admin/status", { token: c.owner })).body).toEqual({ is_operator: true });
  const ops = await c.person("viewer");
  const save = (is: boolean) =>
    database.rows(
      "insert into auth_users (id, name, email, email_verified, created_at, updated_at) values ($1, 'Ops', 'ops@example.com', $2, now(), now()) on conflict (id) do update set email_verified = $2",
      [ops.id, is],
    );
  await save(false);
  expect((await call("GET", "/v1/admin/status", { token: ops.token })).status).toBe(404);
  await save(true);
  expect((await call("GET", "/v1/admin/status", { token: ops.token })).status).toBe(200);
  // A token of theirs that may do less operates nothing.
  const { secret } = await c.server.identity.issueToken({
    organizationId: "ws_dev",
    principalId: "usr_owner",
    name: "narrow",
    scopes: ["read", "write"],
  });
  expect((await call("GET", "/v1/admin/status", { token: secret })).status).toBe(404);
});

test("organizations and people are listed a page at a time, and found by name, address and id", async () => {
  for (let i = 0; i < 3; i++) await c.organization();
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page: { items: { id: string }[]; next_cursor: string | null } = (
      await call("GET", `/v1/admin/organizations?limit=2${cursor === null ? "" : `&cursor=${cursor}`}`, { token: c.owner })
    ).body;
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.next_cursor;
  } while (cursor !== null);
  expect(seen.length).toBe(new Set(seen).size);
  expect(seen).toEqual(expect.arrayContaining(["ws_dev", other.id]));
  const [found] = (await call("GET", `/v1/admin/organizations?q=${other.id}`, { token: c.owner })).body.items;
  expect(found).toMatchObject({ id: other.id, name: "Other", state: "open", member_count: 1, live_session_count: 0, suspension: null });
  expect(found.quotas).toMatchObject({ organization_id: other.id, sessions: { used: 0, limit: null }, set_at: null });
  expect(found.event_count).toBeGreaterThan(0);
  const people = (await call("GET", "/v1/admin/people?q=OPS%40example", { token: c.owner })).body.items;
  expect(people).toMatchObject([
    {
      email: "ops@example.com",
      is_email_proven: true,
      is_operator: true,
      organizations: [{ id: "ws_dev", role: "viewer", is_suspended: false }],
    },
  ]);
  expect((await call("GET", "/v1/admin/people?q=100%25_", { token: c.owner })).body.items).toEqual([]);
});

test("mails that nobody sends wait for the operator, who hands them over", async () => {
  await call("POST", "/v1/invitations", { token: c.owner, body: { email: "waits@example.com", role: "member" } });
  const [mail] = (await call("GET", "/v1/admin/outbox", { token: c.owner })).body.items;
  expect(mail).toMatchObject({ to: "waits@example.com", text: expect.stringContaining("/invite/") });
});

test("acting as somebody: their role in one organization, both names in every event, their identity untouched, and an end", async () => {
  const target = await c.person("member", { organizationId: other.id });
  const cookie = await operator();
  const start = (body: object, of: { cookie?: string; token?: string } = { cookie }) =>
    call("POST", "/v1/admin/impersonations", {
      ...of,
      body: { organization_id: other.id, principal_id: target.id, reason: REASON, minutes: 10, ...body },
    });
  expect((await start({ reason: "because" })).status).toBe(400);
  expect((await start({ minutes: 61 })).status).toBe(400);
  expect((await start({}, { token: c.owner })).body.error.code).toBe("not_a_browser");
  expect((await start({ organization_id: "ws_dev" })).body.error.code).toBe("person_not_found");
  expect((await start({ organization_id: "ws_dev", principal_id: "usr_owner" })).body.error.code).toBe("person_is_operator");
  expect((await start({})).status).toBe(201);
  expect((await me(cookie)).body).toMatchObject({
    principal: { id: target.id },
    organization: { id: other.id },
    role: "member",
    impersonation: { operator_id: "usr_owner", operator_name: expect.any(String) },
  });
  const room = await call("POST", "/v1/rooms", { cookie, body: { title: "Looked into" } });
  expect(room.status).toBe(201);
  const events = (await call("GET", `/v1/events?stream_type=room&stream_id=${room.body.id}`, { token: target.token })).body.items;
  expect(events.length).toBeGreaterThan(0);
  for (const { principal } of events) expect(principal).toEqual({ id: target.id, type: "user", impersonated_by: "usr_owner" });
  // The chain says so too, and holds.
  const verified = await call("GET", `/v1/audit/verify?stream=room:${room.body.id}`, { token: other.token });
  expect(verified.body).toMatchObject({ valid: true });
  // Never: identities, keys, secrets, the operator's own area, another organization.
  for (const [method, url, body] of [
    ["POST", "/v1/tokens", { name: "t" }],
    ["POST", "/v1/auth/login-codes", {}],
    ["POST", "/v1/organization/transfer", { to: target.id }],
    ["POST", "/v1/organizations", { name: "x" }],
    ["POST", "/v1/logins/end-others", {}],
    ["POST", "/v1/capabilities", { name: "c", grant: { scopes: ["read"] } }],
  ] as const) {
    const answer = await call(method, url, { cookie, body });
    expect([403, 404], `${method} ${url} ${answer.status}`).toContain(answer.status);
  }
  expect((await call("GET", "/v1/admin/status", { cookie })).status).toBe(404);
  expect((await c.call("GET", "/v1/me", { headers: { cookie, "x-workspace-id": "ws_dev" } })).status).toBe(404);
  expect((await call("POST", "/v1/auth/impersonation/stop", { cookie, body: {} })).status).toBe(200);
  expect((await me(cookie)).body).toMatchObject({ principal: { id: "usr_owner" }, role: "owner" });
  expect((await me(cookie)).body.impersonation).toBeUndefined();
  expect((await call("POST", "/v1/auth/impersonation/stop", { cookie, body: {} })).status).toBe(404);
  const told = await database.rows<{ type: string; header: string }>(
    "select type, header from evt_events where type like 'impersonation.%' order by position",
  );
  expect(told.map(({ type }) => type)).toEqual(["impersonation.started", "impersonation.stopped"]);
  for (const { header } of told) expect(JSON.parse(header)).toMatchObject({ organization_id: other.id, principal: { id: "usr_owner" } });
});

test("it ends by itself, and with the membership or the suspension of whom one acts as", async () => {
  const target = await c.person("member", { organizationId: other.id });
  const cookie = await operator();
  const start = () =>
    call("POST", "/v1/admin/impersonations", {
      cookie,
      body: { organization_id: other.id, principal_id: target.id, reason: REASON, minutes: 1 },
    });
  await start();
  expect((await me(cookie)).body.principal.id).toBe(target.id);
  clock.advance(61_000);
  expect((await me(cookie)).body.principal.id).toBe("usr_owner");
  await start();
  await call("DELETE", `/v1/members/${target.id}`, { token: other.token });
  expect((await me(cookie)).body.principal.id).toBe("usr_owner");
});

test("a suspended person gets in nowhere, a suspended organization lets nobody in; both come back as they were", async () => {
  const person = await c.person("member", { organizationId: other.id });
  const cookie = await browserOf(other.id, person.id);
  const at = `/v1/admin/people/${person.id}`;
  expect((await call("POST", `${at}/suspend`, { token: c.owner, body: { reason: REASON } })).status).toBe(200);
  expect([(await me(cookie)).status, (await call("GET", "/v1/me", { token: person.token })).status]).toEqual([401, 401]);
  expect((await call("GET", `/v1/admin/people?q=${person.id}`, { token: c.owner })).body.items[0].suspension.reason).toBe(REASON);
  await call("POST", `${at}/restore`, { token: c.owner, body: {} });
  expect([(await me(cookie)).status, (await call("GET", "/v1/me", { token: person.token })).status]).toEqual([200, 200]);
  const organization = `/v1/admin/organizations/${other.id}`;
  await call("POST", `${organization}/suspend`, { token: c.owner, body: { reason: REASON } });
  expect((await call("GET", "/v1/me", { token: other.token })).status).toBe(401);
  expect((await me(cookie)).status).not.toBe(200);
  // Nor does anybody get in by acting as somebody of it.
  const actAs = async () =>
    (
      await call("POST", "/v1/admin/impersonations", {
        cookie: await operator(),
        body: { organization_id: other.id, principal_id: person.id, reason: REASON },
      })
    ).body;
  expect((await actAs()).error.code).toBe("organization_suspended");
  expect((await call("GET", `/v1/admin/people?q=${person.id}`, { token: c.owner })).body.items).toMatchObject([
    { is_operator: false, organizations: [{ id: other.id, is_suspended: true }] },
  ]);
  expect((await call("GET", `/v1/admin/organizations?q=${other.id}`, { token: c.owner })).body.items[0].state).toBe("suspended");
  await call("POST", `${organization}/restore`, { token: c.owner, body: {} });
  await call("POST", `${at}/suspend`, { token: c.owner, body: { reason: REASON } });
  expect((await actAs()).error.code).toBe("person_suspended");
  await call("POST", `${at}/restore`, { token: c.owner, body: {} });
  expect((await call("GET", "/v1/me", { token: other.token })).status).toBe(200);
  for (const [url, code] of [
    ["/v1/admin/organizations/ws_dev/suspend", "organization_is_local"],
    [`/v1/admin/organizations/${newId("ws")}/suspend`, "organization_not_found"],
    ["/v1/admin/people/usr_owner/suspend", "person_is_operator"],
    [`/v1/admin/people/${newId("usr")}/suspend`, "person_not_found"],
  ] as const)
    expect((await call("POST", url, { token: c.owner, body: { reason: REASON } })).body.error.code).toBe(code);
});
