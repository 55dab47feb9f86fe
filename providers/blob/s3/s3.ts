/*
 * Content in a bucket of Amazon S3 or of any server that speaks its protocol.
 *
 *   put      chunks ─► spool (memory, past 4 MiB a file of ours) ─► hash known ─► one PUT under its name
 *   read     GET ─► hashed on its way ─► compared with its name
 *
 * One PUT is atomic: the object is there whole or not at all, so nothing is ever renamed, which S3 cannot. The hash goes
 * along (`x-amz-checksum-sha256`): who knows it refuses what arrived otherwise, everybody else ignores it, and it is
 * checked by us when read. The SDK's own default checksums are off: they send a chunked trailer that many servers do not
 * take. Tried again are 5xx, 429, SlowDown, timeouts and lost connections; a refusal (403) and a wrong bucket are not.
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rm, type FileHandle } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Blobs,
  BlobsUnavailable,
  type BlobContent,
  checked,
  checkedWhole,
  cut,
  DEFAULT_MAX_BYTES,
  homeOf,
  keyOf,
  nameOf,
  removeOldDrafts,
} from "../port.ts";

export interface S3Options {
  readonly bucket: string;
  /** Null: Amazon's, of the region. */
  readonly endpoint: string | null;
  readonly region: string;
  /** `https://host/bucket/key` rather than `https://bucket.host/key`: most servers that are not Amazon's. */
  readonly pathStyle: boolean;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Before every key, without slashes at its ends; "": none. */
  readonly prefix: string;
  /** Where content is kept until its hash is known. */
  readonly spoolDirectory: string;
  /** Without an answer, or without a byte. Default 30 s. */
  readonly timeoutMs?: number;
  /** Default 5. */
  readonly attempts?: number;
}

/** It would write to the console; what matters is thrown. */
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const IN_MEMORY = 4 * 1024 * 1024;
const ERASED_AT_ONCE = 8;
const FIRST_WAIT_MS = 100;

export function s3Blobs(options: S3Options): Blobs & { close(): void } {
  const { bucket, timeoutMs = 30_000, attempts = 5 } = options;
  const prefix = options.prefix === "" ? "" : `${options.prefix}/`;
  const client = new S3Client({
    region: options.region,
    ...(options.endpoint === null ? {} : { endpoint: options.endpoint }),
    forcePathStyle: options.pathStyle,
    credentials: { accessKeyId: options.accessKeyId, secretAccessKey: options.secretAccessKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    logger: SILENT,
    // Ours, because a body that is a stream has to be opened again.
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: timeoutMs,
      requestTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      throwOnRequestTimeout: true,
    }),
  });

  async function again<T>(what: string, go: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await go();
      } catch (error) {
        if (isMissing(error)) throw error;
        if (attempt >= attempts || !isPassing(error)) throw new BlobsUnavailable(`${what}: ${reasonOf(error, bucket)}`, { cause: error });
        await sleep(FIRST_WAIT_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2));
      }
    }
  }
  const at = (organizationId: string, sha256: string) => {
    const key = keyOf(organizationId, sha256);
    return key === null ? null : { Bucket: bucket, Key: prefix + key };
  };

  const body = (where: { Bucket: string; Key: string }, range?: string): Promise<Readable | null> =>
    client
      .send(new GetObjectCommand({ ...where, ...(range === undefined ? {} : { Range: range }) }))
      .then(({ Body }) => Body as Readable, nullIfMissing);
  async function sizeOf(organizationId: string, sha256: string): Promise<number | null> {
    const where = at(organizationId, sha256);
    if (where === null) return null;
    try {
      return (await again("content could not be looked for", () => client.send(new HeadObjectCommand(where)))).ContentLength ?? 0;
    } catch (error) {
      return nullIfMissing(error);
    }
  }

  async function* keysBelow(below: string): AsyncGenerator<{ key: string; size: number }> {
    for (let token: string | undefined; ;) {
      const page = await again("contents could not be listed", () =>
        client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix + below, ContinuationToken: token })),
      );
      for (const { Key, Size } of page.Contents ?? []) if (Key !== undefined) yield { key: Key.slice(prefix.length), size: Size ?? 0 };
      if (page.IsTruncated !== true) return;
      token = page.NextContinuationToken;
    }
  }
  const erase = (key: string): Promise<unknown> =>
    again("content could not be erased", () => client.send(new DeleteObjectCommand({ Bucket: bucket, Key: prefix + key }))).catch(
      nullIfMissing,
    );

  return {
    async put(organizationId, content, { maxBytes = DEFAULT_MAX_BYTES, beforeNamed } = {}) {
      homeOf(organizationId);
      const spooled = await spool(options.spoolDirectory, content, maxBytes);
      try {
        const sha256 = `sha256:${spooled.digest.toString("hex")}`;
        await beforeNamed?.(sha256);
        await again("content could not be stored", async () => {
          const stream = spooled.file === null ? null : createReadStream(spooled.file);
          try {
            await client.send(
              new PutObjectCommand({
                ...at(organizationId, sha256)!,
                Body: stream ?? spooled.bytes ?? "",
                ContentLength: spooled.sizeBytes,
                ContentType: "application/octet-stream",
                ChecksumSHA256: spooled.digest.toString("base64"),
              }),
            );
          } finally {
            stream?.destroy();
          }
        });
        return { sha256, sizeBytes: spooled.sizeBytes, truncated: spooled.truncated };
      } finally {
        if (spooled.file !== null) await rm(spooled.file, { force: true });
      }
    },

    async get(organizationId, sha256, { maxBytes } = {}) {
      const where = at(organizationId, sha256);
      const size = maxBytes === undefined ? null : await sizeOf(organizationId, sha256);
      if (where === null || (maxBytes !== undefined && size === null)) return null;
      const isPart = maxBytes !== undefined && size! > maxBytes;
      if (isPart && maxBytes === 0) return Buffer.alloc(0); // no range says it
      const bytes = await again("content could not be read", async () => {
        const stream = await body(where, isPart ? `bytes=0-${maxBytes - 1}` : undefined);
        return stream === null ? null : wholeOf(stream);
      });
      if (bytes === null) return null;
      return isPart ? bytes.subarray(0, maxBytes) : checkedWhole(bytes, sha256);
    },

    async stream(organizationId, sha256) {
      const where = at(organizationId, sha256);
      const stream = where === null ? null : await again("content could not be read", () => body(where));
      return stream === null ? null : checked(told(stream, bucket), sha256);
    },

    sizeOf,

    async erase(organizationId, sha256) {
      const key = keyOf(organizationId, sha256);
      if (key !== null) await erase(key);
    },

    async removeAll(organizationId) {
      const home = homeOf(organizationId);
      // One at a time a request: DeleteObjects wants checksums that not every server takes.
      let batch: string[] = [];
      const flush = async (): Promise<void> => {
        await Promise.all(batch.map(erase));
        batch = [];
      };
      for await (const { key } of keysBelow(`${home}/`)) if (batch.push(key) === ERASED_AT_ONCE) await flush();
      await flush();
    },

    // In the bucket nothing is ever half there.
    removeDrafts: (olderThanMs) => removeOldDrafts(options.spoolDirectory, olderThanMs),

    async *list() {
      for await (const { key, size } of keysBelow("ws_")) {
        const name = nameOf(key);
        if (name !== null) yield { ...name, sizeBytes: size };
      }
    },

    async problem() {
      try {
        await client.send(new HeadBucketCommand({ Bucket: bucket }));
        return null;
      } catch (error) {
        return reasonOf(error, bucket);
      }
    },

    close: () => client.destroy(),
  };
}

