/* Hubs under the composed server in a real sandbox, with an agent whose every word the test says. */
import { readFileSync } from "node:fs";
import { rebuild } from "@signalbox/eventlog/rebuild";
import { newId } from "@signalbox/kernel/id";
import { AgentStartError } from "@signalbox/providers/agent/port";
import { databaseTest } from "@signalbox/testkit/database";
import { afterEach, expect, test, vi } from "vitest";
import { startComposed, type Composed } from "../../composed.fixture.ts";
import { killSandbox, until } from "./installation.fixture.ts";
import { itemsProjection } from "./items.projection.ts";
import { questionsProjection } from "./questions.projection.ts";
import { scriptedAgent, type ScriptedAgent } from "./scripted-harness.fixture.ts";
import { sessionsProjection } from "./sessions.projection.ts";
import { turnsProjection } from "./turns.projection.ts";

vi.setConfig({ testTimeout: 120_000 });
const database = databaseTest();
const open: Composed[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function server(agent: ScriptedAgent): Promise<Composed> {
  const own = { ...agent.harness, choosesModel: false };
  const made = await startComposed(database, {
    harnesses: { opencode: { harness: agent.harness, tools: [] }, acp: { harness: own, tools: [] } },
  });
  open.push(made);
  return made;
}
const as = (at: Composed) => ({ call: (method: string, url: string, body?: unknown) => at.call(method, url, { token: at.owner, body }) });
async function session(at: Composed, body: object = {}): Promise<string> {
  const created = await as(at).call("POST", "/v1/sessions", { source: { type: "scratch" }, ...body });
  expect(created.status, JSON.stringify(created.body)).toBe(201);
  return created.body.id as string;
}
const state = async (at: Composed, id: string) => (await as(at).call("GET", `/v1/sessions/${id}`)).body.status as string;
async function eventsOf(at: Composed, id: string, type: string) {
  const { room_id } = (await as(at).call("GET", `/v1/sessions/${id}`)).body as { room_id: string };
  const all = await at.server.log.readStream("ws_dev", { type: "room", id: room_id }, { afterSeq: 0, limit: 1000 });
  return all.filter((r) => r.event.type === type).map((r) => r.event);
}

test("however many ask at once, a session is booted by one hub, and it goes when the session ends", async () => {
  const agent = scriptedAgent();
  const at = await server(agent);
  const id = await session(at);
  await Promise.all(
    Array.from({ length: 10 }, (_, i) => as(at).call("POST", `/v1/sessions/${id}/messages`, { content_md: `prompt ${i}` })),
  );
  await until("the first prompt arrives", () => agent.sessions.length > 0 && agent.session.isWorking);
  for (let i = 0; i < 10; i++) {
    await until(`prompt ${i} arrives`, () => agent.session.prompts.length === i + 1 && agent.session.isWorking);
    agent.session.say(`p${i}`, `answer ${i}`);
    agent.session.end({ reason: "completed" });
  }
  await until("all is done", async () =>
    (await as(at).call("GET", `/v1/sessions/${id}/turns`)).body.items.every((t: { status: string }) => t.status === "succeeded"),
  );
  expect(agent.sessions).toHaveLength(1);
  expect(await eventsOf(at, id, "session.starting")).toHaveLength(1);
  const order = (await as(at).call("GET", `/v1/sessions/${id}/turns`)).body.items.map((t: { title: string }) => t.title);
  expect(agent.session.prompts.map((p) => p.text)).toEqual(order);
  expect(at.server.sessions.stats()).toEqual({ hubs: 1, channels: 1 });
  await as(at).call("POST", `/v1/sessions/${id}/stop`, {});
  await until("the hub is gone", () => at.server.sessions.stats().hubs === 0 && at.server.sessions.stats().channels === 0);
});

test("a second server leaves a session to the one that has it", async () => {
  const [mine, other] = [scriptedAgent(), scriptedAgent()];
  const first = await server(mine);
  const id = await session(first);
  await until("it runs", async () => (await state(first, id)) === "running");
  const second = await server(other);
  const { body } = await as(second).call("POST", `/v1/sessions/${id}/messages`, { content_md: "through the other door" });
  await until("the owner's agent gets it", () => mine.session.prompts.some((p) => p.promptId === body.id));
  expect(other.sessions).toHaveLength(0);
  expect(second.server.sessions.stats().hubs).toBe(0);
  mine.session.end({ reason: "completed" });
});

test("a turn that is over before its prompt has returned ends like any other", async () => {
  const agent = scriptedAgent();
  const at = await server(agent);
  const id = await session(at, { prompt: "first" });
  await until("it works", () => agent.sessions.length > 0 && agent.session.isWorking);
  agent.session.end({ reason: "completed" });
  agent.session.onPrompt = () => {
    agent.session.say("quick", "done already");
    agent.session.end({ reason: "completed" });
  };
  await as(at).call("POST", `/v1/sessions/${id}/messages`, { content_md: "second" });
  await until("both turns have ended", async () => (await eventsOf(at, id, "run.completed")).length === 2);
  expect(await eventsOf(at, id, "message.created")).toContainEqual(
    expect.objectContaining({ data: expect.objectContaining({ content_md: "done already" }) }),
  );
});

test("what was said before a cancel stays said; what ran is recorded as not finished; late words change no run", async () => {
  const agent = scriptedAgent();
  const at = await server(agent);
  const id = await session(at, { prompt: "go" });
  await until("it works", () => agent.sessions.length > 0 && agent.session.isWorking);
  agent.session.say("whole", "said wholly");
  agent.session.say("half", "said by half", false);
  agent.session.emit({ type: "tool.started", stepId: "s1", callId: "c1", name: "bash", title: undefined, arguments: {} });
  await until("it is recorded", async () => (await eventsOf(at, id, "tool.invoked")).length === 1);
  agent.session.onCancel = () => {
    agent.session.say("late", "said too late");
    agent.session.end({ reason: "canceled" });
  };
  await as(at).call("POST", `/v1/sessions/${id}/cancel`, {});
  await until("the turn is over", async () => !agent.session.isWorking && (await eventsOf(at, id, "message.created")).length === 4);
  const items = (await as(at).call("GET", `/v1/sessions/${id}/conversation`)).body.items as {
    type: string;
    content_md?: string;
    role?: string;
    status?: string;
  }[];
  expect(items.flatMap((i) => (i.type === "message" && i.role === "agent" ? [i.content_md] : []))).toEqual([
    "said wholly",
    "said too late",
    "said by half",
  ]);
  expect(await eventsOf(at, id, "run.canceled")).toHaveLength(1);
  expect(await eventsOf(at, id, "run.late_result")).toHaveLength(0);
  expect(await state(at, id)).toBe("running");
});

test("a secret that is spoken in pieces is neither streamed nor recorded", async () => {
  const agent = scriptedAgent();
  const at = await server(agent);
  const id = await session(at, { prompt: "go" });
  await until("it works", () => agent.sessions.length > 0 && agent.session.isWorking);
  const secret = `ghp_${"a1B2".repeat(9)}`;
  const heard: string[] = [];
  const subscription = at.server.sessions.live.subscribe(id, (updates) =>
    heard.push(...updates.map((u) => ("delta" in u.delta ? u.delta.delta : ""))),
  );
  agent.session.say("p", `The token is ${secret}, keep it.`);
  agent.session.end({ reason: "completed" });
  await until("it is recorded", async () => (await eventsOf(at, id, "run.completed")).length === 1);
  subscription.close();
  expect(heard.join("")).toBe("The token is [redacted:github_token], keep it.");
  const messages = await eventsOf(at, id, "message.created");
  expect(messages.at(-1)!.data).toMatchObject({ content_md: "The token is [redacted:github_token], keep it." });
});

test("shut down in the middle of a turn, the session pauses and says so; the next server goes on at the next message", async () => {
  const agent = scriptedAgent();
  const first = await server(agent);
  const id = await session(first, { prompt: "go" });
  await until("it works", () => agent.sessions.length > 0 && agent.session.isWorking);
  agent.session.say("half", "half a sentence", false);
  open.splice(0);
  await first.close();
  const again = scriptedAgent();
  const second = await server(again);
  expect(await state(second, id)).toBe("paused");
  const [turn] = (await as(second).call("GET", `/v1/sessions/${id}/turns`)).body.items;
  expect(turn).toMatchObject({ status: "failed", error: { code: "server_stopped" } });
  expect(again.sessions).toHaveLength(0);
  await as(second).call("POST", `/v1/sessions/${id}/messages`, { content_md: "go on" });
  await until("the agent goes on with its conversation", () => again.sessions.length === 1 && again.session.isWorking);
  expect(again.session.agentSessionId).toBe("agent-1");
  again.session.end({ reason: "completed" });
});

test("a suspended organization's session pauses within seconds, whichever process was told, and nothing of it starts; let in again it goes on", async () => {
  const [mine, other] = [scriptedAgent(), scriptedAgent()];
  const first = await server(mine);
  const organization = await first.organization();
  const theirs = (method: string, url: string, body?: unknown) => first.call(method, url, { token: organization.token, body });
  const { id, room_id } = (await theirs("POST", "/v1/sessions", { source: { type: "scratch" }, prompt: "go" })).body;
  await until("it works", () => mine.sessions.length > 0 && mine.session.isWorking);
  await theirs("POST", `/v1/sessions/${id}/messages`, { content_md: "afterwards" });
  const { token: capability } = (
    await theirs("POST", "/v1/capabilities", { name: "engine", kind: "engine", grant: { scopes: ["read", "engine"] } })
  ).body;
  const { token: share } = (await theirs("POST", `/v1/sessions/${id}/shares`, {})).body;
  const { key } = (await theirs("POST", `/v1/sessions/${id}/model-keys`, {})).body;
  const tried = async () => [
    (await theirs("GET", "/v1/me")).status,
    (await first.call("GET", "/v1/runs", { token: capability })).status,
    (await first.call("GET", `/v1/shared/${share}`)).status,
    (await first.call("GET", "/llm/v1/models", { token: key })).status,
  ];
  expect(await tried()).toEqual([200, 200, 200, 200]);

  const second = await server(other);
  const operate = (then: string, body: object) => as(second).call("POST", `/v1/admin/organizations/${organization.id}/${then}`, body);
  const began = performance.now();
  expect((await operate("suspend", { reason: "an unpaid bill, and no answer" })).status).toBe(200);
  await until("its hub is gone", () => first.server.sessions.stats().hubs === 0);
  expect(performance.now() - began).toBeLessThan(8000);
  const told = async () =>
    (await first.server.log.readStream(organization.id, { type: "room", id: room_id }, { afterSeq: 0, limit: 1000 })).map((r) => r.event);
  const [failed] = (await told()).filter((event) => event.type === "run.failed");
  expect(failed!.data).toMatchObject({ code: "organization_suspended" });
  expect((await told()).filter((event) => event.type === "session.paused")).toHaveLength(1);
  await until("nobody of it is let in", async () => (await tried()).every((status) => status >= 400));
  // What the platform itself would wake it for waits too.
  await first.server.sessions.commands.tell(organization.id, id, newId("act"), "It was approved.");
  await until("it is paused again", async () => (await told()).filter((event) => event.type === "session.paused").length === 2);
  await until("its hub is gone again", () => first.server.sessions.stats().hubs + second.server.sessions.stats().hubs === 0);
  expect([...mine.sessions, ...other.sessions]).toHaveLength(1);

  expect((await operate("restore", {})).status).toBe(200);
  await until("everybody is let in again", async () => (await tried()).every((status) => status === 200));
  const prompted = () => [...mine.sessions.slice(1), ...other.sessions].find((one) => one.isWorking);
  await until("what waited runs", () => prompted() !== undefined);
  expect(prompted()!.prompts[0]!.text).toContain("afterwards");
  await theirs("POST", `/v1/sessions/${id}/stop`, {});
  await until("the hub is gone", () => first.server.sessions.stats().hubs + second.server.sessions.stats().hubs === 0);
});

test("a sandbox that ends while nothing runs pauses the session; the next message brings it back", async () => {
  const agent = scriptedAgent();
  const at = await server(agent);
  const id = await session(at);
  await until("it runs", async () => (await state(at, id)) === "running");
  const { sandbox_id } = (await as(at).call("GET", `/v1/sessions/${id}/status`)).body as { sandbox_id: string };
  expect(killSandbox(sandbox_id)).toBeGreaterThan(0);
  await until("it is paused", async () => (await state(at, id)) === "paused");
  expect((await as(at).call("GET", `/v1/sessions/${id}/status`)).body).toMatchObject({
    sandbox_alive: false,
    reason: expect.stringContaining("sandbox"),
  });
  await until("its hub is gone", () => at.server.sessions.stats().hubs === 0);
  expect((await as(at).call("GET", `/v1/sessions/${id}/diff`)).body.error.code).toBe("sandbox_not_running");
  await as(at).call("POST", `/v1/sessions/${id}/messages`, { content_md: "again" });
  await until("the agent is asked", () => agent.sessions.length === 2 && agent.session.isWorking);
  agent.session.end({ reason: "completed" });
  expect(await state(at, id)).toBe("running");
});

test("while every connection to the database breaks, a turn goes on; what was said meanwhile is recorded once", async () => {
  const agent = scriptedAgent();
  const at = await server(agent);
  const id = await session(at, { prompt: "go" });
  await until("it works", () => agent.sessions.length > 0 && agent.session.isWorking);
  for (let i = 0; i < 5; i++) {
    await database
      .pool("admin")
      .query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename in ('sb_log', 'sb_app')`,
      );
    agent.session.say(`p${i}`, `part ${i}`);
    agent.session.tool(`c${i}`, `output ${i}`);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  agent.session.end({ reason: "completed" });
  await until("it ends", async () => (await eventsOf(at, id, "run.completed")).length === 1);
  const said = (await eventsOf(at, id, "message.created")).map((e) => (e.data as { content_md: string }).content_md);
  expect(said).toEqual(["go", "part 0", "part 1", "part 2", "part 3", "part 4"]);
  expect(await eventsOf(at, id, "tool.succeeded")).toHaveLength(5);
});

test("an agent that cannot be started fails the session with the reason, and every prompt that waited for it; resumed, it tries again", async () => {
  const agent = scriptedAgent();
  let broken = true;
  const start = agent.harness.start;
  agent.harness.start = (host, options) =>
    broken ? Promise.reject(new AgentStartError("agent_exited", "it ended at once")) : start(host, options);
  const at = await server(agent);
  const id = await session(at, { prompt: "go" });
  await until("it fails", async () => (await state(at, id)) === "failed");
  const [turn] = (await as(at).call("GET", `/v1/sessions/${id}/turns`)).body.items;
  expect(turn).toMatchObject({
    status: "failed",
    error: { code: "session_failed", message: expect.stringContaining("The agent ended while it started.") },
  });
  expect((await as(at).call("POST", `/v1/sessions/${id}/messages`, { content_md: "again" })).body.error).toMatchObject({
    code: "session_ended",
    fix: expect.stringContaining("Resume"),
  });
  broken = false;
  expect((await as(at).call("POST", `/v1/sessions/${id}/resume`, {})).status).toBe(200);
  await until("it runs", async () => (await state(at, id)) === "running");
});

test("what an agent asks waits for a person, is answered once, and reaches the agent; with its turn a question ends", async () => {
  const agent = scriptedAgent();
  const at = await server(agent);
  const id = await session(at, { prompt: "ask me" });
  await until("the prompt arrives", () => agent.sessions.length > 0 && agent.session.isWorking);
  // More than is recorded at once, and the question right behind it.
  for (let i = 0; i < 120; i++) agent.session.say(`p${i}`, `thought ${i}`);
  agent.session.say("last", "One thing before I go on.");
  agent.session.ask("que_1", [
    {
      header: "Colour",
      text: "Which colour?",
      options: [
        { label: "red", description: undefined },
        { label: "blue", description: "calm" },
      ],
      multiple: false,
      freeText: false,
    },
  ]);
  await until("it waits", async () => (await state(at, id)) === "waiting");
  const { items } = (await as(at).call("GET", `/v1/questions?session_id=${id}&status=open`)).body;
  expect(items).toMatchObject([{ text: "Which colour?", header: "Colour", free_text: false, answer: null }]);
  const view = (await as(at).call("GET", `/v1/sessions/${id}`)).body;
  expect(view).toMatchObject({ status_reason: "The agent asks: Which colour?", pending_questions: 1 });
  const url = `/v1/questions/${items[0].id}`;
  for (const body of [{}, { options: ["green"] }, { options: ["red", "blue"] }, { text: "mauve" }])
    expect((await as(at).call("POST", `${url}/answer`, body)).body.error.code).toBe("answer_not_possible");
  const answers = await Promise.all(
    ["red", "blue", "red", "blue", "red"].map((label) => as(at).call("POST", `${url}/answer`, { options: [label] })),
  );
  const given = answers.filter(({ status }) => status === 200);
  expect(given).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(4);
  const chosen = given[0]!.body.answer.options;
  await until("the agent has it", () => agent.session.answers.length === 1);
  expect(agent.session.answers).toEqual([{ id: "que_1", answers: [chosen] }]);
  await until("it goes on", async () => (await state(at, id)) === "running");
  const said: { type: string; seq: number; content_md?: string }[] = (await as(at).call("GET", `/v1/sessions/${id}/conversation?limit=500`))
    .body.items;
  const item = said.find((i) => i.type === "question")!;
  expect(said.find((i) => i.content_md === "One thing before I go on.")!.seq).toBeLessThan(item.seq);
  expect(item).toMatchObject({
    question_id: items[0].id,
    status: "answered",
    answer: { options: chosen, text: null },
    closed_by: "usr_owner",
  });
  const then = (await as(at).call("GET", `/v1/sessions/${id}/at?seq=${item.seq}`)).body;
  expect(then.pending_questions).toMatchObject([{ id: items[0].id, text: "Which colour?", status: "open" }]);

  agent.session.ask("que_2", [{ header: undefined, text: "And now?", options: [], multiple: false, freeText: true }]);
  await until("it waits again", async () => (await state(at, id)) === "waiting");
  agent.session.end({ reason: "completed" });
  await until(
    "the question is gone",
    async () => (await as(at).call("GET", `/v1/questions?session_id=${id}&status=open`)).body.items.length === 0,
  );
  await until("nothing waits", async () => (await state(at, id)) === "running");
  expect((await as(at).call("GET", `/v1/questions?session_id=${id}`)).body.items[0]).toMatchObject({
    status: "dismissed",
    text: "And now?",
  });
});

test("another model is used from the next turn on; an agent that cannot change while it runs is begun anew", async () => {
  const agent = scriptedAgent();
  const at = await server(agent);
  const { items: models } = (await as(at).call("GET", "/v1/models")).body;
  const id = await session(at, { prompt: "one" });
  await until("the prompt arrives", () => agent.sessions.length > 0 && agent.session.isWorking);
  const before = agent.session.prompts[0]!.model;
  expect(before).toBe((await as(at).call("GET", `/v1/sessions/${id}`)).body.model);
  agent.session.end({ reason: "completed" });
  const other = models.find((m: { id: string }) => m.id !== before);
  if (other === undefined) return; // One model only is configured here: there is nothing to change to.
  expect((await as(at).call("PATCH", `/v1/sessions/${id}`, { model: other.id })).body.model).toBe(other.id);
  await as(at).call("POST", `/v1/sessions/${id}/messages`, { content_md: "two" });
  await until("the second arrives", () => agent.session.prompts.at(-1)?.text === "two");
  expect(agent.session.prompts.at(-1)!.model).toBe(other.id);
  expect(agent.sessions.length).toBe(2);
});

test("an agent that runs on a model of its own is told no other, and its session says so", async () => {
  const at = await server(scriptedAgent());
  const [chosen, own] = [await session(at, { sandbox: "deferred" }), await session(at, { sandbox: "deferred", harness: "acp" })];
  const seen = async (id: string) => (await as(at).call("GET", `/v1/sessions/${id}`)).body;
  expect([(await seen(chosen)).can_change_model, (await seen(own)).can_change_model]).toEqual([true, false]);
  const { model } = await seen(own);
  const refused = await as(at).call("PATCH", `/v1/sessions/${own}`, { model, title: "Not this" });
  expect([refused.status, refused.body.error.code]).toEqual([409, "model_fixed"]);
  expect(await seen(own)).toMatchObject({ model, title: expect.not.stringMatching("Not this") });
  expect((await as(at).call("PATCH", `/v1/sessions/${own}`, { title: "This" })).body.title).toBe("This");
});

test("made again from the log, the tables of all these sessions are what they were", async () => {
  const client = await database.pool("sb_owner").connect();
  try {
    const sql = readFileSync(new URL("./schema.sql", import.meta.url), "utf8");
    const report = await rebuild(
      client,
      { name: "sessions", sql, projections: [turnsProjection, itemsProjection, questionsProjection, sessionsProjection] },
      { swap: false },
    );
    expect(report.events).toBeGreaterThan(50);
    expect(report.drift).toEqual([]);
  } finally {
    client.release();
  }
});
