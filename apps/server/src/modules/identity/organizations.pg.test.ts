import type { OrganizationId, PrincipalId } from "@signalbox/contract/primitives";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { organization } from "./organization.ts";
import { principal } from "./principal.ts";

const database = databaseTest();
let c: Composed;

beforeAll(async () => {
  c = await startComposed(database);
}, 60_000);
afterAll(() => c.close());

const as = (token: string) => ({
  get: (url: string) => c.call("GET", url, { token }),
  post: (url: string, body: unknown = {}) => c.call("POST", url, { token, body }),
  patch: (url: string, body: unknown) => c.call("PATCH", url, { token, body }),
  delete: (url: string) => c.call("DELETE", url, { token }),
});
const members = async (token: string): Promise<[string, string][]> =>
  (await as(token).get("/v1/members?limit=200")).body.items.map((m: { principal_id: string; role: string }) => [m.principal_id, m.role]);
const code = (answer: { status: number; body: { error?: { code: string } } }) => [answer.status, answer.body.error?.code];

test("whoever founds an organization owns it, and a browser may act in both", async () => {
  const link = (await as(c.owner).post("/v1/auth/login-codes")).body.code;
  const login = await c.call("POST", "/v1/auth/login", { body: { code: link } });
  const headers = { cookie: String(login.headers["set-cookie"]).split(";")[0]!, origin: "http://localhost" };
  const made = await c.call("POST", "/v1/organizations", { headers, body: { name: "Second" } });
  expect([made.status, made.body]).toEqual([201, expect.objectContaining({ name: "Second", role: "owner" })]);
  const listed = await c.call("GET", "/v1/organizations", { headers });
  expect(listed.body.items.map((o: { name: string }) => o.name)).toEqual(["Local", "Second"]);
  const there = { ...headers, "x-workspace-id": made.body.id };
  expect((await c.call("GET", "/v1/me", { headers: there })).body).toMatchObject({ organization: { id: made.body.id }, role: "owner" });
  expect((await c.call("GET", "/v1/members", { headers: there })).body.items).toEqual([
    expect.objectContaining({ principal_id: "usr_owner", role: "owner" }),
  ]);
  // Switched, the browser acts there without naming it, also where it cannot (a picture's address).
  const switched = await c.call("POST", "/v1/organizations/switch", { headers, body: { organization_id: made.body.id } });
  expect(switched.status).toBe(200);
  expect((await c.call("GET", "/v1/me", { headers })).body.organization.id).toBe(made.body.id);
  const foreign = await c.organization();
  const refused = await c.call("POST", "/v1/organizations/switch", { headers, body: { organization_id: foreign.id } });
  expect(code(refused)).toEqual([404, "organization_not_found"]);
  // A token is one organization's, and tells nothing of the other.
  expect((await as(c.owner).get("/v1/organizations")).body.items.map((o: { id: string }) => o.id)).toEqual(["ws_dev"]);
  expect((await c.call("GET", "/v1/me", { token: c.owner, headers: { "x-workspace-id": made.body.id } })).status).toBe(404);
});

test("all of many who are let in at once come in", async () => {
  const { id, token } = await c.organization();
  await Promise.all(Array.from({ length: 20 }, () => c.person("member", { organizationId: id })));
  expect((await members(token)).length).toBe(21);
});

test("of two owners who leave at once one stays", async () => {
  const { id, token, ownerId } = await c.organization();
  const second = await c.person("owner", { organizationId: id });
  const answers = await Promise.all([as(token).post("/v1/organization/leave"), as(second.token).post("/v1/organization/leave")]);
  expect(answers.map((answer) => answer.status).toSorted((a, b) => a - b)).toEqual([200, 409]);
  const stayed = answers[0].status === 409 ? { token, id: ownerId } : second;
  expect(await members(stayed.token)).toEqual([[stayed.id, "owner"]]);
});

test("two owners who demote each other at once leave one owner", async () => {
  const { id, token, ownerId } = await c.organization();
  const second = await c.person("owner", { organizationId: id });
  await Promise.all([
    as(token).patch(`/v1/members/${second.id}`, { role: "viewer" }),
    as(second.token).patch(`/v1/members/${ownerId}`, { role: "viewer" }),
  ]);
  const owners = await database.rows("select id from proj_principals where organization_id = $1 and role = 'owner'", [id]);
  expect(owners.length).toBe(1);
});

