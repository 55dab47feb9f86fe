/*
 * A preview whose sandbox another gateway has: the request goes on to that one as it came, Host header and all, and
 * what it answers comes back as it is. Nothing is signed, because nothing is claimed: the host name is the permission
 * there as it is here. What was passed on once is marked, and not passed on again, so it cannot go in circles; a
 * stranger who marks it himself only gets the page that says the sandbox is not here.
 */
import { type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { RELAYED } from "./headers.ts";

export const isRelayed = (request: IncomingMessage): boolean => request.headers[RELAYED] !== undefined;

/** Of the connection to the other gateway, not of the browser's. */
const OF_CONNECTION = new Set(["connection", "keep-alive", "transfer-encoding"]);

export function relay(request: IncomingMessage, response: ServerResponse, to: URL, unreachable: () => void): void {
  const asked = httpRequest({
    host: to.hostname.replace(/^\[|\]$/g, ""),
    port: to.port,
    method: request.method,
    path: request.url,
    // Each as one text: Node's client takes no list of hosts, and whoever sends a header twice meant one list.
    headers: { ...request.headers, [RELAYED]: "1" },
    setHost: false,
  });
  response.once("close", () => {
    asked.destroy();
    request.unpipe().resume();
  });
  asked.once("error", () => {
    if (response.headersSent) response.destroy();
    else unreachable();
  });
  asked.once("response", (answer) => {
    // A body that breaks off is not the end of it: a cut connection is the only way to say so.
    answer.once("error", () => response.destroy());
    const headers = Object.entries(answer.headersDistinct).filter(([name]) => !OF_CONNECTION.has(name));
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, Object.fromEntries(headers) as Record<string, string[]>);
    response.flushHeaders();
    answer.pipe(response);
  });
  request.pipe(asked);
}

export function relayUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, to: URL): void {
  const other = connect(Number(to.port) || 80, to.hostname.replace(/^\[|\]$/g, ""));
  const end = (): void => {
    other.destroy();
    socket.destroy();
  };
  other.once("error", end).once("close", end);
  socket.once("error", end).once("close", end);
  other.once("connect", () => {
    other.setNoDelay(true);
    const lines = Object.entries({ ...request.headersDistinct, [RELAYED]: ["1"] }).flatMap(([name, values]) =>
      values.map((value) => `${name}: ${value}\r\n`),
    );
    other.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
    if (head.length > 0) other.write(head);
    other.pipe(socket);
    socket.pipe(other);
  });
}
