/*
 * A route of the contract, bound to what serves it. Authentication, authorization, parsing,
 * idempotency and the mapping of refusals to HTTP happen once, in `server.ts`, from the route's data.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { CapabilityGrant } from "@signalbox/contract/capabilities";
import type { OrganizationRole, PrincipalType } from "@signalbox/contract/primitives";
import type { Input, Output, Route, Scope, UploadedBytes } from "@signalbox/contract/route";
import type { Origin } from "@signalbox/eventlog/log";
import type { z } from "zod";

/** Who calls, as authenticated; every handler acts inside `organizationId` and nowhere else. */
export interface Caller {
  readonly principal: { readonly id: string; readonly type: PrincipalType; readonly displayName: string };
  readonly organizationId: string;
  readonly role: OrganizationRole;
  readonly scopes: readonly Scope[];
  /** What was presented: revoking it ends everything that was opened with it. */
  readonly credential?: Credential | undefined;
  /** The operator who acts as `principal`, and until when. */
  readonly impersonatedBy?: { readonly id: string; readonly untilMs: number } | undefined;
  /** Of a capability: what it is confined to, within the role and the scopes. */
  readonly grant?: CapabilityGrant | undefined;
}

/** `path`: a capability, and those that it was made of, from the root on. */
export interface Credential {
  readonly kind: "token" | "session" | "capability";
  readonly id: string;
  readonly path?: readonly string[] | undefined;
  /** The one organization that it reaches into, of whichever its holder is in. */
  readonly onlyIn?: string | undefined;
  /** Of one that ends by itself, and not later when it is used. */
  readonly expiresAtMs?: number | undefined;
}

export interface RequestContext {
  readonly caller: Caller;
  readonly requestId: string;
  /** RFC 3339, read once per request. */
  readonly now: string;
  /** Envelope context for commands: the caller, this request as correlation. */
  readonly origin: Origin;
  /** From `Idempotency-Key`, on idempotent routes; pass it to `log.unit` or `log.run`. */
  readonly idempotency?: { readonly key: string; readonly bodyHash: string } | undefined;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
  /** Headers to answer with, beyond what the shell sets (a cookie). Always there when `server.ts` calls. */
  readonly responseHeaders?: Record<string, string> | undefined;
  /** Of whoever connected: limits count by it, and a sign-in is shown with it. Always there when `server.ts` calls. */
  readonly from?: {
    readonly address: string;
    readonly userAgent: string | null;
    readonly cookies: Readonly<Record<string, string | undefined>>;
  };
  /** On `raw` routes: the request as it came. */
  readonly raw?: RawRequest | undefined;
  /** `Last-Event-ID` of a resuming event stream. */
  readonly lastEventId?: string | undefined;
}

type Parsed<R extends Route> = (R extends { params: infer P extends z.ZodType } ? { params: z.output<P> } : unknown) &
  (R extends { query: infer Q extends z.ZodType } ? { query: z.output<Q> } : unknown) &
  (R extends { body: infer B extends z.ZodType } ? { body: z.output<B> } : unknown) &
  (R extends { upload: string } ? { body: UploadedBytes } : unknown);

export type RefusalOf<R extends Route> = keyof R["refusals"] & string;
export interface Refused<Code extends string = string> {
  readonly ok: false;
  readonly refusal: { readonly code: Code; readonly details?: unknown; readonly message?: string; readonly fix?: string };
}
export const refused = <Code extends string>(
  code: Code,
  extra: { details?: unknown; message?: string; fix?: string } = {},
): Refused<Code> => ({
  ok: false,
  refusal: { code, ...extra },
});

/** A 2xx answer is the value itself; for a `stream` route an async iterable of frames or lines. */
type Answer<R extends Route> = R extends { raw: true }
  ? RawAnswer
  : R extends { stream: "sse" | "ndjson" }
    ? AsyncIterable<StreamFrame> | PushStream
    : R extends { stream: "bytes" }
      ? BytesAnswer
      : z.input<R["ok"]>;
export interface RawRequest {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly query: URLSearchParams;
  readonly body: Buffer;
}
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | undefined;
  /** Server-sent events instead of a body. */
  readonly events?: PushStream | undefined;
}
/** Bytes that somebody else made: the shell sees to it that no browser runs them (`bytes.ts`). */
export interface BytesAnswer {
  readonly mediaType: string;
  readonly fileName: string;
  readonly bytes: Uint8Array;
}
/** `id` becomes the SSE `id:`; `text` is sent as it is (already JSON). */
export interface StreamFrame {
  readonly id?: string | undefined;
  readonly text: string;
  /** The whole event as it is sent, instead of `id:` and `data:` with the above. */
  readonly wire?: string | undefined;
}

/**
 * A stream that many follow at once pushes instead: frames are then written without a promise per
 * client, and one frame object given to a thousand clients is encoded once.
 */
export interface PushStream {
  /** Called once, when the answer's head is out. `frame` is never called after `end` or the returned function. */
  attach(sink: FrameSink): () => void;
}
export interface FrameSink {
  frame(frame: StreamFrame): void;
  /** Resolves once what was written has left, for streams that first send much history. */
  drained(): Promise<void>;
  end(): void;
}

export type Handler<R extends Route> = (request: RequestContext & Parsed<R>) => Promise<Answer<R> | Refused<RefusalOf<R>>>;

export interface BoundRoute {
  readonly route: Route;
  /** `never`: only `server.ts` calls it, with what the route's schemas parsed. */
  readonly handler: (request: never) => Promise<unknown>;
}

export function handle<const R extends Route>(route: R, handler: Handler<R>): BoundRoute {
  return { route, handler };
}

export type { Input, Output };
