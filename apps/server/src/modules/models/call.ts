/*
 * One model call, from a read request to a settled ledger.
 *
 *   resolve ─► gate ─► reserve ─► forward (tries) ─► head ─► body … ─► end ─► settle
 *     404       403      402        └─ no answer: release, or settle what may have been spent
 *
 * Invariants
 * - Nothing is forwarded before the reservation is durable; nothing forwarded is left unsettled. The
 *   settlement is begun when the last byte is out and may become durable after it: until then the
 *   reservation holds the money, and if the process dies it is reconciled at its full amount.
 * - A second try is made only where the first cannot have been charged for: the upstream was not
 *   reached, or refused. Never after a timeout, never after the head of an answer.
 * - The client gets whole events only, so that an error can always follow what it has seen.
 * - Whatever ends the call (client gone, kill switch, session over) ends the upstream's work too.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Endpoint, UpstreamFailure, UpstreamResponse } from "@signalbox/providers/model/port";
import type { Usage } from "../ledger/public.ts";
import { costOf, outputBound, unansweredUsage } from "./cost.ts";
import { createMeter, type Meter } from "./meter.ts";
import type { RegisteredModel } from "./registry.ts";
import { outgoingBody, type ModelRequest } from "./request.ts";
import { SseSplitter } from "./sse.ts";
import { errorBody, errorEvent, shapeOf, type ProxyError } from "./vendor-error.ts";

/** Where the answer goes. `write` waits while the client is slower than the model. */
export interface Client {
  readonly head: (status: number, headers: Readonly<Record<string, string>>) => void;
  readonly write: (chunk: Uint8Array | string) => Promise<void>;
  readonly end: (chunk?: Uint8Array | string) => void;
  readonly destroy: () => void;
}

export interface CallBill {
  readonly cost: number;
  readonly usage: Usage;
  readonly outcome: "completed" | "cut" | "canceled";
}
/** `bill` is null when nothing was spent. */
export interface CallEnd {
  readonly bill: CallBill | null;
  readonly reason: string;
}

export interface Attempts {
  readonly max: number;
  readonly pauseMs: number;
  /** An upstream that asks for a longer pause is not waited for: the client is told instead. */
  readonly maxPauseMs: number;
}
export const DEFAULT_ATTEMPTS: Attempts = { max: 3, pauseMs: 250, maxPauseMs: 5_000 };

/** Why a call was called off; the abort signal's reason. */
export class CalledOff extends Error {
  readonly error: ProxyError | null;
  /** `error` is what the client is told; null when it is the client that went. */
  constructor(error: ProxyError | null) {
    super(error?.message ?? "the client went away");
    this.name = "CalledOff";
    this.error = error;
  }
}

const MAX_WHOLE_BYTES = 64 * 1024 * 1024;
const LF = 0x0a;

export async function forwardCall(
  call: {
    readonly request: ModelRequest;
    readonly model: RegisteredModel;
    readonly headers: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
    readonly attempts: Attempts;
  },
  client: Client,
): Promise<CallEnd> {
  const { request, model, signal } = call;
  const startedAt = performance.now();
  const billed = (usage: Usage, outcome: CallBill["outcome"], reason: string): CallEnd => ({
    bill: { cost: costOf(usage, model.price), usage, outcome },
    reason,
  });
  const unanswered = (outcome: CallBill["outcome"], reason: string): CallEnd =>
    billed(unansweredUsage(request.body.length, performance.now() - startedAt, outputBound(request, model)), outcome, reason);

  const answer = await tried(call);
  if (!answer.ok) {
    sendFailure(request.endpoint, answer, model.upstream.name, signal, client);
    // Until the head of an answer only these two leave it open whether the model had begun.
    const mayHaveBegun = answer.code === "timeout" || (answer.code === "aborted" && answer.wasSent);
    return mayHaveBegun
      ? unanswered(answer.code === "timeout" ? "cut" : "canceled", answer.message)
      : { bill: null, reason: answer.message };
  }

  const meter = createMeter(request.endpoint, request.body.length, request.wantsUsage);
  try {
    if (isEventStream(answer.response)) await streamed(answer.response, meter, signal, client);
    else await whole(answer.response, meter, signal, client);
    return billed(meter.usage(), "completed", "completed");
  } catch (error) {
    const offence = explain(error, signal, model.upstream.name);
    endBroken(request.endpoint, answer.response, offence, client);
    const outcome = signal.aborted ? "canceled" : "cut";
    const reason = offence?.message ?? "the client went away";
    return meter.hasOutput ? billed(meter.usage(), outcome, reason) : unanswered(outcome, reason);
  }
}

type Tried = { readonly ok: true; readonly response: UpstreamResponse } | (UpstreamFailure & { readonly wasSent: boolean });

