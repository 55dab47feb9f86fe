/* A server's worker whose effect is a line in a file, and that dies where it is told to. Started by crash.pg.test.ts. */
import { appendFileSync, readFileSync } from "node:fs";
import { crashPoint } from "@signalbox/testkit/crash";
import type pg from "pg";
import { startStage } from "./stage.fixture.ts";

const [connections, world] = [JSON.parse(process.argv[2]!) as Record<string, pg.ClientConfig>, JSON.parse(process.argv[3]!) as string];

await startStage((role) => connections[role]!, {
  leaseMs: 700,
  executeTimeoutMs: 700,
  executors: {
    "git.push": {
      async execute(call) {
        crashPoint("before the effect");
        appendFileSync(world, `${call.invocationId}\n`);
        crashPoint("after the effect");
        return { outcome: "completed", result: { pushed: true } };
      },
      async reconcile(call) {
        const happened = readFileSync(world, "utf8").includes(call.invocationId);
        return happened
          ? { outcome: "completed", result: { found: true } }
          : { outcome: "failed", code: "never_happened", message: "the world has no trace of it" };
      },
    },
  },
});
process.stdout.write("ready\n");
