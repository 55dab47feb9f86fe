/*
 * The upstream side of the model proxy: where a model's answers come from.
 *
 * An upstream forwards one request in the wire format that the client spoke, byte for byte where it can, with the
 * real credential added here and nowhere else. It knows nothing of keys, budgets or organizations: that is the
 * proxy in front. It never retries, because whether a second try is safe and paid for is the proxy's decision;
 * `UpstreamFailure.retryable` is what it needs to make it.
 */
export type Endpoint = "chat/completions" | "messages" | "responses";

export type UpstreamKind = "openai-compatible" | "openai" | "anthropic" | "ollama" | "demo";

export type ModelInfo = {
  id: string;
  /** As people see it. */
  name: string;
  ownedBy: string;
  contextTokens: number | undefined;
  maxOutputTokens: number | undefined;
  /** A script or a toy: whoever shows this model shows that it is one. */
  scripted: boolean;
};

export type ForwardRequest = {
  endpoint: Endpoint;
  /** JSON, exactly as it goes out. */
  body: Buffer;
  /** Lower-case names. Only those in FORWARDED_HEADERS go out; the caller's credential never does. */
  headers: Record<string, string>;
  signal: AbortSignal;
};

export type UpstreamResponse = {
  ok: true;
  status: number;
  headers: Record<string, string>;
  /** Throws `UpstreamStreamError` when the upstream breaks off or falls silent. Leaving it early frees the connection. */
  body: AsyncIterable<Uint8Array>;
};

export type FailureCode = "unreachable" | "timeout" | "http_status" | "unsupported_endpoint" | "aborted";

/** Everything that can go wrong before the first byte; nothing has been charged for by then as far as we can know. */
export type UpstreamFailure = {
  ok: false;
  code: FailureCode;
  /** For people; carries no credential. */
  message: string;
  retryable: boolean;
  status: number | undefined;
  retryAfterMs: number | undefined;
  /** The upstream's own error, at most 64 KiB, to be handed on to the client. */
  body: Buffer | undefined;
  contentType: string | undefined;
};

export type ModelUpstream = {
  readonly name: string;
  readonly kind: UpstreamKind;
  /** Formats that it speaks itself. */
  readonly endpoints: readonly Endpoint[];
  models(signal?: AbortSignal): Promise<ModelList>;
  forward(request: ForwardRequest): Promise<UpstreamResponse | UpstreamFailure>;
  close(): Promise<void>;
};

export type ModelList = { ok: true; models: ModelInfo[] } | UpstreamFailure;

export type UpstreamTimeouts = {
  connectMs: number;
  /** From the end of the request to the head of the answer. A large model thinks for minutes before its first byte. */
  firstByteMs: number;
  /** Between two pieces of the body. */
  idleMs: number;
};

export const DEFAULT_TIMEOUTS: UpstreamTimeouts = { connectMs: 10_000, firstByteMs: 300_000, idleMs: 120_000 };

/** The body broke off: `cut` (the connection ended before the message did) or `idle` (nothing came for `idleMs`). */
export class UpstreamStreamError extends Error {
  override name = "UpstreamStreamError";
  readonly code: "cut" | "idle" | "aborted";

  constructor(code: "cut" | "idle" | "aborted", message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Headers of a client that mean something to an upstream. Everything else, credentials above all, stays here. */
export const FORWARDED_HEADERS: readonly string[] = [
  "accept",
  "content-type",
  "anthropic-version",
  "anthropic-beta",
  "openai-beta",
  "idempotency-key",
];
