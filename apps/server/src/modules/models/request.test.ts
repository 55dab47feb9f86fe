import { DEFAULT_FALLBACK, type Price } from "@signalbox/providers/model/prices";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { costOf, unansweredUsage, worstCase } from "./cost.ts";
import { members, splice } from "./json-members.ts";
import { outgoingBody, readRequest, type ModelRequest } from "./request.ts";

const read = (body: object | string): ModelRequest => {
  const found = readRequest("chat/completions", Buffer.from(typeof body === "string" ? body : JSON.stringify(body)));
  if (!found.ok) throw new Error(found.message);
  return found.request;
};

test("whatever JSON it is, every member lies where it is said to, and a changed one changes nothing else", () => {
  const object = fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue(), { minKeys: 1, maxKeys: 8, noNullPrototype: true });
  const spaced = fc.constantFrom(undefined, 1, "\t", " \n");
  fc.assert(
    fc.property(object, spaced, (value, space) => {
      const json = Buffer.from(JSON.stringify(value, null, space));
      const parsed = JSON.parse(json.toString("utf8")) as Record<string, unknown>;
      const found = members(json);
      expect(found.map(({ name }) => name)).toEqual(Object.keys(parsed));
      for (const { name, start, end } of found) expect(JSON.parse(json.toString("utf8", start, end))).toEqual(parsed[name]);
      const target = found.at(-1)!;
      const changed = splice(json, [{ member: target, value: '"changed"' }], ['"an addition":1']);
      expect(JSON.parse(changed.toString("utf8"))).toEqual({ ...parsed, "an addition": 1, [target.name]: "changed" });
    }),
    { numRuns: 300 },
  );
});

describe("the outgoing body", () => {
  test("of a stream asks for usage beside the options that were given", () => {
    const body = outgoingBody(read({ model: "a", stream: true, stream_options: { chunk_size: 3, include_usage: false } }), "b");
    expect(JSON.parse(body.toString())).toEqual({ model: "b", stream: true, stream_options: { chunk_size: 3, include_usage: true } });
  });
  test("is the very same when there is nothing to change", () => {
    const request = read('{"model":"a",  "n":1}');
    expect(outgoingBody(request, "a")).toBe(request.body);
  });
});

describe("the worst case", () => {
  const price: Price = { input: 1_000_000, cachedInput: 100_000, cacheWrite: 2_000_000, output: 10_000_000 };
  const limits = { contextTokens: 1_000, maxOutputTokens: 500 };
  const tokens = (body: object, of = limits) =>
    worstCase(read({ model: "m", ...body }), of, { input: 0, cachedInput: 0, cacheWrite: 0, output: 1_000_000 });

  test.each([
    ["what the client allows", { max_tokens: 7 }, 7],
    ["the larger of two limits", { max_tokens: 7, max_completion_tokens: 9 }, 9],
    ["for every choice", { max_tokens: 7, n: 3 }, 21],
    ["what the model can, when the client says nothing", {}, 500],
    ["what the model can, when the client says nonsense", { max_tokens: -5 }, 500],
  ])("of the output is %s", (_, body, expected) => expect(tokens(body)).toBe(expected));

  test("of a model that says nothing of itself is not nothing", () => {
    expect(tokens({}, { contextTokens: undefined as never, maxOutputTokens: undefined as never })).toBe(32_768);
  });
  test("of the input is a token a byte at the dearest input price, up to the context window", () => {
    const request = read({ model: "m", max_tokens: 1 });
    expect(worstCase(request, limits, price)).toBe(request.body.length * 2 + 10);
    const long = read({ model: "m", max_tokens: 1, messages: [{ role: "user", content: "x".repeat(5_000) }] });
    expect(worstCase(long, limits, price)).toBe(1_000 * 2 + 10);
  });
  test.each([
    { previous_response_id: "resp_1" },
    { messages: [{ content: [{ type: "image_url", image_url: { url: "https://x.test/a.png" } }] }] },
    { input: [{ content: [{ type: "input_file", file_id: "f" }] }] },
    { tools: [{ type: "web_search_20250305" }] },
    { conversation: { id: "c" } },
  ])("of a prompt that is more than its bytes is the whole context window: %j", (body) => {
    expect(worstCase(read({ model: "m", max_tokens: 1, ...body }), limits, price)).toBe(1_000 * 2 + 10);
  });
  test("that no number can hold is still a sum, and more than anybody has", () => {
    expect(worstCase(read({ model: "m", max_tokens: Number.MAX_SAFE_INTEGER, n: 128 }), limits, DEFAULT_FALLBACK)).toBe(
      Number.MAX_SAFE_INTEGER,
    );
  });
});

test("a cost tells cached and written input from plain, and rounds up", () => {
  const price: Price = { input: 1_000_000, cachedInput: 100_000, cacheWrite: 2_000_000, output: 10_000_000 };
  expect(costOf({ input_tokens: 100, cached_input_tokens: 50, cache_write_tokens: 20, output_tokens: 3, source: "reported" }, price)).toBe(
    30 + 5 + 40 + 30,
  );
  expect(costOf({ input_tokens: 1, output_tokens: 0, source: "reported" }, { ...price, input: 1 })).toBe(1);
});

test("a call that was given up unanswered is counted by its time, up to its limit", () => {
  expect(unansweredUsage(400, 1_000, 10_000)).toEqual({ input_tokens: 100, output_tokens: 200, source: "counted" });
  expect(unansweredUsage(400, 600_000, 10_000).output_tokens).toBe(10_000);
});
