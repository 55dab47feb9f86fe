/* Documents over `sync:v1`: counted, filtered, hydrated, kept for a day; and keys that outlive a process. */
import { createClient } from "@signalbox/client/client";
import { createSync } from "@signalbox/client/sync";
import { listDocuments, type SyncUpdate } from "@signalbox/contract/sync";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { newId } from "@signalbox/kernel/id";
import { databaseTest } from "@signalbox/testkit/database";
import { Pool } from "pg";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { followDocuments } from "@signalbox/client/documents";
import { openSocket, type TestSocket } from "./sync-socket.fixture.ts";

const database = databaseTest();
let c: Composed;
let port: number;
let pool: Pool;
let aheadMs = 0;
const clock = { now: () => new Date(Date.now() + aheadMs).toISOString(), nowMs: () => Date.now() + aheadMs };
const RUNS = "runtime.run_summaries";

beforeAll(async () => {
  c = await startComposed(database, { clock });
  port = await c.server.listen();
  pool = new Pool(database.connection("sb_log"));
}, 60_000);
afterEach(() => void (aheadMs = 0));
afterAll(async () => {
  await pool.end();
  await c.close();
});

const WAIT = { timeout: 20_000, interval: 10 };
const tokenOf = async (token: string): Promise<string> => (await c.call("POST", "/v1/sync/token", { token, body: {} })).body.token;
const open = async (token: string): Promise<TestSocket> => openSocket(port, await tokenOf(token));
const newRoom = async (token = c.owner): Promise<string> =>
  (await c.call("POST", "/v1/rooms", { token, body: { title: "Topics" } })).body.id;
const newRun = async (room: string, token = c.owner): Promise<string> => {
  const made = await c.call("POST", "/v1/runs", { token, body: { room_id: room, title: "A task", goal: "Do it" } });
  expect(made.status).toBe(201);
  return made.body.id;
};
const join = (room: string, principal_id: string) =>
  c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id, role: "member" } });
const list = async (token: string, collection = "run_summaries", query = "?limit=200") =>
  (await c.call("GET", `/v1/sync/list/${collection}${query}`, { token })).body as {
    watermark: string;
    items: { doc_key: string; doc_version: number; payload: { status: string } }[];
    next_cursor: string | null;
  };
const keys = (updates: readonly SyncUpdate[]): string[] => updates.map((update) => update.doc_key);
async function follow(socket: TestSocket, topic: string, after?: string): Promise<void> {
  socket.send({ type: "subscribe", topics: [topic], ...(after === undefined ? {} : { resume_after: { [topic]: after } }) });
  await socket.caughtUp(topic);
}

test("a run's summary comes with each change of it, counted by one and hashed", async () => {
  const room = await newRoom();
  const socket = await open(c.owner);
  await follow(socket, RUNS);
  const run = await newRun(room);
  await socket.until(() => socket.updates.length === 1);
  await c.call("POST", `/v1/runs/${run}/cancel`, { token: c.owner, body: {} });
  await socket.until(() => socket.updates.length === 2);
  expect(keys(socket.updates)).toEqual([`runtime/run_summary:${run}`, `runtime/run_summary:${run}`]);
  expect(socket.updates.map(({ payload }) => (payload as { status: string }).status)).toEqual(["queued", "canceled"]);
  const [first, second] = socket.updates;
  expect(Number(second!.watermark)).toBe(Number(first!.watermark) + 1);
  expect(second!.doc_version).toBeGreaterThan(first!.doc_version);
  const document = await c.call("GET", `/v1/sync/doc/${encodeURIComponent(first!.doc_key)}`, { token: c.owner });
  expect(document.body).toMatchObject({ topic: RUNS, payload_hash: second!.payload_hash, doc_version: second!.doc_version });
  socket.close();
});

