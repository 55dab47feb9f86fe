/*
 * A server that speaks S3: s3rver, which keeps and lists objects, behind a front that checks what s3rver does not (a
 * signature of version 4, the announced checksum) and that a test can have fail as Amazon's fails.
 *
 *   client ──► front: signature 403, checksum 400, faults ──► s3rver
 */
import { createHash, createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

/** One fault a request, in order; `null`: this one goes through. */
export type S3Fault = { readonly status: number; readonly code: string } | "hang" | "cut" | "reset" | null;

export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** `METHOD path` of every request so far. */
  readonly requests: readonly string[];
  faults(next: readonly S3Fault[]): void;
  close(): Promise<void>;
}

interface S3rver {
  run(): Promise<AddressInfo>;
  close(): Promise<void>;
}
const require = createRequire(import.meta.url);

const ACCESS = { id: "AKIATESTTESTTESTTEST", secret: "a secret+of/the=store" };

export async function startS3Server(): Promise<S3Server> {
  const directory = await mkdtemp(path.join(tmpdir(), "signalbox-s3-"));
  const bucket = "signalbox";
  // It has no types and is CommonJS.
  const Server = require("s3rver") as new (options: object) => S3rver;
  const store = new Server({ port: 0, address: "127.0.0.1", silent: true, directory, configureBuckets: [{ name: bucket }] });
  const { port } = await store.run();
  let planned: S3Fault[] = [];
  const requests: string[] = [];

  const front = createServer((incoming, answer) => void handle(incoming, answer).catch(() => answer.destroy()));
  async function handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    requests.push(`${incoming.method} ${incoming.url}`);
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const fault = planned.shift() ?? null;
    if (fault === "hang") return;
    if (fault === "reset") return void answer.destroy();
    if (fault !== null && fault !== "cut") return refuse(answer, fault.status, fault.code);
    if (!isSigned(incoming, body)) return refuse(answer, 403, "SignatureDoesNotMatch");
    const announced = incoming.headers["x-amz-checksum-sha256"];
    if (announced !== undefined && announced !== createHash("sha256").update(body).digest("base64"))
      return refuse(answer, 400, "BadDigest");
    await new Promise<void>((resolve, reject) => {
      const { authorization: _, ...headers } = incoming.headers;
      const onward = request({ port, host: "127.0.0.1", method: incoming.method, path: incoming.url, headers }, (found) => {
        answer.writeHead(found.statusCode ?? 500, found.headers);
        if (fault === "cut")
          return void found.once("data", (chunk: Buffer) => {
            answer.write(chunk.subarray(0, Math.floor(chunk.length / 2)), () => answer.destroy());
            found.destroy();
            resolve();
          });
        found.pipe(answer);
        found.on("end", resolve);
      });
      onward.on("error", reject);
      onward.end(body);
    });
  }
  // As S3 keeps connections. Node's five seconds end while a test is busy elsewhere, and the next request on one is a fault that nobody planned.
  front.keepAliveTimeout = 300_000;
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    bucket,
    accessKeyId: ACCESS.id,
    secretAccessKey: ACCESS.secret,
    requests,
    faults(next) {
      planned = [...next];
    },
    async close() {
      front.closeAllConnections();
      await new Promise((resolve) => front.close(resolve));
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function refuse(answer: ServerResponse, status: number, code: string): void {
  answer.writeHead(status, { "content-type": "application/xml", "x-amz-request-id": "4442587FB7D0A2F9" });
  answer.end(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${code}</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>`,
  );
}

/** Signature version 4, as Amazon documents how to check it. */
function isSigned(incoming: IncomingMessage, body: Buffer): boolean {
  const said =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      incoming.headers.authorization ?? "",
    );
  if (said === null) return false;
  const [, id, day, region, names, signature] = said as unknown as [string, string, string, string, string, string];
  const hash = (text: string | Buffer): string => createHash("sha256").update(text).digest("hex");
  const url = new URL(incoming.url!, "http://x");
  const query = [...url.searchParams]
    .map(([key, value]) => `${escaped(key)}=${escaped(value)}`)
    .toSorted()
    .join("&");
  const payload = String(incoming.headers["x-amz-content-sha256"]);
  if (payload !== "UNSIGNED-PAYLOAD" && payload !== hash(body)) return false;
  const canonical = [
    incoming.method,
    url.pathname,
    query,
    ...names.split(";").map((name) => `${name}:${String(incoming.headers[name]).trim()}`),
    "",
    names,
    payload,
  ].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
  const key = [day, region, "s3", "aws4_request"].reduce<string | Buffer>((of, part) => hmac(of, part), `AWS4${ACCESS.secret}`);
  const text = ["AWS4-HMAC-SHA256", String(incoming.headers["x-amz-date"]), scope, hash(canonical)].join("\n");
  return id === ACCESS.id && hmac(key, text).toString("hex") === signature;
}
const escaped = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`);
