import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { leaseUid, releaseUid } from "./uids.ts";

const RANGE = { first: 70_000, count: 3 };
let root: string;
let leases: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "uids-"));
  leases = join(root, "leases");
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function sandboxFolder(name: string): string {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

test("no two sandboxes have the same uid, and the last one is told that there is none", () => {
  const uids = ["a", "b", "c"].map((name) => leaseUid(leases, RANGE, sandboxFolder(name), null));
  expect(new Set(uids).size).toBe(3);
  expect(() => leaseUid(leases, RANGE, sandboxFolder("d"), null)).toThrow(/in use/);
});

test("a sandbox keeps its uid as long as its folder is there", () => {
  const folder = sandboxFolder("a");
  const uid = leaseUid(leases, RANGE, folder, null);
  expect(leaseUid(leases, RANGE, folder, uid)).toBe(uid);
  expect(leaseUid(leases, RANGE, folder, null)).toBe(uid);
});

test("the uid of a folder that is gone is given out again", () => {
  const narrow = { first: 70_000, count: 1 };
  const folder = sandboxFolder("a");
  leaseUid(leases, narrow, folder, null);
  rmSync(folder, { recursive: true });
  expect(leaseUid(leases, narrow, sandboxFolder("b"), null)).toBe(70_000);
});

test.skipIf(process.getuid?.() !== 0)("the uid of a folder that is gone is not given out while a process still runs under it", async () => {
  const narrow = { first: 70_001, count: 1 };
  const folder = sandboxFolder("a");
  leaseUid(leases, narrow, folder, null);
  rmSync(folder, { recursive: true });
  const left = spawn("/bin/sleep", ["30"], { uid: 70_001, gid: 70_001, cwd: "/" });
  await once(left, "spawn");
  expect(() => leaseUid(leases, narrow, sandboxFolder("b"), null)).toThrow(/in use/);
  left.kill("SIGKILL");
  await once(left, "exit");
  expect(leaseUid(leases, narrow, sandboxFolder("b"), null)).toBe(70_001);
});

test("only its holder can release a uid", () => {
  const folder = sandboxFolder("a");
  const uid = leaseUid(leases, RANGE, folder, null);
  releaseUid(leases, uid, "/somebody/else");
  expect(existsSync(join(leases, String(uid)))).toBe(true);
  releaseUid(leases, uid, folder);
  expect(existsSync(join(leases, String(uid)))).toBe(false);
});

test("an owner outside the range, root above all, is never taken over", () => {
  for (const owner of [0, 1000, 70_003])
    expect(leaseUid(leases, RANGE, sandboxFolder(`s${owner}`), owner)).toBeGreaterThanOrEqual(RANGE.first);
});
