import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { databaseTest } from "@signalbox/testkit/database";
import { type PushService, startPushService } from "@signalbox/testkit/push-service";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
let c: Composed;
let service: PushService;
let publicKey = "";
let room: string;
let person: { id: string; token: string };

beforeAll(async () => {
  c = await startComposed(database, {
    environment: { SIGNALBOX_PUSH_ALLOW_LOOPBACK: "true", SIGNALBOX_PUSH_CONTACT: "mailto:ops@example.com" },
  });
  publicKey = (await c.call("GET", "/v1/push/key", { token: c.owner })).body.public_key;
  service = await startPushService(() => publicKey);
}, 60_000);
afterAll(async () => {
  await c.close();
  await service.close();
});
beforeEach(async () => {
  service.notes.length = 0;
  service.answers.length = 0;
  room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Room" } })).body.id;
  person = await c.person("approver");
  await c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id: person.id, role: "approver" } });
});

const subscribe = async (token: string, body: object = service.subscribe()) => c.call("POST", "/v1/push/subscriptions", { token, body });
const subscriptions = async (token: string) => (await c.call("GET", "/v1/push/subscriptions", { token })).body.items;
const ask = async (title = "Push to main"): Promise<string> =>
  (
    await c.call("POST", "/v1/approvals", {
      token: c.owner,
      body: { action: "git.push", title, room_id: room, params: { n: Math.random() }, request: { notes_md: "private reasons" } },
    })
  ).body.id;
const arrived = (count: number) => expect.poll(() => service.notes.length, { timeout: 8000, interval: 10 }).toBe(count);

test("an approval reaches the browser of whoever may decide, encrypted for it, signed, and once", async () => {
  expect((await subscribe(person.token)).status).toBe(201);
  const stranger = await c.person("approver");
  await subscribe(stranger.token);
  const id = await ask();
  await arrived(1);
  const [note] = service.notes;
  expect(note?.payload).toMatchObject({
    title: "Approval needed",
    body: "Push to main",
    url: `/approvals/${id}`,
    approval_id: id,
    tag: `approval:${id}`,
  });
  expect(note?.payload.actions.map(({ action }) => action)).toEqual(["approve", "deny"]);
  expect(JSON.stringify(note?.payload)).not.toContain("private reasons");
  expect(note?.urgency).toBe("high");
  expect(note?.ttl).toBeGreaterThan(80_000);
  expect(note?.ttl).toBeLessThanOrEqual(86_400);
  expect(note?.claims).toMatchObject({ aud: service.origin, sub: "mailto:ops@example.com" });
  await ask("Another");
  await arrived(2);
  expect((await subscriptions(person.token))[0]).toMatchObject({
    service: "127.0.0.1",
    last_error: null,
    last_sent_at: expect.any(String),
  });
});

test("who looks at the page needs no note; who looked away half a minute ago does", async () => {
  await subscribe(person.token);
  await c.call("POST", "/v1/push/seen", { token: person.token, body: {} });
  await ask("While looking");
  const other = await c.person("approver");
  await c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id: other.id, role: "approver" } });
  await subscribe(other.token);
  await ask("For both");
  await arrived(1);
  expect(service.notes[0]?.payload.body).toBe("For both");
});

test("a browser that is gone is forgotten, and what is decided meanwhile is not told", async () => {
  await subscribe(person.token);
  service.answers.push(410);
  await ask();
  await expect.poll(() => subscriptions(person.token), { timeout: 8000 }).toEqual([]);

  await subscribe(person.token);
  service.answers.push(503);
  const before = service.posts;
  const id = await ask("Decided soon");
  await expect.poll(() => service.posts, { timeout: 8000, interval: 5 }).toBe(before + 1);
  await c.call("POST", `/v1/approvals/${id}/decide`, { token: c.owner, body: { decision: "deny" } });
  await new Promise((resolve) => setTimeout(resolve, 2500));
  expect(service.notes).toEqual([]);
});

test("a push service that is busy is asked again, and one that refuses is not", async () => {
  await subscribe(person.token);
  service.answers.push(429, 500);
  await ask("Later");
  await arrived(1);
  service.answers.push(400);
  const before = service.posts;
  await ask("Refused");
  await expect
    .poll(async () => (await subscriptions(person.token))[0]?.last_error, { timeout: 8000 })
    .toMatch(/did not take the note \(400\)/);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(service.posts).toBe(before + 1);
});

test("a failed run is told to who asked for it", async () => {
  await subscribe(person.token);
  const run = (await c.call("POST", "/v1/runs", { token: person.token, body: { room_id: room, title: "Nightly" } })).body;
  const claimed = (await c.call("POST", "/v1/runs/claim", { token: c.owner, body: { room_id: room } })).body.run;
  const fence = { claim_token: claimed.claim_token, epoch: claimed.epoch };
  await c.call("POST", `/v1/runs/${run.id}/start`, { token: c.owner, body: fence });
  await c.call("POST", `/v1/runs/${run.id}/fail`, { token: c.owner, body: { ...fence, code: "x", message: "No." } });
  await arrived(1);
  expect(service.notes[0]).toMatchObject({
    urgency: "normal",
    payload: { title: "A run failed", body: "Nightly", url: `/runs/${run.id}`, actions: [] },
  });
});

test("a test note says what came of it in each browser", async () => {
  expect((await c.call("POST", "/v1/push/test", { token: person.token, body: {} })).body.error.code).toBe("no_push_subscriptions");
  await subscribe(person.token);
  expect((await c.call("POST", "/v1/push/test", { token: person.token, body: {} })).body.items).toMatchObject([{ ok: true, status: 201 }]);
  service.answers.push(500);
  expect((await c.call("POST", "/v1/push/test", { token: person.token, body: {} })).body.items).toMatchObject([{ ok: false, status: 500 }]);
});

test("only push services on public addresses are called, and only with keys that can be", async () => {
  const { keys } = service.subscribe();
  for (const endpoint of [
    "http://push.example.com/a",
    "https://127.0.0.1/a",
    "https://[::1]/a",
    "https://10.0.0.1/a",
    "https://169.254.169.254/latest",
    "https://localhost/a",
    "https://metadata.google.internal/a",
    "https://user:pw@push.example.com/a",
    "file:///etc/passwd",
    "nonsense",
  ]) {
    expect((await subscribe(person.token, { endpoint, keys })).body.error?.code, endpoint).toBe("push_endpoint_not_allowed");
  }
  expect(
    (await subscribe(person.token, { endpoint: "https://push.example.com/a", keys: { ...keys, p256dh: "AAAA" } })).body.error.code,
  ).toBe("push_keys_invalid");
});

test("a subscription is its owner's, and an endpoint that comes again replaces what it was", async () => {
  const browser = service.subscribe();
  const first = (await subscribe(person.token, browser)).body;
  expect((await subscribe(person.token, { ...browser, label: "Laptop" })).body).toMatchObject({ id: first.id, label: "Laptop" });
  expect((await c.call("DELETE", `/v1/push/subscriptions/${first.id}`, { token: c.owner })).status).toBe(404);
  expect((await c.call("DELETE", `/v1/push/subscriptions/${first.id}`, { token: person.token })).status).toBe(200);
  expect(await subscriptions(person.token)).toEqual([]);
});

test("the server's key stays the same, and is its user's alone", async () => {
  const file = path.join(c.dataDir, "keys/vapid.json");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect((JSON.parse(readFileSync(file, "utf8")) as { publicKey: string }).publicKey).toBe(publicKey);
});
