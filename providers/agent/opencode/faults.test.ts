/* What breaks between the server and OpenCode, and between OpenCode and its model. */
import type { Duplex } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { createDemoUpstream, DEMO_MODEL_ID } from "../../model/demo/upstream.ts";
import { failure } from "../../model/http.ts";
import type { ForwardRequest, ModelUpstream, UpstreamFailure } from "../../model/port.ts";
import { serveUpstream } from "../../model/serve.fixture.ts";
import { followDirectives } from "../directives.fixture.ts";
import type { AgentEvent, AgentSession } from "../port.ts";
import { unsandboxedHost, type TestHost } from "../unsandboxed.fixture.ts";
import { openCodeBinary } from "./binary.ts";
import { openCodeHarness } from "./harness.ts";

const command = openCodeBinary();
const cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const one of cleanup.splice(0).toReversed()) await one();
});

type Setup = { host: TestHost; session: AgentSession; events: AgentEvent[]; ended: Promise<void>; sockets: Duplex[] };

async function setUp(
  options: { chunkDelayMs?: number; refuse?: (request: ForwardRequest) => UpstreamFailure | null; wrap?: (socket: Duplex) => void } = {},
): Promise<Setup> {
  const demo = createDemoUpstream({ script: followDirectives, chunkDelayMs: options.chunkDelayMs ?? 0 });
  const upstream: ModelUpstream = {
    ...demo,
    forward: (request) => Promise.resolve(options.refuse?.(request) ?? null).then((refused) => refused ?? demo.forward(request)),
  };
  const model = await serveUpstream(upstream);
  const host = await unsandboxedHost();
  const sockets: Duplex[] = [];
  const watched: TestHost = {
    ...host,
    connect: async (port) => {
      const socket = await host.connect(port);
      sockets.push(socket);
      options.wrap?.(socket);
      return socket;
    },
  };
  const session = await openCodeHarness({ command: command! }).start(watched, {
    model: { baseUrl: model.baseUrl, apiKey: "placeholder", modelId: DEMO_MODEL_ID },
  });
  cleanup.push(
    model.close,
    () => host.dispose(),
    () => session.close(),
  );
  const events: AgentEvent[] = [];
  const ended = new Promise<void>((resolve) =>
    session.onEvent((event) => {
      events.push(event);
      if (event.type === "turn.ended") resolve();
    }),
  );
  return { host, session, events, ended, sockets };
}

const of = <T extends AgentEvent["type"]>(events: AgentEvent[], type: T): Extract<AgentEvent, { type: T }>[] =>
  events.filter((event): event is Extract<AgentEvent, { type: T }> => event.type === type);

/** The title and other side calls must not use up a fault that is meant for the turn. */
const isTurn = (request: ForwardRequest): boolean => request.body.includes('"tools"');

