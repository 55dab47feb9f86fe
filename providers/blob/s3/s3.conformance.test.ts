import { startS3Server, type S3Server } from "@signalbox/testkit/s3-server";
import { S3Client, PutObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { blobsConformance } from "../conformance.ts";
import { BlobsUnavailable, keyOf } from "../port.ts";
import { s3Blobs, type S3Options } from "./s3.ts";

let server: S3Server;
let blobs: ReturnType<typeof s3Blobs>;
let raw: S3Client;
const spoolDirectory = mkdtempSync(path.join(tmpdir(), "signalbox-spool-"));
const opened: { close(): void }[] = [];

function open(more: Partial<S3Options> = {}): ReturnType<typeof s3Blobs> {
  const { endpoint, bucket, accessKeyId, secretAccessKey } = server;
  const made = s3Blobs({
    endpoint,
    bucket,
    accessKeyId,
    secretAccessKey,
    region: "us-east-1",
    pathStyle: true,
    prefix: "of/signalbox",
    spoolDirectory,
    timeoutMs: 5000,
    attempts: 3,
    ...more,
  });
  opened.push(made);
  return made;
}
beforeAll(async () => {
  server = await startS3Server();
  blobs = open();
  raw = new S3Client({
    endpoint: server.endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
});
afterAll(async () => {
  for (const one of opened) one.close();
  raw.destroy();
  await server.close();
  rmSync(spoolDirectory, { recursive: true, force: true });
});

blobsConformance(() => ({
  blobs,
  async damage(organizationId, sha256) {
    await raw.send(
      new PutObjectCommand({ Bucket: server.bucket, Key: `of/signalbox/${keyOf(organizationId, sha256)!}`, Body: "something else" }),
    );
  },
  async draft(_, ageMs) {
    const name = `draft-${randomUUID()}`;
    await writeFile(path.join(spoolDirectory, name), "half");
    await utimes(path.join(spoolDirectory, name), new Date(), new Date(Date.now() - ageMs));
    return name;
  },
  async everything() {
    const { Contents = [] } = await raw.send(new ListObjectsV2Command({ Bucket: server.bucket }));
    return [...Contents.map(({ Key }) => Key!.replace("of/signalbox/", "")), ...readdirSync(spoolDirectory)].toSorted();
  },
}));

const large = (): Buffer => Buffer.alloc(5 * 1024 * 1024, Math.random().toString());
const SLOW_DOWN = { status: 503, code: "SlowDown" };

describe("of a store that fails", () => {
  test.each(["hang", "reset", SLOW_DOWN, { status: 500, code: "InternalError" }] as const)(
    "%j is tried again, whatever is asked",
    async (fault) => {
      const patient = fault === "hang" ? open({ timeoutMs: 1000 }) : blobs;
      // A body from a file has to be opened again: tried once, for the fault that is met most.
      const contents = [Buffer.from(`small ${Math.random()}`), ...(fault === SLOW_DOWN ? [large()] : [])];
      for (const content of contents) {
        server.faults([fault, fault]);
        const { sha256 } = await patient.put("ws_faults", content);
        server.faults([fault]);
        expect((await patient.get("ws_faults", sha256))?.equals(content)).toBe(true);
        server.faults([fault]);
        expect(await patient.sizeOf("ws_faults", sha256)).toBe(content.length);
        server.faults([fault]);
        await patient.erase("ws_faults", sha256);
        expect(await patient.sizeOf("ws_faults", sha256)).toBeNull();
      }
    },
    30_000,
  );

  test("what fails for good is said in words, and is never taken for content that is not there", async () => {
    const { sha256 } = await blobs.put("ws_faults", "still there");
    server.faults([SLOW_DOWN, SLOW_DOWN, SLOW_DOWN]);
    await expect(blobs.get("ws_faults", sha256)).rejects.toThrow("the store is overloaded or down (SlowDown)");
    server.faults([SLOW_DOWN, SLOW_DOWN, SLOW_DOWN]);
    await expect(blobs.sizeOf("ws_faults", sha256)).rejects.toThrow(BlobsUnavailable);
    server.faults([SLOW_DOWN, SLOW_DOWN, SLOW_DOWN]);
    await expect(blobs.put("ws_faults", "more")).rejects.toThrow("content could not be stored");
    expect((await blobs.get("ws_faults", sha256))?.toString()).toBe("still there");
  });

  test("a connection that is cut in the middle is read again whole, and a stream of it says so", async () => {
    const content = large();
    const { sha256 } = await blobs.put("ws_faults", content);
    server.faults(["cut"]);
    expect((await blobs.get("ws_faults", sha256))?.equals(content)).toBe(true);
    server.faults(["cut"]);
    const stream = (await blobs.stream("ws_faults", sha256))!;
    await expect(
      (async () => {
        for await (const _ of stream);
      })(),
    ).rejects.toThrow("could not be read to its end");
  });
});

describe("of a store that refuses", () => {
  test("a wrong secret is refused at once, and no message has it", async () => {
    const wrong = open({ secretAccessKey: "not-the-secret" });
    const before = server.requests.length;
    const error = await wrong.put("ws_a", "x").catch((thrown: unknown) => thrown as Error);
    expect(error).toBeInstanceOf(BlobsUnavailable);
    expect(String(error)).toContain("refuses the credentials for the bucket signalbox (SignatureDoesNotMatch)");
    expect(String(error) + JSON.stringify(error)).not.toContain("not-the-secret");
    expect(server.requests.length).toBe(before + 1);
    expect(await wrong.problem()).toContain("SIGNALBOX_S3_SECRET_ACCESS_KEY");
    await expect(wrong.get("ws_a", `sha256:${"0".repeat(64)}`)).rejects.toThrow(BlobsUnavailable);
  });

  test("a bucket that is not there is said, not taken for content that is not there", async () => {
    const wrong = open({ bucket: "nowhere" });
    await expect(wrong.get("ws_a", `sha256:${"0".repeat(64)}`)).rejects.toThrow("there is no bucket nowhere");
    await expect(wrong.put("ws_a", "x")).rejects.toThrow("there is no bucket nowhere");
    expect(await wrong.problem()).toContain("there is no bucket nowhere");
  });

  test("a store that is not there is said", async () => {
    const wrong = open({ endpoint: "http://127.0.0.1:1", attempts: 1 });
    await expect(wrong.put("ws_a", "x")).rejects.toThrow("the store does not answer (ECONNREFUSED)");
  });
});
