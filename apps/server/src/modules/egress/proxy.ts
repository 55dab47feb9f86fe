/*
 * The egress proxy: the only way out of a sandbox.
 *
 *   agent ─► 127.0.0.1:3128 ─► egress.sock ─► parse ─► decide ─► resolve ─► permit ─► pinned connection
 *                              (one per       │ bad     │ deny     │ fails    │ private
 *                               sandbox)      ▼ 400     ▼ 403      ▼ 502      ▼ 403
 *
 * Identity is the socket that was reached: each sandbox has a directory of its own with an `egress.sock` in it, so
 * no token is inside and none can be stolen. Two forms arrive: absolute-form requests (`GET http://host/path`) and
 * CONNECT. Node's fetch tunnels plain http too, so a CONNECT to an internal host is answered by an HTTP server on
 * the tunnel itself.
 *
 * Invariants
 * - Nothing is resolved before it is allowed: a name alone can carry data out.
 * - The address that was checked is the address that is connected to; nothing resolves twice.
 * - If the gate fails, the answer is no. Every request is recorded exactly once, when it is over.
 * - `cut` ends what is open, tunnels and model streams alike: the kill switch must not wait for a download.
 */
import { lookup } from "node:dns/promises";
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { listenInFolder } from "@signalbox/providers/sandbox/socket";
import { isPublicAddress } from "./addresses.ts";
import { parseAbsolute, parseAuthority, type Destination } from "./destination.ts";
import { Exchange } from "./exchange.ts";
import { answer, badRequest, BUSY, refuse, upstreamFailed, type Refusal } from "./refusals.ts";

export type SandboxIdentity = { sandboxId: string; sessionId: string; organizationId: string };

/** `internal` is true for the virtual hosts that the server itself answers (model, git). */
export type EgressAsk = SandboxIdentity & Destination & { method: string; internal: boolean };

export type EgressVerdict = { allow: true } | { allow: false; code: string; message: string; fix: string };

export type EgressRecord = SandboxIdentity & {
  method: string;
  scheme: "http" | "https";
  host: string;
  port: number;
  /** Without the query, which may hold what must not be stored. */
  path: string | null;
  decision: "allowed" | "denied" | "failed";
  /** Why it was denied, failed or cut; null when it went through. */
  code: string | null;
  address: string | null;
  status: number | null;
  bytesUp: number;
  bytesDown: number;
  startedAt: Date;
  durationMs: number;
};

/** Answers requests for one virtual host in this process. `request.url` is the path; the path was decided about already. */
export type InternalDestination = (request: IncomingMessage, response: ServerResponse, identity: SandboxIdentity) => void | Promise<void>;

export type EgressOptions = {
  decide: (ask: EgressAsk) => Promise<EgressVerdict>;
  record: (record: EgressRecord) => void;
  internal: { [host: string]: InternalDestination };
  /** A fault that nobody else hears of. */
  onFault: (error: unknown) => void;
  resolve?: ((host: string) => Promise<string[]>) | undefined;
  /** Default: public unicast addresses only. An operator may widen it for hosts of their own. */
  permitAddress?: ((address: string, destination: Destination) => boolean) | undefined;
  limits?: Partial<EgressLimits> | undefined;
};

export type EgressLimits = { headerBytes: number; idleMs: number; connectMs: number; concurrentPerSandbox: number };

export const DEFAULT_EGRESS_LIMITS: EgressLimits = {
  headerBytes: 32 * 1024,
  idleMs: 5 * 60_000,
  connectMs: 10_000,
  concurrentPerSandbox: 256,
};

export type EgressProxy = {
  /** Listens as `egress.sock` in the sandbox's host-owned directory. Again for the same sandbox replaces the listener. */
  listen(identity: SandboxIdentity, directory: string): Promise<void>;
  unlisten(sandboxId: string): Promise<void>;
  /** Ends every open request and tunnel that matches; how many there were. */
  cut(matches: (open: SandboxIdentity & { host: string; internal: boolean }) => boolean, code: string): number;
  close(): Promise<void>;
};

/** A gate that takes longer is down. */
const GATE_MS = 10_000;

export function createEgressProxy(options: EgressOptions): EgressProxy {
  const limits = { ...DEFAULT_EGRESS_LIMITS, ...options.limits };
  const servers = new Map<string, { server: Server; open: Set<Exchange> }>();

  async function listen(identity: SandboxIdentity, directory: string): Promise<void> {
    await unlisten(identity.sandboxId);
    const open = new Set<Exchange>();
    const server = sandboxServer(options, limits, open, identity);
    await listenInFolder(server, directory, "egress.sock");
    servers.set(identity.sandboxId, { server, open });
  }

  async function unlisten(sandboxId: string): Promise<void> {
    const listening = servers.get(sandboxId);
    if (!listening) return;
    const { server, open } = listening;
    servers.delete(sandboxId);
    for (const exchange of open) exchange.cut("sandbox_stopped");
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.emit("cut");
    server.closeAllConnections();
    await closed;
  }

  function cut(matches: Parameters<EgressProxy["cut"]>[0], code: string): number {
    const hit = [...servers.values()]
      .flatMap(({ open }) => [...open])
      .filter((exchange) => matches({ ...exchange.identity, host: exchange.ask.host, internal: exchange.ask.internal }));
    for (const exchange of hit) exchange.cut(code);
    return hit.length;
  }

  return {
    listen,
    unlisten,
    cut,
    async close() {
      await Promise.all([...servers.keys()].map(unlisten));
    },
  };
}

