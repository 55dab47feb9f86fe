/* OpenCode where it is meant to run: in a local sandbox, whose only way to its model is the egress socket. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INSIDE } from "@signalbox/sandboxd/wire";
import { describe, expect, test } from "vitest";
import { createDemoUpstream, DEMO_MODEL_ID } from "../../model/demo/upstream.ts";
import { serveUpstream } from "../../model/serve.fixture.ts";
import { localSandboxes } from "../../sandbox/local/provider.ts";
import { DEFAULT_LIMITS, type Sandbox } from "../../sandbox/port.ts";
import { acpHarness, openCodeAcp } from "../acp/harness.ts";
import { followDirectives } from "../directives.fixture.ts";
import type { AgentEvent, AgentHost, AgentSession, Harness } from "../port.ts";
import { openCodeBinary } from "./binary.ts";
import { openCodeHarness } from "./harness.ts";

const source = openCodeBinary();

/** A sandbox is a host as it is, but for the names of its two directories. */
const hostOf = (sandbox: Sandbox): AgentHost => ({
  home: INSIDE.home,
  workspace: INSIDE.workspace,
  spawn: (options) => sandbox.spawn(options),
  attach: (id, options) => sandbox.attach(id, options),
  processes: () => sandbox.processes(),
  connect: (port) => sandbox.connect(port),
  writeFile: (path, content, mode) => sandbox.writeFile(path, content, mode),
  alive: () => sandbox.alive(),
});

async function turn(session: AgentSession, promptId: string, text: string): Promise<AgentEvent[]> {
  const events: AgentEvent[] = [];
  const ended = new Promise<void>((resolve) =>
    session.onEvent((event) => {
      events.push(event);
      if (event.type === "turn.ended" || event.type === "agent.exited") resolve();
    }),
  );
  await session.prompt({ promptId, text });
  await ended;
  return events;
}

describe.skipIf(source === null)("an agent in a local sandbox", () => {
  test.for<[string, Harness]>([
    ["OpenCode over HTTP", openCodeHarness()],
    ["opencode acp", acpHarness(openCodeAcp())],
  ])(
    "%s works through the egress socket alone, and is taken over by a second server",
    { timeout: 90_000 },
    async ([name, harness], { skip, onTestFinished }) => {
      const dataDir = mkdtempSync(join(tmpdir(), "sbx-agent-"));
      onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
      const first = localSandboxes({ dataDir });
      const check = await first.check();
      if (!check.ok) return skip(`no sandbox can be made here: ${check.reason}`);
      const sandbox = await first.create({
        id: `agent-${name.replaceAll(/\W/g, "")}`,
        organizationId: "ws_dev",
        limits: DEFAULT_LIMITS,
        env: {},
        tools: [{ name: "opencode", source: source! }],
      });
      const model = await serveUpstream(
        createDemoUpstream({ script: followDirectives, chunkDelayMs: 0 }),
        join(sandbox.egressDirectory, "egress.sock"),
      );
      const next = localSandboxes({ dataDir });
      let adopted: Sandbox | null = null;
      try {
        const from = performance.now();
        const options = { model: { baseUrl: "http://model.signalbox.invalid/llm/v1", apiKey: "placeholder", modelId: DEMO_MODEL_ID } };
        const session = await harness.start(hostOf(sandbox), options);
        process.stderr.write(`${name} in a sandbox: ready after ${(performance.now() - from).toFixed(0)} ms\n`);
        const events = await turn(session, "inside", "run id -u; pwd; echo made inside > note.txt\nsay all is well");
        expect(events.at(-1)).toEqual({ type: "turn.ended", promptId: "inside", end: { reason: "completed" } });
        expect(events.find((event) => event.type === "tool.completed")).toMatchObject({ output: "1000\n/workspace\n" });
        expect((await sandbox.readFile("/workspace/note.txt")).toString()).toBe("made inside\n");

        // The server is killed: nothing is said to anybody, the connections are just gone.
        const { record, agentSessionId } = session;
        await first.close();
        adopted = await next.adopt(sandbox.record);
        const second = await harness.start(hostOf(adopted!), { ...options, resume: { agentSessionId, record } });
        expect(second.reattached).toBe(true);
        expect(await second.resync()).toMatchObject({ promptId: "inside", status: "ended" });
        const recalled = await turn(second, "again", "recall");
        expect(JSON.stringify(recalled)).toContain("made inside");

        await adopted!.stop();
        await expect.poll(() => recalled.at(-1), { timeout: 5_000 }).toMatchObject({ type: "agent.exited" });
      } finally {
        await model.close();
        await (adopted ?? sandbox).stop();
        await next.remove(sandbox.id);
      }
    },
  );
});
