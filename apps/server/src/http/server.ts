/*
 * The HTTP shell: everything between a socket and a module's handler, driven by the route's data.
 *
 *   host ─► parse ids ─► authenticate ─► organization ─► role, scopes ─► query, body ─► handler
 *     │                      │                │              │               │             │
 *    403                    401              404            403             400     value │ refusal │ stream │ fault
 *
 * Authority is settled before the input is looked at, so that a stranger learns nothing of shapes.
 * A refusal answers with the status that its route names; a fault with 500 and the request's id,
 * and nothing else: what happened is in the log under that id.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import cookiePlugin from "@fastify/cookie";
import type { Route } from "@signalbox/contract/route";
import { isForeign } from "@signalbox/eventlog/foreign";
import { canonicalJson, type Json } from "@signalbox/kernel/canonical";
import { newId } from "@signalbox/kernel/id";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { Readable } from "node:stream";
import { z } from "zod";
import { INTERNAL_PREFIX, type Internal, type OnBehalf } from "../cluster/internal.ts";
import { sendBytes, uploads, wholeBody } from "./bytes.ts";
import { authenticate, type Authenticator, isSameOrigin, lacking, SESSION_COOKIE } from "./authenticate.ts";
import type { BoundRoute, BytesAnswer, Caller, PushStream, RawAnswer, Refused, RequestContext, StreamFrame } from "./handle.ts";
import { outside } from "./confine.ts";
import { denied } from "./denied.ts";
import { reachedByImpersonation } from "./impersonated.ts";
import { createHosts } from "./hosts.ts";
import { type RateLimit, WINDOW_S } from "./limits.ts";
import { errorBody, invalidRequest, refusalAnswer, ShellRefused, thrownAnswer } from "./refusal.ts";
import { createStreams } from "./streams.ts";

export interface ServerOptions {
  readonly routes: readonly BoundRoute[];
  readonly authenticator: Authenticator;
  /** How often one key may ask. */
  readonly rateLimit?: RateLimit | undefined;
  readonly logger: Logger;
  readonly now: () => string;
  /** Where people reach it when that is not the loopback address. */
  readonly publicUrl?: string | undefined;
  /** Addresses and networks whose word counts on where a request comes from. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** Further addresses of this process, of which the host is its own too. */
  readonly alsoAt?: readonly string[] | undefined;
  /** Whether somebody operates the installation. */
  readonly isOperator?: ((principalId: string) => Promise<boolean>) | undefined;
  /** Calls `end` when what the caller presented ends, or they are no longer what they were. Returns how to let go. */
  readonly hold?: ((caller: Caller, end: () => void) => () => void) | undefined;
  /** Other processes of the installation: what is passed on to them, and what they pass on to this one. */
  readonly internal?: Internal | undefined;
  /** Answered to other processes only, below `/internal`. */
  readonly internalRoutes?: readonly BoundRoute[] | undefined;
  /** Of every answer: to count and to time. `route` is the operation's id. */
  readonly observe?: ((done: { readonly route: string; readonly status: number; readonly ms: number }) => void) | undefined;
  /** Runs the handler inside a span. */
  readonly traced?: (<T>(name: string, work: () => Promise<T>) => Promise<T>) | undefined;
  readonly onUpgrade?: Readonly<Record<string, (request: IncomingMessage, socket: Duplex, head: Buffer) => void>> | undefined;
  /** Other host names that lead here (previews): what is asked of them reaches no route, whatever its path. */
  readonly elsewhere?: Elsewhere | undefined;
  /** Adds what is no route of the contract: files, `/metrics`, the model proxy. */
  readonly more?: ((app: FastifyInstance) => Promise<void>) | undefined;
}

export interface Elsewhere {
  owns(host: string | undefined): boolean;
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

export interface HttpServer {
  readonly app: FastifyInstance;
  /** Everything that is answered here, contract or not, as it was registered: the access matrix holds it against the contract. */
  readonly served: readonly { readonly method: string; readonly url: string }[];
  /** Open event streams. */
  streams(): number;
  listen(host: string, port: number): Promise<number>;
  /** Ends streams, lets running requests finish (10 s), closes. */
  close(): Promise<void>;
}

const DEFAULT_BODY_LIMIT = 2 * 1024 * 1024;
const CLOSE_GRACE_MS = 10_000;
const KEEP_ALIVE_MS = 72_000;
/** Ten thousand come back at once when a gateway restarts: whose first packet is dropped tries again after 1, 3, 7 … seconds. */
const BACKLOG = 8192;

export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
};

