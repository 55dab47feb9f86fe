import { spawn, type StdioOptions } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DEFAULT_LIMITS, type SandboxEnd, type SandboxProvider, type SandboxRecord } from "../port.ts";
import { isAlive, killExactly, startTimeOf } from "./identity.ts";
import { processesIn } from "./memory.ts";
import { localSandboxes } from "./provider.ts";
import type { LocalRecord } from "./sandbox.ts";

const SECRET = join(tmpdir(), `sbx-left-open-${process.pid}`);
let dataDir: string;
let provider: SandboxProvider;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "sbx-"));
  provider = localSandboxes({ dataDir });
});

afterEach(async () => {
  await provider.remove("sbx_restart");
  await provider.close();
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(SECRET, { force: true });
});

type Told = { descriptors: string; record: LocalRecord; bytes: number; first: string };

/** A server of its own process, killed with -9 as soon as its sandbox works. */
async function killedServer(): Promise<Told> {
  // Descriptor 40 is left open in it, as a careless parent would; Node itself closes only the first few for its children.
  const open = openSync(SECRET, "w+");
  const stdio: StdioOptions = ["ignore", "pipe", "inherit", ...Array.from({ length: 37 }, (): "ignore" => "ignore"), open];
  const server = spawn(process.execPath, [fileURLToPath(new URL("restart.fixture.ts", import.meta.url)), dataDir], { stdio });
  const line = await new Promise<string>((resolve, reject) => {
    server.stdout!.once("data", (chunk: Buffer) => resolve(chunk.toString("utf8")));
    server.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  const gone = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGKILL");
  await gone;
  closeSync(open);
  return JSON.parse(line) as Told;
}

test("kill -9 of the server leaves the sandbox running, and the next server has it back with every line", async () => {
  const { record, bytes, first } = await killedServer();
  expect(isAlive(record.inner)).toBe(true);
  const sandbox = await provider.adopt(record);
  const counter = await sandbox!.attach("counter", { stdoutFrom: bytes });
  let text = first;
  for await (const chunk of counter.stdout as AsyncIterable<Buffer>) if ((text += chunk.toString("utf8")).length > 500) break;
  const lines = text.split("\n").slice(0, -1);
  expect(lines).toEqual(lines.map((_, i) => String(i)));
  await sandbox!.stop();
  expect(isAlive(record.inner)).toBe(false);
  expect(startTimeOf(record.outer.pid)).toBeNull();
});

test("what the server inherited and left open does not reach the inside", async () => {
  const { descriptors } = await killedServer();
  expect(descriptors).toContain("socket:");
  expect(descriptors).not.toContain(SECRET);
});

test("a sandbox that nobody adopted is ended when its id is started again", async () => {
  const { record } = await killedServer();
  const sandbox = await provider.create({ id: "sbx_restart", organizationId: "ws_test", limits: DEFAULT_LIMITS, env: {}, tools: [] });
  expect(isAlive(record.inner)).toBe(false);
  expect(String((await sandbox.exec({ argv: ["echo", "new"], timeoutMs: 5000 })).stdout)).toBe("new\n");
  await sandbox.stop();
});

test.each(["inner", "outer"] as const)(
  "whoever kills the %s bubblewrap from outside ends the whole sandbox, and it is told",
  async (which) => {
    const sandbox = await provider.create({ id: "sbx_restart", organizationId: "ws_test", limits: DEFAULT_LIMITS, env: {}, tools: [] });
    const { inner, outer } = sandbox.record as LocalRecord;
    const agent = await sandbox.spawn({ argv: ["setsid", "sleep", "60"] });
    const ended = new Promise<SandboxEnd>((resolve) => sandbox.onEnd(resolve));
    process.kill(which === "inner" ? inner.pid : outer.pid, "SIGKILL");
    await expect(agent.exited).rejects.toMatchObject({ code: "link_lost" });
    expect(await ended).toMatchObject({ reason: "exited" });
    expect([isAlive(inner), startTimeOf(outer.pid), processesIn(inner.pidNamespace)]).toEqual([false, null, []]);
  },
);

test("a record whose pid belongs to somebody else by now adopts nothing and kills nobody", async () => {
  const bystander = spawn("sleep", ["30"]);
  const record = {
    provider: "local",
    version: 1,
    id: "sbx_restart",
    organizationId: "ws_test",
    directory: join(dataDir, "sandboxes", "sbx_restart"),
    uid: null,
    inner: { pid: bystander.pid!, startTime: "1", pidNamespace: "pid:[1]" },
    outer: { pid: bystander.pid!, startTime: "1" },
    cgroup: null,
    limits: DEFAULT_LIMITS,
    startedAt: new Date().toISOString(),
  } satisfies LocalRecord;
  expect(killExactly(record.inner)).toBe(false);
  expect(await provider.adopt(record as SandboxRecord)).toBeNull();
  expect(startTimeOf(bystander.pid!)).not.toBeNull();
  bystander.kill("SIGKILL");
});
