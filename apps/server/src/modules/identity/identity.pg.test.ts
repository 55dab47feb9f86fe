import { databaseTest } from "@signalbox/testkit/database";
import { testClock } from "@signalbox/testkit/clock";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
const clock = testClock(new Date().toISOString());
let c: Composed;

beforeAll(async () => {
  c = await startComposed(database, { clock });
}, 60_000);
afterAll(() => c.close());

const code = async (): Promise<string> => (await c.call("POST", "/v1/auth/login-codes", { token: c.owner, body: {} })).body.code;
const login = (of: string) => c.call("POST", "/v1/auth/login", { body: { code: of } });
const cookieOf = (answer: Awaited<ReturnType<typeof login>>): string => String(answer.headers["set-cookie"]).split(";")[0]!;
const me = (cookie: string) => c.call("GET", "/v1/me", { headers: { cookie } });

test("a login link opens one session, once, also when it is used twice at the same time", async () => {
  const one = await code();
  const answers = await Promise.all([login(one), login(one), login(one)]);
  expect(answers.map((answer) => answer.status).toSorted((a, b) => a - b)).toEqual([200, 403, 403]);
  const won = answers.find((answer) => answer.status === 200)!;
  expect(won.body).toMatchObject({ principal: { id: "usr_owner", type: "user" }, organization: { id: "ws_dev" }, role: "owner" });
  expect(String(won.headers["set-cookie"])).toMatch(/HttpOnly; SameSite=Strict/);
  expect((await me(cookieOf(won))).body.principal.id).toBe("usr_owner");
});

test("a login link lives 15 minutes, and a wrong one is answered like an old one", async () => {
  const [young, old] = [await code(), await code()];
  clock.advance(15 * 60_000 - 1000);
  expect((await login(young)).status).toBe(200);
  clock.advance(2000);
  const late = await login(old);
  const wrong = await login("sbl_wrong");
  expect([late.status, { ...late.body.error, request_id: "" }]).toEqual([403, { ...wrong.body.error, request_id: "" }]);
});

test("codes, cookies and tokens are nowhere in the database", async () => {
  const one = await code();
  const cookie = cookieOf(await login(one));
  const tables = await database.rows<{ name: string }>(
    "select relname as name from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace",
  );
  for (const { name } of tables) {
    const [row] = await database.rows<{ all: string | null }>(`select string_agg(t::text, ' ') as all from ${name} t`);
    for (const secret of [one, cookie.split("=")[1]!, c.owner]) expect(row?.all ?? "", name).not.toContain(secret);
  }
});

test("a session slides: used within 30 days it goes on, unused it ends", async () => {
  const cookie = cookieOf(await login(await code()));
  for (let i = 0; i < 3; i++) {
    clock.advance(20 * 24 * 3_600_000);
    expect((await me(cookie)).status).toBe(200);
    // Marked after the answer; the next use must find it.
    await expect
      .poll(
        async () => (await database.rows<{ n: string }>("select count(*) as n from idn_sessions where seen_at >= $1", [clock.now()]))[0]?.n,
      )
      .toBe("1");
  }
  clock.advance(31 * 24 * 3_600_000);
  expect((await me(cookie)).status).toBe(401);
});

test("logging out ends this browser's session at once, and no other", async () => {
  const [mine, other] = [cookieOf(await login(await code())), cookieOf(await login(await code()))];
  expect((await me(mine)).status).toBe(200);
  const out = await c.call("POST", "/v1/auth/logout", {
    body: {},
    headers: { cookie: mine, origin: "http://localhost", host: "localhost" },
  });
  expect([out.status, String(out.headers["set-cookie"])]).toEqual([200, expect.stringContaining("Max-Age=0")]);
  expect((await me(mine)).status).toBe(401);
  expect((await me(other)).status).toBe(200);
});

