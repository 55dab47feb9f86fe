/*
 * What every harness must do, tried with a real agent process, a real workspace and a scripted model behind HTTP.
 * Call it from a `.conformance.ts` file with the harness and a way to make hosts.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDemoUpstream, DEMO_MODEL_ID } from "../model/demo/upstream.ts";
import { serveUpstream, type ServedUpstream } from "../model/serve.fixture.ts";
import { followDirectives } from "./directives.fixture.ts";
import type { ModelUpstream } from "../model/port.ts";
import {
  AgentBusyError,
  AgentGoneError,
  OUTPUT_LIMIT,
  type AgentEvent,
  type AgentResume,
  type AgentSession,
  type Harness,
} from "./port.ts";
import type { TestHost } from "./unsandboxed.fixture.ts";

export type ConformanceOptions = {
  harness: Harness;
  createHost(): Promise<TestHost>;
};

type EventOf<T extends AgentEvent["type"]> = Extract<AgentEvent, { type: T }>;

class Recorder {
  readonly events: AgentEvent[] = [];
  #waiting: { test: (event: AgentEvent) => boolean; resolve: (event: AgentEvent) => void }[] = [];

  constructor(session: AgentSession) {
    session.onEvent((event) => {
      this.events.push(event);
      this.#waiting = this.#waiting.filter((one) => !one.test(event) || one.resolve(event));
    });
  }

  of<T extends AgentEvent["type"]>(type: T): EventOf<T>[] {
    return this.events.filter((event): event is EventOf<T> => event.type === type);
  }

  async next<T extends AgentEvent["type"]>(
    type: T,
    where: (event: EventOf<T>) => boolean = () => true,
    timeoutMs = 30_000,
  ): Promise<EventOf<T>> {
    const matches = (event: AgentEvent): event is EventOf<T> => event.type === type && where(event as EventOf<T>);
    const known = this.events.find(matches);
    if (known) return known;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no ${type} within ${timeoutMs} ms, but ${JSON.stringify(this.events.slice(-5)).slice(0, 2000)}`)),
        timeoutMs,
      );
      this.#waiting.push({
        test: matches,
        resolve: (event) => {
          clearTimeout(timer);
          resolve(event as EventOf<T>);
        },
      });
    });
  }

  text(): string {
    return this.of("message.completed")
      .map((event) => event.text)
      .join("\n");
  }
}

const SECOND_MODEL_ID = "demo-too";
/** The same one answers; which of the names was asked is on record. */
const underTwoNames = (upstream: ModelUpstream): ModelUpstream => ({
  ...upstream,
  forward: ({ body, ...rest }) =>
    upstream.forward({ ...rest, body: Buffer.from(body.toString().replace(`"model":"${SECOND_MODEL_ID}"`, `"model":"${DEMO_MODEL_ID}"`)) }),
});

