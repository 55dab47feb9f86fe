import { closeSync, linkSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { diskBytes } from "./disk.ts";

const MIB = 1024 * 1024;
let root: string;

beforeEach(() => {
  // A name with what a shell would stumble over.
  root = mkdtempSync(join(tmpdir(), "disk it's $(a) "));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test("blocks of all folders are counted, a file with two names once, and no link is followed", async () => {
  const [a, b] = [join(root, "a"), join(root, "b")];
  for (const folder of [a, b]) mkdirSync(folder);
  writeFileSync(join(a, "file"), Buffer.alloc(2 * MIB, 1));
  linkSync(join(a, "file"), join(b, "again"));
  symlinkSync("/usr", join(b, "link"));
  const used = await diskBytes([a, b], []);
  expect(used).toBeGreaterThanOrEqual(2 * MIB);
  expect(used).toBeLessThan(3 * MIB);
});

test("a thousand empty files are not nothing", async () => {
  for (let i = 0; i < 1000; i++) writeFileSync(join(root, String(i)), "");
  expect(await diskBytes([root], [])).toBeGreaterThanOrEqual(1000 * 4096);
});

test("a deleted file counts as long as somebody holds it open, and once", async () => {
  const path = join(root, "gone");
  const [first, second] = [openSync(path, "w"), openSync(path, "r")];
  unlinkSync(path);
  writeSync(first, Buffer.alloc(3 * MIB, 1));
  const held = await diskBytes([root], [process.pid]);
  expect(held).toBeGreaterThanOrEqual(3 * MIB);
  expect(held).toBeLessThan(6 * MIB);
  closeSync(first);
  closeSync(second);
  expect(await diskBytes([root], [process.pid])).toBeLessThan(held - 2 * MIB);
});

test("a folder that was removed meanwhile counts as nothing", async () => {
  expect(await diskBytes([join(root, "none")], [])).toBe(0);
});
