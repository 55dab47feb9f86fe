import { join } from "node:path";
import { defineConfig } from "vitest/config";
import LongFirst from "./tools/sequence.ts";

// What was compiled once is kept for every process of the run: workers, and the servers that they start.
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "node_modules/.cache/compiled");

export default defineConfig({
  test: {
    include: ["{apps,packages,providers,tools}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    globalSetup: ["packages/testkit/src/global-setup.ts"],
    pool: "forks",
    sequence: { sequencer: LongFirst },
    // Two cores, and most files wait for Postgres, a sandbox or a browser rather than compute.
    maxWorkers: 3,
    // Guesses about the machine, which may be five times slower than this one; what never happens still fails.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
    // What decides whether a change lands tries once more, and tools/test.ts names what needed it; at home a test that wavers fails.
    retry: process.env["CI"] === undefined ? 0 : 1,
  },
});
