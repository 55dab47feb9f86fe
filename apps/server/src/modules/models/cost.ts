/*
 * What a call can cost at most, and what it did cost. No tokenizer: the bound must hold for every
 * model, so it rests on what is true of all of them.
 *
 *   most input    one token a byte of the request (no tokenizer makes more), or the context window
 *                 when that is smaller, or when the prompt is more than its bytes
 *   most output   what the client allows, else what the model can, times the choices
 *   counted       for a call whose upstream gave no usage: a token for every 4 bytes; and for one
 *                 that was given up unanswered, as much output as a model can write in that time
 */
import { costMicroUsd, type Price } from "@signalbox/providers/model/prices";
import type { ModelRequest } from "./request.ts";
import type { Usage } from "../ledger/public.ts";

export interface Limits {
  readonly contextTokens: number | undefined;
  readonly maxOutputTokens: number | undefined;
}

/** For a model that says nothing of itself. */
const UNKNOWN_CONTEXT = 1_000_000;
const UNKNOWN_MAX_OUTPUT = 32_768;
const BYTES_PER_TOKEN = 4;
const FASTEST_TOKENS_PER_SECOND = 200;

export function worstCase(request: ModelRequest, limits: Limits, price: Price): number {
  const context = limits.contextTokens ?? UNKNOWN_CONTEXT;
  const input = request.readsElsewhere ? context : Math.min(request.body.length, limits.contextTokens ?? Number.POSITIVE_INFINITY);
  const dearestInput = Math.max(price.input, price.cacheWrite, price.cachedInput);
  const counts = { inputTokens: input, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: outputBound(request, limits) };
  return money(costMicroUsd({ ...price, input: dearestInput }, counts));
}

export function costOf(usage: Usage, price: Price): number {
  const cachedInputTokens = usage.cached_input_tokens ?? 0;
  const cacheWriteTokens = usage.cache_write_tokens ?? 0;
  const inputTokens = Math.max(0, usage.input_tokens - cachedInputTokens - cacheWriteTokens);
  return money(costMicroUsd(price, { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens: usage.output_tokens }));
}

export const tokensOfBytes = (bytes: number): number => Math.ceil(bytes / BYTES_PER_TOKEN);

/** A call that reached the upstream and was given up before a word came back. */
export function unansweredUsage(requestBytes: number, waitedMs: number, outputBound: number): Usage {
  const written = Math.ceil((waitedMs / 1000) * FASTEST_TOKENS_PER_SECOND);
  return { input_tokens: tokensOfBytes(requestBytes), output_tokens: Math.min(written, outputBound), source: "counted" };
}

export const outputBound = (request: ModelRequest, limits: Limits): number =>
  (request.outputLimit ?? limits.maxOutputTokens ?? UNKNOWN_MAX_OUTPUT) * request.choices;

/** A client may allow more tokens than money can count. */
const money = (microUsd: number): number => Math.min(Number.MAX_SAFE_INTEGER, microUsd);
