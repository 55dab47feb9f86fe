import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { databaseTest } from "@signalbox/testkit/database";
import { type ModelApi, startModelApi } from "@signalbox/testkit/model-api";
import { Client } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
const KEY = "stand-in-key-7f3a9c51e2WXYZ";
let api: ModelApi;
let c: Composed;

beforeAll(async () => {
  api = await startModelApi({ key: KEY });
  c = await startComposed(database, { environment: { OLLAMA_HOST: api.origin } });
}, 60_000);
afterAll(async () => {
  await c.close();
  await api.close();
});
beforeEach(() => {
  api.mode = "well";
});

const call = (method: string, url: string, body?: unknown) =>
  c.call(method, url, { token: c.owner, ...(body === undefined ? {} : { body }) });
const check = async (body: object) => (await call("POST", "/v1/model-connections/check", body)).body;
const compatible = (key = KEY) => ({ kind: "openai-compatible", api_key: key, base_url: `${api.origin}/v1` });

async function everythingStored(): Promise<string> {
  const client = new Client(database.connection("admin"));
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      "select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables where schemaname = 'public'",
    );
    const texts: string[] = [];
    for (const { name } of tables) {
      const { rows } = await client.query<{ t: string | null }>(`select string_agg(x::text, ' ') as t from ${name} x`);
      texts.push(rows[0]?.t ?? "");
    }
    return texts.join("\n");
  } finally {
    await client.end();
  }
}

describe("a check is a real call, and says what, why and what to do", () => {
  test("a right key at each kind of API, with one token of an answer where it is cheap", async () => {
    const before = api.answers;
    expect(await check({ kind: "openai", api_key: KEY, base_url: `${api.origin}/v1` })).toMatchObject({
      ok: true,
      fix: null,
      models: [{ id: "gpt-5-mini" }, {}],
    });
    expect(await check({ kind: "anthropic", api_key: KEY, base_url: `${api.origin}/v1/messages` })).toMatchObject({ ok: true });
    expect(await check(compatible())).toMatchObject({ ok: true });
    expect(api.answers - before).toBe(3);
    expect(await check({ kind: "ollama", base_url: api.origin })).toMatchObject({ ok: true });
  });

  test.each([
    [
      "a key that is wrong",
      { kind: "openai", api_key: "wrong-key-0123456789" },
      "well",
      /OpenAI does not accept this key \(401\)/,
      /platform\.openai\.com/,
    ],
    [
      "a key that is wrong at Anthropic",
      { kind: "anthropic", api_key: "wrong-key-0123456789" },
      "well",
      /Anthropic does not accept this key \(401\)/,
      /console\.anthropic\.com/,
    ],
    [
      "a server that lists its models to anybody",
      { kind: "openai-compatible", api_key: "wrong-key-0123456789" },
      "open_list",
      /does not accept this key/,
      /Check the key/,
    ],
    ["too many requests", { kind: "openai", api_key: KEY }, "overloaded", /too many requests/, /in 7 s/],
    ["no credit", { kind: "openai", api_key: KEY }, "no_credit", /no credit/, /Add credit/],
    ["a fault over there", { kind: "anthropic", api_key: KEY }, "faulty", /fault of its own \(500\)/, /few minutes/],
    ["a web page", { kind: "openai-compatible", api_key: KEY }, "web_page", /web page/, /\/v1/],
    ["no models", { kind: "ollama" }, "no_models", /has no model yet/, /ollama pull/],
  ] as const)("%s", async (_what, body, mode, message, fix) => {
    api.mode = mode;
    const answer = await check({ ...body, base_url: body.kind === "ollama" ? api.origin : `${api.origin}/v1` });
    expect(answer.ok).toBe(false);
    expect(answer.message).toMatch(message);
    expect(answer.fix).toMatch(fix);
    expect(JSON.stringify(answer)).not.toContain("wrong-key-0123456789");
  });

  test("nothing there, a path that is none, and addresses and keys that cannot be", async () => {
    expect((await check({ kind: "ollama", base_url: "http://127.0.0.1:9" })).message).toMatch(/Nothing listens/);
    expect((await check({ ...compatible(), base_url: `${api.origin}/api/v3` })).message).toMatch(/no model API/);
    expect((await check({ ...compatible(), base_url: "ftp://example.com" })).message).toMatch(/not an address/);
    expect((await check({ ...compatible(), base_url: "http://me:secret@example.com" })).message).toMatch(/user name or password/);
    expect((await check({ kind: "openai", api_key: "has blanks in it" })).message).toMatch(/blanks/);
    expect((await check({ kind: "openai", api_key: "sk-ant-0123456789" })).message).toMatch(/Anthropic key/);
    expect((await check({ kind: "openai" })).message).toMatch(/no key/);
  });

  test("stores nothing", async () => {
    await check(compatible("checked-only-key-99887766"));
    expect(await everythingStored()).not.toContain("checked-only-key-99887766");
    expect((await call("GET", "/v1/model-connections")).body.items).toHaveLength(1);
  });
});

