/*
 * How the proxy says no: in HTTP, with code, message and fix, on a response or on a bare socket.
 */
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

export type Refusal = { status: number; code: string; message: string; fix: string };

const REASON: { [status: number]: string } = {
  400: "Bad Request",
  403: "Forbidden",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  502: "Bad Gateway",
};
export const BUSY: Refusal = {
  status: 429,
  code: "egress_busy",
  message: "Too many requests of this sandbox are open.",
  fix: "Wait until some of them are done.",
};

export const badRequest = (message: string): Refusal => ({
  status: 400,
  code: "bad_proxy_request",
  message,
  fix: "Set HTTP_PROXY and HTTPS_PROXY as the sandbox's environment has them.",
});
export const upstreamFailed = (host: string): Refusal => ({
  status: 502,
  code: "upstream_failed",
  message: `${host} did not answer.`,
  fix: "Try again later, or check host and port.",
});

export function answer(response: ServerResponse, refusal: Refusal): void {
  if (response.headersSent || response.destroyed) return;
  const body = refusalBody(refusal);
  // The rest of a refused upload would be read as the next request.
  response.writeHead(refusal.status, {
    "Content-Type": "application/json",
    "Content-Length": body.length,
    "X-Signalbox-Refused": refusal.code,
    Connection: "close",
  });
  response.end(body);
}

export function refuse(client: Duplex, refusal: Refusal): void {
  if (!client.writable) {
    client.destroy();
    return;
  }
  const body = refusalBody(refusal);
  client.end(
    Buffer.concat([
      Buffer.from(
        `HTTP/1.1 ${refusal.status} ${REASON[refusal.status] ?? "Refused"}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nX-Signalbox-Refused: ${refusal.code}\r\nConnection: close\r\n\r\n`,
      ),
      body,
    ]),
  );
  // A client that keeps its half open holds nothing: what it says is not read.
  client.resume();
  setTimeout(() => client.destroy(), 1000).unref();
}

function refusalBody(refusal: Refusal): Buffer {
  return Buffer.from(`${JSON.stringify({ error: { code: refusal.code, message: refusal.message, fix: refusal.fix } })}\n`);
}