describe.skipIf(command === null)("OpenCode with a broken line", () => {
  test("a stream that breaks again and again loses nothing and repeats nothing", async () => {
    const { session, events, ended, sockets } = await setUp({ chunkDelayMs: 60 });
    const words = Array.from({ length: 60 }, (_, i) => `word${i}`).join(" ");
    const breakLine = (): void => {
      for (const socket of sockets.splice(0)) socket.destroy();
    };
    await session.prompt({ promptId: "broken", text: `say ${words}\nrun echo one\nsay ${words} again\nrun echo two\nsay the end` });
    // At once: the agent took the prompt and says for another second that it is idle.
    breakLine();
    // In the middle of a text, and while the tool that follows it runs.
    let deltas = 0;
    let tools = 0;
    const breaker = setInterval(() => {
      const said = of(events, "text.delta").length;
      const called = of(events, "tool.started").length;
      if (said < deltas + 3 && called === tools) return;
      breakLine();
      [deltas, tools] = [said, called];
    }, 20);
    await ended;
    clearInterval(breaker);

    expect(of(events, "turn.started")).toHaveLength(1);
    expect(of(events, "turn.ended")).toEqual([{ type: "turn.ended", promptId: "broken", end: { reason: "completed" } }]);
    const messages = of(events, "message.completed");
    expect(messages.map((event) => event.text)).toEqual([words, `${words} again`, "the end"]);
    for (const { partId, text } of messages) {
      const deltas = of(events, "text.delta").filter((event) => event.partId === partId);
      expect(
        deltas
          .map((event) => event.delta)
          .join("")
          .trim(),
      ).toBe(text);
    }
    expect(of(events, "tool.completed").map((event) => event.output.trim())).toEqual(["one", "two"]);
    expect(of(events, "tool.started")).toHaveLength(2);
  }, 60_000);

  test("a prompt whose answer was lost runs once", async () => {
    let cut = false;
    const { session, events, ended } = await setUp({
      wrap: (socket) => {
        const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
        socket.write = ((...args: unknown[]) => {
          const written = write(...args);
          if (!cut && String(args[0]).includes("prompt_async")) {
            cut = true;
            // Long enough for the agent to hear it, too short for its answer to count.
            setTimeout(() => socket.destroy(), 1);
          }
          return written;
        }) as typeof socket.write;
      },
    });
    await session.prompt({ promptId: "once", text: "run echo only-once >> count.txt; wc -l < count.txt" });
    await ended;
    expect(cut).toBe(true);
    expect(of(events, "tool.completed").map((event) => event.output.trim())).toEqual(["1"]);
    expect(JSON.stringify(await session.resync())).toContain("only-once");
  }, 60_000);
});

describe.skipIf(command === null)("OpenCode with a model that refuses", () => {
  type Refuse = (request: ForwardRequest) => UpstreamFailure | null;
  const busy = (retryAfterMs: number): UpstreamFailure =>
    failure("http_status", "busy", {
      retryable: true,
      status: 429,
      retryAfterMs,
      body: Buffer.from('{"error":{"message":"slow down"}}'),
      contentType: "application/json",
    });

  // One agent for all three: what they change is the model.
  test("it fails, waits or is cancelled, as the refusal asks", async () => {
    let refuse: Refuse = () => null;
    const { session, events } = await setUp({ refuse: (request) => (isTurn(request) ? refuse(request) : null) });
    const turn = async (promptId: string, text: string, during: () => Promise<void> = () => Promise.resolve()): Promise<AgentEvent[]> => {
      events.length = 0;
      await session.prompt({ promptId, text });
      await during();
      await expect.poll(() => of(events, "turn.ended").length, { timeout: 30_000 }).toBe(1);
      return [...events];
    };

    // A refusal that no retry mends fails the turn with the upstream's words.
    const body = Buffer.from(JSON.stringify({ error: { message: "The session's budget of $1.00 is used up.", code: "budget_exceeded" } }));
    refuse = () => failure("http_status", "no", { retryable: false, status: 402, body, contentType: "application/json" });
    const poor = of(await turn("poor", "say hello"), "turn.ended")[0]!;
    expect(poor.end).toMatchObject({
      reason: "failed",
      error: { code: "api_error", message: expect.stringContaining("budget of $1.00 is used up") as string },
    });

    // A busy model is tried again, visibly, and the turn completes.
    let refusals = 0;
    refuse = () => ((refusals += 1) === 1 ? busy(1_000) : null);
    const patient = await turn("patient", "say worth the wait");
    expect(of(patient, "model.retrying")).toMatchObject([{ attempt: 1 }]);
    expect(of(patient, "message.completed").map((event) => event.text)).toEqual(["worth the wait"]);
    expect(of(patient, "turn.ended")[0]!.end).toEqual({ reason: "completed" });

    // Cancelling while the agent waits to try again ends the turn.
    refuse = () => busy(600_000);
    const stuck = await turn("stuck", "say never", async () => {
      await expect.poll(() => of(events, "model.retrying").length, { timeout: 20_000 }).toBeGreaterThan(0);
      await session.cancel();
    });
    expect(of(stuck, "turn.ended")[0]!.end).toEqual({ reason: "canceled" });
  }, 90_000);
});
