import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{apps,packages,providers,tools}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
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
