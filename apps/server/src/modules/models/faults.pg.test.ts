import { setTimeout as sleep } from "node:timers/promises";
import { createUpstream } from "@signalbox/providers/model/upstreams";
import { databaseTest } from "@signalbox/testkit/database";
import OpenAI, { type APIError } from "openai";
import type { ServerResponse } from "node:http";
import { afterEach, expect, test } from "vitest";
import { CHAT_END, chatChunk, chatUsage, ORGANIZATION, QUICK, scriptedUpstream, startBench, type Bench } from "./proxy.fixture.ts";

/* What goes wrong between the proxy and a model, and what the client, the ledger and the upstream see of it. */

const database = databaseTest();
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const KEY = "sk-the-real-credential";
type Answer = Parameters<typeof scriptedUpstream>[0];

async function start(answer: Answer) {
  const upstream = await scriptedUpstream(answer);
  closers.push(upstream.close);
  const bench = await startBench(database, [
    createUpstream({ kind: "openai", name: "openai", apiKey: KEY, baseUrl: `${upstream.origin}/v1`, timeouts: QUICK }),
  ]);
  closers.push(bench.close);
  return { upstream, bench, ...(await bench.session()) };
}

const client = (bench: Bench, key: string) => new OpenAI({ apiKey: key, baseURL: `${bench.origin}/llm/v1`, maxRetries: 0 });
const BODY = { model: "gpt-4o", messages: [{ role: "user" as const, content: "hi" }], max_tokens: 1_000 };
const failure = (work: Promise<unknown>): Promise<APIError> =>
  work.then(
    () => expect.fail("it was let through"),
    (error: APIError) => error,
  );

/** The last entry of the session's budget, once nothing is held any more. */
async function lastEntry(bench: Bench, session: string): Promise<{ type: string } & Record<string, unknown>> {
  await expect
    .poll(async () => (await bench.ledger.usage(ORGANIZATION, session))?.reserved_micro_usd, { timeout: 10_000, interval: 20 })
    .toBe(0);
  const [row] = await database.rows<{ type: string; data: string }>(
    "select e.type, p.data from evt_events e join evt_payloads p using (position) where e.subject = $1 order by e.subject_version desc limit 1",
    [`budget:${session}`],
  );
  return { ...(JSON.parse(row!.data) as Record<string, unknown>), type: row!.type };
}

const sse = (response: ServerResponse, ...frames: string[]) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const frame of frames) response.write(frame);
};

test("a request goes through byte for byte, but for the model's name and the credential", async () => {
  const { upstream, bench, key, id } = await start((_, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ id: "x", object: "chat.completion", choices: [], usage: { prompt_tokens: 11, completion_tokens: 5 } }));
  });
  const odd = `{ "temperature": 1.50, "model" :"openai/gpt-4o",\n "messages":[{"role":"user","content":"\\u00e4 \\"model\\": 12345678901234567890"}], "max_tokens":10 }`;
  const answer = await fetch(`${bench.origin}/llm/v1/chat/completions`, {
    method: "POST",
    body: odd,
    headers: { "x-api-key": key, "content-type": "application/json", cookie: "a=b", "openai-beta": "x" },
  });
  expect(answer.status).toBe(200);
  expect(upstream.received[0]?.body).toBe(odd.replace("openai/gpt-4o", "gpt-4o"));
  expect(upstream.received[0]?.headers).toMatchObject({ authorization: `Bearer ${KEY}`, "openai-beta": "x" });
  expect(JSON.stringify(upstream.received[0]?.headers)).not.toMatch(/sbx-vk_|a=b/);
  expect(await lastEntry(bench, id)).toMatchObject({
    type: "ledger.settled",
    usage: { input_tokens: 11, output_tokens: 5, source: "reported" },
    outcome: "completed",
  });
});

test("429 and 500 are tried again before the first byte, and only one answer is paid for", async () => {
  const { upstream, bench, key, id } = await start((_, response, nth) => {
    if (nth < 3)
      return void response.writeHead(nth === 1 ? 429 : 500, { "content-type": "application/json" }).end('{"error":{"message":"not now"}}');
    sse(response, chatChunk("hello"), chatUsage(3, 2), CHAT_END);
    response.end();
  });
  const answer = await client(bench, key).chat.completions.create({ ...BODY, stream: true });
  let text = "";
  for await (const chunk of answer) text += chunk.choices[0]?.delta.content ?? "";
  expect(text).toBe("hello");
  expect(upstream.received).toHaveLength(3);
  expect(await lastEntry(bench, id)).toMatchObject({
    type: "ledger.settled",
    usage: { input_tokens: 3, output_tokens: 2, source: "reported" },
  });
  expect((await bench.ledger.usage(ORGANIZATION, id))?.calls).toBe(1);
});

