import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import Fastify, { type FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveWeb } from "./web.ts";

const home = mkdtempSync(path.join(tmpdir(), "signalbox-web-"));
let app: FastifyInstance;

const frameSource = () => "http://*.preview.localhost:4400";

beforeAll(async () => {
  mkdirSync(path.join(home, "dist/assets"), { recursive: true });
  writeFileSync(path.join(home, "dist/index.html"), "<!doctype html><title>Signalbox</title>");
  writeFileSync(path.join(home, "dist/assets/app-1a2b.js"), "1");
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
  "/assets/gone.js",
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
