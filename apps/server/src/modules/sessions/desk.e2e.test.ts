/* What a person does beside a running session: its queue, its settings, its questions, its end. The agent is a script. */
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { PLATFORM, run } from "../runs/public.ts";
import { addQueued, addTurn, beginSession, type Author, type LongSession } from "./long-session.fixture.ts";

const database = databaseTest();
let c: Composed;
let author: Author;
let port: number;

// oxlint-disable-next-line typescript/no-explicit-any -- what tests look into
type Body = any;
const call = (method: string, url: string, body?: unknown, token = c.owner) =>
  c.call(method, url, { token, ...(body === undefined ? {} : { body }) });

beforeAll(async () => {
  c = await startComposed(database, { environment: { SIGNALBOX_DEMO: "1" } });
  port = await c.server.listen();
  author = { log: c.server.log, organizationId: "ws_dev", by: "usr_owner" };
}, 60_000);
afterAll(() => c?.close());

const queue = async (of: LongSession): Promise<[string, number][]> =>
  (await call("GET", `/v1/sessions/${of.sessionId}/prompts`)).body.items.map((one: Body) => [one.content_md, one.position]);
const start = (of: LongSession, runId: string) =>
  c.server.log.run(
    run,
    {
      organizationId: "ws_dev",
      origin: { principal: { id: "svc_test", type: "service" }, roomId: of.roomId, sessionId: of.sessionId, runId },
      stream: { type: "room", id: of.roomId },
      subject: `run:${runId}`,
    },
    { type: "start", runId: runId as never, writer: PLATFORM, now: new Date().toISOString() },
  );

test("prompts that wait are listed, edited, moved and withdrawn", async () => {
  const of = await beginSession(author);
  const [a, b, d] = [await addQueued(author, of, "first"), await addQueued(author, of, "second"), await addQueued(author, of, "third")];
  expect(await queue(of)).toEqual([
    ["first", 0],
    ["second", 1],
    ["third", 2],
  ]);
  const at = (id: string, rest = "") => `/v1/sessions/${of.sessionId}/prompts/${id}${rest}`;
  expect((await call("POST", at(d, "/move"), { before_run_id: a })).status).toBe(200);
  expect((await call("POST", at(a, "/move"), { before_run_id: null })).status).toBe(200);
  expect(await queue(of)).toEqual([
    ["third", 0],
    ["second", 1],
    ["first", 2],
  ]);
  const edited = await call("PATCH", at(b), { content_md: "second, but better" });
  expect(edited.body.items[1]).toMatchObject({ run_id: b, content_md: "second, but better", edited_at: expect.any(String) });
  expect((await call("GET", `/v1/runs/${b}`)).body.title).toBe("second, but better");
  const [message] = (await call("GET", `/v1/sessions/${of.sessionId}/conversation?limit=500`)).body.items.filter(
    (i: Body) => i.run_id === b,
  );
  expect(message).toMatchObject({ content_md: "second, but better", edited_at: expect.any(String) });
  const before = (await call("GET", `/v1/sessions/${of.sessionId}/conversation?as_of_seq=${message.seq}`)).body.items.at(-1);
  expect(before).toMatchObject({ id: message.id, content_md: "second", edited_at: null });
  expect((await call("DELETE", at(d))).body.items).toHaveLength(2);
  expect((await call("GET", `/v1/sessions/${of.sessionId}`)).body).toMatchObject({ queued_prompts: 2, last_message: "third" });
  expect((await call("DELETE", at(d))).body.error.code).toBe("prompt_already_started");
  expect((await call("DELETE", at("run_00000000000000000000000000"))).status).toBe(404);
  const viewer = await c.person("member");
  await call("POST", `/v1/rooms/${of.roomId}/members`, { principal_id: viewer.id, role: "viewer" });
  expect((await call("PATCH", at(b), { content_md: "x" }, viewer.token)).status).toBe(403);
});

