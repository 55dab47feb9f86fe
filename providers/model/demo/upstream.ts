/*
 * `demo`: a scripted model, in this process, without a network. It says that it is one in its id, its name and its
 * first sentence. What it answers is decided by a `Script` from the conversation alone, so it keeps nothing between
 * requests, and a real agent that talks to it does everything for real.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  UpstreamStreamError,
  type Endpoint,
  type ForwardRequest,
  type ModelInfo,
  type ModelUpstream,
  type UpstreamFailure,
  type UpstreamResponse,
} from "../port.ts";
import { chatCompletions } from "./chat-completions.ts";
import { countTokens, isRecord, type Reply, type Script } from "./conversation.ts";
import { fixFailingTest } from "./fix-failing-test.ts";
import { messages } from "./messages.ts";
import { responses } from "./responses.ts";
import type { AnswerMeta, WireFormat } from "./wire.ts";

export const DEMO_MODEL_ID = "signalbox-demo-scripted";

export const DEMO_MODEL: ModelInfo = {
  id: DEMO_MODEL_ID,
  name: "Demo (scripted, not an AI model)",
  ownedBy: "signalbox",
  contextTokens: 1_000_000,
  maxOutputTokens: 8_192,
  scripted: true,
};

const FORMATS: Record<Endpoint, WireFormat> = { "chat/completions": chatCompletions, messages, responses };

export type DemoOptions = {
  name?: string | undefined;
  /** Between two pieces of a streamed answer; default 25, so that people see it being written. */
  chunkDelayMs?: number | undefined;
  script?: Script | undefined;
  now?: (() => number) | undefined;
};

export function createDemoUpstream(options: DemoOptions = {}): ModelUpstream {
  const script = options.script ?? fixFailingTest;
  const delayMs = options.chunkDelayMs ?? 25;
  const now = options.now ?? Date.now;
  return {
    name: options.name ?? "demo",
    kind: "demo",
    endpoints: ["chat/completions", "messages", "responses"],
    models: () => Promise.resolve({ ok: true, models: [DEMO_MODEL] }),
    close: () => Promise.resolve(),
    forward: (request) => Promise.resolve(answer(request, script, delayMs, now())),
  };
}

function answer(request: ForwardRequest, script: Script, delayMs: number, nowMs: number): UpstreamResponse | UpstreamFailure {
  const format = FORMATS[request.endpoint];
  const body = parse(request.body);
  if (!body) return refusal(format, 400, "invalid_json", "the request body is not a JSON object");
  const asked = format.read(body);
  if (asked.model !== DEMO_MODEL_ID) return refusal(format, 404, "not_found", `this upstream has one model, ${DEMO_MODEL_ID}`);
  const reply = script(asked.conversation);
  const meta: AnswerMeta = {
    id: randomUUID().replaceAll("-", "").slice(0, 24),
    model: DEMO_MODEL_ID,
    createdS: Math.floor(nowMs / 1000),
    inputTokens: countTokens(request.body.toString("utf8")),
    outputTokens: Math.max(1, countTokens(reply.text + reply.calls.map((call) => call.name + JSON.stringify(call.arguments)).join(""))),
    includeUsage: asked.includeUsage,
  };
  return {
    ok: true,
    status: 200,
    headers: { "content-type": asked.stream ? "text/event-stream" : "application/json" },
    body: asked.stream ? streamed(format, reply, meta, delayMs, request.signal) : once(JSON.stringify(format.whole(reply, meta))),
  };
}

async function* streamed(
  format: WireFormat,
  reply: Reply,
  meta: AnswerMeta,
  delayMs: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const frame of format.frames(reply, meta)) {
    if (signal.aborted) throw new UpstreamStreamError("aborted", "the request was aborted");
    yield Buffer.from(frame);
    if (delayMs > 0) {
      await sleep(delayMs, undefined, { signal }).catch((cause: unknown) => {
        throw new UpstreamStreamError("aborted", "the request was aborted", { cause });
      });
    }
  }
}

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

function parse(body: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body.toString("utf8"));
    return isRecord(value) ? value : null;
  } catch {
    return null; // Answered with 400 by the caller, as any upstream would.
  }
}

function refusal(format: WireFormat, status: number, code: string, message: string): UpstreamFailure {
  return {
    ok: false,
    code: "http_status",
    message,
    retryable: false,
    status,
    retryAfterMs: undefined,
    body: Buffer.from(JSON.stringify(format.error(code, message))),
    contentType: "application/json",
  };
}
