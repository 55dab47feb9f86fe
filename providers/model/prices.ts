/*
 * What a token costs: data, in integer micro-USD per million tokens, so that $2.50 per million reads 2_500_000.
 *
 * List prices of openai.com/api/pricing (August 2025) and of the pricing page of docs.anthropic.com (November 2025),
 * standard tier. They change: what is configured (`overrides`) wins over this table, and a model that is in neither
 * costs `fallback`, because a budget that does not know a price must assume one, never zero.
 */
import type { UpstreamKind } from "./port.ts";

export type Price = {
  input: number;
  cachedInput: number;
  /** Writing to a provider's cache, where that is charged. */
  cacheWrite: number;
  output: number;
};

export type PriceSource = "configured" | "list" | "local" | "nominal" | "fallback";
export type PricedModel = Price & { source: PriceSource };

export type PriceRule = { match: RegExp; price: Price };

const usd = (input: number, output: number, cachedInput = input, cacheWrite = input): Price => ({
  input: Math.round(input * 1e6),
  output: Math.round(output * 1e6),
  cachedInput: Math.round(cachedInput * 1e6),
  cacheWrite: Math.round(cacheWrite * 1e6),
});

/** A dated snapshot (`-2024-08-06`, `-20250929`) or `-latest` costs what its model costs. */
const model = (name: string): RegExp => new RegExp(`^${name}(-\\d{4}-\\d{2}-\\d{2}|-\\d{8}|-latest)?$`);

export const LIST_PRICES: readonly PriceRule[] = [
  { match: model("gpt-5"), price: usd(1.25, 10, 0.125) },
  { match: model("gpt-5-mini"), price: usd(0.25, 2, 0.025) },
  { match: model("gpt-5-nano"), price: usd(0.05, 0.4, 0.005) },
  { match: model("gpt-4\\.1"), price: usd(2, 8, 0.5) },
  { match: model("gpt-4\\.1-mini"), price: usd(0.4, 1.6, 0.1) },
  { match: model("gpt-4\\.1-nano"), price: usd(0.1, 0.4, 0.025) },
  { match: model("gpt-4o"), price: usd(2.5, 10, 1.25) },
  { match: model("gpt-4o-mini"), price: usd(0.15, 0.6, 0.075) },
  { match: model("o3"), price: usd(2, 8, 0.5) },
  { match: model("o4-mini"), price: usd(1.1, 4.4, 0.275) },
  { match: model("claude-opus-4-5"), price: usd(5, 25, 0.5, 6.25) },
  { match: model("claude-opus-4(-[01])?"), price: usd(15, 75, 1.5, 18.75) },
  { match: model("claude-sonnet-4(-[05])?"), price: usd(3, 15, 0.3, 3.75) },
  { match: model("claude-3-[57]-sonnet"), price: usd(3, 15, 0.3, 3.75) },
  { match: model("claude-haiku-4-5"), price: usd(1, 5, 0.1, 1.25) },
  { match: model("claude-3-5-haiku"), price: usd(0.8, 4, 0.08, 1) },
  { match: model("claude-3-haiku"), price: usd(0.25, 1.25, 0.03, 0.3) },
];

/** The scripted model costs nothing; this is charged so that meters and budgets can be seen at work. Shown as nominal. */
export const DEMO_PRICE: Price = usd(0.5, 1.5);
/** The dearest that is usual, so that an unknown model overruns no budget. */
export const DEFAULT_FALLBACK: Price = usd(15, 75);

export type PriceOptions = { overrides?: readonly PriceRule[] | undefined; fallback?: Price | undefined };

export function priceOf(kind: UpstreamKind, modelId: string, options: PriceOptions = {}): PricedModel {
  // Routers put the maker in front: `openai/gpt-4o`.
  const names = [modelId, modelId.slice(modelId.lastIndexOf("/") + 1)];
  const find = (rules: readonly PriceRule[]): Price | undefined => rules.find((rule) => names.some((name) => rule.match.test(name)))?.price;
  const configured = find(options.overrides ?? []);
  if (configured) return { ...configured, source: "configured" };
  if (kind === "demo") return { ...DEMO_PRICE, source: "nominal" };
  if (kind === "ollama") return { ...usd(0, 0), source: "local" };
  const listed = find(LIST_PRICES);
  return listed ? { ...listed, source: "list" } : { ...(options.fallback ?? DEFAULT_FALLBACK), source: "fallback" };
}

export type TokenCounts = { inputTokens: number; cachedInputTokens: number; cacheWriteTokens: number; outputTokens: number };

/** Rounded up to a whole micro-USD: what is charged is never less than what it cost. `inputTokens` excludes cached ones. */
export function costMicroUsd(price: Price, tokens: TokenCounts): number {
  const sum =
    BigInt(tokens.inputTokens) * BigInt(price.input) +
    BigInt(tokens.cachedInputTokens) * BigInt(price.cachedInput) +
    BigInt(tokens.cacheWriteTokens) * BigInt(price.cacheWrite) +
    BigInt(tokens.outputTokens) * BigInt(price.output);
  return Number((sum + 999_999n) / 1_000_000n);
}
