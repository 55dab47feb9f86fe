/*
 * From a preview's host name to a port inside its sandbox: HTTP with streaming bodies, and WebSockets.
 *
 *   browser ──► http server ──► proxy ──► sandbox.connect(port) ──► 127.0.0.1:port inside
 *                   │             └─ another gateway has the sandbox ──► that one's, as it came (relay.ts)
 *                   │ every other host name
 *                   └──► the application
 *
 * A request here never reaches a route of ours, whatever its path says, and carries no authority but the address that
 * it was made with. Each has a connection of its own inside: a channel of the sandbox's one socket is cheap, and
 * nothing is left over for the next. When the preview is closed its connections are cut.
 */
import { type ClientRequest, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Sandbox } from "@signalbox/providers/sandbox/port";
import type { Logger } from "pino";
import { isUpgrade, requestHeaders, responseHeaders, type Behind } from "./headers.ts";
import { isRelayed, relay, relayUpgrade } from "./relay.ts";
import { type Page, PROBE_PATH, sendPage, statusOf } from "./pages.ts";

/** What the address of a request leads to. */
export type Target =
  | { readonly kind: "page"; readonly page: Page }
  | { readonly kind: "elsewhere"; readonly at: URL }
  | { readonly kind: "port"; readonly previewId: string; readonly port: number; readonly origin: string; readonly sandbox: Sandbox };

export interface ProxyDeps {
  /** `mayRelay`: it has not been passed on already. */
  readonly targetOf: (host: string | undefined, mayRelay: boolean) => Promise<Target>;
  /** Origins of our own pages, which alone may show a preview in a frame. */
  readonly frameAncestors: () => readonly string[];
  readonly logger: Logger;
}

export interface PreviewProxy {
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Ends everything that is open through it. */
  cut(previewId: string): void;
  cutAll(): void;
  readonly connections: number;
}

const MOST_CONNECTIONS = 256;

export function createPreviewProxy({ targetOf, frameAncestors, logger }: ProxyDeps): PreviewProxy {
  const open = new Map<string, Set<() => void>>();

  /** Null when there are too many. */
  function track(previewId: string, end: () => void): (() => void) | null {
    let ends = open.get(previewId);
    if (ends === undefined) open.set(previewId, (ends = new Set()));
    if (ends.size >= MOST_CONNECTIONS) return null;
    ends.add(end);
    return () => {
      ends.delete(end);
      if (ends.size === 0 && open.get(previewId) === ends) open.delete(previewId);
    };
  }

  /** A connection inside, or the page that says why there is none. */
  async function reach(target: Extract<Target, { kind: "port" }>): Promise<Duplex | Page> {
    try {
      return await target.sandbox.connect(target.port);
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "link_lost" || code === "link_timeout" || !target.sandbox.alive()) return { kind: "sleeping" };
      return { kind: "waiting", port: target.port };
    }
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const page = (shown: Page): void => sendPage(request, response, shown, frameAncestors());
    const target = await targetOf(request.headers.host, !isRelayed(request));
    if (target.kind === "page") return page(target.page);
    if (target.kind === "elsewhere") return relay(request, response, target.at, () => page({ kind: "sleeping" }));
    const inside = await reach(target);
    if (request.url?.split("?")[0] === PROBE_PATH) {
      if (!("kind" in inside)) inside.destroy();
      response.writeHead("kind" in inside ? statusOf(inside) : 204, { "cache-control": "no-store" }).end();
      return;
    }
    if ("kind" in inside) return page(inside);
    const asked = ask(request, inside, target);
    const forget = track(target.previewId, () => {
      inside.destroy();
      response.destroy();
    });
    if (forget === null) {
      inside.destroy();
      return page({ kind: "busy" });
    }
    response.once("close", () => {
      forget();
      inside.destroy();
      // What nobody wants any more is in the way of the browser's next request on the same connection.
      request.unpipe().resume();
    });
    asked.once("error", () => {
      if (response.headersSent) response.destroy();
      else page({ kind: "broken", port: target.port });
    });
    asked.once("response", (answer) => {
      // A body that breaks off is not the end of it: a cut connection is the only way to say so.
      answer.once("error", () => response.destroy());
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, responseHeaders(answer, target, frameAncestors()));
      // Events of a stream must not wait for a second one.
      response.flushHeaders();
      answer.pipe(response);
    });
    request.pipe(asked);
  }

  async function serveUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const refuse = (status: number): void =>
      void socket.end(`HTTP/1.1 ${status} ${status === 410 ? "Gone" : "Unavailable"}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    const target = await targetOf(request.headers.host, !isRelayed(request));
    if (target.kind === "page") return refuse(statusOf(target.page));
    if (!isUpgrade(request.headers)) return refuse(400);
    if (target.kind === "elsewhere") return relayUpgrade(request, socket, head, target.at);
    const inside = await reach(target);
    if ("kind" in inside) return refuse(statusOf(inside));
    const asked = ask(request, inside, target);
    const forget = track(target.previewId, () => {
      inside.destroy();
      socket.destroy();
    });
    if (forget === null) {
      asked.destroy();
      return refuse(503);
    }
    const end = (): void => {
      forget();
      inside.destroy();
      socket.destroy();
    };
    socket.once("close", end);
    inside.once("close", end);
    asked.once("error", () => (socket.destroyed ? undefined : refuse(502)));
    asked.once("upgrade", (answer, upgraded, first) => {
      socket.write(headOf(answer, target, frameAncestors()));
      if (first.length > 0) socket.write(first);
      if (head.length > 0) upgraded.write(head);
      (socket as Partial<Socket>).setNoDelay?.(true);
      upgraded.pipe(socket);
      socket.pipe(upgraded);
    });
    // It declined: what it says goes back as it is, and then the connection is over.
    asked.once("response", (answer) => {
      socket.write(headOf(answer, target, frameAncestors(), "close"));
      answer.pipe(socket);
    });
    asked.end();
  }

  return {
    request(request, response) {
      // Whoever leaves in the middle of a body is no fault of ours.
      request.on("error", () => undefined);
      serve(request, response).catch((error: unknown) => {
        logger.error({ err: error }, "a preview's request failed");
        response.destroy();
      });
    },
    upgrade(request, socket, head) {
      socket.on("error", () => socket.destroy());
      serveUpgrade(request, socket, head).catch((error: unknown) => {
        logger.error({ err: error }, "a preview's upgrade failed");
        socket.destroy();
      });
    },
    cut(previewId) {
      for (const end of open.get(previewId) ?? []) end();
    },
    cutAll() {
      for (const ends of open.values()) for (const end of ends) end();
    },
    get connections() {
      let sum = 0;
      for (const ends of open.values()) sum += ends.size;
      return sum;
    },
  };
}

/**
 * A connection that stays: asked to close, a program that answers before it has read the whole body cuts what is still
 * on its way to it, and its answer with it. `inside` is for whoever asked to end.
 */
function ask(request: IncomingMessage, inside: Duplex, behind: Behind): ClientRequest {
  return httpRequest({
    createConnection: () => inside,
    method: request.method,
    path: request.url,
    headers: { connection: ["keep-alive"], ...requestHeaders(request, behind) },
    setHost: false,
  });
}

function headOf(answer: IncomingMessage, behind: Behind, frameAncestors: readonly string[], connection?: "close"): string {
  const headers = Object.entries(responseHeaders(answer, behind, frameAncestors)).flatMap(([name, values]) =>
    values.map((value) => `${name}: ${value}\r\n`),
  );
  const end = connection === undefined ? "" : `connection: ${connection}\r\n`;
  return `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n${headers.join("")}${end}\r\n`;
}
