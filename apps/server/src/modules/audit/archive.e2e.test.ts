/* Old streams archived under a whole server: everything that reads the log shows what it showed before. */
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { nodePrimitives } from "@signalbox/verify/node";
import { parseKey } from "@signalbox/verify/note";
import { verifyExport } from "@signalbox/verify/export";
import { verifyProof } from "@signalbox/verify/proof";
import { databaseTest } from "@signalbox/testkit/database";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { createHistory } from "../sessions/history.ts";
import { redaction } from "./redaction.ts";

const database = databaseTest();
let c: Composed;
let origin: string;
let room: string;
let session: string;
let run: string;
let secretEvent: string;
let before: Record<string, unknown>;
let head: number;

const get = async (url: string) => {
  const answer = await c.call("GET", url, { token: c.owner });
  expect([url, answer.status]).toEqual([url, 200]);
  return answer.body;
};
const post = async (url: string, body: unknown = {}) => {
  const answer = await c.call("POST", url, { token: c.owner, body });
  if (answer.status >= 300) throw new Error(`${url}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
};
async function exported(query = ""): Promise<string[]> {
  const answer = await fetch(`${origin}/v1/audit/export${query}`, { headers: { authorization: `Bearer ${c.owner}` } });
  expect(answer.status).toBe(200);
  return (await answer.text()).trimEnd().split("\n");
}
const eventsOf = (lines: readonly string[]) =>
  lines.filter((line) => line.startsWith(`{"kind":"event"`) && line.includes(`"stream":{"type":"room","id":"${room}"}`));
const verified = async (lines: readonly string[]) => {
  const { keys } = JSON.parse(lines[0]!) as { keys: string[] };
  return verifyExport(nodePrimitives, lines, await Promise.all(keys.map((key) => parseKey(nodePrimitives, key))));
};
/** Every door that reads the log of the room. */
async function seen(): Promise<Record<string, unknown>> {
  const urls = [
    `/v1/events?stream_type=room&stream_id=${room}&limit=200`,
    `/v1/events?session_id=${session}&limit=200`,
    `/v1/events?run_id=${run}&limit=200`,
    `/v1/events?event_type=message.created&limit=200`,
    `/v1/events/${secretEvent}`,
    `/v1/sessions/${session}`,
    `/v1/sessions/${session}/conversation`,
    `/v1/sessions/${session}/at?seq=4`,
    `/v1/sessions/${session}/at?seq=${head}`,
    `/v1/rooms/${room}/at?seq=5`,
    `/v1/runs/${run}`,
    `/v1/runs/${run}/inspect`,
    `/v1/runs/${run}/receipt`,
    `/v1/sessions/${session}/timeline`,
    `/v1/rooms/${room}/timeline`,
    `/v1/audit/verify?stream=room:${room}`,
  ];
  const found: Record<string, unknown> = {};
  for (const url of urls) {
    const answer = await c.call("GET", url, { token: c.owner });
    found[url] = [answer.status, answer.body];
  }
  return found;
}
/** Those that are made of most of a room's events. */
async function rebuilt(): Promise<void> {
  for (const projection of ["rooms", "sessions"]) {
    const report = await post("/v1/audit/rebuild", { projection });
    expect(report.projections).toMatchObject([{ projection, drift: [], swapped: true }]);
    expect(report.projections[0].events).toBeGreaterThan(2);
  }
}
const hot = async (): Promise<number> =>
  (await database.pool("sb_log").query("select count(*)::int as n from only evt_events where stream_id = $1", [room])).rows[0].n;

beforeAll(async () => {
  c = await startComposed(database);
  origin = `http://127.0.0.1:${await c.server.listen()}`;
  // The gate is closed while the switch was not read for a second, as on a machine that is very busy.
  const made = { id: "", room_id: "", thread_id: "" };
  const body = { source: { type: "scratch" }, title: "Fix the parser", sandbox: "deferred" };
  for (const deadline = Date.now() + 60_000; made.id === "";) {
    const answer = await c.call("POST", "/v1/sessions", { token: c.owner, body });
    if (answer.status === 201) Object.assign(made, answer.body);
    else if (Date.now() > deadline) throw new Error(JSON.stringify(answer.body));
    else await new Promise((resolve) => setTimeout(resolve, 200));
  }
  session = made.id;
  room = made.room_id;
  await post(`/v1/threads/${made.thread_id}/messages`, { content_md: "What about the tests?" });
  await post(`/v1/threads/${made.thread_id}/messages`, { content_md: `a plan of ${"many words ".repeat(400)}` });
  await post("/v1/runs", { room_id: room, title: "Count the lines", goal: "Say how many" });
  const claim = (await post("/v1/runs/claim", { room_id: room })).run;
  run = claim.id;
  const fence = { claim_token: claim.claim_token, epoch: claim.epoch };
  await post(`/v1/runs/${run}/start`, fence);
  const step = await post(`/v1/runs/${run}/steps`, { ...fence, kind: "model" });
  const call = await post(`/v1/steps/${step.id}/toolcalls`, { ...fence, name: "bash", arguments: { command: "wc -l *" } });
  await post(`/v1/toolcalls/${call.id}/succeed`, { ...fence, output: "x".repeat(100_000), duration_ms: 12 });
  await post(`/v1/runs/${run}/complete`, { ...fence, summary: "12 lines" });
  const said = await post(`/v1/threads/${made.thread_id}/messages`, { content_md: "the password is hunter2" });
  const events = (await get(`/v1/events?stream_type=room&stream_id=${room}&limit=200`)).items;
  secretEvent = events.find((one: { data: { message_id?: string } }) => one.data.message_id === said.id).event_id;
  await post("/v1/audit/checkpoints");
}, 180_000);
afterAll(() => c?.close());

test("what is alive does not go, and a dry run changes nothing", async () => {
  const plan = await post("/v1/audit/archives", { older_than_days: 0, dry_run: true });
  expect(plan.streams.map((one: { stream: string }) => one.stream)).not.toContain(`room:${room}`);
  await post(`/v1/sessions/${session}/stop`).catch(() => post(`/v1/sessions/${session}/archive`));
  await expect.poll(async () => (await get(`/v1/sessions/${session}`)).status, { timeout: 20_000 }).toMatch(/stopped|completed|failed/);
  const { items } = await get(`/v1/events?stream_type=room&stream_id=${room}&limit=200`);
  head = items.length;
  const dry = await post("/v1/audit/archives", { older_than_days: 0, dry_run: true });
  expect(dry).toMatchObject({ dry_run: true });
  expect(dry.streams).toContainEqual(expect.objectContaining({ stream: `room:${room}`, events: head }));
  expect(dry.bytes).toBeGreaterThan(2000);
  expect(await post("/v1/audit/archives", { older_than_days: 1, dry_run: true })).toMatchObject({ streams: [] });
  expect(await hot()).toBe(head);
  before = await seen();
  expect(Object.values(before).map((one) => (one as [number])[0])).not.toContain(500);
});

test("archived, it is read through every door as before, and its text is no longer in the database", async () => {
  const whole = eventsOf(await exported());
  await post("/v1/audit/archives", { older_than_days: 0, dry_run: false });
  await expect.poll(hot, { timeout: 20_000 }).toBe(0);
  const { items } = await get("/v1/audit/archives");
  expect(items).toContainEqual(
    expect.objectContaining({ stream: `room:${room}`, from_seq: 1, to_seq: head, events: head, state: "detached" }),
  );
  const { rows } = await database
    .pool("sb_log")
    .query("select count(*)::int as n from evt_payloads p join evt_archived_events e using (position) where e.type <> 'event.redacted'");
  expect(rows[0].n).toBe(0);
  expect(await seen()).toEqual(before);
  const lines = await exported();
  expect(eventsOf(lines)).toEqual(whole);
  expect(await verified(lines)).toMatchObject({ valid: true, problems: [] });
  expect(await verified(await exported(`?session_id=${session}`))).toMatchObject({ valid: true, problems: [] });
  const said = (await get("/v1/events?event_type=log.archived")).items;
  expect(said).toContainEqual(expect.objectContaining({ data: expect.objectContaining({ stream: `room:${room}`, events: head }) }));
  const proof = await get(`/v1/audit/proof?event_id=${secretEvent}`);
  const { keys } = await get("/v1/audit/keys");
  const trusted = await Promise.all(keys.map((key: { public_key: string }) => parseKey(nodePrimitives, key.public_key)));
  expect(await verifyProof(nodePrimitives, proof, trusted)).toMatchObject({ valid: true });
  // The object by itself is an export of the stream.
  const archived = readFileSync(blobOf(items.find((one: { stream: string }) => one.stream === `room:${room}`).sha256), "utf8");
  expect(eventsOf(archived.split("\n"))).toEqual(whole);
});

const blobOf = (sha256: string): string => path.join(c.dataDir, "blobs/ws_dev", sha256.slice(7, 9), sha256.slice(7));

test("a rebuild reads archived streams and finds no drift", async () => {
  await rebuilt();
  expect(await seen()).toEqual(before);
}, 180_000);

test("what is written to an archived stream continues it, on the history that it had", async () => {
  await post(`/v1/rooms/${room}/archive`);
  await post(`/v1/rooms/${room}/unarchive`);
  expect(await hot()).toBeGreaterThan(0);
  const check = await get(`/v1/audit/verify?stream=room:${room}`);
  expect(check).toMatchObject({ valid: true, first_mismatch: null });
  expect(check.last_seq).toBe(head + (await hot()));
  expect(await verified(await exported())).toMatchObject({ valid: true, problems: [] });
  await post("/v1/audit/archives", { older_than_days: 0, dry_run: false });
  await expect.poll(hot, { timeout: 20_000 }).toBe(0);
  const ours = (await get("/v1/audit/archives")).items.filter((one: { stream: string }) => one.stream === `room:${room}`);
  expect(ours.map((one: { from_seq: number }) => one.from_seq).toSorted((a: number, b: number) => a - b)).toEqual([1, head + 1]);
  expect(await verified(await exported())).toMatchObject({ valid: true, problems: [] });
});

test("an archived event can be erased: its text is nowhere any more, and everything still verifies", async () => {
  const of = (from: number) => async () =>
    (await get("/v1/audit/archives")).items.find(
      (one: { stream: string; from_seq: number }) => one.stream === `room:${room}` && one.from_seq === from,
    );
  const first = of(1);
  const old = (await first()).sha256;
  expect(readFileSync(blobOf(old), "utf8")).toContain("hunter2");
  const erased = await post("/v1/audit/redact", { event_id: secretEvent, reason: "a password" });
  expect(erased).toMatchObject({ event_id: secretEvent, redaction: "full", data: {} });
  expect(JSON.stringify(await get(`/v1/events?stream_type=room&stream_id=${room}&limit=200`))).not.toContain("hunter2");
  expect((await first()).sha256).not.toBe(old);
  const files = readdirSync(path.join(c.dataDir, "blobs"), { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  for (const file of files) expect(readFileSync(path.join(file.parentPath, file.name), "utf8")).not.toContain("hunter2");
  const lines = await exported();
  expect(await verified(lines)).toMatchObject({ valid: true, problems: [] });
  await rebuilt();
  const again = await c.call("POST", "/v1/audit/redact", { token: c.owner, body: { event_id: secretEvent, reason: "again" } });
  expect(again.body.error.code).toBe("event_already_redacted");
}, 180_000);

test("what an erasure names is read without its words from an archive too, before that is written anew", async () => {
  const { items } = await get(`/v1/events?stream_type=room&stream_id=${room}&event_type=message.created&limit=200`);
  const { event_id: target, seq, data } = items.find((one: { redaction: string }) => one.redaction === "none");
  // The record alone: whoever was to erase it died, and its job goes on.
  await c.server.log.run(
    redaction,
    {
      organizationId: "ws_dev",
      origin: { principal: { id: "usr_owner", type: "user" } },
      stream: { type: "room", id: room },
      subject: `event:${target}`,
    },
    { type: "redact", target, reason: "test", content: [] },
  );
  const history = createHistory(
    c.server.db,
    async () => seq,
    (rows) => c.server.log.hydrate(rows),
  );
  const [read] = await history.read("ws_dev", room, seq - 1, seq);
  expect([Object.keys(data).length > 0, read!.event.data]).toEqual([true, {}]);
  await enqueueJobs(database.pool("sb_log"), [{ kind: "audit.erase", organizationId: "ws_dev", payload: { target }, key: target }]);
  await expect.poll(async () => (await get(`/v1/events/${target}`)).redaction, { timeout: 20_000 }).toBe("full");
});

test("another organization sees no archive and no archived event", async () => {
  const other = await c.organization();
  expect((await c.call("GET", "/v1/audit/archives", { token: other.token })).body.items).toEqual([]);
  expect((await c.call("GET", `/v1/events/${secretEvent}`, { token: other.token })).status).toBe(404);
  expect((await c.call("GET", `/v1/audit/verify?stream=room:${room}`, { token: other.token })).status).toBe(404);
});

test("an archive whose content is gone is said, never shown as an empty history", async () => {
  const { items } = await get("/v1/audit/archives");
  const fresh = await startComposed(database, { dataDir: c.dataDir });
  for (const { sha256 } of items) rmSync(blobOf(sha256));
  expect((await fresh.call("GET", `/v1/events?stream_type=room&stream_id=${room}`, { token: c.owner })).status).toBe(500);
  await fresh.close();
});
