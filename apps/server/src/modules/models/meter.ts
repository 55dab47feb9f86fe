/*
 * Reads what a call used from the answer itself: the usage that each vendor puts at the end of its
 * stream (Anthropic: input at the start), or in the body of a whole answer. What is missing is
 * counted from the text that came through.
 */
import type { Endpoint } from "@signalbox/providers/model/port";
import type { Usage } from "../ledger/public.ts";
import { tokensOfBytes } from "./cost.ts";
import { isObject } from "./request.ts";
import type { SseEvent } from "./sse.ts";

interface Tokens {
  input?: number | undefined;
  output?: number | undefined;
  cached?: number | undefined;
  written?: number | undefined;
}

export interface Meter {
  /** False for the usage frame of a chat stream that only the meter asked for. */
  event(event: SseEvent): boolean;
  whole(body: unknown): void;
  /** True once the stream said that it is complete. */
  readonly isComplete: boolean;
  /** True once any text was written. */
  readonly hasOutput: boolean;
  usage(): Usage;
}

export function createMeter(endpoint: Endpoint, requestBytes: number, wantsUsage: boolean): Meter {
  const tokens: Tokens = {};
  let textBytes = 0;
  let isFinal = false;
  let isComplete = false;

  function event({ data }: SseEvent): boolean {
    if (data === "") return true;
    if (data === "[DONE]") {
      isComplete = true;
      return true;
    }
    let body: unknown;
    try {
      body = JSON.parse(data);
    } catch {
      // Not ours to judge: the client gets it as it came, and what was in it is counted as text.
      textBytes += Buffer.byteLength(data);
      return true;
    }
    if (!isObject(body)) return true;
    switch (endpoint) {
      case "chat/completions":
        return chatFrame(body);
      case "messages":
        messagesFrame(body);
        return true;
      case "responses":
        responsesFrame(body);
        return true;
    }
  }

  function chatFrame(frame: Record<string, unknown>): boolean {
    const choices = Array.isArray(frame["choices"]) ? frame["choices"] : [];
    for (const choice of choices) if (isObject(choice)) textBytes += bytesOfText(choice["delta"]);
    if (!isObject(frame["usage"])) return true;
    take(tokens, chatTokens(frame["usage"]));
    isFinal = true;
    return wantsUsage || choices.length > 0;
  }

  function messagesFrame(frame: Record<string, unknown>): void {
    switch (frame["type"]) {
      case "message_start":
        if (isObject(frame["message"])) take(tokens, messagesTokens(frame["message"]["usage"]));
        return;
      case "content_block_start":
        textBytes += bytesOfText(frame["content_block"]);
        return;
      case "content_block_delta":
        textBytes += bytesOfText(frame["delta"]);
        return;
      case "message_delta":
        // Says the output in full; input only when it differs from the start's.
        take(tokens, messagesTokens(frame["usage"]));
        isFinal = isObject(frame["usage"]);
        return;
      case "message_stop":
        isComplete = true;
    }
  }

  function responsesFrame(frame: Record<string, unknown>): void {
    const { type, delta, response } = frame;
    if (typeof type !== "string") return;
    if (type.endsWith(".delta") && typeof delta === "string") textBytes += Buffer.byteLength(delta);
    if (type !== "response.completed" && type !== "response.incomplete" && type !== "response.failed") return;
    isComplete = true;
    if (!isObject(response) || !isObject(response["usage"])) return;
    take(tokens, responsesTokens(response["usage"]));
    isFinal = true;
  }

  return {
    event,
    whole(body) {
      isComplete = true;
      if (isObject(body) && isObject(body["usage"])) {
        take(tokens, READERS[endpoint](body["usage"]));
        isFinal = tokens.input !== undefined && tokens.output !== undefined;
      }
      if (!isFinal) textBytes += Buffer.byteLength(JSON.stringify(body) ?? "");
    },
    get isComplete() {
      return isComplete;
    },
    get hasOutput() {
      return textBytes > 0 || (tokens.output ?? 0) > 0;
    },
    usage() {
      const isReported = isFinal && tokens.input !== undefined && tokens.output !== undefined;
      return {
        input_tokens: tokens.input ?? tokensOfBytes(requestBytes),
        // Before its end a stream's own figure is only a beginning.
        output_tokens: isReported ? (tokens.output ?? 0) : Math.max(tokens.output ?? 0, tokensOfBytes(textBytes)),
        ...(tokens.cached === undefined ? {} : { cached_input_tokens: tokens.cached }),
        ...(tokens.written === undefined ? {} : { cache_write_tokens: tokens.written }),
        source: isReported ? "reported" : "counted",
      };
    },
  };
}

const READERS: Record<Endpoint, (usage: Record<string, unknown>) => Tokens> = {
  "chat/completions": chatTokens,
  messages: messagesTokens,
  responses: responsesTokens,
};

function chatTokens(usage: Record<string, unknown>): Tokens {
  return {
    input: count(usage["prompt_tokens"]),
    output: count(usage["completion_tokens"]),
    cached: nested(usage, "prompt_tokens_details", "cached_tokens"),
  };
}

function responsesTokens(usage: Record<string, unknown>): Tokens {
  return {
    input: count(usage["input_tokens"]),
    output: count(usage["output_tokens"]),
    cached: nested(usage, "input_tokens_details", "cached_tokens"),
  };
}

/** Anthropic's `input_tokens` leaves out what was read from and written to the cache; ours is the sum. */
function messagesTokens(usage: unknown): Tokens {
  if (!isObject(usage)) return {};
  const input = count(usage["input_tokens"]);
  const cached = count(usage["cache_read_input_tokens"]);
  const written = count(usage["cache_creation_input_tokens"]);
  return {
    input: input === undefined ? undefined : input + (cached ?? 0) + (written ?? 0),
    output: count(usage["output_tokens"]),
    cached,
    written,
  };
}

function take(into: Tokens, from: Tokens): void {
  if (from.input !== undefined) into.input = from.input;
  if (from.output !== undefined) into.output = from.output;
  if (from.cached !== undefined) into.cached = from.cached;
  if (from.written !== undefined) into.written = from.written;
}

const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

function nested(usage: Record<string, unknown>, details: string, name: string): number | undefined {
  const found = usage[details];
  return isObject(found) ? count(found[name]) : undefined;
}

/** Everything a model wrote in a delta: text, thoughts, names and arguments of tool calls. */
function bytesOfText(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + bytesOfText(item), 0);
  if (!isObject(value)) return 0;
  let bytes = 0;
  for (const [name, member] of Object.entries(value)) {
    if (name !== "role" && name !== "type" && name !== "id" && name !== "index" && name !== "signature") bytes += bytesOfText(member);
  }
  return bytes;
}
