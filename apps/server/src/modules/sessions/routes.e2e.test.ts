/* The routes of sessions, without anything being booted: reading and refusing must not need a sandbox. */
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startComposed, type Composed } from "../../composed.fixture.ts";
import { scriptedAgent } from "./scripted-harness.fixture.ts";

const database = databaseTest();
const agent = scriptedAgent();
let at: Composed;

beforeAll(async () => {
  at = await startComposed(database, { harnesses: { opencode: { harness: agent.harness, tools: [] } } });
});
afterAll(() => at.close());

const call = (method: string, url: string, body?: unknown, token = at.owner, headers: Record<string, string> = {}) =>
  at.call(method, url, { token, body, headers });
const deferred = (body: object = {}) => call("POST", "/v1/sessions", { source: { type: "scratch" }, sandbox: "deferred", ...body });
const UNKNOWN = `ses_${"0".repeat(26)}`;

test("what cannot be done is refused before anything is created, with what to do about it", async () => {
  const before = (await call("GET", "/v1/sessions")).body.items.length;
  const refusals: [object, string][] = [
    [{ source: { type: "repository", url: "/nowhere/at/all" } }, "source_not_found"],
    [{ source: { type: "repository", url: "ssh://git@example.com/x.git" } }, "source_not_allowed"],
    [{ source: { type: "scratch" }, model: "no-such-model" }, "model_not_found"],
    [{ source: { type: "scratch" }, harness: "acp" }, "sandbox_unavailable"],
    [{ source: { type: "scratch" }, room_id: `room_${"0".repeat(26)}` }, "room_not_found"],
  ];
  for (const [body, code] of refusals) {
    const { status, body: answer } = await call("POST", "/v1/sessions", body);
    expect([code, status, answer.error.code]).toEqual([code, code === "room_not_found" ? 404 : 422, code]);
  }
  for (const body of [
    {},
    { source: { type: "both" } },
    { source: { type: "scratch" }, prompt: "" },
    { source: { type: "scratch" }, budget_micro_usd: 0 },
  ]) {
    expect((await call("POST", "/v1/sessions", body)).status).toBe(400);
  }
  expect((await call("GET", "/v1/sessions")).body.items).toHaveLength(before);
});

test("the same creation sent twice is one session", async () => {
  const body = { source: { type: "scratch" }, sandbox: "deferred", title: "Once" };
  const headers = { "idempotency-key": "create-once" };
  const [a, b] = [await call("POST", "/v1/sessions", body, at.owner, headers), await call("POST", "/v1/sessions", body, at.owner, headers)];
  expect(b.body.id).toBe(a.body.id);
  expect((await call("GET", "/v1/sessions?q=Once")).body.items).toHaveLength(1);
});

test("reading a session boots nothing; a deferred one waits for its first message", async () => {
  const { body } = await deferred({ title: "Deferred" });
  for (const what of ["", "/status", "/conversation", "/turns", "/actions", "/usage"])
    expect((await call("GET", `/v1/sessions/${body.id}${what}`)).status, what).toBe(200);
  expect((await call("GET", `/v1/sessions/${body.id}/status`)).body).toEqual({
    state: "creating",
    reason: null,
    sandbox_alive: false,
    sandbox_id: null,
  });
  expect((await call("GET", `/v1/sessions/${body.id}/diff`)).body.error.code).toBe("sandbox_not_running");
  expect(at.server.sessions.stats().hubs).toBe(0);
  expect(agent.sessions).toHaveLength(0);
});

test("lists are searched, filtered and paged without gaps or repeats", async () => {
  const ids = [];
  for (let i = 0; i < 7; i++) ids.push((await deferred({ title: `Listed 100% ${i}` })).body.id);
  const seen: string[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const { body } = await call("GET", `/v1/sessions?q=${encodeURIComponent("100%")}&limit=3${cursor === "" ? "" : `&cursor=${cursor}`}`);
    seen.push(...body.items.map((s: { id: string }) => s.id));
    cursor = body.next_cursor;
  }
  expect(seen).toEqual(ids.toReversed());
  expect((await call("GET", "/v1/sessions?q=100_")).body.items).toEqual([]);
  expect((await call("GET", "/v1/sessions?status=running")).body.items).toEqual([]);
  for (const bad of ["cursor=nonsense", "limit=0", "status=odd"]) expect((await call("GET", `/v1/sessions?${bad}`)).status, bad).toBe(400);
});