test("when the hub takes a prompt in the moment in which it is changed, one of the two happens and not both", async () => {
  const of = await beginSession(author);
  const outcomes = new Set<string>();
  for (let i = 0; i < 12; i++) {
    const runId = await addQueued(author, of, `prompt ${i}`);
    const url = `/v1/sessions/${of.sessionId}/prompts/${runId}`;
    const change =
      i % 3 === 0
        ? call("PATCH", url, { content_md: `changed ${i}` })
        : i % 3 === 1
          ? call("DELETE", url)
          : call("POST", `${url}/move`, { before_run_id: null });
    const [started, changed] = await Promise.all(i % 2 === 0 ? [start(of, runId), change] : [change.then(() => start(of, runId)), change]);
    const events: string[] = (await call("GET", `/v1/events?run_id=${runId}&limit=50`)).body.items.map((e: Body) => e.type).toReversed();
    outcomes.add(`${changed.status}`);
    const changes = events.filter((type) => ["run.edited", "message.edited", "run.canceled", "session.prompt_moved"].includes(type));
    if (changed.status === 409) {
      expect(changed.body.error.code).toBe("prompt_already_started");
      expect(changes).toEqual([]);
      expect(started.ok).toBe(true);
    } else {
      expect(changed.status).toBe(200);
      const begun = events.indexOf("run.started");
      for (const type of changes) expect(begun === -1 || events.indexOf(type) < begun, events.join()).toBe(true);
      if (i % 3 === 1) expect(begun).toBe(-1);
    }
  }
  expect(outcomes).toContain("200");
});

test("title, model and budget are changed together or not at all", async () => {
  const of = await beginSession(author, { budget: 1_000_000 });
  await addTurn(author, of, { tools: 1 });
  const url = `/v1/sessions/${of.sessionId}`;
  const raised = await call("PATCH", url, { title: "Renamed", budget_micro_usd: 2_000_000 });
  expect(raised.body).toMatchObject({ title: "Renamed", budget_micro_usd: 2_000_000 });
  const low = await call("PATCH", url, { title: "Not this", budget_micro_usd: 999 });
  expect([low.status, low.body.error.code, low.body.error.details]).toEqual([
    409,
    "budget_below_spent",
    { spent_micro_usd: 1000, reserved_micro_usd: 0 },
  ]);
  expect((await call("GET", url)).body).toMatchObject({ title: "Renamed", budget_micro_usd: 2_000_000 });
  expect((await call("PATCH", url, { model: "no-such-model" })).body.error.code).toBe("model_not_found");
  expect((await call("PATCH", url, { budget_micro_usd: 1000 })).body.budget_micro_usd).toBe(1000);
  const { body: models } = await call("GET", "/v1/models");
  const changed = await call("PATCH", url, { model: models.items[0].id });
  expect(changed.body.model).toBe(models.items[0].id);
  const events = (await call("GET", `/v1/events?subject=session:${of.sessionId}`)).body.items.map((e: Body) => e.type);
  expect(events.filter((type: string) => type === "session.model_changed")).toHaveLength(models.items[0].id === "demo" ? 0 : 1);
});

test("a deleted session is in no list and answers nothing, and its events stay", async () => {
  const of = await beginSession(author, { title: "To be deleted" });
  await addTurn(author, of, { tools: 1 });
  const url = `/v1/sessions/${of.sessionId}`;
  const early = await call("DELETE", url);
  expect([early.status, early.body.error.code]).toEqual([409, "session_not_ended"]);
  const { body: token } = await call("POST", "/v1/sync/token", {});
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/sync?token=${encodeURIComponent(token.token)}`);
  const updates: Body[] = [];
  socket.on("message", (text: Buffer) => updates.push(...(JSON.parse(text.toString()).updates ?? [])));
  await new Promise((resolve) => socket.once("open", resolve));
  socket.send(JSON.stringify({ type: "subscribe", topics: [`session:${of.sessionId}`, `room:${of.roomId}`] }));
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect((await call("POST", `${url}/stop`, {})).status).toBe(200);
  expect((await call("DELETE", url)).body).toEqual({ ok: true });
  for (const [method, path, body] of [
    ["GET", ""],
    ["GET", "/conversation"],
    ["GET", "/timeline"],
    ["GET", "/at?seq=1"],
    ["GET", "/prompts"],
    ["POST", "/resume", {}],
    ["DELETE", ""],
  ] as const)
    expect((await call(method, `${url}${path}`, body)).body.error?.code, path).toBe("session_not_found");
  expect((await call("GET", "/v1/sessions?q=deleted&limit=200")).body.items).toEqual([]);
  expect((await call("GET", `/v1/events?subject=session:${of.sessionId}`)).body.items[0].type).toBe("session.deleted");
  for (const deadline = Date.now() + 10_000; !updates.some((u) => u.payload?.kind === "state" && u.payload.status === "deleted");) {
    if (Date.now() > deadline) throw new Error(`nobody was told: ${JSON.stringify(updates.slice(-3))}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(updates.some((u) => u.payload?.type === "session.deleted")).toBe(true);
  socket.close();
});

