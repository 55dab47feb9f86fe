import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { createBlobs } from "./blobs.ts";

const dir = mkdtempSync(path.join(tmpdir(), "signalbox-blobs-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const blobs = createBlobs(dir);
const sha = (data: string | Uint8Array): string => `sha256:${createHash("sha256").update(data).digest("hex")}`;
const files = (): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile())
    .map((f) => f.name);

test("what is put can be got by its hash, by its own organization only", async () => {
  const stored = await blobs.put("ws_a", "hello");
  expect(stored).toEqual({ sha256: sha("hello"), sizeBytes: 5, truncated: false });
  expect((await blobs.get("ws_a", stored.sha256))?.toString()).toBe("hello");
  expect(await blobs.get("ws_b", stored.sha256)).toBeNull();
  expect(await blobs.sizeOf("ws_a", stored.sha256)).toBe(5);
});

test("the same content twice is one file, readable by its owner only", async () => {
  const { sha256 } = await blobs.put("ws_c", "same");
  await blobs.put("ws_c", "same");
  const hex = sha256.slice(7);
  expect(readdirSync(path.join(dir, "ws_c", hex.slice(0, 2)))).toEqual([hex]);
  expect(statSync(path.join(dir, "ws_c", hex.slice(0, 2), hex)).mode & 0o777).toBe(0o600);
  expect(statSync(path.join(dir, "ws_c")).mode & 0o777).toBe(0o700);
});

test("a stream without end is cut where it was told, and its producer is stopped", async () => {
  let produced = 0;
  async function* endless(): AsyncIterable<Uint8Array> {
    for (;;) {
      produced += 1000;
      yield Buffer.alloc(1000, "x");
    }
  }
  const stored = await blobs.put("ws_a", endless(), { maxBytes: 2500 });
  expect(stored).toEqual({ sha256: sha("x".repeat(2500)), sizeBytes: 2500, truncated: true });
  expect(produced).toBe(3000);
});

test("a producer that fails leaves nothing behind", async () => {
  const before = files();
  async function* failing(): AsyncIterable<Uint8Array> {
    yield Buffer.from("half");
    throw new Error("cut");
  }
  await expect(blobs.put("ws_a", failing())).rejects.toThrow("cut");
  expect(files()).toEqual(before);
});

test.each(["../../etc/passwd", "sha256:../../../etc/passwd", "sha256:ABC", "", `sha256:${"0".repeat(63)}/`])(
  "%j names no blob",
  async (name) => {
    expect(await blobs.get("ws_a", name)).toBeNull();
  },
);

test("an organization id cannot lead out of the directory", async () => {
  await expect(blobs.put("../evil", "x")).rejects.toThrow("not an organization id");
});

test("a read can be limited", async () => {
  const { sha256 } = await blobs.put("ws_a", "0123456789");
  expect((await blobs.get("ws_a", sha256, { maxBytes: 4 }))?.toString()).toBe("0123");
  expect((await blobs.get("ws_a", sha256, { maxBytes: 400 }))?.toString()).toBe("0123456789");
});
