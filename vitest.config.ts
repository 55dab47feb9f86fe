import { join } from "node:path";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import LongFirst from "./tools/sequence.ts";

// What was compiled once is kept for every process of the run: workers, and the servers that they start.
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "node_modules/.cache/compiled");

/** What imports `.tsx`, which Node does not load: Vite transforms it. */
const PAGES = "{apps/web/src,packages/ui}/**/*.test.ts";
const exclude = ["**/node_modules/**", "**/dist/**"];

const project = (test: TestProjectInlineConfiguration["test"]): TestProjectInlineConfiguration => ({
  test: {
    ...test,
    pool: "forks",
    // A worker keeps its modules, and its browser, for the next file (docs/adr/0054).
    isolate: false,
    // Guesses about the machine, which may be five times slower than this one; what never happens still fails.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
    // What a first try got is only in its message: "[ Array(1) ]" says nothing.
    chaiConfig: { truncateThreshold: 1_000 },
    // What decides whether a change lands tries once more, and tools/test.ts names what needed it; at home a test that wavers fails.
    retry: process.env["CI"] === undefined ? 0 : 1,
  },
});

export default defineConfig({
  test: {
    globalSetup: ["packages/testkit/src/global-setup.ts"],
    sequence: { sequencer: LongFirst },
    // Two cores, and many files wait for Postgres, a sandbox or an agent rather than compute. Four leave none of it idle, but then what
    // waits for an agent's start runs into its limit (load 16).
    maxWorkers: 3,
    projects: [
      project({ name: "pages", include: [PAGES], exclude }),
      project({
        name: "node",
        include: ["{apps,packages,providers,tools}/**/*.test.ts"],
        exclude: [...exclude, PAGES],
        // Loaded by Node, as the server is, and compiled once for all of them.
        experimental: { viteModuleRunner: false, nodeLoader: false },
      }),
    ],
  },
});
