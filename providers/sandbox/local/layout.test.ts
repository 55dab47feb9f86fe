import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { blockedAt, etcDirectory, makeRoots, placesOf, reachable } from "./layout.ts";
import { DEFAULT_LIMITS } from "../port.ts";
import { localSandboxes } from "./provider.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "layout-"));
  chmodSync(root, 0o755);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test("a tool below a folder of somebody's own is made reachable once, without being copied", async () => {
  const home = join(root, "home");
  mkdirSync(home, { mode: 0o700 });
  const tool = join(home, "tool");
  writeFileSync(tool, "#!/bin/sh\n", { mode: 0o755 });
  const dataDir = join(root, "data");
  await makeRoots(dataDir);
  expect(blockedAt(tool)).toBe(home);

  const first = await reachable(dataDir, tool);
  expect(blockedAt(first)).toBeNull();
  expect(statSync(first).ino).toBe(statSync(tool).ino);
  expect(await reachable(dataDir, tool)).toBe(first);
  rmSync(tool);
  writeFileSync(tool, "#!/bin/sh\n# a newer one\n", { mode: 0o755 });
  const second = await reachable(dataDir, tool);
  expect(second).not.toBe(first);
  expect(readFileSync(second, "utf8")).toContain("newer");
});

test("a tool that others may not read is copied, and the original keeps its mode", async () => {
  const tool = join(root, "tool");
  writeFileSync(tool, "secret sauce", { mode: 0o700 });
  const dataDir = join(root, "data");
  await makeRoots(dataDir);
  const copy = await reachable(dataDir, tool);
  expect(copy).not.toBe(tool);
  expect(statSync(tool).mode & 0o777).toBe(0o700);
  expect(statSync(copy).mode & 0o777).toBe(0o755);
});

test("a tool that is reachable stays where it is", async () => {
  const tool = join(root, "tool");
  writeFileSync(tool, "#!/bin/sh\n", { mode: 0o755 });
  expect(await reachable(join(root, "data"), tool)).toBe(tool);
});

test("the sandbox's /etc has no account, key or resolver of the host", async () => {
  const dataDir = join(root, "data");
  await makeRoots(dataDir);
  const etc = await etcDirectory(dataDir);
  expect(
    readFileSync(join(etc, "passwd"), "utf8")
      .split("\n")
      .map((line) => line.split(":")[0]),
  ).toEqual(["root", "sbx", "nobody", ""]);
  expect(readFileSync(join(etc, "resolv.conf"), "utf8")).toBe("");
  for (const name of ["shadow", "ssh", "machine-id", "ssl/private"]) expect(() => lstatSync(join(etc, name))).toThrow(/ENOENT/);
  expect(await etcDirectory(dataDir)).toBe(etc);
});

test("a data directory with a path too long for a socket serves as well", async () => {
  const dataDir = join(root, "a-rather-long-name-for-a-folder".repeat(3), "data");
  mkdirSync(join(dataDir, ".."), { recursive: true });
  const provider = localSandboxes({ dataDir });
  const sandbox = await provider.create({ id: "sbx_long", organizationId: "ws_test", limits: DEFAULT_LIMITS, env: {}, tools: [] });
  expect(String((await sandbox.exec({ argv: ["echo", "deep"], timeoutMs: 5000 })).stdout)).toBe("deep\n");
  expect(existsSync(join(placesOf(dataDir, "sbx_long").control, "control.sock"))).toBe(true);
  await provider.close();
  expect((await provider.adopt(sandbox.record))?.alive()).toBe(true);
  await provider.remove("sbx_long");
});

test.skipIf(process.getuid?.() !== 0)("check says which folder keeps the sandbox's user out", async () => {
  const shut = join(root, "shut");
  mkdirSync(shut, { mode: 0o700 });
  expect(await localSandboxes({ dataDir: join(shut, "data") }).check()).toMatchObject({
    ok: false,
    reason: expect.stringContaining(shut) as string,
  });
});
