/* The main job without a sandbox: the real OpenCode, the scripted model, a real repository with a failing test and a bare remote. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { createSampleRepository } from "../../model/demo/sample-repository.ts";
import { createDemoUpstream, DEMO_MODEL_ID } from "../../model/demo/upstream.ts";
import { serveUpstream } from "../../model/serve.fixture.ts";
import type { AgentEvent } from "../port.ts";
import { unsandboxedHost } from "../unsandboxed.fixture.ts";
import { openCodeBinary } from "./binary.ts";
import { openCodeHarness } from "./harness.ts";

const run = promisify(execFile);
const command = openCodeBinary();

describe.skipIf(command === null)("the demo job on the real OpenCode", () => {
  test("the failing test is found, fixed, committed and pushed", async () => {
    const host = await unsandboxedHost();
    const model = await serveUpstream(createDemoUpstream({ chunkDelayMs: 0 }));
    try {
      const remote = join(host.home, "remote.git");
      const sample = await createSampleRepository(host.workspace, { remote });
      const bootFrom = performance.now();
      const session = await openCodeHarness({ command: command! }).start(host, {
        model: { baseUrl: model.baseUrl, apiKey: "placeholder", modelId: DEMO_MODEL_ID },
      });
      const bootMs = performance.now() - bootFrom;

      const events: AgentEvent[] = [];
      const from = performance.now();
      let firstDeltaMs = 0;
      const ended = new Promise<void>((resolve) =>
        session.onEvent((event) => {
          events.push(event);
          if (event.type === "text.delta" && firstDeltaMs === 0) firstDeltaMs = performance.now() - from;
          if (event.type === "turn.ended") resolve();
        }),
      );
      await session.prompt({ promptId: "job", text: "Find the failing test, fix it and push the result." });
      await ended;
      const jobMs = performance.now() - from;
      await session.close();

      const { stdout: log } = await run("git", ["--git-dir", remote, "log", "-p", "--format=%s", "main", "-1"]);
      expect(log).toContain("Fix: a discount makes the total smaller");
      expect(log).toContain("+  return before - discount;");
      const { stdout: parent } = await run("git", ["--git-dir", remote, "rev-parse", "main~1"]);
      expect(parent.trim()).toBe(sample.commit);

      const tools = events.flatMap((event) => (event.type === "tool.started" ? [event.name] : []));
      expect(tools.slice(0, 6)).toEqual(["bash", "bash", "read", "read", "edit", "bash"]);
      expect(events.filter((event) => event.type === "tool.failed")).toEqual([]);
      const said = events.flatMap((event) => (event.type === "message.completed" ? [event.text] : []));
      expect(said[0]).toContain("a script, not an AI");
      expect(said.at(-1)).toContain("Pushed.");
      // Generous: they are here to be read in the report, and to catch a hang of the first request.
      process.stderr.write(
        `demo job on OpenCode: boot ${bootMs.toFixed(0)} ms, first delta ${firstDeltaMs.toFixed(0)} ms, whole job ${jobMs.toFixed(0)} ms\n`,
      );
      expect(bootMs).toBeLessThan(20_000);
      expect(jobMs).toBeLessThan(40_000);
    } finally {
      await model.close();
      await host.dispose();
    }
  }, 90_000);
});