export async function createHttpServer(options: ServerOptions): Promise<HttpServer> {
  const { logger, now } = options;
  const hosts = createHosts(options.publicUrl, options.alsoAt);
  const streams = createStreams();
  const app = Fastify({
    bodyLimit: DEFAULT_BODY_LIMIT,
    genReqId: () => newId("req"),
    // One line each is written below; Fastify's two would repeat it.
    logger: false,
    forceCloseConnections: "idle",
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: 200 },
    exposeHeadRoutes: false,
    trustProxy: options.trustedProxies === undefined ? false : [...options.trustedProxies],
    serverFactory(handler) {
      const { elsewhere } = options;
      const server = createServer((request, response) =>
        elsewhere?.owns(request.headers.host) === true ? elsewhere.request(request, response) : handler(request, response),
      );
      server.keepAliveTimeout = KEEP_ALIVE_MS;
      // A body may take as long as it takes; slow headers have a limit of their own below.
      server.requestTimeout = 0;
      return server;
    },
  });
  const served: { method: string; url: string }[] = Object.keys(options.onUpgrade ?? {}).map((url) => ({ method: "SOCKET", url }));
  app.addHook("onRoute", ({ method, url }) => void served.push(...[method].flat().map((one) => ({ method: one, url }))));
  await app.register(cookiePlugin);
  jsonBodies(app);
  uploads(app, "application/x-ndjson");

  app.addHook("onRequest", async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    reply.header("x-request-id", request.id);
    // A signature says more than a host name, and no page can make one.
    if (!hosts.isOwn(request.headers.host) && !request.url.startsWith(`${INTERNAL_PREFIX}/`)) {
      throw new ShellRefused("forbidden", "This server does not answer to that host name.", {
        fix: "Use the address that it printed, or configure --public-url.",
      });
    }
  });
  app.addHook("onResponse", async (request, reply) => {
    const ms = Math.round(reply.elapsedTime * 10) / 10;
    const route = operationOf(request);
    options.observe?.({ route, status: reply.statusCode, ms });
    // The path only: a query may carry a one-time code. And of a share's path not the token, which is all that it takes.
    logger[reply.statusCode >= 500 ? "error" : "info"](
      {
        request_id: request.id,
        method: request.method,
        path: request.url.split("?")[0]!.replace(/^((?:\/v1)?\/shared\/)[^/]+/, "$1…"),
        route,
        status: reply.statusCode,
        ms,
        principal: callers.get(request)?.principal.id,
      },
      "request",
    );
  });
  app.setErrorHandler((error, request, reply) => {
    const answer = thrownAnswer(error, request.id);
    if (answer === null) logger.error({ err: error, request_id: request.id, route: operationOf(request) }, "fault");
    else if (answer.retryAfterS !== undefined) reply.header("retry-after", String(answer.retryAfterS));
    return reply.status(answer?.status ?? 500).send(
      answer?.body ??
        errorBody("internal_error", "Something went wrong on our side.", request.id, {
          fix: "Try again; if it stays, look for this request_id in the server's log.",
        }),
    );
  });
  app.setNotFoundHandler((request, reply) =>
    reply.status(404).send(
      errorBody("not_found", `There is no ${request.method} ${request.url.split("?")[0]}.`, request.id, {
        fix: "GET /openapi.json lists what there is.",
      }),
    ),
  );

  for (const bound of options.routes) if (bound.route.raw !== true) register(app, bound);
  await app.register(async (scope) => {
    // Of other media types than ours, and bytes to the handler.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (request: FastifyRequest, payload: IncomingMessage) =>
      wholeBody(payload, request.routeOptions.bodyLimit ?? DEFAULT_BODY_LIMIT),
    );
    for (const bound of options.routes) if (bound.route.raw === true) register(scope, bound);
  });
  if (options.internal?.serves === true) for (const bound of options.internalRoutes ?? []) registerInternal(bound, options.internal);
  await options.more?.(app);
  app.server.on("upgrade", (request, socket, head) => upgrade(request, socket, head));
  // Slow headers hold a connection; 5 s is plenty on any line.
  app.server.headersTimeout = 5000;

  function register(on: FastifyInstance, { route, handler }: BoundRoute): void {
    on.route({
      method: route.raw === true && route.method === "GET" ? ["GET", "HEAD"] : route.method,
      url: route.path,
      bodyLimit: route.bodyLimit ?? DEFAULT_BODY_LIMIT,
      config: { operation: route.id, upload: route.upload },
      onRequest: async (request, reply) => {
        const caller = await admit(route, request);
        if (caller === null) return;
        callers.set(request, caller);
        await limited(caller, reply);
      },
      handler: async (request, reply) => {
        const caller = callers.get(request) ?? NOBODY;
        const { internal } = options;
        if (internal?.isAtHub(route) === true) {
          // Checked first: what is not well-formed need not travel.
          const { params } = parse(route, request);
          const { method, url, body, headers, id: requestId } = request;
          const relayed = await internal.relay({ method, url, body, headers, requestId }, caller, (params as { id: string }).id);
          if (relayed !== null) return reply.status(relayed.status).headers(relayed.headers).send(relayed.body);
        }
        return answer(route, handler, request, reply, contextOf(route, request, reply, caller));
      },
    });
  }

  async function answer(
    route: Route,
    handler: BoundRoute["handler"],
    request: FastifyRequest,
    reply: FastifyReply,
    context: RequestContext,
  ): Promise<unknown> {
    const run = async (): Promise<unknown> => (handler as (of: unknown) => Promise<unknown>)({ ...context, ...parse(route, request) });
    return respond(route, request, reply, await (options.traced === undefined ? run() : options.traced(route.id, run)), context);
  }

  /** The same route for the other processes, who have admitted somebody already and say so under their signature. */
  function registerInternal({ route, handler }: BoundRoute, internal: Internal): void {
    const onBehalf = new WeakMap<FastifyRequest, OnBehalf>();
    app.route({
      method: route.method,
      url: INTERNAL_PREFIX + route.path,
      config: { operation: `internal.${route.id}` },
      preParsing: async (request, _reply, payload) => {
        const body = await wholeBody(payload, DEFAULT_BODY_LIMIT);
        const admitted = await internal.admit({ method: request.method, url: request.url, headers: request.headers, body });
        if (admitted === null) throw new ShellRefused("unauthenticated", "Only other processes of this installation may call this.");
        onBehalf.set(request, admitted);
        callers.set(request, admitted.caller);
        return Readable.from(body.length === 0 ? [] : [body]);
      },
      handler: async (request, reply) => {
        const { caller, requestId } = onBehalf.get(request)!;
        const context = contextOf(route, request, reply, caller);
        return answer(route, handler, request, reply, {
          ...context,
          requestId,
          origin: { ...context.origin, correlationId: requestId },
        });
      },
    });
  }

  async function admit(route: Route, request: FastifyRequest): Promise<Caller | null> {
    const isOwnOrigin = (origin: string): boolean => hosts.isOwnOrigin(origin, request.headers.host);
    if (route.access === "public") {
      // A stranger's page must not log a browser in (or anything else) either; programs send neither header.
      const { origin, "sec-fetch-site": site } = request.headers;
      if (route.method !== "GET" && (origin !== undefined || site !== undefined) && !isSameOrigin(request.headers, isOwnOrigin))
        throw denied("cross_site");
      return null;
    }
    const caller = await authenticate(options.authenticator, {
      method: request.method,
      headers: request.headers,
      cookie: request.cookies[SESSION_COOKIE],
      isOwnOrigin,
      needsNone: route.access === "person" || route.access === "operator",
    });
    if (typeof caller === "string" || "denied" in caller) throw denied(caller);
    if (route.access === "operator") {
      if (!(await operates(caller))) throw new ShellRefused("not_found", `There is no ${route.method} ${request.url.split("?")[0]}.`);
      return caller;
    }
    if (caller.impersonatedBy !== undefined && !reachedByImpersonation(route))
      throw new ShellRefused("forbidden", "Whoever acts as somebody else cannot do this for them.", {
        fix: "Stop acting as them, or let them do it.",
      });
    const confined = caller.grant === undefined ? null : outside(route, caller.grant);
    if (confined !== null) throw new ShellRefused("forbidden", confined.message, { fix: confined.fix });
    if (route.access === "person") return caller;
    const missing = lacking(caller, route.access);
    if (missing !== null) throw new ShellRefused("forbidden", missing.message, { fix: missing.fix });
    return caller;
  }

  /** Counted once it is known who asks: what somebody without a credential may try is counted where they try it. */
  async function limited({ credential }: Caller, reply: FastifyReply): Promise<void> {
    if (credential === undefined) return;
    // What was made of a capability asks in its name.
    const taken = await options.rateLimit?.take(credential.path?.[0] ?? credential.id);
    if (taken == null) return;
    reply.header("ratelimit-policy", `"api";q=${taken.limit};w=${WINDOW_S}`);
    reply.header("ratelimit", `"api";r=${taken.remaining};t=${taken.endsInS}`);
    if (taken.ok) return;
    reply.header("retry-after", String(taken.endsInS));
    throw new ShellRefused("rate_limited", `More than ${taken.limit} requests a minute with one key.`, {
      fix: `Try again in ${taken.endsInS} s; an operator may set SIGNALBOX_API_PER_MINUTE.`,
    });
  }

  /** As oneself, and by something that reaches all of the installation: a full sign-in, or the local organization's token with every right. */
  async function operates({ principal, credential, scopes, impersonatedBy, grant }: Caller): Promise<boolean> {
    if (impersonatedBy !== undefined || grant !== undefined || !scopes.includes("admin")) return false;
    if (credential === undefined || credential.kind === "capability" || credential.onlyIn !== undefined) return false;
    return (await options.isOperator?.(principal.id)) === true;
  }

  function contextOf(route: Route, request: FastifyRequest, reply: FastifyReply, caller: Caller): RequestContext {
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    // What may stay open for long ends with what it was asked for with; the rest is over before anybody could tell.
    if (route.stream !== undefined || route.raw === true) {
      const letGo = options.hold?.(caller, () => gone.abort());
      if (letGo !== undefined) reply.raw.once("close", letGo);
    }
    const lastEventId = request.headers["last-event-id"];
    return {
      caller,
      requestId: request.id,
      now: now(),
      origin: {
        principal: { id: caller.principal.id, type: caller.principal.type, impersonatedBy: caller.impersonatedBy?.id },
        correlationId: request.id,
      },
      idempotency: route.idempotent === true ? idempotencyOf(route, request) : undefined,
      signal: gone.signal,
      responseHeaders: {},
      from: { address: request.ip, userAgent: request.headers["user-agent"]?.slice(0, 300) ?? null, cookies: request.cookies },
      lastEventId: typeof lastEventId === "string" ? lastEventId : undefined,
      raw:
        route.raw === true
          ? {
              method: request.method,
              headers: request.headers,
              query: new URL(request.url, "http://signalbox.invalid").searchParams,
              body: (request.body as Buffer | undefined) ?? Buffer.alloc(0),
            }
          : undefined,
    };
  }

  async function respond(
    route: Route,
    request: FastifyRequest,
    reply: FastifyReply,
    answer: unknown,
    context: RequestContext,
  ): Promise<unknown> {
    if (isRefused(answer)) {
      const { status, body } = refusalAnswer(route, answer, request.id);
      if (route.raw === true) reply.headers(context.responseHeaders ?? {});
      return reply.status(status).send(body);
    }
    reply.headers(context.responseHeaders ?? {});
    if (route.raw === true) return respondRaw(route, request, reply, answer as RawAnswer, context);
    if (route.stream === "bytes") return sendBytes(reply, answer as BytesAnswer);
    if (route.stream !== undefined) {
      reply.hijack();
      const headers = reply.getHeaders() as Record<string, string>;
      try {
        if (route.stream === "sse")
          await streams.sse(reply.raw, headers, answer as AsyncIterable<StreamFrame> | PushStream, context.signal);
        else await streams.ndjson(reply.raw, headers, answer as AsyncIterable<StreamFrame>, context.signal);
      } catch (error) {
        logger.error({ err: error, request_id: request.id, route: route.id }, "a stream broke");
        reply.raw.destroy();
      }
      return reply;
    }
    reply.header("cache-control", "no-store");
    return reply.status(statusOf(route, answer)).send(answer);
  }

  async function respondRaw(
    route: Route,
    request: FastifyRequest,
    reply: FastifyReply,
    { status, headers, body, events }: RawAnswer,
    context: RequestContext,
  ): Promise<unknown> {
    reply.headers(headers);
    if (events === undefined || request.method === "HEAD") {
      reply.status(status);
      // Fastify would say that an empty answer is text.
      if (body === undefined) return reply.send();
      // Of text it would say its charset, which is the handler's to say.
      return reply.send(typeof body === "string" ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength));
    }
    reply.hijack();
    try {
      await streams.sse(reply.raw, reply.getHeaders() as Record<string, string>, events, context.signal);
    } catch (error) {
      logger.error({ err: error, request_id: request.id, route: route.id }, "a stream broke");
      reply.raw.destroy();
    }
    return reply;
  }

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const path = (request.url ?? "/").split("?")[0] ?? "/";
    const { host, origin } = request.headers;
    if (options.elsewhere?.owns(host) === true) return options.elsewhere.upgrade(request, socket, head);
    const accept = options.onUpgrade?.[path];
    const isInternal = path.startsWith(`${INTERNAL_PREFIX}/`);
    if ((!isInternal && !hosts.isOwn(host)) || (origin !== undefined && !hosts.isOwnOrigin(origin, host)))
      return refuseUpgrade(socket, "403 Forbidden");
    if (accept === undefined) return refuseUpgrade(socket, "404 Not Found");
    accept(request, socket, head);
  }

  return {
    app,
    served,
    streams: streams.open,
    async listen(host, port) {
      await app.listen({ host, port, backlog: BACKLOG });
      const address = app.server.address();
      if (address === null || typeof address === "string") throw new Error("the server listens on no port");
      return address.port;
    },
    async close() {
      streams.close();
      // A request that hangs must not keep the whole server from stopping.
      const cut = setTimeout(() => app.server.closeAllConnections(), CLOSE_GRACE_MS).unref();
      await app.close();
      clearTimeout(cut);
    },
  };
}