test("a saved connection is used at once, its key is sealed and in no answer, event, table or file", async () => {
  const saved = await call("PUT", "/v1/model-connections/local", compatible());
  expect(saved.body).toMatchObject({
    name: "local",
    from: "settings",
    has_key: true,
    key_hint: "WXYZ",
    status: "ok",
    models: 2,
    is_default: true,
  });
  expect((await call("GET", "/v1/models")).body.items.map((model: { id: string }) => model.id)).toEqual(
    expect.arrayContaining(["gpt-5-mini", "claude-haiku-4-5"]),
  );
  expect((await call("GET", "/v1/model-connections")).body.default_model).toBe("gpt-5-mini");
  const seen = JSON.stringify([
    saved.body,
    (await call("GET", "/v1/model-connections")).body,
    (await call("GET", "/v1/events?limit=200")).body,
    (await call("GET", "/v1/health")).body,
  ]);
  for (const text of [seen, await everythingStored()]) {
    expect(text).not.toContain(KEY);
    expect(text).not.toContain(Buffer.from(KEY).toString("base64"));
    expect(text).not.toContain(Buffer.from(KEY).toString("hex"));
  }
  const event = (await call("GET", "/v1/events?limit=200")).body.items.find(
    (one: { type: string }) => one.type === "model_connection.saved",
  );
  expect(event.data).toEqual({
    name: "local",
    kind: "openai-compatible",
    base_url: `${api.origin}/v1`,
    has_key: true,
    key_changed: true,
    by: expect.any(String),
  });
});

test("whoever writes the key into a message finds a marker there", async () => {
  const room = (await call("POST", "/v1/rooms", { title: "Leak" })).body.id;
  const thread = (await call("POST", `/v1/rooms/${room}/threads`, {})).body.id;
  const message = await call("POST", `/v1/threads/${thread}/messages`, { content_md: `it is ${KEY}, keep it` });
  expect(message.body.content_md).toBe("it is [redacted:secret:model-connection/local], keep it");
});

test("a change keeps the key, unless the address changes: then it is asked for again", async () => {
  const same = await call("PUT", "/v1/model-connections/local", { kind: "openai-compatible", base_url: `${api.origin}/v1/` });
  expect(same.body).toMatchObject({ has_key: true, key_hint: "WXYZ", status: "ok" });
  const other = await startModelApi({ key: KEY });
  try {
    const moved = await call("PUT", "/v1/model-connections/local", { kind: "openai-compatible", base_url: `${other.origin}/v1` });
    expect(moved.status).toBe(422);
    expect((await check({ kind: "openai-compatible", base_url: `${other.origin}/v1`, name: "local" })).ok).toBe(false);
    expect(other.shown).toEqual([]);
  } finally {
    await other.close();
  }
  expect((await check({ kind: "openai-compatible", name: "local" })).ok).toBe(true);
});

