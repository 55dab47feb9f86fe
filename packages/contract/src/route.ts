/*
 * A route is data. The server registers it, the client calls it, OpenAPI and the reference
 * describe it, and the access-matrix test tries it as everybody whom it does not admit.
 */
import type { z } from "zod";
import type { OrganizationRole } from "./primitives.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/**
 * `public` admits everyone; `person` whoever proves who they are, also while they are in no
 * organization; `operator` whoever operates the installation, and for everybody else there is no such
 * route; otherwise the minimum organization role and every scope named.
 */
export type Access =
  | "public"
  | "person"
  | "operator"
  | { readonly resource: string; readonly role: OrganizationRole; readonly scopes: readonly Scope[] };

/** `read`, `write`, `approve`, `admin`: what an API token may be narrowed to; `engine`: claim and report runs. */
export type Scope = "read" | "write" | "approve" | "admin" | "engine";

export interface Route {
  /** Operation id: `rooms.create`. */
  readonly id: string;
  readonly summary: string;
  readonly method: Method;
  /** Fastify syntax: `/v1/rooms/:id`. */
  readonly path: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Schema of a 2xx JSON answer; of one frame or line when `stream` is set. */
  readonly ok: z.ZodType;
  readonly okStatus?: 200 | 201 | 202;
  /** Server-sent events, newline-delimited JSON, or bytes under a media type of their own. */
  readonly stream?: "sse" | "ndjson" | "bytes";
  /** The body is this media type instead of JSON, and is handed on as it arrives (`Upload`). */
  readonly upload?: "application/x-ndjson";
  /**
   * Somebody else's protocol over HTTP: the handler gets method, headers, query and bytes as they came, and answers
   * with status, headers and bytes (or a stream) of its own. A GET answers HEAD as well. Who is admitted, and how
   * refusals look, is as everywhere.
   */
  readonly raw?: boolean;
  /** Closed union of domain refusal codes with their HTTP status. */
  readonly refusals: Readonly<Record<string, 400 | 402 | 403 | 404 | 409 | 410 | 413 | 422 | 429 | 502>>;
  readonly access: Access;
  /** Creates accept `Idempotency-Key`. */
  readonly idempotent?: boolean;
  /** Bytes; default 2 MiB. */
  readonly bodyLimit?: number;
}

/** Body of an `upload` route, as a client gives it. On the server it is what `UploadedBytes` says. */
export type Upload = Blob | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | string;
/** The same as the server reads it. */
export type UploadedBytes = AsyncIterable<Uint8Array>;

/** Keeps literal types while checking the shape. */
export const route = <const R extends Route>(r: R): R => r;

/** Codes that any route may answer, made by the HTTP shell rather than a domain. */
export const SHELL_REFUSALS = {
  invalid_request: 400,
  invalid_cursor: 400,
  unauthenticated: 401,
  forbidden: 403,
  organization_required: 403,
  single_sign_on_required: 403,
  not_found: 404,
  idempotency_conflict: 409,
  idempotency_in_progress: 409,
  session_imported: 409,
  signing_key_missing: 409,
  payload_too_large: 413,
  rate_limited: 429,
  quota_exceeded: 429,
  internal_error: 500,
  unavailable: 503,
} as const;
export type ShellRefusal = keyof typeof SHELL_REFUSALS;

export type Input<R extends Route> = (R extends { params: infer P extends z.ZodType } ? { params: z.input<P> } : unknown) &
  (R extends { query: infer Q extends z.ZodType } ? { query?: z.input<Q> } : unknown) &
  (R extends { body: infer B extends z.ZodType } ? { body: z.input<B> } : unknown) &
  (R extends { upload: string } ? { body: Upload } : unknown);
export type Output<R extends Route> = z.output<R["ok"]>;