test("who follows a session live is seen, once a person, and gone within two seconds of leaving", async () => {
  const of = await beginSession(author);
  const presence = async () => (await call("GET", `/v1/sessions/${of.sessionId}/presence`)).body.viewers;
  const other = await c.person("admin");
  const open = async (topics: string[], token: string) => {
    const { body } = await call("POST", "/v1/sync/token", {}, token);
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/sync?token=${encodeURIComponent(body.token)}`);
    const seen: string[][] = [];
    socket.on("message", (text: Buffer) => {
      for (const update of JSON.parse(text.toString()).updates ?? [])
        if (update.topic.startsWith("presence:")) seen.push(update.payload.viewers.map((v: Body) => v.principal_id));
    });
    await new Promise((resolve) => socket.once("open", resolve));
    socket.send(JSON.stringify({ type: "subscribe", topics }));
    return { socket, seen };
  };
  const until = async (what: string, look: () => boolean | Promise<boolean>, ms = 2000) => {
    for (const deadline = Date.now() + ms; !(await look());) {
      if (Date.now() > deadline) throw new Error(`it did not happen within ${ms} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const topic = `session:${of.sessionId}`;
  const watcher = await open([`presence:${of.sessionId}`], c.owner);
  await until("nobody is there", () => watcher.seen.at(-1)?.length === 0);
  const one = await open([topic], other.token);
  const two = await open([topic], other.token);
  await until("one viewer", async () => (await presence()).length === 1);
  expect((await presence())[0]).toMatchObject({ principal_id: other.id, display_name: "A admin" });
  await until("the watcher sees it", () => watcher.seen.at(-1)?.join() === other.id);
  one.socket.close();
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await presence()).toHaveLength(1);
  two.socket.terminate();
  await until("nobody again", async () => (await presence()).length === 0);
  await until("the watcher sees that too", () => watcher.seen.at(-1)?.length === 0);
  watcher.socket.close();
  const outsider = await c.person("member");
  expect((await call("GET", `/v1/sessions/${of.sessionId}/presence`, undefined, outsider.token)).status).toBe(404);
});

test("lists are filtered by several states, model, person and outcome, sorted, and searched by the first prompt", async () => {
  const of = await beginSession(author, { title: "Plain title" });
  await addTurn(author, of, { tools: 1, prompt: "Find the zebra in the code" });
  const ids = async (query: string) => (await call("GET", `/v1/sessions?limit=200&${query}`)).body.items.map((one: Body) => one.id);
  expect(await ids("q=zebra")).toEqual([of.sessionId]);
  expect(await ids("status=creating,stopped&model=demo&created_by=usr_owner&outcome=succeeded")).toContain(of.sessionId);
  expect(await ids("outcome=canceled")).not.toContain(of.sessionId);
  expect(await ids("repository=/another")).toEqual([]);
  expect((await call("GET", "/v1/sessions?status=creating,nonsense")).status).toBe(400);
  const costs = (await call("GET", "/v1/sessions?sort=cost&limit=200")).body.items.map((one: Body) => one.cost_micro_usd);
  expect(costs).toEqual(costs.toSorted((a: number, b: number) => b - a));
  const first = (await call("GET", "/v1/sessions?sort=updated_at&limit=2")).body;
  const second = (await call("GET", `/v1/sessions?sort=updated_at&limit=2&cursor=${first.next_cursor}`)).body;
  expect(first.items.map((i: Body) => i.id)).not.toContain(second.items[0].id);
  expect((await call("GET", `/v1/sessions?sort=cost&cursor=${first.next_cursor}`)).body.error.code).toBe("invalid_cursor");
});

test("made again from the log, every table is what it was: edits, moves, deletions and links included", async () => {
  const of = await beginSession(author);
  await call("POST", `/v1/sessions/${of.sessionId}/shares`, {});
  const { body } = await call("POST", "/v1/audit/rebuild", { dry_run: true });
  const own = body.projections.filter((one: Body) => ["sessions", "shares", "runs", "rooms", "approvals"].includes(one.projection));
  expect(own).toHaveLength(5);
  for (const one of own) expect(one.drift, one.projection).toEqual([]);
});
