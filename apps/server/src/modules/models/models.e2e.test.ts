import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { DEMO_MODEL_ID } from "@signalbox/providers/model/demo/upstream";
import { processEnvironment } from "@signalbox/testkit/environment";
import OpenAI, { type APIError } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";

/* The whole server, as a person's own tools meet it: a session, its key, an official client, the bill. */

let server: ChildProcess;
let origin: string;
let token: string;
let dataDir: string;

beforeAll(async () => {
  dataDir = mkdtempSync(path.join(tmpdir(), "signalbox-models-"));
  // Postgres runs as another user, who must be able to pass through.
  chmodSync(dataDir, 0o711);
  server = spawn(process.execPath, [path.join(import.meta.dirname, "../../main.ts"), "--json", "--port", "0", "--data-dir", dataDir], {
    env: processEnvironment({ SIGNALBOX_SESSION_BUDGET_MICRO_USD: "1000000" }),
    stdio: ["ignore", "pipe", "ignore"],
  });
  for await (const line of createInterface({ input: server.stdout! })) {
    if (!line.includes('"event":"ready"')) continue;
    ({ url: origin, token } = JSON.parse(line) as { url: string; token: string });
    break;
  }
}, 300_000);
afterAll(async () => {
  server.kill("SIGTERM");
  if (server.exitCode === null) await once(server, "exit");
  rmSync(dataDir, { recursive: true, force: true });
}, 300_000);

async function call<T = Record<string, unknown>>(method: string, url: string, body?: object): Promise<T> {
  const answer = await fetch(`${origin}${url}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const value = (await answer.json()) as T;
  if (!answer.ok) throw new Error(`${method} ${url} answered ${answer.status}: ${JSON.stringify(value)}`);
  return value;
}

test("a person's own client spends from a session's budget through the proxy, until the kill switch or the session's end stops it", async () => {
  const models = await call<{ items: { id: string; is_default: boolean; is_demo: boolean }[] }>("GET", "/v1/models");
  expect(models.items).toMatchObject([{ id: DEMO_MODEL_ID, is_demo: true, is_default: true }]);
  const session = await call<{ id: string }>("POST", "/v1/sessions", { source: { type: "scratch" }, sandbox: "deferred" });
  const { key } = await call<{ key: string }>("POST", `/v1/sessions/${session.id}/model-keys`, {});
  const openai = new OpenAI({ apiKey: key, baseURL: `${origin}/llm/v1`, maxRetries: 0 });
  const ask = () =>
    openai.chat.completions.create({ model: DEMO_MODEL_ID, messages: [{ role: "user", content: "hi" }], max_tokens: 200, stream: true });
  const refusal = () =>
    ask().then(
      () => "answered",
      (error: APIError) => `${error.status} ${error.code}`,
    );

  let text = "";
  for await (const chunk of await ask()) text += chunk.choices[0]?.delta.content ?? "";
  expect(text).toContain("script");
  await expect
    .poll(async () => (await call<{ calls: number }>("GET", `/v1/sessions/${session.id}/usage`)).calls, { timeout: 10_000 })
    .toBe(1);
  const usage = await call<{ cap_micro_usd: number; spent_micro_usd: number; reserved_micro_usd: number }>(
    "GET",
    `/v1/sessions/${session.id}/usage`,
  );
  expect(usage).toMatchObject({ cap_micro_usd: 1_000_000, reserved_micro_usd: 0 });
  expect(usage.spent_micro_usd).toBeGreaterThan(0);

  await call("POST", "/v1/kill-switch", { engaged: true });
  expect(await refusal()).toBe("403 kill_switch_active");
  await call("POST", "/v1/kill-switch", { engaged: false });
  expect(await refusal()).toBe("answered");
  await call("POST", `/v1/sessions/${session.id}/stop`, {});
  await expect.poll(refusal, { timeout: 5_000 }).toMatch(/^401 (invalid_key|session_ended)$/);
}, 60_000);

test("the API's own token is no key of the proxy, and a virtual key none of the API", async () => {
  const answer = await fetch(`${origin}/llm/v1/models`, { headers: { authorization: `Bearer ${token}` } });
  expect([answer.status, ((await answer.json()) as { error: { code: string } }).error.code]).toEqual([401, "invalid_key"]);
  const session = await call<{ id: string }>("POST", "/v1/sessions", { source: { type: "scratch" }, sandbox: "deferred" });
  const { key } = await call<{ key: string }>("POST", `/v1/sessions/${session.id}/model-keys`, {});
  expect((await fetch(`${origin}/v1/sessions`, { headers: { authorization: `Bearer ${key}` } })).status).toBe(401);
});

test("hosts are allowed, listed and taken back over the API; nothing was requested yet", async () => {
  expect(await call("POST", "/v1/egress/rules", { host: "*.example.com" })).toMatchObject({ host: "*.example.com", session_id: null });
  expect(await call("GET", "/v1/egress/rules")).toMatchObject({ items: [{ host: "*.example.com" }] });
  expect(await call("POST", "/v1/egress/rules/remove", { host: "*.example.com" })).toEqual({ removed: true });
  expect(await call("GET", "/v1/egress/requests")).toEqual({ items: [], next_cursor: null });
});
