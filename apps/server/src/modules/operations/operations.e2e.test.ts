import { databaseTest } from "@signalbox/testkit/database";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
let aheadMs = 0;
const clock = { now: () => new Date(Date.now() + aheadMs).toISOString(), nowMs: () => Date.now() + aheadMs };
let c: Composed;

beforeAll(async () => {
  c = await startComposed(database, { clock });
}, 60_000);
afterAll(() => c.close());

async function insertDead(organizationId: string, key: string | null): Promise<string> {
  const client = new Client(database.connection("admin"));
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string }>(
      `insert into jobs (organization_id, kind, key, payload, state, attempt, max_attempts, last_error) values ($1, 'approval.expire', $2, '{"approval_id":"appr_x"}', 'dead', 8, 8, 'it broke') returning id`,
      [organizationId, key],
    );
    return rows[0]!.id;
  } finally {
    await client.end();
  }
}

test("the system page tells of machine, database, jobs and health, to admins only", async () => {
  await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Room" } });
  const { body } = await c.call("GET", "/v1/system", { token: c.owner });
  expect(body).toMatchObject({
    node: process.version,
    sandboxes: [],
    jobs: { dead: 0 },
    database: { embedded: true },
    connections: { sync_sockets: 0 },
  });
  expect(body.data_dir.path).toBe(c.dataDir);
  // Added up meanwhile: what takes longer than a moment shows at the next look.
  await expect.poll(async () => (await c.call("GET", "/v1/system", { token: c.owner })).body.data_dir.bytes).toBeGreaterThan(0);
  expect(body.database.events).toBeGreaterThan(3);
  expect(body.database.position).toBeGreaterThanOrEqual(body.database.events);
  expect(body.memory.rss_bytes).toBeGreaterThan(1e7);
  expect(body.health.map((part: { name: string }) => part.name)).toContain("log");
  expect((await c.call("GET", "/v1/system", { token: (await c.person("approver")).token })).status).toBe(403);
});

test("a job that was given up is listed with its error and tried again, each organization for itself", async () => {
  const [id, foreign] = [await insertDead("ws_dev", null), await insertDead("ws_other", null)];
  const { items } = (await c.call("GET", "/v1/jobs/dead", { token: c.owner })).body;
  expect(items).toMatchObject([{ id, kind: "approval.expire", attempts: 8, last_error: "it broke" }]);
  expect((await c.call("POST", `/v1/jobs/${foreign}/retry`, { token: c.owner, body: {} })).status).toBe(404);
  expect((await c.call("POST", `/v1/jobs/${id}/retry`, { token: c.owner, body: {} })).status).toBe(200);
  await expect.poll(async () => (await c.call("GET", "/v1/jobs/dead", { token: c.owner })).body.items, { timeout: 5000 }).toEqual([]);
  expect((await c.call("POST", `/v1/jobs/${id}/retry`, { token: c.owner, body: {} })).status).toBe(404);
});

test("an engine is live while it beats, late when its lease ran out, and gone after ten minutes", async () => {
  const engine = await c.person("member");
  const room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Tasks" } })).body.id;
  await c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id: engine.id, role: "member" } });
  for (const title of ["First", "Second"]) await c.call("POST", "/v1/runs", { token: c.owner, body: { room_id: room, title } });
  const claim = async () => (await c.call("POST", "/v1/runs/claim", { token: engine.token, body: {} })).body.run;
  const first = await claim();
  const fence = { claim_token: first.claim_token, epoch: first.epoch };
  await c.call("POST", `/v1/runs/${first.id}/start`, { token: engine.token, body: fence });
  await c.call("POST", `/v1/runs/${first.id}/complete`, { token: engine.token, body: fence });
  const second = await claim();
  const worker = async (token = c.owner) => (await c.call("GET", "/v1/workers", { token })).body.items[0];
  expect(await worker()).toMatchObject({
    principal_id: engine.id,
    name: "A member",
    state: "live",
    completed: 1,
    failed: 0,
    leases: [{ run_id: second.id, title: "Second", attempt_no: 1 }],
  });
  aheadMs = 60_000;
  expect((await worker()).state).toBe("late");
  aheadMs = 15 * 60_000;
  expect((await worker()).state).toBe("gone");
  aheadMs = 0;
  expect(await worker((await c.person("viewer")).token)).toBeUndefined();
});
