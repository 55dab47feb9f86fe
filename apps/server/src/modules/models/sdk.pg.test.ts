import { readFileSync } from "node:fs";
import path from "node:path";
import Anthropic, { AuthenticationError as AnthropicAuthenticationError } from "@anthropic-ai/sdk";
import { rebuild } from "@signalbox/eventlog/rebuild";
import { createDemoUpstream, DEMO_MODEL_ID } from "@signalbox/providers/model/demo/upstream";
import { createUpstream } from "@signalbox/providers/model/upstreams";
import { serveUpstream } from "@signalbox/providers/model/serve.fixture";
import { databaseTest } from "@signalbox/testkit/database";
import OpenAI, { type APIError, AuthenticationError } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ORGANIZATION, startBench, type Bench } from "./proxy.fixture.ts";

/* The official clients, unchanged, against the proxy: the demo in this process, and a vendor over HTTP. */

const database = databaseTest();
/** All three have a model of that name: the first one keeps it, the demo always comes last. */
const [OPENAI, ANTHROPIC, DEMO] = [DEMO_MODEL_ID, `anthropic/${DEMO_MODEL_ID}`, `demo/${DEMO_MODEL_ID}`];
const script = () => ({ text: "Hello from the other side of the proxy.", calls: [{ name: "read_file", arguments: { path: "a.txt" } }] });
const demo = createDemoUpstream({ chunkDelayMs: 0, script });
let bench: Bench;
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const vendor = await serveUpstream(createDemoUpstream({ chunkDelayMs: 0, script }));
  closers.push(vendor.close);
  const upstreams = [
    demo,
    createUpstream({ kind: "openai", name: "openai", apiKey: "sk-real-openai", baseUrl: vendor.baseUrl }),
    createUpstream({ kind: "anthropic", name: "anthropic", apiKey: "sk-real-anthropic", baseUrl: vendor.baseUrl }),
  ];
  bench = await startBench(database, upstreams);
});
afterAll(async () => {
  await bench.close();
  for (const close of closers) await close();
});

const openai = (key: string) => new OpenAI({ apiKey: key, baseURL: `${bench.origin}/llm/v1`, maxRetries: 0 });
const anthropic = (key: string) => new Anthropic({ apiKey: key, baseURL: `${bench.origin}/llm`, maxRetries: 0 });
const tools = [
  {
    type: "function" as const,
    function: { name: "read_file", parameters: { type: "object", properties: { path: { type: "string" } }, required: ["path"] } },
  },
];

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** The settlement may become durable just after the client has its last byte. */
const settled = async (session: string) => {
  await expect.poll(async () => (await bench.ledger.usage(ORGANIZATION, session))?.reserved_micro_usd, { timeout: 10_000 }).toBe(0);
  return bench.ledger.usage(ORGANIZATION, session);
};

