/* The load generator on a real server: it measures, gates, puts away, and leaves strangers alone. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Composed, startComposed } from "../../../server/src/composed.fixture.ts";

vi.setConfig({ testTimeout: 120_000 });
const database = databaseTest();
let c: Composed;
let url: string;
beforeAll(async () => {
  c = await startComposed(database);
  url = `http://127.0.0.1:${await c.server.listen()}`;
}, 60_000);
afterAll(() => c.close());

function scaletest(...flags: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [path.join(import.meta.dirname, "../main.ts"), "scaletest", "--token", c.owner, ...flags],
      { maxBuffer: 10 * 1024 * 1024 },
      (error, stdout, stderr) => resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr }),
    );
  });
}
/** Open runs and approvals, and sessions: what a person would have to put away. */
async function leftOver(): Promise<number> {
  const sizes = await Promise.all(
    [
      "/v1/runs?status=queued&limit=100",
      "/v1/runs?status=running&limit=100",
      "/v1/approvals?status=pending",
      "/v1/sessions?archived=true",
    ].map(async (route) => {
      const { status, body } = await c.call("GET", route, { token: c.owner });
      expect(status, route + JSON.stringify(body)).toBe(200);
      return body.items.length as number;
    }),
  );
  return sizes.reduce((sum, one) => sum + one, 0);
}

test("it measures every operation, sees every update arrive, and leaves nothing open", async () => {
  const { code, stdout, stderr } = await scaletest("--url", url, "--json", "--duration", "3", "--followers", "6", "--rooms", "2");
  expect(code, stderr + stdout).toBe(0);
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ errors: 0, passed: true, failures: {} });
  for (const operation of ["message.create", "update", "follow", "approval.decide", "run.step", "run.complete"])
    expect(result.operations[operation]?.count, operation).toBeGreaterThan(0);
  // Three followers a room.
  expect(result.operations.update.count).toBe(result.operations["message.create"].count * 3);
  expect(result.resources.length).toBeGreaterThan(0);
  expect(stderr).toMatch(/connecting 6 followers\n.*s left · \d+ messages.*\nwaiting until .*\nputting away/s);
  expect(await leftOver()).toBe(0);
});

test("a limit that is not held is an exit code, and says which operation", async () => {
  const { code, stdout } = await scaletest("--url", url, "--duration", "1", "--followers", "2", "--max-p95-ms", "0");
  expect(code).toBe(1);
  expect(stdout).toMatch(/It did not hold:\n.*message\.create: p95/s);
});

test("interrupted, it prints what it has so far and puts away what it made", async () => {
  const child = spawn(
    process.execPath,
    [path.join(import.meta.dirname, "../main.ts"), "scaletest", "--token", c.owner, "--url", url, "--duration", "600", "--json"],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, "close");
  // The load is on.
  await expect.poll(() => /s left · /.test(stderr), { timeout: 110_000 }).toBe(true);
  child.kill("SIGINT");
  expect((await ended)[0], stderr).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ interrupted: true, passed: false });
  expect(stderr).toContain("interrupted: putting away what was made");
  expect(await leftOver()).toBe(0);
});

test("another machine's server is left alone until it is named again", async () => {
  const { code, stderr } = await scaletest("--url", "https://signalbox.example.com", "--duration", "1");
  expect(code).toBe(2);
  expect(stderr).toContain("--target https://signalbox.example.com");
  expect((await scaletest("--url", url, "--rate", "many")).code).toBe(2);
});