test("nobody is told of a room that they are not in, of another organization least of all", async () => {
  const [mine, secret] = [await newRoom(), await newRoom()];
  const member = await c.person("member");
  await join(mine, member.id);
  const other = await c.organization();
  const [ours, theirs] = [await open(member.token), await open(other.token)];
  await follow(ours, RUNS);
  await follow(theirs, RUNS);
  const hidden = await newRun(secret);
  const shown = await newRun(mine);
  await ours.until(() => ours.updates.length > 0);
  expect(keys(ours.updates)).toEqual([`runtime/run_summary:${shown}`]);
  expect((await list(member.token)).items.map(({ doc_key }) => doc_key)).toEqual([`runtime/run_summary:${shown}`]);
  for (const [token, run] of [
    [member.token, hidden],
    [other.token, shown],
  ] as const)
    expect((await c.call("GET", `/v1/sync/doc/${encodeURIComponent(`runtime/run_summary:${run}`)}`, { token })).status).toBe(404);
  // From the beginning of what is kept, which replays through the same filter.
  const again = await open(member.token);
  await follow(again, RUNS, "0");
  expect(keys(again.updates)).toEqual([`runtime/run_summary:${shown}`]);
  expect((await list(other.token)).items).toEqual([]);
  expect(theirs.updates).toEqual([]);
  for (const socket of [ours, theirs, again]) socket.close();
});

test("who joins or leaves a room is told to read anew, and is told nothing of it after leaving", async () => {
  const room = await newRoom();
  const member = await c.person("member");
  const socket = await open(member.token);
  await follow(socket, RUNS);
  await join(room, member.id);
  await socket.error("stale_cursor");
  const { watermark } = await list(member.token);
  await follow(socket, RUNS, watermark);
  await newRun(room);
  await socket.until(() => socket.updates.length === 1);
  await c.call("DELETE", `/v1/rooms/${room}/members/${member.id}`, { token: c.owner });
  const before = socket.frames.length;
  await newRun(room);
  await socket.until(() => socket.frames.slice(before).some((frame) => frame.type === "error" && frame.code === "stale_cursor"));
  await follow(socket, RUNS, (await list(member.token)).watermark);
  expect(socket.updates).toHaveLength(1);
  socket.close();
});

test("hydrating and then following misses nothing while others write", async () => {
  const room = await newRoom();
  const runs = await Promise.all(Array.from({ length: 8 }, () => newRun(room)));
  const writers = [0, 1, 2].map(async (n) => {
    for (let i = 0; i < 12; i++) {
      const run = runs[(i * 3 + n) % runs.length]!;
      const status = (await c.call("GET", `/v1/runs/${run}`, { token: c.owner })).body.status;
      if (status === "queued") await c.call("POST", `/v1/runs/${run}/cancel`, { token: c.owner, body: {} });
      else runs[runs.indexOf(run)] = await newRun(room);
    }
  });
  const readers = await Promise.all(
    Array.from({ length: 4 }, async (_, n) => {
      // Each hydrates somewhere in the middle of it.
      await new Promise((resolve) => setTimeout(resolve, n * 60));
      const page = await list(c.owner);
      const socket = await open(c.owner);
      await follow(socket, RUNS, page.watermark);
      return { page, socket };
    }),
  );
  await Promise.all(writers);
  const truth = new Map((await list(c.owner)).items.map((item) => [item.doc_key, item]));
  for (const { page, socket } of readers) {
    const know = (): Map<string, number> => {
      const versions = new Map(page.items.map((item) => [item.doc_key, item.doc_version]));
      for (const update of socket.updates)
        if (update.doc_version > (versions.get(update.doc_key) ?? 0)) versions.set(update.doc_key, update.doc_version);
      return versions;
    };
    await expect.poll(() => [...truth].filter(([key, item]) => know().get(key) !== item.doc_version), WAIT).toEqual([]);
    const marks = socket.updates.map((update) => Number(update.watermark));
    expect(marks).toEqual([...new Set(marks)].toSorted((a, b) => a - b));
    socket.close();
  }
}, 60_000);

