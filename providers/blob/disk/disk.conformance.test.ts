import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { blobsConformance } from "../conformance.ts";
import { keyOf } from "../port.ts";
import { diskBlobs } from "./disk.ts";

const dir = mkdtempSync(path.join(tmpdir(), "signalbox-blobs-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const blobs = diskBlobs(dir);

blobsConformance(() => ({
  blobs,
  damage: (organizationId, sha256) => writeFile(path.join(dir, keyOf(organizationId, sha256)!), "something else"),
  async draft(organizationId, ageMs) {
    const name = path.join(organizationId, `draft-${randomUUID()}`);
    await writeFile(path.join(dir, name), "half");
    await utimes(path.join(dir, name), new Date(), new Date(Date.now() - ageMs));
    return name;
  },
  everything: async () =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .map((file) => path.relative(dir, path.join(file.parentPath, file.name)))
      .toSorted(),
}));

test("files and directories are their owner's only", async () => {
  const { sha256 } = await blobs.put("ws_private", "mine");
  expect(statSync(path.join(dir, keyOf("ws_private", sha256)!)).mode & 0o777).toBe(0o600);
  expect(statSync(path.join(dir, "ws_private")).mode & 0o777).toBe(0o700);
});

test("a directory that cannot be used is said, with what to do", async () => {
  const { sha256 } = await blobs.put("ws_a", "a file");
  expect(await diskBlobs(path.join(dir, keyOf("ws_a", sha256)!)).problem()).toMatch(/cannot be written \(E[A-Z]+\)/);
});