test.each([
  [429, "rate_limit_exceeded"],
  [500, "server_error"],
  [400, "bad_thing"],
])("a lasting %i is passed on as the vendor said it, and nothing is spent", async (status, code) => {
  const { upstream, bench, key, id } = await start(
    (_, response) =>
      void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ error: { message: "no", code } })),
  );
  expect(await failure(client(bench, key).chat.completions.create(BODY))).toMatchObject({ status, code });
  expect(upstream.received).toHaveLength(status === 400 ? 1 : 3);
  expect(await lastEntry(bench, id)).toMatchObject({ type: "ledger.released" });
});

test("a longer pause than we would wait is the client's to make", async () => {
  const { upstream, bench, key } = await start(
    (_, response) =>
      void response.writeHead(429, { "retry-after": "60", "content-type": "application/json" }).end('{"error":{"message":"slow"}}'),
  );
  const error = await failure(client(bench, key).chat.completions.create(BODY));
  expect([error.status, error.headers?.get("retry-after"), upstream.received.length]).toEqual([429, "60", 1]);
});

test("our own credential being refused does not look like the client's, and is not shown", async () => {
  const { bench, key, id } = await start(
    (_, response) =>
      void response
        .writeHead(401, { "content-type": "application/json" })
        .end(JSON.stringify({ error: { message: `Incorrect API key: ${KEY}` } })),
  );
  const error = await failure(client(bench, key).chat.completions.create(BODY));
  expect(error).toMatchObject({ status: 502, code: "upstream_credential_refused" });
  expect(error.message).not.toContain(KEY);
  expect(await lastEntry(bench, id)).toMatchObject({ type: "ledger.released" });
});

test("an upstream that takes the call and hangs: 504 after one try, and what it may have written is charged", async () => {
  const { upstream, bench, key, id } = await start(() => undefined);
  expect(await failure(client(bench, key).chat.completions.create(BODY))).toMatchObject({ status: 504, code: "upstream_timeout" });
  expect(upstream.received).toHaveLength(1);
  const entry = await lastEntry(bench, id);
  expect(entry).toMatchObject({ type: "ledger.settled", usage: { source: "counted" }, outcome: "cut" });
  expect(entry["cost_micro_usd"]).toBeLessThanOrEqual(entry["reserved_micro_usd"] as number);
});

test("an upstream that is not there: 502 and nothing is spent", async () => {
  const { upstream, bench, key, id } = await start(() => undefined);
  await bench.models.resolve(ORGANIZATION, "gpt-4o");
  await upstream.close();
  expect(await failure(client(bench, key).chat.completions.create(BODY))).toMatchObject({ status: 502 });
  expect(await lastEntry(bench, id)).toMatchObject({ type: "ledger.released" });
});

test.each([
  ["is cut", (response: ServerResponse) => response.destroy()],
  ["falls silent", () => undefined],
])("a stream that %s in the middle: whole events, then the client's own error, and what came is charged", async (_, end) => {
  const { bench, key, id } = await start(async (_request, response) => {
    sse(response, chatChunk("half of "), chatChunk("an answer"), 'data: {"id":"c1","cho');
    await sleep(30);
    end(response);
  });
  const stream = await client(bench, key).chat.completions.create({ ...BODY, stream: true });
  let text = "";
  const error = await failure(
    (async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    })(),
  );
  expect(text).toBe("half of an answer");
  expect(error.message).toContain("broke off");
  const entry = await lastEntry(bench, id);
  expect(entry).toMatchObject({
    type: "ledger.settled",
    outcome: "cut",
    usage: { output_tokens: Math.ceil("half of an answer".length / 4), source: "counted" },
  });
});

test("a whole answer that is cut is an error, never half a body", async () => {
  const { bench, key, id } = await start((_, response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": "500" });
    response.write('{"id":"x","choices":[');
    setTimeout(() => response.destroy(), 20);
  });
  expect(await failure(client(bench, key).chat.completions.create(BODY))).toMatchObject({ status: 502, code: "upstream_cut" });
  expect(await lastEntry(bench, id)).toMatchObject({ type: "ledger.settled", outcome: "cut" });
});

test("an answer without usage is counted", async () => {
  const { bench, key, id } = await start((_, response) => {
    sse(response, chatChunk("12345678"), CHAT_END);
    response.end();
  });
  await (
    await client(bench, key).chat.completions.create({ ...BODY, stream: true })
  )
    .toReadableStream()
    .cancel()
    .catch(() => undefined);
  const stream = await client(bench, key).chat.completions.create({ ...BODY, stream: true });
  for await (const _chunk of stream);
  expect(await lastEntry(bench, id)).toMatchObject({
    type: "ledger.settled",
    outcome: "completed",
    usage: { output_tokens: 2, source: "counted" },
  });
});

