/*
 * Where no cgroup can be made (an ordinary user without a delegated one), rlimits and the watchdog hold the limits.
 * The second half runs as such a user: a process of its own under another uid, since the tests may run as root.
 */
import { spawn } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEFAULT_LIMITS, type Sandbox, type SandboxProvider } from "../port.ts";
import { blockedAt } from "./layout.ts";
import { localSandboxes } from "./provider.ts";

const MIB = 1024 * 1024;
let dataDir: string;
let provider: SandboxProvider;
let sandbox: Sandbox;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "sbx-"));
  provider = localSandboxes({ dataDir, cgroups: false });
  sandbox = await provider.create({
    id: "sbx_plain",
    organizationId: "ws_test",
    limits: { ...DEFAULT_LIMITS, memoryBytes: 300 * MIB, pids: 80 },
    env: {},
    tools: [],
  });
});

afterAll(async () => {
  await sandbox?.stop();
  await provider.remove("sbx_plain");
  rmSync(dataDir, { recursive: true, force: true });
});

test("a process that grows beyond the limit is killed and counted, and the sandbox goes on", async () => {
  const slow = await sandbox.exec({
    argv: ["perl", "-e", 'my @a; while (1) { push @a, "x" x 4000000; select undef, undef, undef, 0.01 }'],
    timeoutMs: 15_000,
  });
  expect(slow).toMatchObject({ signal: "SIGKILL", timedOut: false });
  expect((await sandbox.usage()).oomKills).toBe(1);
  expect(String((await sandbox.exec({ argv: ["echo", "still here"], timeoutMs: 5000 })).stdout)).toBe("still here\n");
});

test("a process that allocates faster than anybody looks is stopped by its rlimit", async () => {
  const fast = await sandbox.exec({ argv: ["perl", "-e", 'my $a = "x" x (8 * 1024 ** 3)'], timeoutMs: 15_000 });
  expect(fast.exitCode).not.toBe(0);
  expect(fast.timedOut).toBe(false);
});

test("a fork bomb stays below the limit of processes", async () => {
  const bomb = await sandbox.spawn({ argv: ["/bin/bash", "-c", ":(){ :|:& };:"] });
  bomb.stderr.resume();
  const seen: number[] = [];
  for (const end = Date.now() + 1000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50)))
    seen.push((await sandbox.usage()).pids);
  expect(Math.max(...seen)).toBeGreaterThan(35);
  // The two bubblewraps were started before the limit was set.
  expect(Math.max(...seen)).toBeLessThanOrEqual(80 + 2);
});

const asRoot = process.getuid?.() === 0;
const ORDINARY_UID = 65533;

test("an ordinary user makes sandboxes too, with the same walls", async ({ skip }) => {
  const fixture = fileURLToPath(new URL("ordinary-user.fixture.ts", import.meta.url));
  skip(!asRoot, "the tests run as an ordinary user already");
  skip(
    [fixture, process.execPath].some((path) => blockedAt(path) !== null),
    "the checkout lies in a folder that no other user may enter",
  );
  const folder = mkdtempSync(join(tmpdir(), "sbx-user-"));
  chownSync(folder, ORDINARY_UID, ORDINARY_UID);
  chmodSync(folder, 0o700);
  const child = spawn(process.execPath, [fixture, folder], {
    uid: ORDINARY_UID,
    gid: ORDINARY_UID,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: "/usr/bin:/bin", HOME: folder },
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString("utf8")));
  await new Promise((resolve) => child.once("close", resolve));
  rmSync(folder, { recursive: true, force: true });
  expect(err).toBe("");
  expect(JSON.parse(out)).toEqual({
    check: { ok: true },
    uid: "1000",
    capabilities: "0000000000000000",
    dataDir: "No such file or directory",
    network: "ENETUNREACH",
    unshare: "refused",
    file: "written",
    aliveAfterStop: false,
  });
});
