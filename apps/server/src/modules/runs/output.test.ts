import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { diskBlobs } from "@signalbox/providers/blob/disk/disk";
import { artifactOf, boundOutput, cutText, INLINE_OUTPUT_BYTES, MAX_OUTPUT_BYTES } from "./output.ts";

const dir = mkdtempSync(path.join(tmpdir(), "signalbox-output-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const blobs = diskBlobs(dir);
const deps = { blobs, redact: (_organization: string, text: string) => text.replaceAll("hunter2", "[secret]") };
const bound = (content: Parameters<typeof boundOutput>[2]) => boundOutput(deps, "ws_dev", content, "bash output");

test("a short output stays as it is", async () => {
  expect(await bound("ok\n")).toEqual({ output: "ok\n", outputTruncated: false });
});

test("invalid UTF-8 becomes readable text, never an error", async () => {
  expect(await bound(Buffer.from([0x61, 0xff, 0xfe, 0xc3, 0x28, 0x00]))).toEqual({
    output: "a\uFFFD\uFFFD\uFFFD(\uFFFD",
    outputTruncated: false,
  });
});

test("from 16 KB on the whole is an artifact: inline to 64 KiB, a blob beyond", async () => {
  const middle = await bound("m".repeat(20_000));
  expect([middle.output.length, middle.outputTruncated, middle.artifact?.text?.length]).toEqual([INLINE_OUTPUT_BYTES, true, 20_000]);
  const large = await bound("l".repeat(100_000));
  expect([large.artifact?.text, large.artifact?.sizeBytes]).toEqual([undefined, 100_000]);
  expect((await blobs.get("ws_dev", large.artifact!.sha256!))?.length).toBe(100_000);
});

test("a tool that prints 50 MB is read only as far as is kept, and the name says that it was cut", async () => {
  let produced = 0;
  async function* loud(): AsyncIterable<Uint8Array> {
    for (let i = 0; i < 50; i++) {
      produced++;
      yield Buffer.alloc(1024 * 1024, "n");
    }
  }
  const { output, outputTruncated, artifact } = await bound(loud());
  expect(produced).toBeLessThanOrEqual(9);
  expect([output.length, outputTruncated, artifact?.sizeBytes, artifact?.name]).toEqual([
    INLINE_OUTPUT_BYTES,
    true,
    MAX_OUTPUT_BYTES,
    "bash output (first 8 MiB)",
  ]);
});

test("secrets are replaced inline, in artifacts and in blobs", async () => {
  const { output, artifact } = await bound(`pw hunter2\n${"line\n".repeat(60_000)}pw hunter2\n`);
  expect(output).toContain("pw [secret]");
  const stored = (await blobs.get("ws_dev", artifact!.sha256!))!.toString();
  expect(stored.match(/\[secret\]/g)).toHaveLength(2);
  expect(stored).not.toContain("hunter2");
});

test.each([
  ["é".repeat(10), 7, "ééé"],
  ["a😀b", 4, "a"],
  ["a😀b", 5, "a😀"],
  ["abc", 10, "abc"],
])("%j cut to %i bytes is %j: never half a character", (text, max, expected) => {
  expect(cutText(text, max)).toBe(expected);
});

test("bytes that are no text are a file", async () => {
  const artifact = await artifactOf(deps, "ws_dev", Buffer.from([0x89, 0x50]), { name: "shot.png", mediaType: "image/png" });
  expect(artifact).toMatchObject({ kind: "file", mediaType: "image/png", sizeBytes: 2 });
  expect(await blobs.sizeOf("ws_dev", artifact.sha256!)).toBe(2);
});