test("the typed client hydrates, follows, and after a stale cursor hydrates again by itself", async () => {
  const room = await newRoom();
  const first = await newRun(room);
  const client = createClient({ baseUrl: `http://127.0.0.1:${port}`, token: c.owner });
  const sync = createSync({ client });
  let known: ReadonlyMap<string, unknown> = new Map();
  let hydrations = 0;
  const counted = {
    ...client,
    call: ((route: typeof listDocuments, input: never) => {
      if (route.id === listDocuments.id) hydrations++;
      return client.call(route, input);
    }) as typeof client.call,
  };
  const stop = followDocuments({ client: counted, sync, collection: "run_summaries", onChange: (documents) => (known = documents) });
  await expect.poll(() => known.has(`runtime/run_summary:${first}`), WAIT).toBe(true);
  const second = await newRun(room);
  await expect.poll(() => known.has(`runtime/run_summary:${second}`), WAIT).toBe(true);
  // What it follows is cut off as stale, as after a day away.
  const before = hydrations;
  await pool.query("update feed_topics set floor = head + 1000 where topic = $1", [RUNS]);
  await pool.query("update feed_topics set head = head + 2000 where topic = $1", [RUNS]);
  const third = await newRun(room);
  await expect.poll(() => known.has(`runtime/run_summary:${third}`), WAIT).toBe(true);
  expect(hydrations).toBeGreaterThanOrEqual(before);
  stop();
  sync.close();
});

test("an engine's summary says what it holds, and what became of it", async () => {
  const room = await newRoom();
  const engine = await c.person("member", { scopes: ["read", "write", "engine"] });
  await join(room, engine.id);
  const socket = await open(c.owner);
  await follow(socket, "runtime.worker_summaries");
  await newRun(room);
  const claimed = await c.call("POST", "/v1/runs/claim", { token: engine.token, body: { room_id: room } });
  expect(claimed.body.claimed).toBe(true);
  await socket.until(() => socket.updates.length === 1);
  expect(socket.updates[0]).toMatchObject({
    doc_key: `runtime/worker_summary:${engine.id}`,
    payload: { id: engine.id, status: "busy", holding: 1, completed: 0 },
  });
  expect((await list(c.owner, "worker_summaries")).items.map(({ doc_key }) => doc_key)).toContain(`runtime/worker_summary:${engine.id}`);
  // Whoever is in none of its rooms does not know it.
  expect((await list((await c.person("member")).token, "worker_summaries")).items).toEqual([]);
  socket.close();
});

test("a notification opens and closes, for those whom it concerns", async () => {
  const room = await newRoom();
  const [approver, bystander] = [await c.person("approver"), await c.person("member")];
  await c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id: approver.id, role: "approver" } });
  await join(room, bystander.id);
  const [theirs, others] = [await open(approver.token), await open(bystander.token)];
  await follow(theirs, "runtime.notifications");
  await follow(others, "runtime.notifications");
  const approval = (
    await c.call("POST", "/v1/approvals", {
      token: c.owner,
      body: { action: "git.push", title: "Push to main", room_id: room, params: {} },
    })
  ).body.id;
  await theirs.until(() => theirs.updates.length === 1);
  expect(theirs.updates[0]).toMatchObject({ payload: { kind: "approval", title: "Push to main", closed_at: null } });
  await c.call("POST", `/v1/approvals/${approval}/decide`, { token: approver.token, body: { decision: "deny" } });
  await theirs.until(() => theirs.updates.length === 2);
  expect(theirs.updates[1]).toMatchObject({ doc_version: 2, payload: { outcome: "denied" } });
  expect(others.updates).toEqual([]);
  theirs.close();
  others.close();
});

test("what is older than the retention is gone, and a cursor from before it is stale; the counter goes on", async () => {
  const room = await newRoom();
  const before = Number((await list(c.owner)).watermark);
  await newRun(room);
  await expect.poll(async () => Number((await list(c.owner)).watermark), WAIT).toBe(before + 1);
  const head = Number((await list(c.owner)).watermark);
  aheadMs = 25 * 3600_000;
  await enqueueJobs(pool, [{ kind: "schedule.feed.expire", organizationId: "ws_dev", payload: {} }]);
  await expect.poll(async () => (await pool.query("select from feed_updates where topic = $1", [RUNS])).rowCount, WAIT).toBe(0);
  aheadMs = 0;
  const socket = await open(c.owner);
  socket.send({ type: "subscribe", topics: [RUNS], resume_after: { [RUNS]: String(head - 1) } });
  expect(await socket.error("stale_cursor")).toMatchObject({ full_resync_required: true, stale_topics: [RUNS] });
  await follow(socket, RUNS, String(head));
  await newRun(room);
  await socket.until(() => socket.updates.length === 1);
  expect(socket.updates[0]!.watermark).toBe(String(head + 1));
  socket.close();
});

