/*
 * The protocol's own conformance suite against us, in those of its parts that we serve and that wait for nothing: a
 * request and its answer each. The rest (long polls, event streams, expiry, thousands of generated cases) is left to
 * `bench/durable-streams.ts`, which runs all of it beside the project's reference server and says what we do not serve,
 * and why; ours of those are in `durable.pg.test.ts`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { databaseTest } from "@signalbox/testkit/database";
import { type DurableProxy, startDurableProxy } from "@signalbox/testkit/durable-proxy";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../../composed.fixture.ts";

const PARTS = [
  "Basic Stream Operations",
  "Append Operations",
  "Read Operations",
  "HTTP Protocol",
  "TTL and Expiry Validation",
  "Case-Insensitivity",
  "Content-Type Validation",
  "HEAD Metadata",
  "Offset Validation and Resumability",
  "Protocol Edge Cases",
  "Caching and ETag",
  "Read-Your-Writes Consistency",
  "JSON Mode",
  "Idempotent Producer Operations",
];
/** Pages of other origins are refused everywhere, and programs ask nothing before. */
const NOT_SERVED = "CORS preflight";
/** So many there were when this was written: fewer means that a part was renamed, and nothing was tried. */
const AT_LEAST = 110;

const require = createRequire(import.meta.url);
const suite = path.dirname(require.resolve("@durable-streams/server-conformance-tests/package.json"));
const vitest = path.join(path.dirname(require.resolve("vitest/package.json")), "vitest.mjs");
const place = mkdtempSync(path.join(tmpdir(), "signalbox-conformance-"));
const database = databaseTest();
let c: Composed;
let proxy: DurableProxy;

beforeAll(async () => {
  c = await startComposed(database);
  const port = await c.server.listen();
  const room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Conformance" } })).body.id as string;
  const runs: string[] = [];
  for (let i = 0; i < 6; i++)
    runs.push((await c.call("POST", "/v1/runs", { token: c.owner, body: { room_id: room, title: "Conformance" } })).body.id as string);
  proxy = await startDurableProxy({ port, token: c.owner, runs });
});
afterAll(async () => {
  await proxy?.close();
  await c?.close();
  rmSync(place, { recursive: true, force: true });
});

interface Report {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

test("the Durable Streams project's conformance tests pass, of the parts that are served", async () => {
  const config = path.join(place, "vitest.config.mjs");
  const report = path.join(place, "report.json");
  writeFileSync(
    config,
    `export default { root: ${JSON.stringify(suite)}, test: { include: ["dist/test-runner.js"], exclude: [], testTimeout: 60_000, maxConcurrency: 4 } };\n`,
  );
  const child = spawn(
    process.execPath,
    [vitest, "run", "--config", config, "--reporter=json", "--outputFile", report, "-t", `^(?!.*${NOT_SERVED})(${PARTS.join("|")}) `],
    {
      cwd: suite,
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], CONFORMANCE_TEST_URL: proxy.url },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await once(child, "exit");
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = results
    .filter(({ status }) => status === "failed")
    .map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages[0]?.split("\n")[0]}`);
  expect(failed, said.slice(-2000)).toEqual([]);
  expect(results.filter(({ status }) => status === "passed").length, said.slice(-2000)).toBeGreaterThanOrEqual(AT_LEAST);
}, 240_000);
