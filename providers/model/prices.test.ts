import { assert, nat, property, record } from "fast-check";
import { expect, test } from "vitest";
import { costMicroUsd, DEFAULT_FALLBACK, LIST_PRICES, priceOf } from "./prices.ts";

const none = { inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 0 };

test.each([
  ["openai", "gpt-4o-2024-08-06", 2_500_000, 10_000_000],
  ["openai", "gpt-4o-mini", 150_000, 600_000],
  ["openai-compatible", "openai/gpt-5", 1_250_000, 10_000_000],
  ["anthropic", "claude-sonnet-4-5-20250929", 3_000_000, 15_000_000],
  ["anthropic", "claude-opus-4-20250514", 15_000_000, 75_000_000],
  ["anthropic", "claude-opus-4-5", 5_000_000, 25_000_000],
] as const)("%s %s has its list price", (kind, id, input, output) => {
  expect(priceOf(kind, id)).toMatchObject({ input, output, source: "list" });
});

test("a name that only begins like a known one is unknown, and costs the fallback, never nothing", () => {
  for (const id of ["gpt-4o-turbo-ultra", "my-gpt-5", "gpt-5-minimal", "llama"]) {
    expect(priceOf("openai-compatible", id)).toEqual({ ...DEFAULT_FALLBACK, source: "fallback" });
  }
  expect(DEFAULT_FALLBACK.input).toBeGreaterThan(0);
});

test("what is configured wins, local models cost nothing, and the demo's price is called nominal", () => {
  const price = { input: 1, cachedInput: 1, cacheWrite: 1, output: 2 };
  expect(priceOf("openai", "gpt-5", { overrides: [{ match: /^gpt-5$/, price }] })).toEqual({ ...price, source: "configured" });
  expect(priceOf("ollama", "qwen3:8b")).toMatchObject({ input: 0, output: 0, source: "local" });
  expect(priceOf("demo", "signalbox-demo-scripted").source).toBe("nominal");
  expect(priceOf("openai-compatible", "llama", { fallback: price }).source).toBe("fallback");
});

test("no model has two prices", () => {
  for (const id of ["gpt-5", "gpt-5-mini", "gpt-4.1-nano", "claude-opus-4-1", "claude-opus-4-5", "claude-3-5-haiku-latest"]) {
    expect(LIST_PRICES.filter((rule) => rule.match.test(id))).toHaveLength(1);
  }
});

test("a cost is rounded up to a whole micro-dollar and adds up over the kinds of token", () => {
  const price = priceOf("anthropic", "claude-sonnet-4-5");
  expect(costMicroUsd(price, { ...none, outputTokens: 1_000_000 })).toBe(15_000_000);
  expect(costMicroUsd(price, { inputTokens: 1000, cachedInputTokens: 1000, cacheWriteTokens: 1000, outputTokens: 1000 })).toBe(
    3000 + 300 + 3750 + 15_000,
  );
  expect(costMicroUsd({ input: 1, cachedInput: 0, cacheWrite: 0, output: 0 }, { ...none, inputTokens: 1 })).toBe(1);
  expect(costMicroUsd(price, none)).toBe(0);
});

test("more tokens never cost less", () => {
  const tokens = record({ inputTokens: nat(1e9), cachedInputTokens: nat(1e9), cacheWriteTokens: nat(1e9), outputTokens: nat(1e9) });
  assert(
    property(tokens, nat(1e6), (counted, more) => {
      const price = priceOf("openai", "gpt-5");
      return costMicroUsd(price, { ...counted, outputTokens: counted.outputTokens + more }) >= costMicroUsd(price, counted);
    }),
  );
});
