/* Quotas and rate limits, with two processes of one installation. */
import type { Clock } from "@signalbox/kernel/clock";
import { diskBlobs } from "@signalbox/providers/blob/disk/disk";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import path from "node:path";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { countedBlobs, recount } from "./counted-blobs.ts";
import { scriptedAgent } from "../sessions/scripted-harness.fixture.ts";

const database = databaseTest();
let aheadMs = 0;
const clock: Clock = { nowMs: () => Date.now() + aheadMs, now: () => new Date(Date.now() + aheadMs).toISOString() };
const PER_MINUTE = 300;
let a: Composed;
let b: Composed;

beforeAll(async () => {
  const options = {
    clock,
    environment: { SIGNALBOX_API_PER_MINUTE: String(PER_MINUTE) },
    harnesses: { opencode: { harness: scriptedAgent().harness, tools: [] } },
  };
  a = await startComposed(database, options);
  b = await startComposed(database, { ...options, dataDir: a.dataDir });
}, 120_000);
afterAll(async () => {
  await b?.close();
  await a?.close();
});

/** A fresh organization with those limits, set by an operator. */
async function limited(limits: object) {
  const organization = await a.organization();
  const operator = a.owner;
  const set = await a.call("PUT", `/v1/quotas/${organization.id}`, { token: operator, body: limits });
  expect(set.status, JSON.stringify(set.body)).toBe(200);
  const token = async () => (await a.person("admin", { organizationId: organization.id })).token;
  return { ...organization, operator, member: await token(), token };
}
const create = (at: Composed, token: string, body: object = {}, headers: Record<string, string> = {}) =>
  at.call("POST", "/v1/sessions", { token, headers, body: { source: { type: "scratch" }, sandbox: "deferred", ...body } });
const events = async (token: string, type: string) =>
  (await a.call("GET", `/v1/events?event_type=${type}`, { token })).body.items.map(({ data }: { data: object }) => data) as Record<
    string,
    unknown
  >[];

test("of fifty sessions that are started at once through two processes exactly as many as may run are", async () => {
  const { member, id } = await limited({ sessions: 7 });
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => create(i % 2 === 0 ? a : b, member)));
  const byStatus = (status: number) => answers.filter((answer) => answer.status === status);
  const others = answers.filter(({ status }) => ![201, 429].includes(status));
  expect([byStatus(201).length, byStatus(429).length], JSON.stringify(others[0]?.body)).toEqual([7, 43]);
  expect(byStatus(429)[0]!.body.error).toMatchObject({
    code: "quota_exceeded",
    fix: expect.stringContaining("stop one"),
    details: { quota: "sessions", limit: 7 },
  });
  expect((await a.call("GET", "/v1/quotas", { token: member })).body).toMatchObject({
    organization_id: id,
    sessions: { used: 7, limit: 7 },
  });
  // Whoever operates sees it beside all the others.
  const [listed] = (await a.call("GET", `/v1/admin/organizations?q=${id}`, { token: a.owner })).body.items;
  expect(listed.quotas).toMatchObject({
    organization_id: id,
    sessions: { used: 7, limit: 7 },
    storage_bytes: { used: 0, limit: null },
    set_at: expect.any(String),
  });
  // A repeat of what was admitted is answered as it was, though there is no seat any more.
  const again = await limited({ sessions: 1 });
  const key = { "idempotency-key": "once" };
  const repeated = [await create(a, again.member, {}, key), await create(b, again.member, {}, key), await create(b, again.member)];
  expect(repeated.map(({ status }) => status)).toEqual([201, 201, 429]);
  expect(repeated[1]!.body.id).toBe(repeated[0]!.body.id);
  // Told once each, however often.
  await expect.poll(async () => (await events(member, "quota.exceeded")).length).toBe(1);
  await expect.poll(async () => (await events(member, "quota.warned")).length).toBe(1);
  expect((await events(member, "quota.warned"))[0]).toMatchObject({ quota: "sessions", limit: 7 });
  // One that ends makes room for one.
  const stopped = byStatus(201)[0]!.body.id as string;
  expect((await a.call("POST", `/v1/sessions/${stopped}/stop`, { token: member, body: {} })).status).toBe(200);
  const two = await Promise.all([create(a, member), create(b, member)]);
  expect(two.map(({ status }) => status).toSorted((x, y) => x - y)).toEqual([201, 429]);
  // Nor does it come back while the others run.
  const back = await a.call("POST", `/v1/sessions/${stopped}/resume`, { token: member, body: {} });
  expect([back.status, back.body.error.code]).toEqual([429, "quota_exceeded"]);
  // Another organization is not concerned.
  expect((await create(a, (await a.organization()).token)).status).toBe(201);
});