type Spooled = { readonly digest: Buffer; readonly sizeBytes: number; readonly truncated: boolean } & (
  | { readonly file: string; readonly bytes: null }
  | { readonly file: null; readonly bytes: Buffer }
);

async function spool(directory: string, content: BlobContent, maxBytes: number): Promise<Spooled> {
  const seen = { hash: createHash("sha256"), sizeBytes: 0, truncated: false };
  const held: Uint8Array[] = [];
  let file: string | null = null;
  let handle: FileHandle | null = null;
  try {
    for await (const chunk of cut(content, maxBytes, seen)) {
      if (handle === null && seen.sizeBytes > IN_MEMORY) {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        file = path.join(directory, `draft-${randomBytes(12).toString("hex")}`);
        handle = await open(file, "wx", 0o600);
        for (const one of held.splice(0)) await handle.writeFile(one);
      }
      if (handle === null) held.push(chunk);
      else await handle.writeFile(chunk);
    }
  } catch (error) {
    if (file !== null) await rm(file, { force: true });
    throw error;
  } finally {
    await handle?.close();
  }
  const said = { digest: seen.hash.digest(), sizeBytes: seen.sizeBytes, truncated: seen.truncated };
  return file === null ? { ...said, file, bytes: Buffer.concat(held) } : { ...said, file, bytes: null };
}

async function wholeOf(stream: Readable): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

/** A connection that is lost in the middle is said like every other. */
async function* told(stream: Readable, bucket: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (error) {
    throw new BlobsUnavailable(`content could not be read to its end: ${reasonOf(error, bucket)}`, { cause: error });
  }
}

interface Fault {
  readonly name?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}
const statusOf = (error: unknown): number | undefined => (error as Fault).$metadata?.httpStatusCode;
const LOST: ReadonlySet<string> = new Set(["ECONNRESET", "ECONNREFUSED", "EPIPE", "ETIMEDOUT", "EAI_AGAIN", "ERR_STREAM_PREMATURE_CLOSE"]);
const SLOW: ReadonlySet<string> = new Set([
  "SlowDown",
  "TimeoutError",
  "RequestTimeout",
  "RequestTimeTooSkewed",
  "InternalError",
  "ServiceUnavailable",
]);

function isPassing(error: unknown): boolean {
  const { name, code } = error as Fault;
  const status = statusOf(error);
  return (
    (status !== undefined && (status >= 500 || status === 429)) ||
    (name !== undefined && SLOW.has(name)) ||
    (code !== undefined && LOST.has(code)) ||
    (error as Error).message === "aborted"
  );
}
function isMissing(error: unknown): boolean {
  const { name } = error as Fault;
  return name === "NoSuchKey" || (name === "NotFound" && statusOf(error) === 404);
}
function nullIfMissing(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}

/** In words: the SDK's own messages may quote headers. */
function reasonOf(error: unknown, bucket: string): string {
  const { name, code } = error as Fault;
  const status = statusOf(error);
  if (status === 403 || status === 401)
    return `the store refuses the credentials for the bucket ${bucket} (${name ?? status}): look at SIGNALBOX_S3_ACCESS_KEY_ID, SIGNALBOX_S3_SECRET_ACCESS_KEY and the bucket's policy`;
  if (name === "NoSuchBucket" || status === 404) return `there is no bucket ${bucket}: create it, or name another with SIGNALBOX_S3_BUCKET`;
  if (status === 301 || status === 307) return `the bucket ${bucket} is in another region: set SIGNALBOX_S3_REGION`;
  if (status !== undefined && status >= 500) return `the store is overloaded or down (${name ?? status})`;
  return `the store does not answer (${code ?? name ?? "no connection"}): look at SIGNALBOX_S3_ENDPOINT`;
}