async function tried({ request, model, headers, signal, attempts }: Parameters<typeof forwardCall>[0]): Promise<Tried> {
  const body = outgoingBody(request, model.upstreamModel);
  for (let attempt = 1; ; attempt++) {
    if (signal.aborted) return { ...CALLED_OFF, wasSent: false };
    const answer = await model.upstream.forward({ endpoint: request.endpoint, body, headers, signal });
    if (answer.ok) return { ok: true, response: answer };
    const pauseMs = answer.retryAfterMs ?? attempts.pauseMs * 2 ** (attempt - 1);
    const isSafe = answer.retryable && answer.code !== "timeout";
    if (!isSafe || attempt >= attempts.max || pauseMs > attempts.maxPauseMs) return { ...answer, wasSent: true };
    try {
      await sleep(pauseMs, undefined, { signal });
    } catch {
      // Called off while waiting: the tries so far were refused, so nothing was spent.
      return { ...CALLED_OFF, wasSent: false };
    }
  }
}

const CALLED_OFF: UpstreamFailure = {
  ok: false,
  code: "aborted",
  message: "the call was called off",
  retryable: false,
  status: undefined,
  retryAfterMs: undefined,
  body: undefined,
  contentType: undefined,
};

const isEventStream = ({ headers }: UpstreamResponse): boolean => (headers["content-type"] ?? "").startsWith("text/event-stream");

async function streamed(response: UpstreamResponse, meter: Meter, signal: AbortSignal, client: Client): Promise<void> {
  const splitter = new SseSplitter();
  client.head(response.status, { ...response.headers, "cache-control": "no-cache" });
  for await (const chunk of response.body) {
    if (signal.aborted) throw signal.reason;
    const events = splitter.push(chunk);
    const kept = events.filter((event) => meter.event(event)).map((event) => event.raw);
    if (kept.length > 0) await client.write(kept.length === 1 ? kept[0]! : Buffer.concat(kept));
  }
  if (signal.aborted) throw signal.reason;
  const rest = splitter.end();
  if (rest.length > 0) {
    // Some servers leave out the last empty line; the event is whole all the same.
    const [last] = splitter.push(Buffer.from(rest.at(-1) === LF ? "\n" : "\n\n"));
    if (last !== undefined && meter.event(last)) await client.write(rest);
  }
  client.end();
}

async function whole(response: UpstreamResponse, meter: Meter, signal: AbortSignal, client: Client): Promise<void> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    if (signal.aborted) throw signal.reason;
    size += chunk.length;
    if (size > MAX_WHOLE_BYTES) throw new Error(`an answer is larger than ${MAX_WHOLE_BYTES} bytes`);
    chunks.push(chunk);
  }
  if (signal.aborted) throw signal.reason;
  const body = Buffer.concat(chunks);
  meter.whole(parsed(body));
  client.head(response.status, { ...response.headers, "content-length": String(body.length) });
  client.end(body);
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    // The client gets it as it came; it is metered as text.
    return body.toString("utf8");
  }
}

/** Null: there is nobody left to tell. */
function explain(error: unknown, signal: AbortSignal, upstream: string): ProxyError | null {
  if (signal.aborted)
    return signal.reason instanceof CalledOff
      ? signal.reason.error
      : { status: 503, code: "called_off", message: "The call was called off." };
  const message = error instanceof Error ? error.message : String(error);
  return {
    status: 502,
    code: "upstream_cut",
    message: `The model's answer broke off: ${message}. Ask again, or choose another model than one of ${upstream}.`,
  };
}

function endBroken(endpoint: Endpoint, response: UpstreamResponse, error: ProxyError | null, client: Client): void {
  if (error === null) client.destroy();
  else if (isEventStream(response)) client.end(errorEvent(endpoint, error));
  else sendError(endpoint, error, client);
}

function sendFailure(endpoint: Endpoint, failure: UpstreamFailure, upstream: string, signal: AbortSignal, client: Client): void {
  if (failure.code === "aborted") {
    const error = explain(undefined, signal, upstream);
    if (error === null) client.destroy();
    else sendError(endpoint, error, client);
    return;
  }
  const retryAfter = failure.retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(failure.retryAfterMs / 1000)) };
  if (failure.status === 401 || failure.status === 403) {
    // Our credential was refused, not the client's, and what the upstream says of it may quote it.
    const message = `${upstream} refused this server's credential (${failure.status}). An operator must check the key of that upstream.`;
    sendError(endpoint, { status: 502, code: "upstream_credential_refused", message }, client);
    return;
  }
  if (failure.code === "http_status" && failure.body !== undefined && failure.body.length > 0 && isJson(failure.contentType)) {
    client.head(failure.status ?? 502, { "content-type": "application/json", ...retryAfter });
    client.end(failure.body);
    return;
  }
  const status = failure.code === "timeout" ? 504 : failure.code === "unsupported_endpoint" ? 400 : (failure.status ?? 502);
  const error = {
    status,
    code: `upstream_${failure.code}`,
    message: `The model's upstream failed: ${failure.message}. Try again, or choose another model.`,
  };
  sendError(endpoint, { ...error, retryAfterMs: failure.retryAfterMs }, client);
}

const isJson = (contentType: string | undefined): boolean => /^application\/([\w.-]+\+)?json/.test(contentType ?? "");

export function sendError(endpoint: Endpoint, error: ProxyError, client: Client): void {
  client.head(error.status, {
    "content-type": "application/json",
    ...(error.retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(error.retryAfterMs / 1000)) }),
  });
  client.end(errorBody(shapeOf(endpoint), error));
}
