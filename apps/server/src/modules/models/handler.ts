/*
 * The HTTP face of the model proxy, on plain `http` messages: mounted on the server for holders of a
 * virtual key, and behind `model.signalbox.invalid` of the egress proxy, where the socket that was
 * reached is the identity and the key in the request is a placeholder that nobody reads.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Endpoint } from "@signalbox/providers/model/port";
import type { Client } from "./call.ts";
import { CalledOff } from "./call.ts";
import type { Found, ModelCaller } from "./callers.ts";
import type { RegisteredModel } from "./registry.ts";
import { type ModelRequest, readRequest } from "./request.ts";
import { errorBody, type ProxyError, type Shape, shapeOf } from "./vendor-error.ts";

export interface SandboxCaller {
  readonly organizationId: string;
  readonly sessionId: string;
}
export type ModelHandler = (request: IncomingMessage, response: ServerResponse, identity?: SandboxCaller) => Promise<void>;

export interface HandlerParts {
  readonly authenticate: (
    key: string | null,
    identity: SandboxCaller | undefined,
  ) => Promise<Found | { readonly ok: false; readonly code: "no_key" }>;
  readonly models: (caller: ModelCaller) => Promise<readonly RegisteredModel[]>;
  /** Answers the client itself, also with what goes wrong; throws only for faults. */
  readonly call: (
    caller: ModelCaller,
    request: ModelRequest,
    headers: Record<string, string>,
    called: AbortController,
    client: Client,
  ) => Promise<void>;
  readonly onFault: (error: unknown) => void;
}

const PREFIX = "/llm/v1/";
const ENDPOINTS: ReadonlySet<string> = new Set(["chat/completions", "messages", "responses"] satisfies Endpoint[]);
/** A long conversation with pictures in it; more is a mistake or an attack. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;

export function createHandler(parts: HandlerParts): ModelHandler {
  return async (request, response, identity) => {
    const { pathname } = new URL(request.url ?? "/", "http://model.signalbox.invalid");
    const name = pathname.startsWith(PREFIX) ? pathname.slice(PREFIX.length) : null;
    const shape: Shape = name?.startsWith("messages") || request.headers["anthropic-version"] !== undefined ? "anthropic" : "openai";
    try {
      const found = await parts.authenticate(keyOf(request), identity);
      if (!found.ok) return answerError(request, response, shape, NOT_ADMITTED[found.code]);
      if (name !== null && (name === "models" || name.startsWith("models/")))
        return await listModels(parts, found.caller, name, shape, request, response);
      if (name === null || !ENDPOINTS.has(name)) return answerError(request, response, shape, noSuchEndpoint(pathname));
      if (request.method !== "POST")
        return answerError(request, response, shape, { status: 405, code: "method_not_allowed", message: `Use POST for ${pathname}.` });
      await serveCall(parts, found.caller, name as Endpoint, request, response);
    } catch (error) {
      parts.onFault(error);
      if (response.headersSent) response.destroy();
      else
        answerError(request, response, shape, {
          status: 503,
          code: "unavailable",
          message: "The model proxy cannot work right now, so nothing was sent to a model. Try again.",
        });
    }
  };
}

async function serveCall(
  parts: HandlerParts,
  caller: ModelCaller,
  endpoint: Endpoint,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const shape = shapeOf(endpoint);
  const body = await readBody(request);
  if (body === null)
    return answerError(request, response, shape, {
      status: 413,
      code: "payload_too_large",
      message: `A request may have ${MAX_BODY_BYTES} bytes at most.`,
    });
  const read = readRequest(endpoint, body);
  if (!read.ok) return answerError(request, response, shape, { status: 400, code: "invalid_request", message: read.message });
  const called = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) called.abort(new CalledOff(null));
  });
  if (response.destroyed) called.abort(new CalledOff(null));
  await parts.call(caller, read.request, singleHeaders(request), called, clientOf(response, called.signal));
}

async function listModels(
  parts: HandlerParts,
  caller: ModelCaller,
  name: string,
  shape: Shape,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const models = await parts.models(caller);
  const entry = (model: RegisteredModel) =>
    shape === "anthropic"
      ? { type: "model", id: model.id, display_name: model.name, created_at: "1970-01-01T00:00:00Z" }
      : { id: model.id, object: "model", created: 0, owned_by: model.upstream.name };
  if (name !== "models") {
    const id = decodeURIComponent(name.slice("models/".length));
    const model = models.find((candidate) => candidate.id === id);
    if (model === undefined) return answerError(request, response, shape, modelNotFound(id));
    return answerJson(response, 200, JSON.stringify(entry(model)));
  }
  const data = models.map(entry);
  const list =
    shape === "anthropic"
      ? { data, has_more: false, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null }
      : { object: "list", data };
  answerJson(response, 200, JSON.stringify(list));
}

export const modelNotFound = (id: string): ProxyError => ({
  status: 404,
  code: "model_not_found",
  message: `There is no model ${JSON.stringify(id)} here. GET /llm/v1/models lists those there are.`,
});

const noSuchEndpoint = (path: string): ProxyError => ({
  status: 404,
  code: "no_such_endpoint",
  message: `There is nothing at ${path}. The model proxy has POST /llm/v1/chat/completions, /llm/v1/messages and /llm/v1/responses, and GET /llm/v1/models.`,
});

const NOT_ADMITTED: Record<Extract<Found, { ok: false }>["code"] | "no_key", ProxyError> = {
  no_key: { status: 401, code: "no_key", message: "This needs a virtual key, as `Authorization: Bearer sbx-vk_…` or `x-api-key`." },
  invalid_key: {
    status: 401,
    code: "invalid_key",
    message: "This virtual key is not known or was revoked. Use the key of a running session.",
  },
  expired_key: {
    status: 401,
    code: "expired_key",
    message: "This virtual key has expired; keys are good for 24 hours. Use a new session's.",
  },
  session_ended: { status: 401, code: "session_ended", message: "The session of this key has ended, and its key with it." },
};

function keyOf(request: IncomingMessage): string | null {
  const bearer = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  const header = request.headers["x-api-key"];
  return bearer ?? (typeof header === "string" && header !== "" ? header : null);
}

const singleHeaders = (request: IncomingMessage): Record<string, string> =>
  Object.fromEntries(Object.entries(request.headers).flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])));

/** Null when it is too large; what is left of it is not read. */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES) return null;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/**
 * What is written within one turn of the event loop goes out in one system call: a model's events
 * often arrive several at a time, and each call costs more than the bytes in it. (`cork` would do
 * the same, but Node 24 garbles a chunked body that is corked around `flushHeaders`.)
 */
