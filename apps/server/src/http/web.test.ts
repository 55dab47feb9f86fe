import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import Fastify, { type FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveWeb } from "./web.ts";

const home = mkdtempSync(path.join(tmpdir(), "signalbox-web-"));
let app: FastifyInstance;

const SCRIPT = "export const lamp = 'lit';\n".repeat(200);
const PLAIN = { br: brotliDecompressSync, gzip: gunzipSync, identity: (bytes: Buffer) => bytes };

const frameSource = () => "http://*.preview.localhost:4400";

beforeAll(async () => {
  mkdirSync(path.join(home, "dist/assets"), { recursive: true });
  writeFileSync(path.join(home, "dist/assets/app-1a2b.js"), "1");
  for (const [name, text] of [
    ["index.html", "<!doctype html><title>Signalbox</title>"],
    ["assets/big-3c4d.js", SCRIPT],
  ] as const) {
    writeFileSync(path.join(home, "dist", name), text);
    writeFileSync(path.join(home, "dist", `${name}.br`), brotliCompressSync(text));
    writeFileSync(path.join(home, "dist", `${name}.gz`), gzipSync(text));
  }
  writeFileSync(path.join(home, "secret.txt"), "secret");
  writeFileSync(path.join(home, "openapi.json"), '{"openapi":"3.1.1"}');
  app = Fastify();
  await serveWeb(app, {
    directory: path.join(home, "dist"),
    openApi: path.join(home, "openapi.json"),
    frameSource,
  });
});
afterAll(async () => {
  await app.close();
  rmSync(home, { recursive: true, force: true });
});

test.each(["/", "/sessions", "/sessions/ses_1?peek=1", "/login?code=sbl_x"])(
  "%s is the app's page, never kept and with a policy that lets nothing foreign in",
  async (url) => {
    const answer = await app.inject({ url });
    expect([answer.statusCode, answer.headers["cache-control"]]).toEqual([200, "no-cache"]);
    expect(answer.body).toContain("<title>Signalbox</title>");
    expect(answer.headers["content-security-policy"]).toMatch(
      /default-src 'none'; script-src 'self';.*frame-ancestors 'none'; frame-src http:\/\/\*\.preview\.localhost:4400$/,
    );
  },
);

test("a file with a hash in its name is kept for ever", async () => {
  const answer = await app.inject({ url: "/assets/app-1a2b.js" });
  expect([answer.statusCode, answer.headers["cache-control"]]).toEqual([200, "public, max-age=31536000, immutable"]);
});

test.each([
  [undefined, "identity"],
  ["", "identity"],
  ["gzip, deflate, br, zstd", "br"],
  ["gzip", "gzip"],
  ["GZIP ; q=0.5", "gzip"],
  ["br;q=0.1, gzip;q=0.9", "gzip"],
  ["*", "br"],
  ["deflate", "identity"],
  ["identity", "identity"],
  ["identity;q=1, br;q=0.5", "identity"],
  ["br;q=0", "identity"],
  ["br;q=0, *", "gzip"],
  ["gzip;q=0, *", "br"],
  ["br;q=0, gzip;q=0, *", "identity"],
  ["*;q=0", "identity"],
  ["br;q=much", "identity"],
] as const)("accept-encoding %j is answered with %s", async (accepted, encoding) => {
  const headers = accepted === undefined ? {} : { "accept-encoding": accepted };
  for (const url of ["/assets/big-3c4d.js", "/sessions"]) {
    const answer = await app.inject({ url, headers });
    expect(answer.headers["content-encoding"] ?? "identity").toBe(encoding);
    expect(answer.headers["vary"]).toBe("accept-encoding");
    expect(Number(answer.headers["content-length"])).toBe(answer.rawPayload.length);
    const isScript = url.startsWith("/assets/");
    expect(answer.headers["content-type"]).toBe(isScript ? "application/javascript; charset=utf-8" : "text/html; charset=utf-8");
    expect(answer.headers["cache-control"]).toBe(isScript ? "public, max-age=31536000, immutable" : "no-cache");
    expect(answer.headers["content-security-policy"]).toContain("script-src 'self'");
    expect(PLAIN[encoding](answer.rawPayload).toString()).toBe(isScript ? SCRIPT : "<!doctype html><title>Signalbox</title>");
    const head = await app.inject({ method: "HEAD", url, headers });
    expect([head.statusCode, head.rawPayload.length]).toEqual([200, 0]);
    const { date: _1, ...asked } = head.headers;
    const { date: _2, connection: _3, ...answered } = answer.headers;
    expect(asked).toMatchObject(answered);
  }
});

test("what is kept is asked after by the tag of its encoding, and a part of it is a part of that", async () => {
  const url = "/assets/big-3c4d.js";
  const [br, gzip, plain] = await Promise.all(
    ["br", "gzip", "identity"].map((encoding) => app.inject({ url, headers: { "accept-encoding": encoding } })),
  );
  const tags = [br, gzip, plain].map((answer) => answer!.headers.etag);
  expect(new Set(tags).size).toBe(3);
  const again = await app.inject({ url, headers: { "accept-encoding": "br", "if-none-match": tags[0]! } });
  expect([again.statusCode, again.headers["vary"], again.rawPayload.length]).toEqual([304, "accept-encoding", 0]);
  const other = await app.inject({ url, headers: { "accept-encoding": "gzip", "if-none-match": tags[0]! } });
  expect(other.statusCode).toBe(200);
  const part = await app.inject({ url, headers: { "accept-encoding": "br", range: "bytes=2-5" } });
  expect([part.statusCode, part.headers["content-encoding"], part.headers["content-range"]]).toEqual([
    206,
    "br",
    `bytes 2-5/${br!.rawPayload.length}`,
  ]);
  expect(part.rawPayload).toEqual(br!.rawPayload.subarray(2, 6));
  const plainPart = await app.inject({ url, headers: { range: "bytes=0-5" } });
  expect([plainPart.statusCode, plainPart.body]).toEqual([206, "export"]);
});

test("a file that was not compressed is sent as it is", async () => {
  const answer = await app.inject({ url: "/assets/app-1a2b.js", headers: { "accept-encoding": "br, gzip" } });
  expect([answer.statusCode, answer.body, answer.headers["content-encoding"], answer.headers["vary"]]).toEqual([
    200,
    "1",
    undefined,
    "accept-encoding",
  ]);
});

test.each([
  "/assets/gone.js",
  "/assets/big-3c4d.js.br",
  "/assets/big-3c4d.js.gz",
  "/index.html.br",
  "/v1/nothing",
  "/llm/v1/nothing",
  "/../secret.txt",
  "/%2e%2e/secret.txt",
  "/assets/..%2f..%2fsecret.txt",
  "/favicon.png",
])("%s is nothing", async (url) => {
  const answer = await app.inject({ url });
  expect(answer.statusCode).toBeGreaterThanOrEqual(400);
  expect(answer.body).not.toContain("secret\n");
});

test("the contract is served", async () => {
  expect((await app.inject({ url: "/openapi.json" })).json()).toEqual({ openapi: "3.1.1" });
});

test("without a built app the address says what to do", async () => {
  const bare = Fastify();
  await serveWeb(bare, {
    directory: path.join(home, "none"),
    openApi: path.join(home, "openapi.json"),
    frameSource,
  });
  const answer = await bare.inject({ url: "/" });
  expect([answer.statusCode, answer.body]).toEqual([503, expect.stringContaining("npm start")]);
  await bare.close();
});
