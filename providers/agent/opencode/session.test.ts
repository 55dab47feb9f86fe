/*
 * The moments of OpenCode's API that cannot be hit at will with the real one, from a stand-in that speaks its wire
 * format: idle before busy, a prompt that is stored late, events that were missed.
 */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AgentEvent } from "../port.ts";
import { unsandboxedHost, type TestHost } from "../unsandboxed.fixture.ts";
import { agentHttp } from "./http.ts";
import { OpenCodeSession } from "./session.ts";

type StoredMessage = { info: Record<string, unknown>; parts: Record<string, unknown>[] };

class StandIn {
  readonly messages: StoredMessage[] = [];
  readonly permissions: unknown[] = [];
  readonly posts: { path: string; body: unknown }[] = [];
  status: "idle" | "busy" = "idle";
  /** Answers the GETs of a snapshot only when told to. */
  hold: Promise<void> = Promise.resolve();
  readonly #streams = new Set<ServerResponse>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const path = (request.url ?? "").replace(/\?.*/, "");
      const reply = (value: unknown): void => void response.setHeader("content-type", "application/json").end(JSON.stringify(value));
      if (path === "/event") {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(`data: ${JSON.stringify({ type: "server.connected", properties: {} })}\n\n`);
        this.#streams.add(response);
        response.on("close", () => this.#streams.delete(response));
      } else if (request.method === "POST") {
        void json(request)
          .catch(() => null)
          .then((body) => {
            this.posts.push({ path, body });
            response.writeHead(path.endsWith("prompt_async") ? 204 : 200).end(path.endsWith("prompt_async") ? "" : "true");
          });
      } else {
        void this.hold.then(() => {
          if (path === "/session/status") reply(this.status === "idle" ? {} : { ses_1: { type: "busy" } });
          else if (path === "/permission") reply(this.permissions);
          // What it is asked and does not know: an agent of before there were questions.
          else if (path === "/question") reply({ error: "not found" });
          else reply(this.messages.slice(-Number(new URL(request.url!, "http://x").searchParams.get("limit"))));
        });
      }
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  say(type: string, properties: Record<string, unknown>): void {
    for (const stream of this.#streams)
      stream.write(`data: ${JSON.stringify({ id: "evt_1", type, properties: { sessionID: "ses_1", ...properties } })}\n\n`);
  }

  breakStreams(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  get listeners(): number {
    return this.#streams.size;
  }

  store(promptId: string): void {
    const info = { id: `msg_${promptId}`, sessionID: "ses_1", role: "user" };
    const part = {
      id: `prt_${promptId}`,
      messageID: info.id,
      sessionID: "ses_1",
      type: "text",
      text: "x",
      metadata: { signalbox_prompt_id: promptId },
    };
    this.messages.push({ info, parts: [part] });
    this.say("message.updated", { info });
    this.say("message.part.updated", { part });
  }

  answer(id: string, text: string, done = true): void {
    const info = { id, sessionID: "ses_1", role: "assistant", time: { created: 1, ...(done && { completed: 2 }) } };
    const part = { id: `prt_${id}`, messageID: id, sessionID: "ses_1", type: "text", text, time: { start: 1, ...(done && { end: 2 }) } };
    this.messages.push({ info, parts: [part] });
    this.say("message.updated", { info });
    this.say("message.part.updated", { part });
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

describe("a session with OpenCode's API", () => {
  let agent: StandIn;
  let host: TestHost;
  let session: OpenCodeSession;
  let events: AgentEvent[];

  beforeEach(async () => {
    agent = new StandIn();
    const port = await agent.listen();
    host = await unsandboxedHost();
    const process = await host.spawn({ id: "standing-in", argv: ["/bin/sleep", "60"] });
    session = new OpenCodeSession(
      host,
      agentHttp(host, port, "pw"),
      process,
      { harness: "opencode", agentSessionId: "ses_1", processId: "standing-in", port, password: "pw" },
      "m",
      false,
    );
    await session.open(false, AbortSignal.timeout(5_000));
    events = [];
    session.onEvent((event) => events.push(event));
  });
  afterEach(async () => {
    await session.close();
    agent.close();
    await host.dispose();
  });

  const types = (): string[] => events.map((event) => event.type);
  const settle = (ms = 250): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const reconnected = async (): Promise<void> => {
    agent.breakStreams();
    await expect.poll(() => agent.listeners).toBe(0);
    await expect.poll(() => agent.listeners).toBe(1);
    await settle(100);
  };

  test("idle before an answer is not the end, neither as an event nor after a reconnect", async () => {
    await session.prompt({ promptId: "p1", text: "x" });
    agent.say("session.status", { status: { type: "idle" } });
    agent.say("session.idle", {});
    await reconnected();
    agent.store("p1");
    await reconnected();
    expect(types()).toEqual(["turn.started"]);
    agent.answer("msg_a", "done");
    agent.say("session.idle", {});
    await expect.poll(types).toEqual(["turn.started", "step.started", "text.delta", "message.completed", "turn.ended"]);
  });

  test("until a prompt is stored, the turn before it is not taken for it", async () => {
    await session.prompt({ promptId: "p1", text: "x" });
    agent.store("p1");
    agent.answer("msg_a", "first");
    agent.say("session.idle", {});
    await expect.poll(() => types().at(-1)).toBe("turn.ended");
    events.length = 0;
    await session.prompt({ promptId: "p2", text: "x" });
    await reconnected();
    expect(types()).toEqual(["turn.started"]);
    agent.store("p2");
    agent.answer("msg_b", "second");
    agent.say("session.idle", {});
    await expect.poll(() => events.at(-1)).toEqual({ type: "turn.ended", promptId: "p2", end: { reason: "completed" } });
    expect(events.filter((event) => event.type === "message.completed").map((event) => event.text)).toEqual(["second"]);
  });

  test("a whole turn that was missed is told after the reconnect, once", async () => {
    await session.prompt({ promptId: "p1", text: "x" });
    let release = (): void => undefined;
    agent.hold = new Promise((resolve) => (release = resolve));
    agent.breakStreams();
    await expect.poll(() => agent.listeners).toBe(0);
    agent.store("p1");
    agent.answer("msg_a", "missed");
    await expect.poll(() => agent.listeners).toBe(1);
    // Said on the new connection while the snapshot is on its way: known twice, told once.
    agent.say("message.updated", { info: agent.messages[1]!.info });
    agent.say("message.part.updated", { part: agent.messages[1]!.parts[0] });
    agent.say("session.idle", {});
    await settle(100);
    expect(types()).toEqual(["turn.started"]);
    release();
    await expect.poll(types).toEqual(["turn.started", "step.started", "text.delta", "message.completed", "turn.ended"]);
  });

  test("deltas of a part whose beginning was missed are left out, and its whole text makes up for them", async () => {
    await session.prompt({ promptId: "p1", text: "x" });
    agent.store("p1");
    agent.status = "busy";
    agent.answer("msg_a", "", false);
    agent.say("message.part.delta", { messageID: "msg_a", partID: "prt_msg_a", field: "text", delta: "one " });
    await expect.poll(types).toContain("text.delta");
    await reconnected();
    agent.say("message.part.delta", { messageID: "msg_a", partID: "prt_msg_a", field: "text", delta: "three" });
    const part = { ...agent.messages[1]!.parts[0], text: "one two three", time: { start: 1, end: 2 } };
    agent.say("message.part.updated", { part });
    await expect.poll(types).toContain("message.completed");
    expect(events.flatMap((event) => (event.type === "text.delta" ? [event.delta] : []))).toEqual(["one ", "two three"]);
  });

  test("a permission that was answered elsewhere is closed, a question is turned down, and a subagent may ask", async () => {
    await session.prompt({ promptId: "p1", text: "x" });
    agent.store("p1");
    agent.status = "busy";
    const ask = {
      id: "per_1",
      sessionID: "ses_child",
      permission: "edit",
      patterns: ["a.txt"],
      metadata: { diff: "x" },
      tool: { messageID: "msg_z", callID: "c1" },
    };
    agent.permissions.push(ask);
    agent.say("permission.asked", ask);
    agent.say("question.asked", { id: "que_1" });
    await expect.poll(types).toEqual(["turn.started", "permission.requested"]);
    await expect.poll(() => agent.posts.map((post) => post.path)).toContain("/question/que_1/reject");
    agent.permissions.length = 0;
    agent.breakStreams();
    await expect.poll(types).toEqual(["turn.started", "permission.requested", "permission.closed"]);
    expect(await session.answerPermission("per_1", "allow_once")).toBe(false);
  });

  test("an old turn is found however long it is", async () => {
    await session.prompt({ promptId: "p1", text: "x" });
    agent.store("p1");
    for (let step = 0; step < 120; step += 1)
      agent.messages.push({ info: { id: `msg_${step}`, sessionID: "ses_1", role: "assistant", time: { completed: 1 } }, parts: [] });
    agent.answer("msg_last", "after 120 steps");
    await expect.poll(async () => (await session.resync())?.parts).toMatchObject([{ text: "after 120 steps" }]);
  });

  test("what is not an event of this API is passed over", async () => {
    await session.prompt({ promptId: "p1", text: "x" });
    agent.say("message.part.updated", { part: { type: "hologram" } });
    agent.say("something.new", { x: 1 });
    agent.say("message.updated", { info: "nonsense" });
    agent.store("p1");
    agent.answer("msg_a", "fine");
    agent.say("session.idle", {});
    await expect.poll(() => events.at(-1)).toMatchObject({ type: "turn.ended", end: { reason: "completed" } });
  });
});