test("renamed, stopped, archived and brought back: each is kept, and what makes no sense is refused", async () => {
  const { id } = (await deferred({ title: "Before" })).body;
  expect((await call("PATCH", `/v1/sessions/${id}`, { title: "After" })).body.title).toBe("After");
  expect((await call("POST", `/v1/sessions/${id}/archive`, {})).body.error.code).toBe("session_not_ended");
  expect((await call("POST", `/v1/sessions/${id}/cancel`, {})).body.error.code).toBe("no_turn_running");
  expect((await call("POST", `/v1/sessions/${id}/stop`, {})).body.status).toBe("stopped");
  expect((await call("POST", `/v1/sessions/${id}/stop`, {})).body.error.code).toBe("session_ended");
  expect((await call("POST", `/v1/sessions/${id}/messages`, { content_md: "hello" })).body.error.code).toBe("session_ended");
  expect((await call("POST", `/v1/sessions/${id}/archive`, {})).body).toMatchObject({ archived: true, status: "stopped" });
  expect((await call("POST", `/v1/sessions/${id}/resume`, {})).body.error.code).toBe("session_not_resumable");
  expect((await call("GET", "/v1/sessions?q=After")).body.items).toEqual([]);
  expect((await call("GET", "/v1/sessions?q=After&archived=true")).body.items).toHaveLength(1);
  expect((await call("POST", `/v1/sessions/${id}/unarchive`, {})).body).toMatchObject({ archived: false, status: "stopped" });
  expect((await call("POST", `/v1/sessions/${id}/unarchive`, {})).body.archived).toBe(false);
  expect((await call("GET", "/v1/sessions?q=After")).body.items).toHaveLength(1);
  expect((await call("GET", "/v1/sessions?q=After&archived=true")).body.items).toEqual([]);
});

test("another organization's session, and one of a room one is not in, look like none at all", async () => {
  const { id } = (await deferred()).body;
  const other = await at.organization();
  const outsider = await at.person("member");
  for (const token of [other.token, outsider.token]) {
    for (const what of ["", "/status", "/conversation", "/turns", "/diff", "/actions"])
      expect((await call("GET", `/v1/sessions/${id}${what}`, undefined, token)).status, what).toBe(404);
    for (const what of ["messages", "cancel", "stop", "resume", "archive", "unarchive"]) {
      expect((await call("POST", `/v1/sessions/${id}/${what}`, what === "messages" ? { content_md: "x" } : {}, token)).status, what).toBe(
        404,
      );
    }
    expect((await call("GET", "/v1/sessions", undefined, token)).body.items).toEqual([]);
  }
  expect((await call("GET", `/v1/sessions/${UNKNOWN}`)).status).toBe(404);
  expect((await call("GET", "/v1/sessions/nonsense")).status).toBe(400);
  expect((await call("GET", `/v1/sessions/${id}`)).body.status).toBe("creating");
});

test("while the kill switch is on no session begins, goes on or comes back", async () => {
  const { id } = (await deferred()).body;
  await call("POST", "/v1/kill-switch", { engaged: true, reason: "drill" });
  expect((await deferred()).body.error.code).toBe("kill_switch_active");
  expect((await call("POST", `/v1/sessions/${id}/messages`, { content_md: "x" })).body.error.code).toBe("kill_switch_active");
  expect((await call("POST", `/v1/sessions/${id}/resume`, {})).body.error.code).toBe("kill_switch_active");
  expect((await call("POST", `/v1/sessions/${id}/stop`, {})).status).toBe(200);
  await call("POST", "/v1/kill-switch", { engaged: false });
});
