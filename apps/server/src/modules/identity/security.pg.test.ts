/* What `GET /v1/security` says, to whom, in which order, of how much. */
import { systemClock } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { token } from "./token.ts";

const database = databaseTest();
vi.spyOn(process.stderr, "write").mockImplementation(() => true);
let c: Composed;
const ORIGIN = "http://localhost";
const stream = (id: string) => ({ type: "organization" as const, id });

beforeAll(async () => {
  c = await startComposed(database);
}, 120_000);
afterAll(() => c.close());

const security = async (secret: string) => {
  const { status, body } = await c.call("GET", "/v1/security", { token: secret });
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
};
/** A browser of whoever has the token. */
async function signIn(secret: string): Promise<{ id: string; cookie: string }> {
  const { code } = (await c.call("POST", "/v1/auth/login-codes", { token: secret, body: {} })).body;
  const answer = await c.call("POST", "/v1/auth/login", { body: { code }, headers: { origin: ORIGIN } });
  const cookie = String(answer.headers["set-cookie"]).split(";")[0]!;
  const { items } = (await c.call("GET", "/v1/logins", { headers: { cookie } })).body;
  return { id: items.find((one: { is_this: boolean }) => one.is_this).id, cookie };
}
const typesOf = (changes: readonly { type: string }[]) => changes.map(({ type }) => type);

