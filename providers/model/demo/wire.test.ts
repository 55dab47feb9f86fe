/* The demo's three formats, judged by the makers' own clients. */
import Anthropic, { NotFoundError as AnthropicNotFound } from "@anthropic-ai/sdk";
import OpenAI, { NotFoundError as OpenAiNotFound } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serveUpstream, type ServedUpstream } from "../serve.fixture.ts";
import { currentTurn, type Script } from "./conversation.ts";
import { createDemoUpstream, DEMO_MODEL, DEMO_MODEL_ID } from "./upstream.ts";

const weatherScript: Script = (conversation) => {
  const { prompt, done } = currentTurn(conversation);
  if (prompt === "talk") return { text: "Words, and more words, in several pieces.", calls: [] };
  if (prompt === "system") return { text: conversation.system, calls: [] };
  const [last] = done;
  if (last) return { text: `It is ${last.output}.`, calls: [] };
  return { text: "I look.", calls: [{ name: conversation.tools[0]!.name, arguments: { city: 'Øst "by"', days: 2 } }] };
};

const parameters = { type: "object" as const, properties: { city: { type: "string" }, days: { type: "number" } }, required: ["city"] };

describe("the demo's wire formats", () => {
  let served: ServedUpstream;
  let openai: OpenAI;
  let anthropic: Anthropic;

  beforeAll(async () => {
    served = await serveUpstream(createDemoUpstream({ script: weatherScript, chunkDelayMs: 0 }));
    openai = new OpenAI({ baseURL: served.baseUrl, apiKey: "placeholder", maxRetries: 0 });
    anthropic = new Anthropic({ baseURL: served.baseUrl.replace(/\/v1$/, ""), apiKey: "placeholder", maxRetries: 0 });
  });
  afterAll(() => served.close());

  test("its model says in its name that it is a script", async () => {
    expect((await openai.models.list()).data.map((model) => model.id)).toEqual([DEMO_MODEL_ID]);
    expect(DEMO_MODEL.name).toBe("Demo (scripted, not an AI model)");
    expect(DEMO_MODEL.scripted).toBe(true);
  });

  describe("OpenAI chat completions", () => {
    const tools = [{ type: "function" as const, function: { name: "weather", parameters } }];

    test("answers whole, with usage", async () => {
      const answer = await openai.chat.completions.create({ model: DEMO_MODEL_ID, messages: [{ role: "user", content: "talk" }] });
      expect(answer.choices[0]!.message.content).toBe("Words, and more words, in several pieces.");
      expect(answer.choices[0]!.finish_reason).toBe("stop");
      expect(answer.usage!.total_tokens).toBe(answer.usage!.prompt_tokens + answer.usage!.completion_tokens);
      expect(answer.usage!.completion_tokens).toBeGreaterThan(5);
    });

    test("streams text in pieces, and usage only when asked", async () => {
      const stream = await openai.chat.completions.create({
        model: DEMO_MODEL_ID,
        messages: [{ role: "user", content: "talk" }],
        stream: true,
        stream_options: { include_usage: true },
      });
      const deltas: string[] = [];
      let usage;
      for await (const chunk of stream) {
        const content = chunk.choices[0]?.delta.content;
        if (content) deltas.push(content);
        usage = chunk.usage ?? usage;
      }
      expect(deltas.length).toBeGreaterThan(1);
      expect(deltas.join("")).toBe("Words, and more words, in several pieces.");
      expect(usage?.completion_tokens).toBeGreaterThan(5);
      const without = await openai.chat.completions.create({
        model: DEMO_MODEL_ID,
        messages: [{ role: "user", content: "talk" }],
        stream: true,
      });
      for await (const chunk of without) expect(chunk.usage ?? null).toBeNull();
    });

    test("calls a tool that was offered, streamed or not, and reads its result", async () => {
      const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "weather?" }];
      const whole = await openai.chat.completions.create({ model: DEMO_MODEL_ID, messages, tools });
      const streamed = await openai.chat.completions.stream({ model: DEMO_MODEL_ID, messages, tools }).finalMessage();
      for (const message of [whole.choices[0]!.message, streamed]) {
        const call = message.tool_calls![0]!;
        expect(call.type === "function" && call.function.name).toBe("weather");
        expect(call.type === "function" && JSON.parse(call.function.arguments)).toEqual({ city: 'Øst "by"', days: 2 });
        const next = await openai.chat.completions.create({
          model: DEMO_MODEL_ID,
          tools,
          messages: [...messages, message, { role: "tool", tool_call_id: call.id, content: "mild" }],
        });
        expect(next.choices[0]!.message.content).toBe("It is mild.");
      }
    });
  });

  describe("Anthropic messages", () => {
    const tools = [{ name: "weather", input_schema: parameters }];

    test("answers whole and streamed alike, with usage", async () => {
      const ask = { model: DEMO_MODEL_ID, max_tokens: 100, messages: [{ role: "user" as const, content: "talk" }] };
      const whole = await anthropic.messages.create(ask);
      const streamed = await anthropic.messages.stream(ask).finalMessage();
      for (const message of [whole, streamed]) {
        expect(message.content).toMatchObject([{ type: "text", text: "Words, and more words, in several pieces." }]);
        expect(message.stop_reason).toBe("end_turn");
        expect(message.usage.output_tokens).toBeGreaterThan(5);
        expect(message.usage.input_tokens).toBeGreaterThan(5);
      }
    });

    test("reads the system prompt in both of its shapes", async () => {
      for (const system of ["be brief", [{ type: "text" as const, text: "be brief" }]]) {
        const message = await anthropic.messages.create({
          model: DEMO_MODEL_ID,
          max_tokens: 100,
          system,
          messages: [{ role: "user", content: "system" }],
        });
        expect(message.content).toMatchObject([{ text: "be brief" }]);
      }
    });

    test("calls a tool that was offered, streamed or not, and reads its result", async () => {
      const messages: Anthropic.MessageParam[] = [{ role: "user", content: "weather?" }];
      const whole = await anthropic.messages.create({ model: DEMO_MODEL_ID, max_tokens: 100, messages, tools });
      const streamed = await anthropic.messages.stream({ model: DEMO_MODEL_ID, max_tokens: 100, messages, tools }).finalMessage();
      for (const message of [whole, streamed]) {
        expect(message.stop_reason).toBe("tool_use");
        const call = message.content.find((block) => block.type === "tool_use")!;
        expect(call).toMatchObject({ name: "weather", input: { city: 'Øst "by"', days: 2 } });
        const next = await anthropic.messages.create({
          model: DEMO_MODEL_ID,
          max_tokens: 100,
          tools,
          messages: [
            ...messages,
            { role: "assistant", content: message.content },
            { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "mild" }] },
          ],
        });
        expect(next.content).toMatchObject([{ type: "text", text: "It is mild." }]);
      }
    });
  });

  describe("OpenAI responses", () => {
    const tools = [{ type: "function" as const, name: "weather", parameters, strict: false }];

    test("answers whole and streamed alike, with usage", async () => {
      const whole = await openai.responses.create({ model: DEMO_MODEL_ID, input: "talk" });
      const streamed = await openai.responses.stream({ model: DEMO_MODEL_ID, input: "talk" }).finalResponse();
      for (const response of [whole, streamed]) {
        expect(response.output_text).toBe("Words, and more words, in several pieces.");
        expect(response.status).toBe("completed");
        expect(response.usage!.output_tokens).toBeGreaterThan(5);
      }
    });

    test("calls a tool that was offered, streamed or not, and reads its result", async () => {
      const whole = await openai.responses.create({ model: DEMO_MODEL_ID, input: "weather?", tools });
      const streamed = await openai.responses.stream({ model: DEMO_MODEL_ID, input: "weather?", tools }).finalResponse();
      for (const response of [whole, streamed] as OpenAI.Responses.Response[]) {
        const call = response.output.find((item) => item.type === "function_call")!;
        expect(JSON.parse(call.arguments)).toEqual({ city: 'Øst "by"', days: 2 });
        const next = await openai.responses.create({
          model: DEMO_MODEL_ID,
          tools,
          input: [
            { role: "user", content: "weather?" },
            { type: "function_call", call_id: call.call_id, name: call.name, arguments: call.arguments },
            { type: "function_call_output", call_id: call.call_id, output: "mild" },
          ],
        });
        expect(next.output_text).toBe("It is mild.");
      }
    });
  });

  test("another model's name is not found, and a broken body is refused, in the client's own error types", async () => {
    const messages = [{ role: "user" as const, content: "talk" }];
    await expect(openai.chat.completions.create({ model: "gpt-5", messages })).rejects.toBeInstanceOf(OpenAiNotFound);
    await expect(anthropic.messages.create({ model: "claude-opus-4-5", max_tokens: 1, messages })).rejects.toBeInstanceOf(
      AnthropicNotFound,
    );
    const upstream = createDemoUpstream();
    const refused = await upstream.forward({
      endpoint: "messages",
      body: Buffer.from("{nonsense"),
      headers: {},
      signal: new AbortController().signal,
    });
    expect(refused).toMatchObject({ ok: false, status: 400, retryable: false });
  });

  test("leaving a stream stops it, without an unhandled error", async () => {
    const upstream = createDemoUpstream({ script: weatherScript, chunkDelayMs: 5 });
    const leave = new AbortController();
    const body = Buffer.from(JSON.stringify({ model: DEMO_MODEL_ID, stream: true, messages: [{ role: "user", content: "talk" }] }));
    const answer = await upstream.forward({ endpoint: "chat/completions", body, headers: {}, signal: leave.signal });
    if (!answer.ok) throw new Error(answer.message);
    let chunks = 0;
    await expect(async () => {
      for await (const _ of answer.body) if ((chunks += 1) === 2) leave.abort();
    }).rejects.toMatchObject({ name: "UpstreamStreamError", code: "aborted" });
    expect(chunks).toBe(2);
  });
});