const callers = new WeakMap<FastifyRequest, Caller>();

/** For public routes: belongs nowhere, may nothing. */
const NOBODY: Caller = {
  principal: { id: "svc_nobody", type: "service", displayName: "Nobody" },
  organizationId: "ws_none",
  role: "viewer",
  scopes: [],
};

const imported = (): ShellRefused =>
  new ShellRefused("session_imported", "This came with an imported log and is read-only.", {
    fix: "Start a session of your own; an import is removed whole with DELETE /v1/audit/imports/:id.",
  });

const operationOf = (request: FastifyRequest): string =>
  (request.routeOptions.config as { operation?: string } | undefined)?.operation ?? "other";

/** `GET /v1/health` says 503 with its body when a part is down. */
const statusOf = (route: Route, answer: unknown): number =>
  route.id === "health.get" && (answer as { ok?: unknown }).ok === false ? 503 : (route.okStatus ?? 200);

const isRefused = (answer: unknown): answer is Refused =>
  typeof answer === "object" && answer !== null && "ok" in answer && answer.ok === false && "refusal" in answer;

/** Unknown members of a body are dropped by zod's default; unknown query keys are typing errors, and refused. */
function parse(route: Route, request: FastifyRequest): { params?: unknown; query?: unknown; body?: unknown } {
  const out: { params?: unknown; query?: unknown; body?: unknown } = {};
  if (route.params !== undefined) {
    const parsed = route.params.safeParse(request.params);
    if (!parsed.success) throw invalidRequest("path", parsed.error);
    out.params = parsed.data;
    // Known by its looks, whosever it is: nothing is said about what there is.
    if (route.method !== "GET" && Object.values(parsed.data).some((id) => typeof id === "string" && isForeign(id))) throw imported();
  }
  if (route.raw === true) return out;
  const query = strictQuery(route).safeParse(request.query);
  if (!query.success) throw invalidRequest("query", query.error);
  out.query = query.data;
  if (route.body !== undefined) {
    const parsed = route.body.safeParse(request.body ?? {});
    if (!parsed.success) throw invalidRequest("body", parsed.error);
    out.body = parsed.data;
  }
  if (route.upload !== undefined) {
    if (request.body === undefined)
      throw new ShellRefused("invalid_request", "The body is missing.", { fix: `Send it with content-type: ${route.upload}.` });
    out.body = request.body;
  }
  return out;
}

