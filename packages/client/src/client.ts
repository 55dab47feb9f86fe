/*
 * The typed client: a call is a route of the contract plus its input. Nothing here knows any
 * single route, so a new one needs no change. Runs in browsers and Node.
 */
import type { ErrorBody } from "@signalbox/contract/error";
import type { Input, Output, Route } from "@signalbox/contract/route";
import { EventSourceParserStream } from "eventsource-parser/stream";

/** A refusal or fault as the server worded it. `status` 0: no answer came (code `unreachable`). */
export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;
  readonly code: string;
  readonly fix: string | undefined;
  readonly details: unknown;
  readonly requestId: string | undefined;
  /** Milliseconds to wait, when the server said so. */
  readonly retryAfterMs: number | undefined;

  constructor(of: {
    status: number;
    code: string;
    message: string;
    fix?: string | undefined;
    details?: unknown;
    requestId?: string | undefined;
    retryAfterMs?: number | undefined;
    cause?: unknown;
  }) {
    super(of.message, { cause: of.cause });
    this.status = of.status;
    this.code = of.code;
    this.fix = of.fix;
    this.details = of.details;
    this.requestId = of.requestId;
    this.retryAfterMs = of.retryAfterMs;
  }
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Makes a create repeatable for 24 h: same key and body, same outcome. */
  readonly idempotencyKey?: string | undefined;
}

export interface FeedFrame<T> {
  /** The cursor to resume after. */
  readonly id: string | undefined;
  readonly data: T;
}

export interface FeedOptions {
  readonly signal?: AbortSignal | undefined;
  /** Resume after this cursor; wins over the query. */
  readonly lastEventId?: string | undefined;
  readonly onStatus?: ((status: "open" | "retrying") => void) | undefined;
}

export interface Client {
  readonly baseUrl: string;
  call<const R extends Route>(route: R, input: Input<R> & CallOptions): Promise<Output<R>>;
  /** Server-sent events with resume: reconnects from the last cursor with backoff until aborted or refused. */
  events<const R extends Route>(route: R, input: Input<R> & FeedOptions): AsyncGenerator<FeedFrame<Output<R>>, void, undefined>;
  /** Newline-delimited JSON, one line at a time, exactly as sent. */
  lines<const R extends Route>(route: R, input: Input<R> & CallOptions): AsyncGenerator<string, void, undefined>;
  /** An answer of bytes, with its media type. */
  bytes<const R extends Route>(route: R, input: Input<R> & CallOptions): Promise<Blob>;
}

export interface ClientOptions {
  /** Origin of the server, like `http://127.0.0.1:4400`; the page's own in a browser. */
  readonly baseUrl: string;
  /** API token; a browser uses its session cookie instead. */
  readonly token?: string | undefined;
  /** Named in `x-workspace-id` for principals of several organizations. */
  readonly organizationId?: string | undefined;
  readonly fetch?: typeof globalThis.fetch | undefined;
}

interface AnyInput extends CallOptions {
  readonly params?: Record<string, unknown>;
  readonly query?: Record<string, unknown>;
  readonly body?: unknown;
}

/** Reconnect delays of a cut feed: doubling from the first to the last, with jitter. */
const BACKOFF_MS = { first: 250, last: 10_000 } as const;