test("a seat whose process died is free after a minute, and a refused start leaves none", async () => {
  const { member, id } = await limited({ sessions: 1 });
  const refused = await create(a, member, { model: "no-such-model" });
  expect(refused.status).toBe(422);
  await database.rows("insert into quo_seats (organization_id, session_id, taken_at) values ($1, 'ses_dead', $2)", [id, clock.now()]);
  const full = await create(a, member);
  expect(full.status, JSON.stringify(full.body)).toBe(429);
  aheadMs += 61_000;
  expect((await create(a, member)).status).toBe(201);
});

test("content is kept up to the last byte and not one more, also when it comes from everywhere at once", async () => {
  const { member } = await limited({ storage_bytes: 1000 });
  const room_id = (await a.call("POST", "/v1/rooms", { token: member, body: { title: "Work" } })).body.id;
  const run = (await a.call("POST", "/v1/runs", { token: member, body: { room_id, title: "x" } })).body.id;
  const claimed = (await a.call("POST", "/v1/runs/claim", { token: member, body: {} })).body.run;
  const fence = { claim_token: claimed.claim_token, epoch: claimed.epoch };
  await a.call("POST", `/v1/runs/${run}/start`, { token: member, body: fence });
  const step = (await a.call("POST", `/v1/runs/${run}/steps`, { token: member, body: { ...fence, kind: "agent" } })).body.id;
  const attach = (at: Composed, bytes: number) =>
    at.call("POST", `/v1/steps/${step}/artifacts`, { token: member, body: { ...fence, kind: "text", name: "x", text: "x".repeat(bytes) } });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => attach(i % 2 === 0 ? a : b, 90)));
  expect(answers.filter(({ status }) => status === 201).length, JSON.stringify(answers.map(({ body }) => body.error))).toBe(11);
  expect(answers.filter(({ body }) => body.error?.code === "quota_exceeded")).toHaveLength(9);
  expect((await attach(a, 11)).status).toBe(429);
  expect((await attach(a, 10)).status).toBe(201);
  expect((await a.call("GET", "/v1/quotas", { token: member })).body.storage_bytes).toEqual({ used: 1000, limit: 1000 });
});

test("every content of the organization counts once, by its name, also what agents and archives keep; files are admitted up to the last byte", async () => {
  const { member, id } = await limited({ storage_bytes: 10_000 });
  const room_id = (await a.call("POST", "/v1/rooms", { token: member, body: { title: "Work" } })).body.id;
  const run = (await a.call("POST", "/v1/runs", { token: member, body: { room_id, title: "x" } })).body.id;
  const { claim_token, epoch } = (await a.call("POST", "/v1/runs/claim", { token: member, body: { room_id } })).body.run;
  const fence = { claim_token, epoch };
  await a.call("POST", `/v1/runs/${run}/start`, { token: member, body: fence });
  const step = (await a.call("POST", `/v1/runs/${run}/steps`, { token: member, body: { ...fence, kind: "agent" } })).body.id;
  const attach = (at: Composed, bytes: Buffer) =>
    at.call("POST", `/v1/steps/${step}/artifacts`, {
      token: member,
      body: { ...fence, kind: "file", name: "x", media_type: "application/octet-stream", content_base64: bytes.toString("base64") },
    });
  const used = async () => (await a.call("GET", "/v1/quotas", { token: member })).body.storage_bytes.used as number;
  // The same bytes, by two at once and again: one content.
  const same = Buffer.alloc(1000, 0xff);
  expect((await Promise.all([a, b, a, b].map((at) => attach(at, same)))).map(({ status }) => status)).toEqual([201, 201, 201, 201]);
  expect(await used()).toBe(1000);
  // Twenty different ones of 900 bytes, of which ten fit.
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => attach(i % 2 === 0 ? a : b, Buffer.alloc(900, 0x80 + i))));
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(10);
  expect(answers.filter(({ body }) => body.error?.code === "quota_exceeded")).toHaveLength(10);
  expect(await used()).toBe(10_000);
  // What is kept for an agent is kept all the same, and then nothing new is begun.
  const store = diskBlobs(path.join(a.dataDir, "blobs"));
  const counted = countedBlobs(store, database.pool("sb_log"));
  const { sha256 } = await counted.put(id, Buffer.alloc(500, 0xfe));
  expect(await used()).toBe(10_500);
  const again = await a.call("POST", "/v1/runs", { token: member, body: { room_id, title: "y" } });
  expect([again.status, again.body.error?.details?.quota]).toEqual([429, "storage_bytes"]);
  await counted.erase(id, sha256);
  expect(await used()).toBe(10_000);
  expect((await a.call("POST", "/v1/runs", { token: member, body: { room_id, title: "y" } })).status).toBe(201);
  // Killed between storing and counting, or erasing and counting: mended by the nightly look.
  await database.rows(
    "delete from quo_blobs where organization_id = $1 and sha256 in (select sha256 from quo_blobs where organization_id = $1 limit 1)",
    [id],
  );
  await database.rows(
    "update quo_storage set bytes = (select sum(bytes) from quo_blobs where organization_id = $1) where organization_id = $1",
    [id],
  );
  await database.rows("insert into quo_blobs values ($1, $2, 77)", [id, `sha256:${"0".repeat(64)}`]);
  await database.rows("update quo_storage set bytes = bytes + 77 where organization_id = $1", [id]);
  await recount(store, database.pool("sb_log"));
  // What was refused is not there any more.
  expect(await used()).toBe(10_000);
});

