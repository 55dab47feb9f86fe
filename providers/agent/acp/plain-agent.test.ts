/* ACP with an agent that is not OpenCode: the protocol's own corners. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AgentEvent, AgentSession } from "../port.ts";
import { unsandboxedHost, type TestHost } from "../unsandboxed.fixture.ts";
import { acpHarness, type AcpAgent } from "./harness.ts";

const plain: AcpAgent = {
  argv: [process.execPath, fileURLToPath(new URL("plain-agent.fixture.mjs", import.meta.url))],
  instructInPrompt: true,
  prepare: () => Promise.resolve({}),
};
const harness = acpHarness(plain);
const options = { model: { baseUrl: "http://127.0.0.1:9", apiKey: "placeholder", modelId: "none" }, instructions: "Be kind." };

describe("an ACP agent of another make", () => {
  let host: TestHost;
  let session: AgentSession;

  beforeAll(async () => {
    host = await unsandboxedHost();
    session = await harness.start(host, options);
  });
  afterAll(async () => {
    await session.close();
    await host.dispose();
  });

  async function turn(text: string, onEvent: (event: AgentEvent) => void = () => undefined): Promise<AgentEvent[]> {
    const events: AgentEvent[] = [];
    const ended = new Promise<void>((resolve) =>
      session.onEvent((event) => {
        events.push(event);
        onEvent(event);
        if (event.type === "turn.ended") resolve();
      }),
    );
    await session.prompt({ promptId: `p:${text}`, text });
    await ended;
    return events;
  }

  test("instructions go before the first prompt, and thoughts, plan, tools, steps and usage become the one vocabulary", async () => {
    const events = await turn("hello", (event) => {
      if (event.type === "permission.requested") void session.answerPermission(event.id, "allow_always");
    });
    expect(events).toEqual([
      { type: "turn.started", promptId: "p:hello" },
      { type: "step.started", stepId: "p:hello:step:1" },
      { type: "thought.delta", stepId: "p:hello:step:1", partId: "p:hello:step:1:thought:1", delta: "I think " },
      { type: "thought.delta", stepId: "p:hello:step:1", partId: "p:hello:step:1:thought:1", delta: "hard." },
      {
        type: "plan.updated",
        entries: [
          { content: "look", status: "in_progress" },
          { content: "tell", status: "pending" },
        ],
      },
      { type: "thought.completed", stepId: "p:hello:step:1", partId: "p:hello:step:1:thought:1", text: "I think hard." },
      { type: "text.delta", stepId: "p:hello:step:1", partId: "p:hello:step:1:text:2", delta: "You said Be kind.|hello." },
      {
        type: "message.completed",
        stepId: "p:hello:step:1",
        partId: "p:hello:step:1:text:2",
        role: "assistant",
        text: "You said Be kind.|hello.",
      },
      { type: "tool.started", stepId: "p:hello:step:1", callId: "a", name: "read", title: "Read the notes", arguments: { path: "notes" } },
      { type: "tool.completed", callId: "a", title: "Read the notes", output: "three notes", truncated: false, metadata: {} },
      { type: "tool.started", stepId: "p:hello:step:1", callId: "b", name: "delete", title: "Remove everything", arguments: undefined },
      {
        type: "permission.requested",
        id: expect.stringMatching(/^b:/) as string,
        callId: "b",
        tool: "delete",
        title: "Remove everything",
        arguments: { path: "/" },
      },
      { type: "permission.closed", id: expect.stringMatching(/^b:/) as string },
      { type: "tool.completed", callId: "b", title: "Remove everything", output: "chosen: yes", truncated: false, metadata: {} },
      { type: "step.started", stepId: "p:hello:step:2" },
      { type: "text.delta", stepId: "p:hello:step:2", partId: "p:hello:step:2:text:3", delta: "That is all." },
      {
        type: "usage",
        stepId: "turn",
        usage: { inputTokens: 20, outputTokens: 10, reasoningTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
      },
      { type: "message.completed", stepId: "p:hello:step:2", partId: "p:hello:step:2:text:3", role: "assistant", text: "That is all." },
      { type: "turn.ended", promptId: "p:hello", end: { reason: "completed" } },
    ]);
  });

  test("instructions are not repeated", async () => {
    const events = await turn("again", (event) => {
      if (event.type === "permission.requested") void session.answerPermission(event.id, "deny");
    });
    expect(JSON.stringify(events)).toContain("You said again.");
    expect(JSON.stringify(events)).toContain("chosen: no");
  });

  test("allowing once is never answered with an option that allows for ever", async () => {
    const events = await turn("careful", (event) => {
      if (event.type === "permission.requested") void session.answerPermission(event.id, "allow_once");
    });
    expect(JSON.stringify(events)).toContain("chosen: cancelled");
  });

  test.each([
    ["refuse", { reason: "failed", error: { code: "refusal" } }],
    ["break", { reason: "failed", error: { code: "agent_error" } }],
  ])("a prompt that it must %s fails the turn by name", async (text, end) => {
    expect((await turn(text)).at(-1)).toMatchObject({ type: "turn.ended", end });
  });

  test("cancel is heard, and the session goes on", async () => {
    const events = await turn("wait", (event) => {
      if (event.type === "text.delta") void session.cancel();
    });
    expect(events.at(-1)).toMatchObject({ end: { reason: "canceled" } });
    expect((await turn("refuse again")).at(-1)).toMatchObject({ end: { reason: "failed" } });
  });

  test("one that offers no models is on one of its own, and says so to whoever names another", async () => {
    expect(harness.choosesModel).toBe(false);
    await expect(session.prompt({ promptId: "other", text: "hello", model: "other" })).rejects.toMatchObject({ name: "AgentModelError" });
    expect((await turn("refuse once more")).at(-1)).toMatchObject({ type: "turn.ended" });
  });

  test("one that offers models begins on the one that is asked for and changes with a prompt; what it does not change to is refused by name", async () => {
    const offering = acpHarness({ ...plain, argv: [...plain.argv, "own/small", "own/large", "stubborn"], modelValue: (id) => id });
    expect(offering.choosesModel).toBe(true);
    const of = await offering.start(host, { model: { ...options.model, modelId: "own/large" } });
    const said = async (promptId: string, model?: string): Promise<string> => {
      const ended = new Promise<string>((resolve) => {
        let text = "";
        of.onEvent((event) => {
          if (event.type === "message.completed") text = event.text;
          if (event.type === "turn.ended") resolve(text);
        });
      });
      await of.prompt({ promptId, text: "which model", model });
      return ended;
    };
    expect(await said("1")).toBe("I am own/large.");
    expect(await said("2", "own/small")).toBe("I am own/small.");
    expect(of.record).toMatchObject({ modelId: "own/small" });
    for (const model of ["unheard-of", "stubborn"])
      await expect(of.prompt({ promptId: "3", text: "which model", model })).rejects.toMatchObject({ name: "AgentModelError" });
    expect(await said("4", "own/small")).toBe("I am own/small.");

    // Whoever takes it over knows what it runs on, whatever was chosen meanwhile.
    const { agentSessionId, record } = of;
    of.detach();
    const next = await offering.start(host, {
      model: { ...options.model, modelId: "own/large" },
      resume: { agentSessionId, record: JSON.parse(JSON.stringify(record)) as typeof record },
    });
    expect(next.reattached).toBe(true);
    const told = new Promise<string>((resolve) => next.onEvent((event) => event.type === "message.completed" && resolve(event.text)));
    await next.prompt({ promptId: "5", text: "which model", model: "own/large" });
    expect(await told).toBe("I am own/large.");
    await next.close();
  });

  test("one that cannot pick a conversation up says so", async () => {
    await expect(harness.start(host, { ...options, resume: { agentSessionId: "plain-1" } })).rejects.toMatchObject({
      code: "session_unknown",
    });
  });

  test("one that ends between two prompts is told once, and takes no more", async () => {
    const brief = await harness.start(host, options);
    const events: AgentEvent[] = [];
    const gone = new Promise<void>((resolve) =>
      brief.onEvent((event) => {
        events.push(event);
        if (event.type === "agent.exited") resolve();
      }),
    );
    await brief.close();
    await gone;
    expect(events).toEqual([{ type: "agent.exited", code: null, signal: "SIGTERM" }]);
    await expect(brief.prompt({ promptId: "late", text: "hello" })).rejects.toMatchObject({ name: "AgentGoneError" });
    await brief.cancel();
    expect(await brief.resync()).toBeNull();
  });

  test("one that is not installed, ends at once or says nothing is refused by name", async () => {
    const of = (argv: string[]) => acpHarness({ ...plain, argv });
    await expect(of(["/nonexistent/agent"]).start(host, options)).rejects.toMatchObject({ code: "agent_missing" });
    await expect(of(["/bin/sh", "-c", "echo no licence >&2; exit 3"]).start(host, options)).rejects.toMatchObject({
      code: "agent_exited",
      message: expect.stringContaining("no licence") as string,
    });
    await expect(of(["/bin/sleep", "30"]).start(host, { ...options, startTimeoutMs: 300 })).rejects.toMatchObject({
      code: "start_timeout",
    });
  });
});