const NO_QUERY = z.strictObject({});
const strict = new WeakMap<Route, z.ZodType>();
function strictQuery(route: Route): z.ZodType {
  let schema = strict.get(route);
  if (schema === undefined) strict.set(route, (schema = route.query?.strict() ?? NO_QUERY));
  return schema;
}

function idempotencyOf(route: Route, request: FastifyRequest): RequestContext["idempotency"] {
  const key = request.headers["idempotency-key"];
  if (key === undefined) return undefined;
  if (typeof key !== "string" || !/^[\x21-\x7e]{1,200}$/.test(key)) {
    throw new ShellRefused("invalid_request", "Idempotency-Key must be 1 to 200 printable characters without spaces.", {
      fix: "Use a random id, such as a UUID.",
    });
  }
  const said = { route: route.id, params: request.params ?? null, body: request.body ?? null } as Json;
  return { key, bodyHash: `sha256:${createHash("sha256").update(canonicalJson(said)).digest("hex")}` };
}

/**
 * JSON, parsed as it is: a prototype in the data is data (zod copies only what it knows). An empty
 * body is no body, also under `content-type: application/json`, which browsers' fetch may send.
 */
function jsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    try {
      done(null, JSON.parse(UTF8.decode(body as Buffer)));
    } catch {
      // Where it broke is the caller's to find; their text is not echoed.
      done(
        new ShellRefused("invalid_request", "The body is not well-formed JSON in UTF-8.", {
          fix: "Check quotes, commas, braces and the encoding.",
        }),
      );
    }
  });
}
const UTF8 = new TextDecoder("utf-8", { fatal: true });

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