/** Somebody in a new organization and in the installation's own, with a browser that acts in the new one. */
async function inTwo() {
  const { id, token } = await c.organization();
  const person = await c.person("member", { organizationId: id });
  await c.server.identity.registerPrincipal({ organizationId: "ws_dev", id: person.id, type: "user", displayName: "Both", role: "viewer" });
  const { code: link } = await c.server.identity.issueLoginCode(id, person.id);
  const login = await c.call("POST", "/v1/auth/login", { body: { code: link } });
  return { id, token, person, cookie: String(login.headers["set-cookie"]).split(";")[0]! };
}

test("a removed member's token and cookie end at once, and their other organizations stay", async () => {
  const { id, token, person, cookie } = await inTwo();
  const me = (organization?: string) =>
    c.call("GET", "/v1/me", { headers: { cookie, ...(organization === undefined ? {} : { "x-workspace-id": organization }) } });
  expect([(await as(person.token).get("/v1/me")).status, (await me(id)).status]).toEqual([200, 200]);
  expect((await as(token).delete(`/v1/members/${person.id}`)).status).toBe(200);
  expect([(await as(person.token).get("/v1/me")).status, (await me(id)).status]).toEqual([401, 404]);
  // What their pages do next does not land in another of their organizations unasked.
  const lost = await me();
  expect([...code(lost), lost.body.error.message]).toEqual([
    403,
    "organization_required",
    "You are no longer in the organization that you worked in.",
  ]);
  const headers = { cookie, origin: "http://localhost" };
  expect(code(await c.call("POST", "/v1/rooms", { headers, body: { title: "Meant for the other" } }))).toEqual([
    403,
    "organization_required",
  ]);
  expect((await c.call("GET", "/v1/organizations", { headers })).body.items.map((o: { id: string }) => o.id)).toEqual(["ws_dev"]);
  expect((await me("ws_dev")).body.organization.id).toBe("ws_dev");
  expect((await c.call("POST", "/v1/organizations/switch", { headers, body: { organization_id: "ws_dev" } })).status).toBe(200);
  expect((await me()).body.organization.id).toBe("ws_dev");
  expect(code(await as(token).delete(`/v1/members/${person.id}`))).toEqual([404, "member_not_found"]);
});

test("a role is changed at once, never above one's own, and the last owner's not at all", async () => {
  const { id, token, ownerId } = await c.organization();
  const [admin, member] = [await c.person("admin", { organizationId: id }), await c.person("member", { organizationId: id })];
  expect((await as(admin.token).patch(`/v1/members/${member.id}`, { role: "approver" })).body).toMatchObject({ role: "approver" });
  expect((await as(member.token).get("/v1/me")).body.role).toBe("approver");
  expect(code(await as(admin.token).patch(`/v1/members/${member.id}`, { role: "owner" }))).toEqual([403, "role_too_low"]);
  expect(code(await as(admin.token).patch(`/v1/members/${ownerId}`, { role: "viewer" }))).toEqual([403, "role_too_low"]);
  expect(code(await as(admin.token).delete(`/v1/members/${ownerId}`))).toEqual([403, "role_too_low"]);
  expect(code(await as(token).patch(`/v1/members/${ownerId}`, { role: "viewer" }))).toEqual([409, "last_owner"]);
  expect(code(await as(token).post("/v1/organization/leave"))).toEqual([409, "last_owner"]);
});

test("ownership is handed over: the one owns, the other stays as an admin", async () => {
  const { id, token, ownerId } = await c.organization();
  const heir = await c.person("member", { organizationId: id });
  expect(code(await as(token).post("/v1/organization/transfer", { to: "usr_nobody" }))).toEqual([404, "member_not_found"]);
  expect((await as(token).post("/v1/organization/transfer", { to: heir.id })).status).toBe(200);
  expect(new Map(await members(token))).toEqual(
    new Map([
      [ownerId, "admin"],
      [heir.id, "owner"],
    ]),
  );
  expect((await as(token).post("/v1/organization/transfer", { to: heir.id })).status).toBe(403);
});

test("teams have members of the organization only, and lose those who leave it", async () => {
  const { id, token } = await c.organization();
  const person = await c.person("member", { organizationId: id });
  const stranger = await c.person("member");
  const { id: team } = (await as(token).post("/v1/teams", { name: "Platform" })).body;
  expect(code(await as(token).post(`/v1/teams/${team}/members`, { principal_id: stranger.id }))).toEqual([404, "member_not_found"]);
  expect((await as(token).post(`/v1/teams/${team}/members`, { principal_id: person.id })).body.member_ids).toEqual([person.id]);
  await as(token).patch(`/v1/teams/${team}`, { name: "Signals" });
  await as(token).delete(`/v1/members/${person.id}`);
  await c.server.identity.registerPrincipal({ organizationId: id, id: person.id, type: "user", displayName: "Back", role: "member" });
  expect((await as(token).get("/v1/teams")).body.items).toEqual([expect.objectContaining({ name: "Signals", member_ids: [] })]);
  expect((await as(token).delete(`/v1/teams/${team}`)).status).toBe(200);
  expect(code(await as(token).patch(`/v1/teams/${team}`, { name: "x" }))).toEqual([404, "team_not_found"]);
});