describe.each([
  { what: "the demo", models: { chat: DEMO, messages: DEMO } },
  { what: "a vendor over HTTP", models: { chat: OPENAI, messages: ANTHROPIC } },
])("$what", ({ models }) => {
  test("chat completions: whole, with tool calls and usage", async () => {
    const { id, key } = await bench.session();
    const answer = await openai(key).chat.completions.create({ model: models.chat, messages: [{ role: "user", content: "hi" }], tools });
    expect(answer.choices[0]?.message).toMatchObject({
      content: script().text,
      tool_calls: [{ function: { name: "read_file", arguments: '{"path":"a.txt"}' } }],
    });
    const usage = await settled(id);
    expect(usage).toMatchObject({ calls: 1, overrun_micro_usd: 0 });
    expect(usage?.by_model[0]).toMatchObject({
      model: models.chat,
      input_tokens: answer.usage?.prompt_tokens,
      output_tokens: answer.usage?.completion_tokens,
    });
  });

  test("chat completions: streamed, and the usage frame that was only ours is not shown", async () => {
    const { id, key } = await bench.session();
    const stream = await openai(key).chat.completions.create({
      model: models.chat,
      messages: [{ role: "user", content: "hi" }],
      tools,
      stream: true,
    });
    let text = "";
    let call = "";
    for await (const chunk of stream) {
      expect(chunk.usage ?? null, "nobody asked for usage").toBeNull();
      text += chunk.choices[0]?.delta.content ?? "";
      call += chunk.choices[0]?.delta.tool_calls?.[0]?.function?.arguments ?? "";
    }
    expect([text, call]).toEqual([script().text, '{"path":"a.txt"}']);
    expect((await settled(id))?.spent_micro_usd).toBeGreaterThan(0);
  });

  test("chat completions: streamed with usage, when the client asks for it", async () => {
    const { id, key } = await bench.session();
    const stream = await openai(key).chat.completions.create({
      model: models.chat,
      messages: [{ role: "user", content: "hi" }],
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await all(stream);
    const { usage } = chunks.at(-1)!;
    expect(usage).toBeTruthy();
    expect((await settled(id))?.by_model[0]).toMatchObject({ input_tokens: usage?.prompt_tokens, output_tokens: usage?.completion_tokens });
  });

  test("responses: whole and streamed", async () => {
    const { id, key } = await bench.session();
    const whole = await openai(key).responses.create({ model: models.chat, input: "hi" });
    expect(whole.output_text).toBe(script().text);
    const stream = await openai(key).responses.create({ model: models.chat, input: "hi", stream: true });
    let text = "";
    for await (const event of stream) if (event.type === "response.output_text.delta") text += event.delta;
    expect(text).toBe(script().text);
    expect((await settled(id))?.calls).toBe(2);
  });

  test("messages: whole and streamed, with tool use", async () => {
    const { id, key } = await bench.session();
    const ask = { model: models.messages, max_tokens: 1_000, messages: [{ role: "user" as const, content: "hi" }] };
    const whole = await anthropic(key).messages.create(ask);
    expect(whole.content).toMatchObject([
      { type: "text", text: script().text },
      { type: "tool_use", name: "read_file", input: { path: "a.txt" } },
    ]);
    const final = await anthropic(key).messages.stream(ask).finalMessage();
    expect(final.content).toMatchObject([
      { type: "text", text: script().text },
      { type: "tool_use", name: "read_file", input: { path: "a.txt" } },
    ]);
    const usage = await settled(id);
    expect(usage).toMatchObject({ calls: 2, by_model: [{ output_tokens: whole.usage.output_tokens + final.usage.output_tokens }] });
  });
});

test("a person is given a further key for a session, which works, until the session ends; another organization is not", async () => {
  const { id } = await bench.session({ models: [DEMO] });
  const issue = (organizationId: string) =>
    bench.models.routes
      .find(({ route }) => route.id === "models.issue_key")!
      .handler({
        caller: { organizationId },
        params: { id },
        origin: { principal: { id: "usr_owner", type: "user" } },
        now: new Date().toISOString(),
      } as never) as Promise<{ key: string; key_id: string; models: string[]; refusal?: { code: string } }>;
  expect((await issue("ws_other")).refusal?.code).toBe("session_not_found");
  const issued = await issue(ORGANIZATION);
  expect(issued.models).toEqual([DEMO]);
  expect((await ask(issued.key, DEMO)).choices[0]?.message.content).toBe(script().text);
  expect(JSON.stringify(await database.rows("select data from evt_payloads"))).not.toContain(issued.key);
  await bench.log.unit({ organizationId: ORGANIZATION, origin: { principal: { id: "usr_owner", type: "user" } } }, (unit) =>
    bench.models.revokeVirtualKey(unit, { organizationId: ORGANIZATION, keyId: issued.key_id, reason: "lost" }),
  );
  await expect
    .poll(() => failure(ask(issued.key, DEMO)).catch(() => "still works"), { timeout: 2_000, interval: 50 })
    .toMatchObject({ status: 401, code: "invalid_key" });
  await bench.endSession(id);
  expect((await issue(ORGANIZATION)).refusal?.code).toBe("session_ended");
});

test("models are listed for both clients, and narrowed to what the key may call", async () => {
  const { key } = await bench.session({ models: [DEMO] });
  expect((await openai(key).models.list()).data.map(({ id }) => id)).toEqual([DEMO]);
  expect((await anthropic(key).models.list()).data.map(({ id }) => id)).toEqual([DEMO]);
  expect((await openai(key).models.retrieve(DEMO)).id).toBe(DEMO);
});

const ask = (key: string, model: string) => openai(key).chat.completions.create({ model, messages: [{ role: "user", content: "hi" }] });
const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail("it was let through"),
    (error: unknown) => error,
  );

describe("refused, in the client's own error classes", () => {
  test("a wrong key", async () => {
    expect(await failure(ask("sbx-vk_ws_dev_wrong", DEMO))).toBeInstanceOf(AuthenticationError);
    const error = await failure(
      anthropic("nonsense").messages.create({ model: DEMO, max_tokens: 1, messages: [{ role: "user", content: "hi" }] }),
    );
    expect(error).toBeInstanceOf(AnthropicAuthenticationError);
  });

  test("a key of another organization's form", async () => {
    const { key } = await bench.session();
    expect(await failure(ask(key.replace("ws_dev", "ws_other"), DEMO))).toBeInstanceOf(AuthenticationError);
  });

  test("a model that is not there, and one that the key may not call", async () => {
    const { key } = await bench.session({ models: [DEMO] });
    expect(await failure(ask(key, "gpt-99"))).toMatchObject({ status: 404, code: "model_not_found" });
    expect(await failure(ask(key, OPENAI))).toMatchObject({ status: 403, code: "model_not_allowed" });
  });

  test("an endpoint that the model's upstream does not speak, naming the one to use", async () => {
    const { key } = await bench.session();
    const error = await failure(ask(key, ANTHROPIC));
    expect(error).toMatchObject({ status: 400, code: "unsupported_endpoint" });
    expect((error as APIError).message).toContain("/llm/v1/messages");
  });

  test("a call that the budget does not cover, in both shapes", async () => {
    const { id, key } = await bench.session({ cap: 1 });
    expect(await failure(ask(key, DEMO))).toMatchObject({ status: 402, code: "budget_exhausted", type: "insufficient_quota" });
    const error = await failure(
      anthropic(key).messages.create({ model: DEMO, max_tokens: 1000, messages: [{ role: "user", content: "hi" }] }),
    );
    expect(error).toMatchObject({ status: 402, error: { error: { type: "billing_error" } } });
    expect(await bench.ledger.usage(ORGANIZATION, id)).toMatchObject({ calls: 0, spent_micro_usd: 0, reserved_micro_usd: 0 });
  });

  test("the key of a session that has ended, within a second", async () => {
    const { id, key } = await bench.session();
    await ask(key, DEMO);
    await bench.endSession(id);
    await expect
      .poll(() => failure(ask(key, DEMO)).catch(() => "still works"), { timeout: 2_000, interval: 50 })
      .toMatchObject({ status: 401, code: "session_ended" });
  });
});

test("twenty streams at once on a budget for a few: what is spent never passes the cap", async () => {
  const cap = 60_000;
  const { id, key } = await bench.session({ cap });
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, () =>
      openai(key)
        .chat.completions.create({ model: DEMO, messages: [{ role: "user", content: "hi" }], max_tokens: 8_000, stream: true })
        .then(
          async (stream) => ((await all(stream)).length > 0 ? "answered" : "empty"),
          (error: APIError) => error.code,
        ),
    ),
  );
  expect(new Set(outcomes)).toEqual(new Set(["answered", "budget_exhausted"]));
  const usage = await settled(id);
  expect(usage!.spent_micro_usd).toBeLessThanOrEqual(cap);
  expect(usage!.calls).toBe(outcomes.filter((outcome) => outcome === "answered").length);
});

test("what the projections hold is exactly what the log says", async () => {
  const client = await database.pool("sb_owner").connect();
  try {
    const sql = readFileSync(path.join(import.meta.dirname, "schema.sql"), "utf8");
    const report = await rebuild(client, { name: "models", sql, projections: bench.models.projections }, { swap: false });
    expect(report.events).toBeGreaterThan(20);
    expect(report.drift).toEqual([]);
  } finally {
    client.release();
  }
});
