import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startComposed, type Composed } from "../../composed.fixture.ts";
import { startConvex, startReceiver, type Receiver, type StandInConvex } from "./receivers.fixture.ts";

const db = databaseTest();
let app: Composed;
let receiver: Receiver;
let convex: StandInConvex;
vi.setConfig({ testTimeout: 180_000 });
beforeAll(async () => {
  [receiver, convex] = await Promise.all([startReceiver(), startConvex()]);
  app = await startComposed(db, {
    flags: ["--no-open"],
    environment: { SIGNALBOX_SINK_ALLOW_PRIVATE: "true", SIGNALBOX_SINK_MAX_FAILURES: "3", SIGNALBOX_SINK_FIRST_RETRY_MS: "100" },
  });
}, 60_000);
afterAll(async () => {
  await app.close();
  await Promise.all([receiver.close(), convex.close()]);
});

const ask = (method: string, url: string, body?: unknown) =>
  app.call(method, url, { token: app.owner, ...(body === undefined ? {} : { body }) });
const roomMade = async (title: string): Promise<string> => (await ask("POST", "/v1/rooms", { title })).body.id as string;
const sinkNow = async (id: string) => (await ask("GET", `/v1/sinks/${id}`)).body;
const soon = { timeout: 60_000, interval: 50 };
const created = () =>
  receiver.received
    .filter(({ event }) => event.type === "room.created")
    .map(({ event }) => (event.data["data"] as { title: string }).title);

let hook: { id: string; secret: string };

test("a webhook gets each event once, in order, signed, in a CloudEvents envelope whose id is the event's", async () => {
  const made = await ask("POST", "/v1/sinks", { name: "Ours", kind: "webhook", url: `${receiver.url}/hook`, types: ["room.*"] });
  expect(made.status).toBe(201);
  hook = made.body;
  expect(hook.secret).toMatch(/^whsec_/);
  receiver.secret(hook.secret);
  for (const title of ["one", "two", "three"]) await roomMade(title);
  await expect.poll(created, soon).toEqual(["one", "two", "three"]);
  const [first] = receiver.received;
  expect(first).toMatchObject({
    event: { specversion: "1.0", type: "room.created", id: first!.id, data: { event_id: first!.id, type: "room.created" } },
  });
  expect(receiver.received.every(({ event }) => event.type.startsWith("room."))).toBe(true);
  await expect.poll(async () => (await sinkNow(hook.id)).behind, soon).toBe(0);
  const { body } = await ask("GET", `/v1/sinks/${hook.id}/deliveries?limit=2`);
  expect(body.items).toMatchObject([{ state: "delivered", status: 204 }, { state: "delivered" }]);
  expect(body.next_cursor).not.toBeNull();
});

test("its secret is in no answer, event or row but sealed", async () => {
  expect(JSON.stringify((await ask("GET", "/v1/sinks")).body)).not.toContain(hook.secret);
  const [{ n }] = (await db.rows<{ n: string }>("select count(*) as n from evt_payloads where data like $1", [
    `%${hook.secret.slice(6)}%`,
  ])) as [{ n: string }];
  expect(n).toBe("0");
});

test("what is not taken is tried again, with the same id, before anything later", async () => {
  receiver.answer(500, 503);
  await roomMade("four");
  await roomMade("five");
  await expect.poll(created, soon).toEqual(["one", "two", "three", "four", "five"]);
  const { body } = await ask("GET", `/v1/sinks/${hook.id}/deliveries`);
  const four = body.items.find((one: { attempts: number }) => one.attempts > 1);
  expect(four).toMatchObject({ state: "delivered", attempts: 3, type: "room.created" });
});

test("a sink that goes on failing is paused with the reason; what was given up is dead, and a replay delivers it again", async () => {
  receiver.answer(500, 500, 500);
  await roomMade("lost");
  await expect.poll(async () => (await sinkNow(hook.id)).status, soon).toBe("paused");
  expect(await sinkNow(hook.id)).toMatchObject({
    paused_reason: expect.stringContaining("did not take it (500). Given up after 3 attempts."),
  });
  const dead = (await ask("GET", `/v1/sinks/${hook.id}/deliveries?state=dead`)).body.items;
  expect(dead).toMatchObject([{ state: "dead", attempts: 3, status: 500, type: "room.created" }]);
  await roomMade("while paused");
  expect((await ask("POST", `/v1/sinks/${hook.id}/resume`, {})).body.status).toBe("active");
  await expect.poll(created, soon).toEqual(["one", "two", "three", "four", "five", "while paused"]);
  await ask("POST", `/v1/sinks/${hook.id}/replay`, { from_position: dead[0].position });
  await expect.poll(() => created().slice(6), soon).toEqual(["lost", "while paused"]);
  expect((await ask("GET", `/v1/sinks/${hook.id}/deliveries?state=dead`)).body.items).toEqual([]);
  expect(await ask("POST", `/v1/sinks/${hook.id}/replay`, { from_position: 1e9 })).toMatchObject({ status: 400 });
});