test("an organization is deleted after an export: its log stays, with a tombstone, and nothing else does", async () => {
  const { id, token } = await c.organization();
  await as(token).patch("/v1/organization", { name: "Doomed" });
  expect((await as(token).post("/v1/audit/checkpoints", {})).status).toBe(201);
  const evidence = () =>
    database.rows(
      `select 'checkpoint' as what from audit_checkpoints where organization_id = $1
       union all select 'page' from audit_head_pages where organization_id = $1`,
      [id],
    );
  expect((await evidence()).map(({ what }) => what)).toEqual(["checkpoint", "page"]);
  const { stream_seq } = (await as(token).get("/v1/organization")).body;
  const remove = (body: object) => as(token).post("/v1/organization/delete", body);
  expect(code(await remove({ name: "doomed", exported_seq: stream_seq }))).toEqual([409, "name_mismatch"]);
  expect(code(await remove({ name: "Doomed", exported_seq: stream_seq - 1 }))).toEqual([409, "export_outdated"]);
  expect(code(await as(c.owner).post("/v1/organization/delete", { name: "Local", exported_seq: 1e9 }))).toEqual([
    409,
    "organization_is_local",
  ]);
  expect((await remove({ name: "Doomed", exported_seq: stream_seq })).status).toBe(202);
  expect((await as(token).get("/v1/me")).status).toBe(401);
  await expect
    .poll(() => database.rows("select 1 from idn_token_secrets where organization_id = $1", [id]), { timeout: 20_000 })
    .toEqual([]);
  // Checkpoints go with the pages of heads that they name; the export has them.
  expect(await evidence()).toEqual([]);
  const log = await database.rows<{ type: string }>("select type from evt_events where organization_id = $1 order by seq", [id]);
  expect(log.map(({ type }) => type)).toContain("organization.deleted");
  expect(log.at(-1)?.type).toBe("organization.deleted");
  expect(await c.server.identity.organizations()).not.toContain(id);
});

test("whoever was in an organization that is deleted stays signed in to their others", async () => {
  const { id, token, cookie } = await inTwo();
  const { name, stream_seq } = (await as(token).get("/v1/organization")).body;
  expect((await as(token).post("/v1/organization/delete", { name, exported_seq: stream_seq })).status).toBe(202);
  await expect
    .poll(() => database.rows("select 1 from idn_token_secrets where organization_id = $1", [id]), { timeout: 20_000 })
    .toEqual([]);
  const me = (headers: Record<string, string> = {}) => c.call("GET", "/v1/me", { headers: { cookie, ...headers } });
  expect(code(await me())).toEqual([403, "organization_required"]);
  expect((await me({ "x-workspace-id": "ws_dev" })).body.organization.id).toBe("ws_dev");
});

test("an organization from before membership was recorded keeps its owner, and begins to count only once", async () => {
  const organizationId = "ws_old";
  const target = { organizationId, origin: { principal: { id: "svc_signalbox", type: "service" as const } } };
  const stream = { type: "organization" as const, id: organizationId };
  await c.server.log.unit(target, async (unit) => {
    await unit.decide(organization, stream, `organization:${organizationId}`, {
      type: "create",
      organizationId: organizationId as OrganizationId,
      name: "Old",
    });
    await unit.decide(principal, stream, "principal:usr_old", {
      type: "register",
      id: "usr_old" as PrincipalId,
      principalType: "user",
      displayName: "Old owner",
      role: "owner",
    });
  });
  const boot = () =>
    c.server.identity.ensureOrganization({ organizationId, name: "Old", owner: { id: "usr_old", displayName: "Old owner" } });
  await boot();
  await boot();
  const added = await database.rows("select 1 from evt_events where organization_id = $1 and type = 'member.added'", [organizationId]);
  expect(added.length).toBe(1);
  const { secret } = await c.server.identity.issueToken({ organizationId, principalId: "usr_old", name: "t", scopes: ["read", "admin"] });
  expect(await members(secret)).toEqual([["usr_old", "owner"]]);
});