function clientOf(response: ServerResponse, signal: AbortSignal): Client {
  let pending: (Uint8Array | string)[] = [];
  let isDue = false;
  const taken = (): Buffer => {
    const bytes = Buffer.concat(pending.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece)));
    pending = [];
    return bytes;
  };
  const flush = () => {
    isDue = false;
    if (response.destroyed || response.writableEnded) return;
    // Clients show that the model has begun as soon as they have the head.
    if (pending.length === 0) response.flushHeaders();
    else response.write(taken());
  };
  const flushSoon = () => {
    if (isDue) return;
    isDue = true;
    setImmediate(flush);
  };
  return {
    head(status, headers) {
      if (response.destroyed || response.headersSent) return;
      response.writeHead(status, headers);
      flushSoon();
    },
    async write(chunk) {
      if (response.destroyed) throw signal.reason ?? new CalledOff(null);
      pending.push(chunk);
      flushSoon();
      if (response.writableNeedDrain) await drained(response, signal);
    },
    end(chunk) {
      if (chunk !== undefined) pending.push(chunk);
      if (pending.length === 0) response.end();
      else response.end(taken());
    },
    destroy: () => void response.destroy(),
  };
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => () => {
      response.off("drain", onDrain);
      signal.removeEventListener("abort", onAbort);
      done();
    };
    const onDrain = settle(resolve);
    const onAbort = settle(() => reject(signal.reason as Error));
    response.once("drain", onDrain);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function answerError(request: IncomingMessage, response: ServerResponse, shape: Shape, error: ProxyError): void {
  // The rest of a body that nobody reads must not be taken for the next request.
  if (!request.complete) response.setHeader("connection", "close");
  answerJson(response, error.status, errorBody(shape, error));
}

function answerJson(response: ServerResponse, status: number, text: string): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}