test("a cursor that never was is stale, not silence", async () => {
  const socket = await open(c.owner);
  socket.send({ type: "subscribe", topics: [RUNS], resume_after: { [RUNS]: "999999999" } });
  expect(await socket.error("stale_cursor")).toMatchObject({ stale_topics: [RUNS] });
  socket.close();
});

test("what was erased is not told from the topic's history either", async () => {
  const room = await newRoom();
  const body = { action: "git.push", title: "The password is hunter2", room_id: room, params: {} };
  const { id } = (await c.call("POST", "/v1/approvals", { token: c.owner, body })).body;
  const holds = async () => (await pool.query("select from feed_updates where payload like '%hunter2%'")).rowCount;
  await expect.poll(holds, WAIT).toBeGreaterThan(0);
  const { items } = (await c.call("GET", `/v1/events?subject=approval:${id}`, { token: c.owner })).body;
  await c.call("POST", "/v1/audit/redact", { token: c.owner, body: { event_id: items[0].event_id, reason: "a secret" } });
  await expect.poll(holds, WAIT).toBe(0);
});

test("a token that one process signed opens a socket of the next, and keys are sealed", async () => {
  const token = await tokenOf(c.owner);
  const { rows } = await pool.query<{ sealed: Buffer }>("select sealed from key_rings where ring = 'sync'");
  expect(rows.length).toBeGreaterThan(0);
  expect(rows.every(({ sealed }) => sealed.length === 32 + 12 + 16)).toBe(true);
  const second = await startComposed(database, { dataDir: c.dataDir });
  const socket = await openSocket(await second.server.listen(), token);
  const room = await newRoom();
  await follow(socket, RUNS);
  // The first process appends and writes; the second hears of it.
  const run = await newRun(room);
  await socket.until(() => socket.updates.length === 1);
  expect(keys(socket.updates)).toEqual([`runtime/run_summary:${run}`]);
  socket.close();
  await second.close();
});

test("the key is changed after a day, tokens of the one before it go on, and an hour later it is gone", async () => {
  const kidOf = (token: string): string => (JSON.parse(Buffer.from(token.split(".")[0]!, "base64url").toString()) as { kid: string }).kid;
  const before = await tokenOf(c.owner);
  aheadMs = 24 * 3600_000 - 60_000;
  const last = await tokenOf(c.owner);
  expect(kidOf(last)).toBe(kidOf(before));
  aheadMs += 120_000;
  // The key before it signs until every process can have read of the new one.
  expect(kidOf(await tokenOf(c.owner))).toBe(kidOf(before));
  aheadMs += 2500;
  const after = await tokenOf(c.owner);
  expect(kidOf(after)).not.toBe(kidOf(before));
  const socket = await openSocket(port, last);
  await follow(socket, RUNS);
  socket.close();
  aheadMs += 25 * 3600_000;
  await tokenOf(c.owner);
  expect((await pool.query("select from key_rings where ring = 'sync' and kid = $1", [kidOf(before)])).rowCount).toBe(0);
  aheadMs = 0;
});

test("a token of another organization gets nothing of this one's topics", async () => {
  const room = await newRoom();
  const other = await c.organization();
  const socket = await open(other.token);
  socket.send({ type: "subscribe", topics: [`room:${room}`, `session:${newId("ses")}`] });
  await socket.until(() => socket.frames.filter((frame) => frame.type === "error" && frame.code === "forbidden_topic").length === 2);
  socket.close();
});

test("whoever is taken out of the organization, or may do less, is cut off at once, and gets nothing more", async () => {
  const room = await newRoom();
  const [leaver, demoted] = [await c.person("admin"), await c.person("admin")];
  const sockets = [await open(leaver.token), await open(demoted.token)];
  for (const socket of sockets) {
    await follow(socket, `room:${room}`);
    await follow(socket, RUNS);
  }
  expect((await c.call("DELETE", `/v1/members/${leaver.id}`, { token: c.owner })).status).toBeLessThan(300);
  expect((await c.call("PATCH", `/v1/members/${demoted.id}`, { token: c.owner, body: { role: "member" } })).status).toBeLessThan(300);
  expect(await Promise.all(sockets.map((socket) => socket.closed))).toEqual([4401, 4401]);
  await newRun(room);
  for (const socket of sockets) expect(socket.updates).toEqual([]);
});