/** The listener of one sandbox: what arrives on it is that sandbox. */
function sandboxServer(options: EgressOptions, limits: EgressLimits, open: Set<Exchange>, identity: SandboxIdentity): Server {
  const begin = (destination: Destination, method: string): Exchange => new Exchange(options, open, identity, destination, method);
  const isBusy = (): boolean => open.size >= limits.concurrentPerSandbox;

  function onRequest(request: IncomingMessage, response: ServerResponse, tunnelled: Destination | null): void {
    const parsed = tunnelled
      ? { ok: true as const, destination: { ...tunnelled, path: request.url ?? "/" } }
      : parseAbsolute(request.url ?? "");
    if (!parsed.ok) return answer(response, badRequest(parsed.message));
    const { destination } = parsed;
    if (isBusy()) return answer(response, BUSY);
    const exchange = begin(destination, request.method ?? "GET");
    exchange.onCut(() => response.destroy());
    response.once("close", () => exchange.end({ status: response.statusCode }));
    void serve(exchange, request, response).catch((error: unknown) => {
      options.onFault(error);
      exchange.fail("egress_fault");
      answer(response, {
        status: 502,
        code: "egress_fault",
        message: "The egress proxy failed.",
        fix: "Try again; the server's log has the fault.",
      });
    });
  }

  async function serve(exchange: Exchange, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refusal = await gate(exchange);
    if (refusal) return answer(response, refusal);
    if (response.destroyed) return;
    const handler = options.internal[exchange.destination.host];
    if (handler) {
      request.url = exchange.destination.path ?? "/";
      exchange.countSocket(request.socket);
      return handler(request, response, identity);
    }
    const address = await target(exchange);
    if (typeof address !== "string") return answer(response, address);
    if (response.destroyed) return;
    await forward(exchange, address, request, response);
  }

  async function gate(exchange: Exchange): Promise<Refusal | null> {
    const verdict = await within(GATE_MS, options.decide(exchange.ask)).catch((error: unknown): EgressVerdict => {
      options.onFault(error);
      return {
        allow: false,
        code: "gate_unavailable",
        message: "The policy gate did not answer, so the request was refused.",
        fix: "Try again; if it stays so, look at the server's health.",
      };
    });
    if (verdict.allow) return null;
    exchange.deny(verdict.code);
    return { status: 403, code: verdict.code, message: verdict.message, fix: verdict.fix };
  }

  /** The one address to connect to, resolved once and checked. */
  async function target(exchange: Exchange): Promise<string | Refusal> {
    const { host } = exchange.destination;
    const permit = options.permitAddress ?? isPublicAddress;
    let addresses: string[];
    try {
      addresses = isIP(host) ? [host] : await within(limits.connectMs, (options.resolve ?? resolveAll)(host));
    } catch {
      // Which resolver error it was is of no use to the agent; that the name leads nowhere is.
      addresses = [];
    }
    if (addresses.length === 0) {
      exchange.fail("dns_failed");
      return { status: 502, code: "dns_failed", message: `${host} could not be resolved.`, fix: "Check the name of the host." };
    }
    // One private address among public ones is how rebinding begins: all must be permitted, not the chosen one alone.
    if (!addresses.every((address) => permit(address, exchange.destination))) {
      exchange.deny("private_address");
      return {
        status: 403,
        code: "private_address",
        message: `${host} leads to an address that is not public.`,
        fix: "Sandboxes reach public hosts only; an operator can permit a private one in the configuration.",
      };
    }
    exchange.address = addresses[0]!;
    return exchange.address;
  }

  function forward(exchange: Exchange, address: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { host, port, path } = exchange.destination;
    return new Promise((resolve) => {
      const upstream = httpRequest({
        host: address,
        port,
        path: path ?? "/",
        method: request.method,
        agent: false,
        setHost: false,
        headers: ["Host", port === 80 ? bracketed(host) : `${bracketed(host)}:${port}`, ...endToEnd(request.rawHeaders, ["host"])],
        timeout: limits.idleMs,
      });
      const stop = (): void => {
        upstream.destroy();
        resolve();
      };
      response.once("close", stop);
      upstream.once("timeout", () => upstream.destroy(new Error("idle")));
      upstream.once("error", () => {
        exchange.fail("upstream_failed");
        if (response.headersSent) response.destroy();
        else answer(response, upstreamFailed(host));
        resolve();
      });
      upstream.once("response", (answered) => {
        response.writeHead(answered.statusCode ?? 502, answered.statusMessage, endToEnd(answered.rawHeaders, []));
        answered.on("data", (chunk: Buffer) => (exchange.bytesDown += chunk.length));
        answered.once("error", () => response.destroy());
        answered.pipe(response);
      });
      request.on("data", (chunk: Buffer) => (exchange.bytesUp += chunk.length));
      request.pipe(upstream);
    });
  }

  async function onConnect(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    client.on("error", () => client.destroy());
    const parsed = parseAuthority(request.url ?? "");
    if (!parsed.ok) return refuse(client, badRequest(parsed.message));
    const { destination } = parsed;
    if (options.internal[destination.host]) {
      if (destination.port !== 80) {
        return refuse(
          client,
          badRequest(`${destination.host} is answered inside the server, without TLS: use http://${destination.host}/.`),
        );
      }
      // Each request on the tunnel is decided and recorded by itself.
      client.write(ESTABLISHED);
      if (head.length > 0) client.unshift(head);
      innerDestinations.set(client, destination);
      inner.emit("connection", client);
      return;
    }
    if (isBusy()) return refuse(client, BUSY);
    const exchange = begin(destination, "CONNECT");
    client.once("close", () => exchange.end({ status: null }));
    exchange.onCut(() => client.destroy());
    const refusal = await gate(exchange);
    if (refusal) return refuse(client, refusal);
    const address = await target(exchange);
    if (typeof address !== "string") return refuse(client, address);
    if (!client.destroyed) tunnel(exchange, address, client, head);
  }

  function tunnel(exchange: Exchange, address: string, client: Duplex, head: Buffer): void {
    const upstream = connect({ host: address, port: exchange.destination.port, noDelay: true });
    const connecting = setTimeout(() => upstream.destroy(new Error("connect timeout")), limits.connectMs);
    let established = false;
    upstream.once("connect", () => {
      clearTimeout(connecting);
      established = true;
      upstream.setTimeout(limits.idleMs, () => upstream.destroy());
      client.write(ESTABLISHED);
      if (head.length > 0) client.unshift(head);
      client.on("data", (chunk: Buffer) => (exchange.bytesUp += chunk.length));
      upstream.on("data", (chunk: Buffer) => (exchange.bytesDown += chunk.length));
      client.pipe(upstream);
      upstream.pipe(client);
    });
    upstream.once("error", () => {
      clearTimeout(connecting);
      if (established) {
        client.destroy();
        return;
      }
      exchange.fail("upstream_failed");
      refuse(client, upstreamFailed(exchange.destination.host));
    });
    upstream.once("close", () => {
      if (established) client.destroy();
    });
    client.once("close", () => upstream.destroy());
  }

  const serverOptions = { maxHeaderSize: limits.headerBytes, requestTimeout: 0, headersTimeout: 30_000, keepAliveTimeout: 30_000 };
  /** Never listens: it is given the tunnels to internal hosts. */
  const innerDestinations = new Map<Duplex, Destination>();
  const inner = createServer(serverOptions, (request, response) => {
    const destination = innerDestinations.get(request.socket);
    if (destination) onRequest(request, response, destination);
    else response.destroy();
  });
  inner.on("connection", (socket: Duplex) => socket.once("close", () => innerDestinations.delete(socket)));
  inner.on("clientError", (_error, socket) => refuse(socket, badRequest("That is not HTTP.")));
  inner.timeout = limits.idleMs;

  const server = createServer(serverOptions, (request, response) => onRequest(request, response, null));
  server.on("connect", (request: IncomingMessage, client: Duplex, head: Buffer) => {
    void onConnect(request, client, head).catch((error: unknown) => {
      options.onFault(error);
      client.destroy();
    });
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "HPE_HEADER_OVERFLOW")
      refuse(socket, {
        status: 431,
        code: "headers_too_large",
        message: `The request's headers are over ${limits.headerBytes} bytes.`,
        fix: "Send fewer or shorter headers.",
      });
    else refuse(socket, badRequest("That is not HTTP."));
  });
  server.timeout = limits.idleMs;
  // Idle connections count for nothing above, so they have a bound of their own.
  server.maxConnections = limits.concurrentPerSandbox * 4;
  // A tunnel belongs to nobody once it is one; when the listener goes they go.
  server.once("cut", () => {
    for (const socket of innerDestinations.keys()) socket.destroy();
  });
  return server;
}

const ESTABLISHED = "HTTP/1.1 200 Connection Established\r\n\r\n";

const HOP_BY_HOP = new Set([
  "connection",
  "proxy-connection",
  "keep-alive",
  "proxy-authorization",
  "proxy-authenticate",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** The headers that go on, in order and with repeats; those that `Connection` names stay here too. */
function endToEnd(raw: string[], without: string[]): string[] {
  const drop = new Set([...HOP_BY_HOP, ...without]);
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]!.toLowerCase() === "connection") for (const name of raw[i + 1]!.split(",")) drop.add(name.trim().toLowerCase());
  }
  const kept: string[] = [];
  for (let i = 0; i < raw.length; i += 2) if (!drop.has(raw[i]!.toLowerCase())) kept.push(raw[i]!, raw[i + 1]!);
  return kept;
}

const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host);

async function resolveAll(host: string): Promise<string[]> {
  return (await lookup(host, { all: true, order: "ipv4first" })).map((found) => found.address);
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([work, new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error("timeout")), ms)))]);
  } finally {
    clearTimeout(timer);
  }
}