test("a member is shown their own sign-ins, tokens and changes, newest first, and nothing of the others or the organization", async () => {
  const organization = await c.organization();
  const [mine, theirs] = [
    await c.person("member", { organizationId: organization.id }),
    await c.person("member", { organizationId: organization.id }),
  ];
  await c.call("PATCH", `/v1/members/${mine.id}`, { token: organization.token, body: { role: "approver" } });
  const first = await signIn(mine.token);
  const second = await signIn(mine.token);
  const others = await signIn(theirs.token);
  const made = (await c.call("POST", "/v1/tokens", { token: mine.token, body: { name: "laptop", scopes: ["read"] } })).body;
  const gone = (await c.call("POST", "/v1/tokens", { token: mine.token, body: { name: "lost", scopes: ["read"] } })).body;
  await c.call("DELETE", `/v1/tokens/${gone.id}`, { token: mine.token });
  const short = await c.call("POST", "/v1/tokens", {
    token: mine.token,
    body: { name: "short", scopes: ["read"], expires_at: new Date(Date.now() + 700).toISOString() },
  });
  await expect.poll(async () => (await c.call("GET", "/v1/me", { token: short.body.secret })).status, { timeout: 60_000 }).toBe(401);

  const answer = await c.call("GET", "/v1/security", { headers: { cookie: first.cookie } });
  expect(answer.status).toBe(200);
  const { sign_ins, tokens, changes, single_sign_on, organization: all } = answer.body;
  expect(sign_ins.map(({ id, is_this }: { id: string; is_this: boolean }) => [id, is_this])).toEqual(
    expect.arrayContaining([
      [first.id, true],
      [second.id, false],
    ]),
  );
  expect(sign_ins).toHaveLength(2);
  expect(sign_ins[0]).toEqual({
    id: expect.stringMatching(/^login_/),
    method: "login_link",
    user_agent: null,
    ip_address: null,
    created_at: expect.any(String),
    seen_at: expect.any(String),
    expires_at: expect.any(String),
    is_this: expect.any(Boolean),
  });
  // Those that work; the one that was revoked and the one that ended by itself are told among the changes.
  expect(tokens.map(({ name }: { name: string }) => name)).toEqual(["laptop", "test"]);
  expect(tokens[0]).toMatchObject({ id: made.id, principal_id: mine.id, scopes: ["read"], revoked_at: null });
  expect(single_sign_on).toBeNull();
  expect(all).toBeNull();
  expect(changes.map(({ type, detail }: { type: string; detail: string | null }) => [type, detail])).toEqual([
    ["token.created", "short"],
    ["token.revoked", "lost"],
    ["token.created", "lost"],
    ["token.created", "laptop"],
    ["login.succeeded", "login_link"],
    ["login.link_made", null],
    ["login.succeeded", "login_link"],
    ["login.link_made", null],
    ["member.role_changed", "member → approver"],
    ["token.created", "test"],
    ["member.added", "member"],
  ]);
  for (const { about, at } of changes) {
    expect(about).toEqual({ id: mine.id, name: "A member" });
    expect(at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  }
  expect(changes.find(({ type }: { type: string }) => type === "member.role_changed").by).toEqual({
    id: organization.ownerId,
    name: "Other owner",
  });
  const text = JSON.stringify(answer.body);
  for (const unsaid of [theirs.id, theirs.tokenId, others.id]) expect(text).not.toContain(unsaid);
  await saysNoSecret(text, [mine.token, theirs.token, made.secret, gone.secret, first.cookie, second.cookie, others.cookie]);
}, 120_000);

test("an admin is shown the organization's too: everybody's tokens by name, its changes and domains, and nothing of another's", async () => {
  const [here, elsewhere] = [await c.organization(), await c.organization()];
  const person = await c.person("viewer", { organizationId: here.id });
  const foreign = await c.person("viewer", { organizationId: elsewhere.id });
  await c.call("POST", "/v1/organization/domains", { token: here.token, body: { domain: "seen.test" } });
  await c.call("POST", "/v1/organization/domains", { token: elsewhere.token, body: { domain: "unseen.test" } });
  const answer = await security(here.token);
  expect(answer.changes.every(({ about }: { about: { id: string } }) => about.id === here.ownerId)).toBe(true);
  expect(typesOf(answer.organization.changes)).toEqual([
    "domain.claimed",
    "token.created",
    "member.added",
    "token.created",
    "member.added",
  ]);
  expect(answer.organization.changes[0]).toMatchObject({ by: { id: here.ownerId, name: "Other owner" }, about: null, detail: "seen.test" });
  expect(
    answer.organization.tokens.map((one: { principal_id: string; principal_name: string }) => [one.principal_id, one.principal_name]),
  ).toEqual([
    [person.id, "A viewer"],
    [here.ownerId, "Other owner"],
  ]);
  expect(answer.organization.domains).toEqual([{ domain: "seen.test", is_proven: false }]);
  const text = JSON.stringify(answer);
  for (const unsaid of [elsewhere.id, elsewhere.ownerId, foreign.id, foreign.tokenId, "unseen.test"]) expect(text).not.toContain(unsaid);
  await saysNoSecret(text, [here.token, person.token]);

  // Whoever is let go has no tokens that work; that they had some stays told.
  await c.call("DELETE", `/v1/members/${person.id}`, { token: here.token });
  const after = await security(here.token);
  expect(after.organization.tokens.map((one: { principal_id: string }) => one.principal_id)).toEqual([here.ownerId]);
  expect(after.organization.changes[0]).toMatchObject({ type: "member.removed", about: { id: person.id, name: "A viewer" } });
}, 120_000);

test("of very many it says the newest, as many as it promises, and nobody else's take their place", async () => {
  const organization = await c.organization();
  const [few, many] = [
    await c.person("member", { organizationId: organization.id }),
    await c.person("admin", { organizationId: organization.id }),
  ];
  const made = async (principalId: string, count: number) => {
    await c.server.log.unit({ organizationId: organization.id, origin: { principal: { id: principalId, type: "user" } } }, async (unit) => {
      for (let n = 0; n < count; n++) {
        const id = newId("tok");
        await unit.decide(token, stream(organization.id), `token:${id}`, {
          type: "create",
          id: id as never,
          name: `${principalId} ${n}`,
          principalId: principalId as never,
          scopes: ["read"],
          held: ["read"],
          now: systemClock.now(),
        });
      }
    });
  };
  await made(few.id, 3);
  await made(many.id, 300);
  await database.rows(
    `insert into idn_sessions (organization_id, id, secret_hash, principal_id, created_at, seen_at, expires_at)
     select $1, 'login_' || lpad(n::text, 26, '0'), sha256(n::text::bytea), $2, now(), now() - n * interval '1 minute', now() + interval '1 day'
       from generate_series(1, 250) n`,
    [organization.id, many.id],
  );
  const theirs = await security(many.token);
  expect([theirs.sign_ins.length, theirs.tokens.length, theirs.changes.length]).toEqual([200, 200, 50]);
  expect([theirs.organization.changes.length, theirs.organization.tokens.length]).toEqual([100, 200]);
  const falling = (list: readonly string[]) => expect(list).toEqual(list.toSorted().toReversed());
  falling(theirs.sign_ins.map((one: { seen_at: string }) => one.seen_at));
  falling(theirs.tokens.map((one: { id: string }) => one.id));
  expect(theirs.sign_ins[0].id).toBe(`login_${"1".padStart(26, "0")}`);
  expect(theirs.changes[0].detail).toBe(`${many.id} 299`);
  expect(theirs.changes.at(-1).detail).toBe(`${many.id} 250`);
  // The rest is in lists of its own, page by page.
  const seen = new Set<string>();
  for (let cursor: string | null = ""; cursor !== null;) {
    const page: { items: { id: string }[]; next_cursor: string | null } = (
      await c.call("GET", `/v1/tokens?limit=100${cursor === "" ? "" : `&cursor=${cursor}`}`, { token: many.token })
    ).body;
    for (const { id } of page.items) seen.add(id);
    cursor = page.next_cursor;
  }
  expect(seen.size).toBe(301);

  const mine = await security(few.token);
  expect(mine.tokens.map(({ name }: { name: string }) => name).toSorted()).toEqual(["test", ...[0, 1, 2].map((n) => `${few.id} ${n}`)]);
  expect(typesOf(mine.changes)).toEqual(["token.created", "token.created", "token.created", "token.created", "member.added"]);
  expect(mine.sign_ins).toEqual([]);
}, 120_000);

/** Neither what was given out, nor what is kept of it. */
async function saysNoSecret(text: string, secrets: readonly string[]): Promise<void> {
  for (const secret of secrets) expect(text).not.toContain(secret.replace(/^signalbox_session=/, ""));
  const kept = await database.rows<{ hex: string; base64: string }>(
    `select encode(secret_hash, 'hex') as hex, encode(secret_hash, 'base64') as base64
       from (select secret_hash from idn_token_secrets union all select secret_hash from idn_sessions) s`,
  );
  expect(kept.length).toBeGreaterThan(0);
  for (const { hex, base64 } of kept) for (const form of [hex, base64]) expect(text).not.toContain(form);
}