test("what does not work is saved only by force, and then says so in the list", async () => {
  const wrong = compatible("another-wrong-key-1234");
  const refused = await call("PUT", "/v1/model-connections/broken", wrong);
  expect(refused.status).toBe(422);
  expect(refused.body.error).toMatchObject({ code: "connection_check_failed", message: expect.stringMatching(/does not accept/) });
  expect(JSON.stringify(refused.body)).not.toContain("another-wrong-key-1234");
  expect((await call("PUT", "/v1/model-connections/broken", { ...wrong, force: true })).body).toMatchObject({
    status: "error",
    message: expect.stringMatching(/does not accept/),
  });
  expect((await call("DELETE", "/v1/model-connections/broken")).status).toBe(200);
  expect((await call("DELETE", "/v1/model-connections/broken")).status).toBe(404);
  expect((await call("PUT", "/v1/model-connections/demo", wrong)).status).toBe(409);
});

test("the default model is chosen, and falls back when its connection goes", async () => {
  expect((await call("PUT", "/v1/models/default", { model: "nobody-has-this" })).status).toBe(422);
  expect((await call("PUT", "/v1/models/default", { model: "claude-haiku-4-5" })).body.model).toMatchObject({
    id: "claude-haiku-4-5",
    is_default: true,
  });
  const session = await call("POST", "/v1/sessions", { source: { type: "scratch" }, sandbox: "deferred" });
  expect(session.body.model).toBe("claude-haiku-4-5");
  expect((await call("PUT", "/v1/models/default", { model: null })).body.model.id).toBe("gpt-5-mini");
});

test("Ollama on this machine is found within half a second, and so is that it is not there", async () => {
  const found = await call("GET", "/v1/model-connections/discover");
  expect(found.body.items[0]).toMatchObject({ found: true, base_url: api.origin, connected: false, models: [{ id: "gpt-5-mini" }, {}] });
  api.mode = "silent";
  const started = performance.now();
  expect((await call("GET", "/v1/model-connections/discover")).body.items[0].found).toBe(false);
  // It asks for half a second; what hangs would hang for ever. A busy machine gets some grace.
  expect(performance.now() - started).toBeLessThan(5_000);
});

test("another organization sees neither the connection nor its models", async () => {
  const other = await c.organization();
  const list = await c.call("GET", "/v1/model-connections", { token: other.token });
  expect(list.body.items.map((one: { name: string }) => one.name)).toEqual(["demo"]);
  expect((await c.call("GET", "/v1/models", { token: other.token })).body.items).toHaveLength(1);
  expect((await c.call("DELETE", "/v1/model-connections/local", { token: other.token })).status).toBe(404);
});

test("with a wrong master key the connection is listed with the reason, health says it, and the right key mends it", async () => {
  const keys = path.join(c.dataDir, "keys");
  const file = path.join(
    keys,
    readdirSync(keys).find((name) => name.startsWith("master-"))!,
  );
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const right = readFileSync(file, "utf8");
  writeFileSync(file, `${Buffer.alloc(32, 7).toString("base64")}\n`);
  const again = await startComposed(database, { dataDir: c.dataDir });
  try {
    const as = { token: again.owner };
    const [, demo] = (await again.call("GET", "/v1/model-connections", as)).body.items;
    const local = (await again.call("GET", "/v1/model-connections", as)).body.items[0];
    expect(local).toMatchObject({
      name: "local",
      status: "error",
      message: expect.stringMatching(/another one than the secrets were sealed with/),
    });
    expect(demo.name).toBe("demo");
    const health = await again.call("GET", "/v1/health");
    expect(health.body.parts.find((part: { name: string }) => part.name === "secrets")).toMatchObject({ ok: false });
    const put = await again.call("PUT", "/v1/model-connections/second", { ...as, body: compatible() });
    expect(put.body.error).toMatchObject({ code: "secrets_unavailable" });
    writeFileSync(file, right);
    expect((await again.call("GET", "/v1/model-connections", as)).body.items[0]).toMatchObject({
      name: "local",
      key_hint: "WXYZ",
      status: "ok",
    });
  } finally {
    writeFileSync(file, right);
    await again.close();
  }
});
