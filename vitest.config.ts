import { defineConfig } from "vitest/config";

/** Files that take minutes each (`npm test -- --long`); everything else has to fit into a quarter of an hour on two cores. */
const isLong = process.env["SIGNALBOX_TEST_LONG"] === "1";

export default defineConfig({
  test: {
    include: ["{apps,packages,providers,tools}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", ...(isLong ? [] : ["**/*.long.e2e.test.ts"])],
    globalSetup: ["packages/testkit/src/global-setup.ts"],
    pool: "forks",
    // Two cores, and most files wait for Postgres, a sandbox or a browser rather than compute.
    maxWorkers: 3,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // The default of 1 s is a guess about the machine; what never happens still fails.
    expect: { poll: { timeout: 10_000 } },
  },
});
