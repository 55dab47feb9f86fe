import { attenuate, seal } from "@signalbox/capability/chain";
import type { CapabilityGrant } from "@signalbox/contract/capabilities";
import type { CapabilityId } from "@signalbox/contract/primitives";
import type { Clock } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
let aheadMs = 0;
const clock: Clock = { nowMs: () => Date.now() + aheadMs, now: () => new Date(Date.now() + aheadMs).toISOString() };
let c: Composed;
/** Another process of the same installation. */
let other: Composed;
let room: string;
let elsewhere: string;

beforeAll(async () => {
  c = await startComposed(database, { clock });
  other = await startComposed(database, { clock, dataDir: c.dataDir });
  room = await newRoom();
  elsewhere = await newRoom();
}, 120_000);
afterAll(async () => {
  await other.close();
  await c.close();
});

const newRoom = async (): Promise<string> => (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Work" } })).body.id;
const ENGINE: CapabilityGrant = { scopes: ["read", "engine"] };
async function issued(grant: CapabilityGrant = ENGINE, body: object = {}, by = c.owner) {
  const answer = await c.call("POST", "/v1/capabilities", { token: by, body: { name: "engine", kind: "engine", grant, ...body } });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return answer.body as { id: string; token: string };
}
async function alone(of: string, grant: CapabilityGrant = ENGINE, expiresInS = 600): Promise<{ id: string; token: string }> {
  const id = newId("cap") as CapabilityId;
  const iat = Math.floor(clock.nowMs() / 1000);
  return { id, token: (await attenuate(of, { id, name: "alone", grant, iat, exp: iat + expiresInS }))! };
}
const me = (token: string, at = c) => at.call("GET", "/v1/me", { token });
const events = async (id: string) =>
  (
    (await c.call("GET", `/v1/events?subject=capability:${id}`, { token: c.owner })).body.items as {
      type: string;
      data: Record<string, unknown>;
    }[]
  ).map(({ type, data }) => ({ type, data }));

describe("an engine's capability", () => {
  test("claims and reports runs of its rooms with its tools, and nothing else", async () => {
    const { token, id } = await issued({
      scopes: ["read", "engine"],
      rooms: [room as never],
      tools: ["bash"],
      actions: ["runs.*", "toolcalls.*"],
    });
    const run = (await c.call("POST", "/v1/runs", { token: c.owner, body: { room_id: room, title: "Do it" } })).body.id;
    await c.call("POST", "/v1/runs", { token: c.owner, body: { room_id: elsewhere, title: "Not this" } });
    const { run: claimed } = (await c.call("POST", "/v1/runs/claim", { token, body: {} })).body;
    expect(claimed.id).toBe(run);
    expect((await c.call("POST", "/v1/runs/claim", { token, body: {} })).body.claimed).toBe(false);
    const fence = { claim_token: claimed.claim_token, epoch: claimed.epoch };
    const engine = async (url: string, body: object = {}) => (await c.call("POST", url, { token, body: { ...fence, ...body } })).status;
    expect(await engine(`/v1/runs/${run}/start`)).toBe(200);
    const step = (await c.call("POST", `/v1/runs/${run}/steps`, { token, body: { ...fence, kind: "agent" } })).body.id;
    expect(await engine(`/v1/steps/${step}/toolcalls`, { name: "bash", arguments: {} })).toBe(201);
    expect(await engine(`/v1/steps/${step}/toolcalls`, { name: "rm", arguments: {} })).toBe(403);
    // Its actions do not name these, its scopes not those, and these no capability reaches.
    for (const [method, url] of [
      ["GET", `/v1/rooms/${room}`],
      ["POST", `/v1/runs/${run}/cancel`],
      ["POST", "/v1/tokens"],
      ["POST", "/v1/capabilities"],
      ["POST", "/v1/auth/login-codes"],
      ["GET", "/v1/members"],
      ["GET", "/v1/logins"],
      ["POST", "/v1/sync/token"],
      ["GET", "/v1/system"],
    ] as const)
      expect((await c.call(method, url, { token, ...(method === "GET" ? {} : { body: {} }) })).status, url).toBe(403);
    expect(await engine(`/v1/runs/${run}/complete`, { summary: "done" })).toBe(200);
    expect((await c.call("GET", `/v1/capabilities/${id}`, { token: c.owner })).body).toMatchObject({
      status: "active",
      last_used_at: expect.any(String),
    });
    // It is shown once, and nowhere kept.
    expect(await database.rows("select 1 from evt_payloads where data::text like '%sbcap_%'")).toEqual([]);
  });

  test("goes on until the one that replaces it is first used", async () => {
    const old = await issued();
    const next = await issued(ENGINE, { replaces: old.id });
    expect((await me(old.token)).status).toBe(200);
    expect((await me(next.token)).status).toBe(200);
    expect((await me(old.token)).status).toBe(401);
    expect((await events(old.id))[0]).toMatchObject({ type: "capability.revoked", data: { reason: "replaced" } });
  });

  test("API tokens of engines go on working beside it", async () => {
    const { token } = await c.person("member", { scopes: ["engine"] });
    expect((await c.call("POST", "/v1/runs/claim", { token, body: {} })).status).toBe(200);
  });
});

describe("handing on", () => {
  test("what a holder makes alone works, and is in the log and the list from its first use", async () => {
    const root = await issued();
    const child = await alone(root.token, { scopes: ["read"] });
    const grandchild = await alone(child.token, { scopes: ["read"], rooms: [] });
    expect((await me(grandchild.token)).status).toBe(200);
    expect((await events(child.id))[0]).toMatchObject({ type: "capability.delegated", data: { offline: true, parent_id: root.id } });
    expect((await events(grandchild.id))[0]).toMatchObject({ data: { path: [root.id, child.id, grandchild.id] } });
    const listed = (await c.call("GET", "/v1/capabilities?limit=200", { token: c.owner })).body.items as { id: string }[];
    expect(listed.find(({ id }) => id === grandchild.id)).toMatchObject({ parent_id: child.id, root_id: root.id, depth: 2, offline: true });
    expect((await c.call("POST", "/v1/capabilities/inspect", { token: c.owner, body: { token: grandchild.token } })).body).toMatchObject({
      status: "active",
      effective: { scopes: ["read"], rooms: [] },
      chain: [{ id: root.id }, { id: child.id }, { id: grandchild.id }],
    });
  });

  test("what may not be made is refused, the same offline and through the server, and is an event", async () => {
    const root = await issued({ scopes: ["read"] });
    const ask = (body: object, token = root.token) =>
      c.call("POST", "/v1/capabilities/delegate", { token, body: { token, name: "more", grant: { scopes: ["read"] }, ...body } });
    const refusal = async (body: object, token?: string) => (({ status, body: { error } }) => [status, error.code])(await ask(body, token));
    expect(await refusal({ grant: { scopes: ["read", "admin"] } })).toEqual([403, "capability_wider"]);
    expect(await refusal({ expires_in_s: 31 * 86_400 })).toEqual([403, "capability_outlives"]);
    const offline = await alone(root.token, { scopes: ["write"] });
    const none = await me("sbt_none");
    const answer = await me(offline.token);
    // Whoever is not admitted learns not why.
    expect([answer.status, { ...answer.body.error, request_id: "" }]).toEqual([401, { ...none.body.error, request_id: "" }]);
    await me(offline.token);
    let deepest = root.token;
    for (let depth = 1; depth <= 3; depth++) deepest = (await ask({}, deepest)).body.token;
    expect(await refusal({}, deepest)).toEqual([403, "delegation_depth_exceeded"]);
    expect(await refusal({}, seal(root.token)!)).toEqual([403, "capability_sealed"]);
    const denied = (await events(root.id)).filter(({ type }) => type === "capability.delegation_denied");
    expect(denied.map(({ data }) => data["reason"])).toEqual(["wider", "outlives", "wider"]);
  });

  test("of another organization's nothing is made and nothing is told", async () => {
    const theirs = await c.organization();
    const { token } = await issued(ENGINE, {}, theirs.token);
    for (const route of ["inspect", "delegate"])
      expect(
        (await c.call("POST", `/v1/capabilities/${route}`, { token: c.owner, body: { token, name: "x", grant: ENGINE } })).body.error.code,
      ).toBe("capability_invalid");
  });
});

describe("an end", () => {
  test("of one is the end of all that were made of it, in every process within a second", async () => {
    const root = await issued();
    const child = await alone(root.token);
    const grandchild = await alone(child.token);
    const sibling = await alone(root.token);
    for (const at of [c, other]) for (const { token } of [root, child, grandchild, sibling]) expect((await me(token, at)).status).toBe(200);
    const ended: string[] = [];
    const { principal: bearer, role } = (await me(grandchild.token, other)).body;
    for (const id of [child.id, grandchild.id, sibling.id])
      other.server.identity.hold({ organizationId: "ws_dev", principalId: bearer.id, role, credentialId: id }, () => ended.push(id));
    expect((await c.call("DELETE", `/v1/capabilities/${child.id}`, { token: c.owner })).body.status).toBe("revoked");
    const from = performance.now();
    expect((await me(grandchild.token)).status).toBe(401);
    await expect.poll(async () => (await me(grandchild.token, other)).status, { interval: 20 }).toBe(401);
    expect(performance.now() - from).toBeLessThan(1000);
    await expect.poll(() => ended).toEqual(expect.arrayContaining([child.id, grandchild.id]));
    expect(ended).not.toContain(sibling.id);
    for (const at of [c, other]) {
      expect((await me(child.token, at)).status).toBe(401);
      for (const { token } of [root, sibling]) expect((await me(token, at)).status).toBe(200);
    }
    // One that was never used before is ended all the same.
    expect((await me((await alone(grandchild.token)).token, other)).status).toBe(401);
    expect((await c.call("GET", `/v1/capabilities/${grandchild.id}`, { token: c.owner })).body.status).toBe("revoked");
  });

  test("is made by its holder too, of their own and of what was made of it, and by nobody else", async () => {
    const root = await issued();
    const [child, sibling] = [await alone(root.token), await alone(root.token)];
    for (const { token } of [child, sibling]) await me(token);
    const end = (id: string, token: string) => c.call("DELETE", `/v1/capabilities/${id}`, { token });
    expect((await end(root.id, child.token)).status).toBe(404);
    expect((await end(sibling.id, child.token)).status).toBe(404);
    expect((await end(root.id, (await c.person("member")).token)).status).toBe(404);
    expect((await end(sibling.id, root.token)).status).toBe(200);
    expect((await end(child.id, child.token)).status).toBe(200);
    expect((await me(child.token)).status).toBe(401);
    expect((await me(root.token)).status).toBe(200);
  });

  test("of somebody's membership, of their role and of its own time", async () => {
    const issuer = await c.person("member");
    const theirs = await issued(ENGINE, { expires_in_s: 60 }, issuer.token);
    expect((await me(theirs.token)).body.role).toBe("member");
    await c.call("PATCH", `/v1/members/${issuer.id}`, { token: c.owner, body: { role: "viewer" } });
    expect((await c.call("POST", "/v1/runs/claim", { token: theirs.token, body: {} })).status).toBe(403);
    await c.call("DELETE", `/v1/members/${issuer.id}`, { token: c.owner });
    expect((await me(theirs.token)).status).toBe(401);
    const mine = await issued(ENGINE, { expires_in_s: 60 });
    expect((await me(mine.token)).status).toBe(200);
    aheadMs += 61_000;
    expect((await me(mine.token)).status).toBe(401);
    expect((await c.call("POST", "/v1/capabilities/inspect", { token: c.owner, body: { token: mine.token } })).body.status).toBe("expired");
  });
});

test("signed before the ring rotated it goes on, as does what is made of it; signed by a key that is dropped neither does", async () => {
  const tried = (token: string) => Promise.all([c, other].map(async (each) => (await each.call("GET", "/v1/runs", { token })).status));
  const rotate = (drop: boolean) => c.call("POST", "/v1/key-rings/capability/rotate", { token: c.owner, body: { drop } });
  const before = await issued();
  const made = await alone(before.token);
  expect((await rotate(false)).status).toBe(200);
  // From then on the new key signs.
  aheadMs += 2500;
  const after = await issued();
  const kid = (token: string) => JSON.parse(Buffer.from(token.slice("sbcap_".length).split(".")[0]!, "base64url").toString()).kid as string;
  expect(kid(after.token)).not.toBe(kid(before.token));
  for (const { token } of [before, made, after]) expect(await tried(token)).toEqual([200, 200]);
  expect((await rotate(true)).status).toBe(200);
  aheadMs += 1500;
  for (const { token } of [before, made, after]) expect(await tried(token)).toEqual([401, 401]);
  expect(await tried((await issued()).token)).toEqual([200, 200]);
});

test("anybody with the public keys can check one without asking", async () => {
  const { token } = await issued();
  const { keys } = (await c.call("GET", "/v1/capabilities/keys")).body as { keys: { kid: string; x: string }[] };
  const { publicKeyOf, verify } = await import("@signalbox/capability/chain");
  const keyOf = async (kid: string) => keys.filter((key) => key.kid === kid).map(({ x }) => publicKeyOf(x))[0] ?? null;
  expect(await verify(token, { keyOf, nowMs: clock.nowMs() })).toMatchObject({ ok: true });
  expect(JSON.stringify(keys)).not.toContain('"d"');
});
