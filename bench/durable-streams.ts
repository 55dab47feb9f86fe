/*
 * The Durable Streams project's own conformance suite against us and against that project's reference server, in one
 * run: what each passes, part by part. The suite knows neither credentials nor runs, so it talks to us through
 * the proxy of `packages/testkit`.
 *
 *   node bench/durable-streams.ts [--parts <regular expression over the tests' names>]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { DurableStreamTestServer } from "@durable-streams/server";
import { startDurableProxy } from "../packages/testkit/src/durable-proxy.ts";
import { startServer } from "./server.ts";

const { values: flags } = parseArgs({ options: { parts: { type: "string" } } });
const SUITE = "node_modules/@durable-streams/server-conformance-tests/dist/test-runner.js";
/** Of the suite, by name: what we leave out, and why. */
const LEFT_OUT: readonly (readonly [RegExp, string])[] = [
  [/^Fork - /, "forks: an agent's output has one author and one past"],
  [/CORS preflight/, "cross-origin requests with a cookie: other origins' pages are refused; programs need no preflight"],
];
const reasonOf = (name: string): string | undefined => LEFT_OUT.find(([names]) => names.test(name))?.[1];

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly ancestorTitles: readonly string[];
      readonly status: string;
    }[];
  }[];
}

const place = await mkdtemp(path.join(tmpdir(), "signalbox-durable-"));
const config = path.join(import.meta.dirname, "durable-streams.vitest.mjs");
await writeFile(config, `export default { test: { include: [${JSON.stringify(SUITE)}], exclude: [], testTimeout: 120_000 } };\n`);

async function run(name: string, url: string): Promise<Report["testResults"][number]["assertionResults"]> {
  const file = path.join(place, `${name}.json`);
  const child = spawn(
    process.execPath,
    [
      "node_modules/vitest/vitest.mjs",
      "run",
      "--config",
      config,
      "--reporter=json",
      "--outputFile",
      file,
      ...(flags.parts === undefined ? [] : ["-t", flags.parts]),
    ],
    { cwd: import.meta.dirname, env: { ...process.env, CONFORMANCE_TEST_URL: url }, stdio: "ignore" },
  );
  await once(child, "exit");
  return (JSON.parse(await readFile(file, "utf8")) as Report).testResults.flatMap((one) => one.assertionResults);
}

const server = await startServer();
const reference = new DurableStreamTestServer({ port: 0 });
const referenceUrl = await reference.start();
const room = (await server.call("POST", "/v1/rooms", { title: "Conformance" })).body["id"];
const runs: string[] = [];
for (let i = 0; i < 12; i++) runs.push((await server.call("POST", "/v1/runs", { room_id: room, title: "Conformance" })).body["id"]);
const proxy = await startDurableProxy({ port: server.port, token: server.token, runs });
try {
  const [ours, theirs] = await Promise.all([run("ours", proxy.url), run("reference", referenceUrl)]);
  const passedThere = new Set(theirs.filter(({ status }) => status === "passed").map(({ fullName }) => fullName));
  const parts = new Map<string, { tests: number; passed: number; failed: number; left_out: number; reference_passed: number }>();
  const failed: string[] = [];
  for (const { fullName, ancestorTitles, status } of ours) {
    if (status !== "passed" && status !== "failed") continue;
    const part = parts.get(ancestorTitles[0] ?? "") ?? { tests: 0, passed: 0, failed: 0, left_out: 0, reference_passed: 0 };
    parts.set(ancestorTitles[0] ?? "", part);
    part.tests++;
    if (passedThere.has(fullName)) part.reference_passed++;
    if (status === "passed") part.passed++;
    else if (reasonOf(fullName) !== undefined) part.left_out++;
    else {
      part.failed++;
      failed.push(fullName);
    }
  }
  const sum = (of: "tests" | "passed" | "failed" | "left_out" | "reference_passed"): number =>
    [...parts.values()].reduce((n, part) => n + part[of], 0);
  console.log(
    JSON.stringify({
      bench: "durable-streams",
      measures: {
        suite: "@durable-streams/server-conformance-tests 0.3.6",
        reference: "@durable-streams/server 0.3.7",
        tests: sum("tests"),
        passed: sum("passed"),
        left_out: sum("left_out"),
        reference_passed: sum("reference_passed"),
        ...Object.fromEntries(
          [...parts].map(([name, part]) => [name, `${part.passed}/${part.tests}, reference ${part.reference_passed}/${part.tests}`]),
        ),
        ...Object.fromEntries(LEFT_OUT.map(([, why], i) => [`left out ${i + 1}`, why])),
        ...(failed.length === 0 ? {} : { failed: failed.join("; ") }),
      },
      targets: [
        { target: "conformance tests failed among the parts served", reached: sum("failed"), wanted: "0", ok: sum("failed") === 0 },
      ],
    }),
  );
} finally {
  await proxy.close();
  await reference.stop();
  await server.stop();
  await rm(place, { recursive: true, force: true });
  await rm(config, { force: true });
}