test("once the day's events are used up nothing new is begun, until the next day", async () => {
  const { member, token } = await limited({ events_per_day: 15 });
  const room_id = (await a.call("POST", "/v1/rooms", { token: member, body: { title: "Work" } })).body.id;
  const run = async (by: string) => (await a.call("POST", "/v1/runs", { token: by, body: { room_id, title: "x" } })).status;
  // Counted within seconds: asked no oftener than a person would.
  await expect.poll(() => run(member), { timeout: 40_000, interval: 200 }).toBe(429);
  // A count may pass four fifths and the whole at once: then nobody was warned, and it is told all the same.
  await expect.poll(async () => (await events(member, "quota.exceeded")).length, { interval: 500 }).toBe(1);
  const { used } = (await a.call("GET", "/v1/quotas", { token: member })).body.events_per_day;
  expect(used).toBeGreaterThanOrEqual(15);
  expect((await create(a, member)).body.error.code).toBe("quota_exceeded");
  // What runs already goes on: reading and ending are nobody's quota.
  expect((await a.call("GET", `/v1/rooms/${room_id}`, { token: member })).status).toBe(200);
  aheadMs += 24 * 3600_000;
  expect(await run(await token())).toBe(201);
});

test("only operators set quotas; to everybody else there is no organization to set them of", async () => {
  const { id, token, operator } = await limited({ sessions: 3 });
  const owner = await token();
  // Nor does it help to own the installation's own organization beside whoever operates it.
  for (const other of [owner, (await a.person("owner")).token])
    expect((await a.call("PUT", `/v1/quotas/${id}`, { token: other, body: { sessions: 9 } })).status).toBe(404);
  expect((await a.call("PUT", "/v1/quotas/ws_nobody", { token: operator, body: { sessions: 9 } })).status).toBe(404);
  expect((await a.call("GET", "/v1/quotas", { token: owner })).body.sessions.limit).toBe(3);
  const back = await a.call("PUT", `/v1/quotas/${id}`, { token: operator, body: { sessions: null } });
  expect(back.body.sessions.limit).toBeNull();
  expect((await events(owner, "quota.changed")).map(({ limit }) => limit)).toEqual([null, 3]);
});

test("one key makes as many requests a minute as it may through all processes together, and is told", async () => {
  const { token } = await a.person("viewer");
  const { token: other } = await a.person("viewer");
  const ask = (at: Composed, by = token) => at.call("GET", "/v1/me", { token: by });
  const first = await ask(a);
  expect(first.headers["ratelimit-policy"]).toBe(`"api";q=${PER_MINUTE};w=60`);
  expect(first.headers["ratelimit"]).toMatch(/^"api";r=\d+;t=\d+$/);
  // Two processes that are both asked for all of it.
  const answers = await Promise.all(Array.from({ length: PER_MINUTE * 2 }, (_, i) => ask(i % 2 === 0 ? a : b)));
  const admitted = answers.filter(({ status }) => status === 200).length + 1;
  expect(admitted).toBe(PER_MINUTE);
  const late = answers.find(({ status }) => status === 429)!;
  expect(late.body.error).toMatchObject({ code: "rate_limited", fix: expect.any(String) });
  expect(Number(late.headers["retry-after"])).toBeGreaterThan(0);
  expect((await ask(b, other)).status).toBe(200);
  // A key that is refused costs nobody a query until its minute is over.
  aheadMs += 61_000;
  expect((await ask(b)).status).toBe(200);
});