export function harnessConformance({ harness, createHost }: ConformanceOptions): void {
  let slow: ServedUpstream;
  let quick: ServedUpstream;

  beforeAll(async () => {
    quick = await serveUpstream(underTwoNames(createDemoUpstream({ script: followDirectives, chunkDelayMs: 0 })));
    slow = await serveUpstream(createDemoUpstream({ script: followDirectives, chunkDelayMs: 40 }));
  });
  afterAll(async () => {
    await quick.close();
    await slow.close();
  });

  const start = (
    host: TestHost,
    options: { askFor?: string[]; resume?: AgentResume; model?: ServedUpstream; instructions?: string } = {},
  ): Promise<AgentSession> =>
    harness.start(host, {
      model: { baseUrl: (options.model ?? quick).baseUrl, apiKey: "placeholder", modelId: DEMO_MODEL_ID, contextLimit: 2_000_000 },
      askFor: options.askFor,
      resume: options.resume,
      instructions: options.instructions,
    });

  let prompts = 0;
  const turn = async (session: AgentSession, text: string): Promise<Recorder> => {
    const recorder = new Recorder(session);
    const promptId = `prompt-${(prompts += 1)}`;
    await session.prompt({ promptId, text });
    await recorder.next("turn.ended", (event) => event.promptId === promptId);
    return recorder;
  };

  describe("one session", () => {
    let host: TestHost;
    let session: AgentSession;

    beforeAll(async () => {
      host = await createHost();
      await writeFile(join(host.workspace, "AGENTS.md"), "Rule of the repository: tabs.\n");
      session = await start(host, { askFor: ["edit"], instructions: "Rule of the house: be brief." });
      // As long as a harness gives its agent to start; it takes five seconds where nothing else runs.
    }, 120_000);
    afterAll(async () => {
      await session?.close();
      await host?.dispose();
    });

    test("a prompt streams text whose deltas are the completed message", async () => {
      const told = await turn(session, "say The quick brown fox jumps over the lazy dog and says nothing more about it.");
      expect(told.events[0]).toMatchObject({ type: "turn.started" });
      const message = told.of("message.completed");
      expect(message).toHaveLength(1);
      expect(message[0]!.text).toBe("The quick brown fox jumps over the lazy dog and says nothing more about it.");
      const deltas = told.of("text.delta").filter((event) => event.partId === message[0]!.partId);
      expect(deltas.length).toBeGreaterThan(1);
      expect(
        deltas
          .map((event) => event.delta)
          .join("")
          .trim(),
      ).toBe(message[0]!.text);
      expect(told.events.at(-1)).toMatchObject({ type: "turn.ended", end: { reason: "completed" } });
    }, 30_000);

    test("the model is told the instructions, and what the repository says to agents", () => {
      expect(JSON.stringify(quick.requests)).toContain("Rule of the house: be brief.");
      expect(JSON.stringify(quick.requests)).toContain("Rule of the repository: tabs.");
    });

    test("a shell command really runs, and its output and arguments are told once", async () => {
      const told = await turn(session, "run echo marker-$((40+2)) > made.txt; cat made.txt");
      expect(await readFile(join(host.workspace, "made.txt"), "utf8")).toBe("marker-42\n");
      const started = told.of("tool.started");
      expect(started).toHaveLength(1);
      expect(JSON.stringify(started[0]!.arguments)).toContain("made.txt");
      const completed = told.of("tool.completed");
      expect(completed).toHaveLength(1);
      expect(completed[0]!.callId).toBe(started[0]!.callId);
      expect(completed[0]!.output).toContain("marker-42");
    }, 30_000);

    test("an edit waits for permission, and happens when it is allowed", async () => {
      await writeFile(join(host.workspace, "poem.txt"), "roses are blue\n");
      const recorder = new Recorder(session);
      await session.prompt({ promptId: "allowed", text: `edit ${host.workspace}/poem.txt|roses are blue|roses are red` });
      const asked = await recorder.next("permission.requested");
      expect(asked.tool).toBe("edit");
      expect(await readFile(join(host.workspace, "poem.txt"), "utf8")).toBe("roses are blue\n");
      expect((await session.resync())?.permissions.map((one) => one.id)).toEqual([asked.id]);
      expect(await session.answerPermission(asked.id, "allow_once")).toBe(true);
      await recorder.next("turn.ended");
      expect(await readFile(join(host.workspace, "poem.txt"), "utf8")).toBe("roses are red\n");
      expect(recorder.of("permission.closed").map((event) => event.id)).toEqual([asked.id]);
      expect(await session.answerPermission(asked.id, "allow_once")).toBe(false);
    }, 30_000);

    test("an edit that is denied does not happen, and the turn still ends", async () => {
      const recorder = new Recorder(session);
      await session.prompt({ promptId: "denied", text: `edit ${host.workspace}/poem.txt|roses are red|roses are green` });
      const asked = await recorder.next("permission.requested");
      expect(await session.answerPermission(asked.id, "deny")).toBe(true);
      await recorder.next("turn.ended");
      expect(await readFile(join(host.workspace, "poem.txt"), "utf8")).toBe("roses are red\n");
      expect(recorder.of("tool.failed")).toHaveLength(1);
    }, 30_000);

    test("a later prompt of the session knows the earlier ones", async () => {
      const told = await turn(session, "recall");
      expect(told.text()).toContain("The quick brown fox");
    }, 30_000);

    test("cancelling a running tool ends the turn quickly, and the session takes the next prompt", async () => {
      const recorder = new Recorder(session);
      await session.prompt({ promptId: "long", text: "run sleep 47.11" });
      await recorder.next("tool.started");
      await expect(session.prompt({ promptId: "impatient", text: "say no" })).rejects.toBeInstanceOf(AgentBusyError);
      const from = performance.now();
      await session.cancel();
      expect(performance.now() - from).toBeLessThan(3_000);
      expect(recorder.of("turn.ended")).toEqual([{ type: "turn.ended", promptId: "long", end: { reason: "canceled" } }]);
      // Some agents call a command that was cut short failed, some complete; it is over, once.
      expect([...recorder.of("tool.failed"), ...recorder.of("tool.completed")]).toHaveLength(1);
      expect((await turn(session, "say still here")).text()).toBe("still here");
    }, 30_000);

    test("bytes that are not UTF-8 arrive as text", async () => {
      const told = await turn(session, String.raw`run printf 'before \377\376\200 after'`);
      const output = told.of("tool.completed")[0]!.output;
      expect(output).toContain("before");
      expect(output).toContain("after");
      expect(output.isWellFormed()).toBe(true);
    }, 30_000);

    test("a tool that prints 50 MB is cut, in bounded memory", async () => {
      const before = process.memoryUsage.rss();
      const told = await turn(session, "run head -c 52428800 /dev/zero | tr '\\0' x");
      const [done] = told.of("tool.completed");
      expect(done!.truncated).toBe(true);
      expect(done!.output.length).toBeLessThanOrEqual(OUTPUT_LIMIT);
      const streamed = told.of("tool.progress").reduce((sum, event) => sum + event.output.length, 0);
      expect(streamed).toBeLessThan(20 * 1024 * 1024);
      expect(process.memoryUsage.rss() - before).toBeLessThan(150 * 1024 * 1024);
    }, 60_000);

    test("a prompt of a million characters reaches the model whole", async () => {
      const told = await turn(session, `length\n${"lorem ipsum ".repeat(83_334)}`);
      expect(told.text()).toBe("The prompt has 1000015 characters.");
    }, 60_000);
  });

  test("a prompt is answered by the model of the start that it names, and knows what another one was told", async () => {
    const host = await createHost();
    try {
      const model = { baseUrl: quick.baseUrl, apiKey: "placeholder", modelId: DEMO_MODEL_ID };
      const session = await harness.start(host, { model, otherModels: [{ ...model, modelId: SECOND_MODEL_ID }] });
      expect(harness.choosesModel).toBe(true);
      const answered = async (promptId: string, text: string, of?: string): Promise<{ said: string; by: string[] }> => {
        const mark = quick.requests.length;
        const recorder = new Recorder(session);
        await session.prompt({ promptId, text, model: of });
        await recorder.next("turn.ended", (event) => event.promptId === promptId);
        // Not what names the conversation: that comes without tools, and from whichever model the agent likes.
        const own = quick.requests.slice(mark).filter(({ body }) => ((body as { tools?: unknown[] }).tools ?? []).length > 0);
        return { said: recorder.text(), by: [...new Set(own.map(({ body }) => (body as { model: string }).model))] };
      };
      expect(await answered("first", "say The key is under the mat.")).toMatchObject({ by: [DEMO_MODEL_ID] });
      const second = await answered("second", "recall", SECOND_MODEL_ID);
      expect(second.by).toEqual([SECOND_MODEL_ID]);
      expect(second.said).toContain("The key is under the mat.");
      expect(await answered("third", "say Again.")).toEqual({ said: "Again.", by: [DEMO_MODEL_ID] });
      await session.close();
    } finally {
      await host.dispose();
    }
  }, 90_000);

  test("an agent that dies in the middle fails its turn, and says that it is gone", async () => {
    const host = await createHost();
    try {
      const session = await start(host);
      const recorder = new Recorder(session);
      await session.prompt({ promptId: "doomed", text: "run sleep 47.12" });
      await recorder.next("tool.started");
      host.killAll("SIGKILL");
      await recorder.next("agent.exited");
      expect(recorder.events.slice(-3).map((event) => event.type)).toEqual(["tool.failed", "turn.ended", "agent.exited"]);
      expect(recorder.of("turn.ended")[0]!.end).toMatchObject({ reason: "failed", error: { code: "agent_exited" } });
      await expect(session.prompt({ promptId: "late", text: "say hello" })).rejects.toBeInstanceOf(AgentGoneError);

      const { agentSessionId, record } = session;
      const next = await start(host, { resume: { agentSessionId, record } });
      expect(next.reattached).toBe(false);
      const state = await next.resync();
      expect(state?.status ?? "ended").toBe("ended");
      expect((await turn(next, "recall")).text()).toContain("run sleep 47.12");
      await next.close();
    } finally {
      await host.dispose();
    }
  }, 90_000);

  test("a turn goes on while nobody listens, and whoever takes it over has all of it", async () => {
    const host = await createHost();
    try {
      const first = await start(host, { model: slow });
      const before = new Recorder(first);
      await first.prompt({
        promptId: "orphan",
        text: "say one two three four five six seven eight\nrun sleep 1; echo while-away\nsay and the end of it all is here",
      });
      await before.next("text.delta");
      const { agentSessionId, record } = first;
      first.detach();

      const second = await start(host, { model: slow, resume: { agentSessionId, record } });
      expect(second.reattached).toBe(true);
      const state = await second.resync();
      expect(state).toMatchObject({ promptId: "orphan" });
      const after = new Recorder(second);
      if (state?.status === "running") await after.next("turn.ended");
      expect(after.of("turn.started")).toEqual([]);

      const whole = await second.resync();
      expect(whole).toMatchObject({ promptId: "orphan", status: "ended", end: { reason: "completed" } });
      const said = whole!.parts.flatMap((part) => (part.kind === "text" ? [part.text.trim()] : []));
      expect(said).toEqual(["one two three four five six seven eight", "and the end of it all is here"]);
      expect(whole!.parts.find((part) => part.kind === "tool")).toMatchObject({
        status: "completed",
        output: expect.stringContaining("while-away") as string,
      });

      // What the first one was told and what the second one knows are the same things under the same names.
      const ids = new Set(whole!.parts.map((part) => (part.kind === "tool" ? part.callId : part.partId)));
      for (const event of before.of("text.delta")) expect(ids).toContain(event.partId);
      const completed = after.events.flatMap((event) =>
        event.type === "message.completed" ? [event.partId] : event.type === "tool.completed" ? [event.callId] : [],
      );
      expect(new Set(completed).size).toBe(completed.length);
      const known = state!.parts.flatMap((part) =>
        part.kind === "tool" ? (part.status === "running" ? [] : [part.callId]) : part.completed ? [part.partId] : [],
      );
      expect(new Set([...known, ...completed])).toEqual(ids);

      expect((await turn(second, "recall")).text()).toContain("say one two three");
      await second.close();
    } finally {
      await host.dispose();
    }
  }, 90_000);

  test("a question that was asked before a takeover is answered after it", async () => {
    const host = await createHost();
    try {
      const file = join(host.workspace, "poem.txt");
      await writeFile(file, "roses are blue\n");
      const first = await start(host, { askFor: ["edit"] });
      const before = new Recorder(first);
      await first.prompt({ promptId: "asking", text: `edit ${file}|roses are blue|roses are red` });
      const asked = await before.next("permission.requested");
      const { agentSessionId, record } = first;
      first.detach();

      const second = await start(host, { askFor: ["edit"], resume: { agentSessionId, record } });
      expect((await second.resync())?.permissions).toMatchObject([{ id: asked.id, tool: "edit" }]);
      const after = new Recorder(second);
      expect(await second.answerPermission(asked.id, "allow_once")).toBe(true);
      await after.next("turn.ended");
      expect(await readFile(file, "utf8")).toBe("roses are red\n");
      expect(after.of("permission.requested")).toEqual([]);
      await second.close();
    } finally {
      await host.dispose();
    }
  }, 90_000);

  test("what the agent asks of a person is answered, also after a takeover; an agent without that never asks", async () => {
    const host = await createHost();
    try {
      const first = await start(host);
      if (first.answerQuestions === undefined) {
        expect((await turn(first, "ask Which colour? | red | blue\nsay done")).of("questions.asked")).toEqual([]);
        return await first.close();
      }
      const before = new Recorder(first);
      await first.prompt({ promptId: "asking", text: "ask Which colour? | red | blue" });
      const asked = await before.next("questions.asked");
      expect(asked.questions).toMatchObject([{ text: "Which colour?", options: [{ label: "red" }, { label: "blue" }], multiple: false }]);
      const { agentSessionId, record } = first;
      first.detach();

      const second = await start(host, { resume: { agentSessionId, record } });
      expect((await second.resync())?.questions).toMatchObject([{ id: asked.id }]);
      const after = new Recorder(second);
      expect(await second.answerQuestions!(asked.id, [["blue"]])).toBe(true);
      await after.next("turn.ended");
      expect(after.text()).toContain("blue");
      expect(await second.answerQuestions!(asked.id, [["red"]])).toBe(false);
      await second.close();
    } finally {
      await host.dispose();
    }
  }, 90_000);

  test("a conversation is picked up by a new process from its files", async () => {
    const host = await createHost();
    try {
      const first = await start(host);
      await turn(first, "say remember the word heliotrope");
      const { agentSessionId } = first;
      await first.close();
      const second = await start(host, { resume: { agentSessionId } });
      expect(second.agentSessionId).toBe(agentSessionId);
      expect((await turn(second, "recall")).text()).toContain("heliotrope");
      await second.close();
    } finally {
      await host.dispose();
    }
  }, 90_000);

  test("a conversation that nobody knows is refused by name", async () => {
    const host = await createHost();
    try {
      await expect(start(host, { resume: { agentSessionId: "ses_doesnotexist0000000000000" } })).rejects.toMatchObject({
        name: "AgentStartError",
        code: "session_unknown",
      });
    } finally {
      await host.dispose();
    }
  }, 60_000);

  test("a missing agent and a start that is called off are refused by name", async () => {
    const host = await createHost();
    try {
      await expect(
        harness.start(host, { model: { baseUrl: quick.baseUrl, apiKey: "x", modelId: DEMO_MODEL_ID }, signal: AbortSignal.abort() }),
      ).rejects.toMatchObject({ code: "aborted" });
    } finally {
      await host.dispose();
    }
  }, 60_000);
}