test("whoever lost the sink while a message was out records nothing; it comes again under the same id, from the one that has it", async () => {
  const before = receiver.received.length;
  const release = receiver.hold();
  await roomMade("twice");
  await expect.poll(() => created().at(-1), soon).toBe("twice");
  // As a later holder of the lease does.
  await db.rows("update sink_cursors set fence = nextval('jobs_fence') where sink_id = $1", [hook.id]);
  release();
  await app.server.jobs.enqueue([{ kind: "sinks.deliver", organizationId: "ws_dev", payload: { sink_id: hook.id }, key: hook.id }]);
  await expect.poll(() => created().slice(-2), soon).toEqual(["twice", "twice"]);
  const ids = receiver.received
    .slice(before)
    .filter(({ event }) => event.type === "room.created")
    .map(({ id }) => id);
  expect(new Set(ids).size).toBe(1);
  await expect.poll(async () => (await sinkNow(hook.id)).behind, soon).toBe(0);
});

test("a receiver that wants no more is left alone at once", async () => {
  receiver.answer(410);
  await roomMade("unwanted");
  await expect.poll(async () => (await sinkNow(hook.id)).paused_reason, soon).toContain("wants no more (410)");
});

test("Convex gets everything in batches; what it lost is found by windows and repaired by a replay", async () => {
  const made = await ask("POST", "/v1/sinks", { name: "Convex", kind: "convex", url: convex.url, secret: convex.key, from: "beginning" });
  expect(made).toMatchObject({ status: 201, body: { secret: null } });
  const { id } = made.body as { id: string };
  await expect.poll(async () => (await sinkNow(id)).behind, soon).toBe(0);
  const total = convex.events.size;
  expect(total).toBeGreaterThan(10);
  expect((await ask("POST", `/v1/sinks/${id}/test`, {})).body).toMatchObject({ ok: true });
  expect((await ask("POST", `/v1/sinks/${id}/check`, {})).body).toMatchObject({ agrees: true, replayed_from: null });

  const [lost] = [...convex.events.keys()].slice(5);
  convex.events.delete(lost!);
  const found = (await ask("POST", `/v1/sinks/${id}/check`, {})).body;
  expect(found).toMatchObject({ agrees: false, windows: [{ agrees: false }] });
  expect(found.windows[0].count - found.windows[0].their_count).toBe(1);
  expect((await ask("POST", `/v1/sinks/${id}/check`, { repair: true })).body).toMatchObject({ agrees: false, replayed_from: 1 });
  await expect.poll(() => convex.events.has(lost!), soon).toBe(true);
  await expect.poll(async () => (await ask("POST", `/v1/sinks/${id}/check`, {})).body.agrees, soon).toBe(true);

  await ask("PATCH", `/v1/sinks/${id}`, { secret: "wrong" });
  expect((await ask("POST", `/v1/sinks/${id}/test`, {})).body).toMatchObject({
    ok: false,
    message: expect.stringContaining("BadDeployKey"),
  });
  expect(await ask("POST", `/v1/sinks/${hook.id}/check`, {})).toMatchObject({
    status: 409,
    body: { error: { code: "sink_cannot_be_asked" } },
  });
});

test("a sink that is gone has no secret, no deliveries and no messages", async () => {
  expect((await ask("DELETE", `/v1/sinks/${hook.id}`)).status).toBe(200);
  expect((await ask("GET", `/v1/sinks/${hook.id}`)).status).toBe(404);
  expect(await db.rows("select 1 from sink_deliveries where sink_id = $1", [hook.id])).toEqual([]);
  expect(await db.rows("select 1 from secrets where name = $1", [`sink:${hook.id}`])).toEqual([]);
});

test("another organization's sinks are not there, and who is no administrator may not look", async () => {
  const { id } = (await ask("GET", "/v1/sinks")).body.items[0];
  const other = await app.organization();
  expect((await app.call("GET", `/v1/sinks/${id}`, { token: other.token })).status).toBe(404);
  expect((await app.call("POST", `/v1/sinks/${id}/replay`, { token: other.token, body: { from_position: 1 } })).status).toBe(404);
  const member = await app.person("member");
  expect((await app.call("GET", "/v1/sinks", { token: member.token })).status).toBe(403);
});

test("made again from the log, the list is what it was", async () => {
  expect((await ask("POST", "/v1/audit/rebuild", { dry_run: true, projection: "sinks" })).body).toMatchObject({ drifted: false });
});