test("a token is shown once, works with its scopes, and is dead the moment it is revoked", async () => {
  const made = await c.call("POST", "/v1/tokens", { token: c.owner, body: { name: "CI", scopes: ["read"] } });
  expect(made.status).toBe(201);
  const { secret, id } = made.body;
  expect((await c.call("GET", "/v1/rooms", { token: secret })).status).toBe(200);
  expect((await c.call("POST", "/v1/rooms", { token: secret, body: { title: "x" } })).status).toBe(403);
  const listed = await c.call("GET", "/v1/tokens", { token: c.owner });
  expect(listed.body.items.find((item: { id: string }) => item.id === id)).toMatchObject({
    name: "CI",
    scopes: ["read"],
    revoked_at: null,
  });
  expect(JSON.stringify(listed.body)).not.toContain(secret);
  const revoked = await c.call("DELETE", `/v1/tokens/${id}`, { token: c.owner });
  expect(revoked.body.revoked_at).toBe(clock.now());
  expect((await c.call("GET", "/v1/rooms", { token: secret })).status).toBe(401);
  // Twice is once.
  expect((await c.call("DELETE", `/v1/tokens/${id}`, { token: c.owner })).body.revoked_at).toBe(revoked.body.revoked_at);
});

test("a token cannot give what it does not hold, nor be born expired", async () => {
  const narrow = await c.person("owner", { scopes: ["read", "admin"] });
  const wider = await c.call("POST", "/v1/tokens", { token: narrow.token, body: { name: "wider", scopes: ["read", "write"] } });
  expect([wider.status, wider.body.error.code]).toEqual([403, "scope_not_held"]);
  const past = await c.call("POST", "/v1/tokens", { token: c.owner, body: { name: "past", expires_at: "2020-01-01T00:00:00.000Z" } });
  expect([past.status, past.body.error.code]).toEqual([400, "expires_at_invalid"]);
});

test("an expired token is no token", async () => {
  const person = await c.person("member", { expiresAt: new Date(clock.nowMs() + 60_000).toISOString() });
  expect((await c.call("GET", "/v1/me", { token: person.token })).status).toBe(200);
  clock.advance(61_000);
  expect((await c.call("GET", "/v1/me", { token: person.token })).status).toBe(401);
});

test("a member sees and revokes only their own tokens, an admin anybody's", async () => {
  const [member, other, admin] = [await c.person("member"), await c.person("member"), await c.person("admin")];
  expect((await c.call("DELETE", `/v1/tokens/${other.tokenId}`, { token: member.token })).status).toBe(404);
  expect((await c.call("GET", "/v1/tokens", { token: member.token })).body.items.map((item: { id: string }) => item.id)).toEqual([
    member.tokenId,
  ]);
  expect((await c.call("DELETE", `/v1/tokens/${other.tokenId}`, { token: admin.token })).status).toBe(200);
});

test("two organizations on one database see nothing of each other", async () => {
  const other = await c.organization();
  const rooms = async (token: string) =>
    (await c.call("GET", "/v1/rooms", { token })).body.items.map((item: { title: string }) => item.title);
  await c.call("POST", "/v1/rooms", { token: other.token, body: { title: "theirs" } });
  await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "ours" } });
  expect(await rooms(other.token)).toEqual(["theirs"]);
  expect(await rooms(c.owner)).not.toContain("theirs");
  const principals = await c.call("GET", "/v1/principals", { token: other.token });
  expect(principals.body.items.map((item: { id: string }) => item.id)).not.toContain("usr_owner");
});

test("principals are listed by type, page by page", async () => {
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await c.call("GET", `/v1/principals?type=user&limit=2${cursor === null ? "" : `&cursor=${cursor}`}`, { token: c.owner });
    seen.push(...page.body.items.map((item: { id: string }) => item.id));
    cursor = page.body.next_cursor;
  } while (cursor !== null);
  expect(seen).toContain("usr_owner");
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen.every((id) => id.startsWith("usr_"))).toBe(true);
});

test("starting again on the same database makes no second owner", async () => {
  const before = await database.rows("select * from evt_events where type in ('organization.created', 'principal.registered')");
  await c.server.identity.ensureOrganization({ organizationId: "ws_dev", name: "Local", owner: { id: "usr_owner", displayName: "Owner" } });
  expect(await database.rows("select * from evt_events where type in ('organization.created', 'principal.registered')")).toEqual(before);
});