export function createClient(options: ClientOptions): Client {
  const send = options.fetch ?? globalThis.fetch.bind(globalThis);
  const baseUrl = options.baseUrl.replace(/\/+$/, "");

  async function request(route: Route, input: AnyInput, headers: Record<string, string>): Promise<Response> {
    const url = new URL(baseUrl + path(route, input.params ?? {}));
    for (const [key, value] of Object.entries(input.query ?? {})) {
      if (value !== undefined && value !== null) url.searchParams.set(key, String(value));
    }
    const init: RequestInit = { method: route.method, headers: { accept: "application/json", ...headers }, credentials: "same-origin" };
    const sent = init.headers as Record<string, string>;
    if (options.token !== undefined) sent["authorization"] = `Bearer ${options.token}`;
    if (options.organizationId !== undefined) sent["x-workspace-id"] = options.organizationId;
    if (input.idempotencyKey !== undefined) sent["idempotency-key"] = input.idempotencyKey;
    if (input.body !== undefined && route.upload !== undefined) {
      sent["content-type"] = route.upload;
      init.body = input.body as BodyInit;
      // A stream is sent as it comes; Node's fetch and browsers both want this said.
      if (input.body instanceof ReadableStream) (init as { duplex?: string }).duplex = "half";
    } else if (input.body !== undefined) {
      sent["content-type"] = "application/json";
      init.body = JSON.stringify(input.body);
    }
    if (input.signal !== undefined) init.signal = input.signal;
    let response: Response;
    try {
      response = await send(url, init);
    } catch (cause) {
      if (input.signal?.aborted) throw cause;
      throw new ApiError({
        status: 0,
        code: "unreachable",
        message: `No answer from ${baseUrl}.`,
        fix: "Start it with `npm start`, or check the address.",
        cause,
      });
    }
    if (!response.ok) throw await failure(response);
    return response;
  }

  return {
    baseUrl,

    async call<const R extends Route>(route: R, input: Input<R> & CallOptions): Promise<Output<R>> {
      const response = await request(route, input, {});
      return (await response.json()) as Output<R>;
    },

    async bytes<const R extends Route>(route: R, input: Input<R> & CallOptions): Promise<Blob> {
      return (await request(route, input, { accept: "*/*" })).blob();
    },

    async *events<const R extends Route>(route: R, input: Input<R> & FeedOptions): AsyncGenerator<FeedFrame<Output<R>>, void, undefined> {
      const feed = input as AnyInput & FeedOptions;
      let cursor = feed.lastEventId;
      let failures = 0;
      // A parameter that is missing is the caller's fault, and would not pass by trying again.
      path(route, feed.params ?? {});
      while (!feed.signal?.aborted) {
        let waitMs = 0;
        try {
          const response = await request(route, feed, {
            accept: "text/event-stream",
            ...(cursor === undefined ? {} : { "last-event-id": cursor }),
          });
          feed.onStatus?.("open");
          if (response.body === null)
            throw new ApiError({ status: response.status, code: "invalid_answer", message: "The feed answered without a body." });
          const frames = response.body
            .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array<ArrayBuffer>>)
            .pipeThrough(new EventSourceParserStream());
          for await (const frame of readable(frames)) {
            failures = 0;
            if (frame.id !== undefined) cursor = frame.id;
            yield { id: frame.id, data: JSON.parse(frame.data) as Output<R> };
          }
        } catch (error) {
          if (feed.signal?.aborted) return;
          // A refusal will be the same next time; only what may pass is tried again.
          if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
          if (error instanceof ApiError) waitMs = error.retryAfterMs ?? 0;
        }
        feed.onStatus?.("retrying");
        failures++;
        await pause(Math.max(waitMs, backoff(failures)), feed.signal);
      }
    },

    async *lines<const R extends Route>(route: R, input: Input<R> & CallOptions): AsyncGenerator<string, void, undefined> {
      const response = await request(route, input, { accept: "application/x-ndjson" });
      if (response.body === null) return;
      let rest = "";
      for await (const text of readable(
        response.body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array<ArrayBuffer>>),
      )) {
        const parts = (rest + text).split("\n");
        rest = parts.pop() ?? "";
        yield* parts;
      }
      if (rest !== "") yield rest;
    },
  };
}

/** How long to wait after so many failures in a row. */
export const backoff = (failures: number): number =>
  Math.min(BACKOFF_MS.last, BACKOFF_MS.first * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);

function path(route: Route, params: Record<string, unknown>): string {
  return route.path.replaceAll(/:([a-zA-Z_]+)/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) throw new TypeError(`${route.id} needs the path parameter ${name}`);
    return encodeURIComponent(String(value));
  });
}

async function failure(response: Response): Promise<ApiError> {
  const retryAfter = Number(response.headers.get("retry-after"));
  const retryAfterMs = Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter * 1000 : undefined;
  const text = await response.text();
  const answered = json(text);
  if (!isErrorBody(answered)) {
    return new ApiError({
      status: response.status,
      code: "invalid_answer",
      message: `The server answered ${response.status} without saying why.`,
      retryAfterMs,
    });
  }
  const { code, message, fix, details, request_id } = answered.error;
  return new ApiError({ status: response.status, code, message, fix, details, requestId: request_id, retryAfterMs });
}

/** By hand, as what `sync.ts` reads: with the schemas would come a fifth of all that a browser loads to show its first screen. */
function isErrorBody(value: unknown): value is ErrorBody {
  const error = (value as { error?: Partial<Record<keyof ErrorBody["error"], unknown>> } | null | undefined)?.error;
  return (
    typeof error?.code === "string" &&
    typeof error.message === "string" &&
    typeof error.request_id === "string" &&
    (error.fix === undefined || typeof error.fix === "string")
  );
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Not JSON: the caller reports it as an invalid answer.
  }
}

/** Browsers before 2025 cannot iterate a ReadableStream. */
async function* readable<T>(stream: ReadableStream<T>): AsyncGenerator<T, void, undefined> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // Leaving the loop early must also end the request.
    await reader.cancel();
  }
}

/** Resolves after `ms`, or as soon as the signal aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done, { once: true });
    if (signal?.aborted) done();
  });
}