test("usage above what was reserved is recorded as it is and shows as an overrun", async () => {
  const { bench, key, id } = await start((_, response) => {
    sse(response, chatChunk("x"), chatUsage(1_000_000, 1_000_000), CHAT_END);
    response.end();
  });
  for await (const _chunk of await client(bench, key).chat.completions.create({ ...BODY, stream: true }));
  await lastEntry(bench, id);
  const usage = await bench.ledger.usage(ORGANIZATION, id);
  expect(usage?.spent_micro_usd).toBe(2_500_000 + 10_000_000);
  expect(usage?.overrun_micro_usd).toBeGreaterThan(12_000_000);
});

test("a client that goes away ends the upstream's work, and what came is charged", async () => {
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  const { bench, key, id } = await start((_, response) => {
    response.on("close", resolve);
    sse(response, chatChunk("a word"));
  });
  const stream = await client(bench, key).chat.completions.create({ ...BODY, stream: true });
  for await (const _chunk of stream) break;
  stream.controller.abort();
  await gone;
  expect(await lastEntry(bench, id)).toMatchObject({
    type: "ledger.settled",
    outcome: "canceled",
    usage: { output_tokens: 2, source: "counted" },
  });
});

test("the kill switch cuts a stream under way with its reason, and refuses the next call", async () => {
  const { bench, key, id } = await start((_, response) => sse(response, chatChunk("a word")));
  const stream = await client(bench, key).chat.completions.create({ ...BODY, stream: true });
  const startedAt = performance.now();
  const error = await failure(
    (async () => {
      for await (const _chunk of stream) await bench.killSwitch(true);
    })(),
  );
  expect(error.message).toContain("kill switch");
  // Twice what is promised: the machine that tests is busy with other tests.
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  expect(await lastEntry(bench, id)).toMatchObject({ type: "ledger.settled", outcome: "canceled" });
  for (let i = 0; i < 3; i++)
    expect(await failure(client(bench, key).chat.completions.create(BODY))).toMatchObject({ status: 403, code: "kill_switch_active" });
  const denials = await database.rows("select 1 from evt_events where type = 'policy.denied' and header like $1", [`%${id}%`]);
  expect(denials, "a loop is written down once").toHaveLength(1);
  await bench.killSwitch(false);
});

test("a kill switch that could not be read for a second is no verdict: the call is refused, and may be tried again", async () => {
  const { bench, key } = await start((_, response) => sse(response, chatChunk("a word")));
  bench.holdSwitch(true);
  expect(await failure(client(bench, key).chat.completions.create(BODY))).toMatchObject({ status: 503, code: "kill_switch_unknown" });
  bench.holdSwitch(false);
  const stream = await client(bench, key).chat.completions.create({ ...BODY, stream: true });
  for await (const _chunk of stream) break;
}, 20_000);

test("stopping the proxy waits until everything is settled", async () => {
  const { bench, key, id } = await start((_, response) => sse(response, chatChunk("a word")));
  const stream = await client(bench, key).chat.completions.create({ ...BODY, stream: true });
  const reading = failure(
    (async () => {
      for await (const _chunk of stream) void bench.models.stop?.();
    })(),
  );
  expect((await reading).message).toContain("stopping");
  expect(await lastEntry(bench, id)).toMatchObject({ type: "ledger.settled", outcome: "canceled" });
});

test.each([
  ["not JSON", "{", /JSON/],
  ["no object", "[]", /object/],
  ["no model", "{}", /model/],
  ["a model given twice", '{"model":"gpt-4o","mod\\u0065l":"dear"}', /more than once/],
  ["a limit given twice", '{"model":"gpt-4o","max_tokens":1,"max_tokens":100000}', /more than once/],
  ["a thousand choices", '{"model":"gpt-4o","n":1000}', /"n"/],
])("a body with %s is refused with what is wrong", async (_, body, message) => {
  const { upstream, bench, key } = await start(() => undefined);
  const answer = await fetch(`${bench.origin}/llm/v1/chat/completions`, {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${key}` },
  });
  expect([answer.status, ((await answer.json()) as { error: { message: string } }).error.message]).toEqual([
    400,
    expect.stringMatching(message),
  ]);
  expect(upstream.received).toHaveLength(0);
});

test("a body over the limit is refused before it is read", async () => {
  const { bench, key } = await start(() => undefined);
  const answer = await fetch(`${bench.origin}/llm/v1/messages`, {
    method: "POST",
    body: Buffer.alloc(33 * 1024 * 1024, 32),
    headers: { "x-api-key": key },
  }).catch((error: unknown) => error);
  // Node closes the connection while fetch still sends; either way nothing got through.
  if (answer instanceof Response) expect(answer.status).toBe(413);
});
