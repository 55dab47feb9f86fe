/* An upstream behind the smallest HTTP server there can be, so that real clients can be pointed at it in tests. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { Endpoint, ModelUpstream } from "./port.ts";

export type ServedUpstream = { baseUrl: string; requests: { endpoint: string; body: unknown }[]; close(): Promise<void> };

/** On a loopback port, or on the Unix socket at `path`, where it also answers a proxy's absolute-form requests. */
export async function serveUpstream(upstream: ModelUpstream, path?: string): Promise<ServedUpstream> {
  const requests: ServedUpstream["requests"] = [];
  const server = createServer((request, response) => {
    answer(upstream, request, response, requests).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) =>
    path === undefined ? server.listen(0, "127.0.0.1", resolve) : server.listen({ path, readableAll: true, writableAll: true }, resolve),
  );
  const address = server.address();
  return {
    baseUrl: typeof address === "string" ? address : `http://127.0.0.1:${(address as AddressInfo).port}/v1`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  upstream: ModelUpstream,
  request: IncomingMessage,
  response: ServerResponse,
  requests: ServedUpstream["requests"],
): Promise<void> {
  const endpoint = (request.url ?? "").replace(/^.*\/v1\//, "").replace(/\?.*/, "");
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  if (endpoint === "models") {
    const list = await upstream.models();
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ object: "list", data: list.ok ? list.models.map((model) => ({ id: model.id, object: "model" })) : [] }));
    return;
  }
  const body = await buffer(request);
  requests.push({ endpoint, body: JSON.parse(body.toString("utf8")) as unknown });
  const headers = Object.fromEntries(
    Object.entries(request.headers).flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])),
  );
  const result = await upstream.forward({ endpoint: endpoint as Endpoint, body, headers, signal: gone.signal });
  if (!result.ok) {
    response.writeHead(result.status ?? 502, {
      "content-type": result.contentType ?? "text/plain",
      ...(result.retryAfterMs !== undefined && { "retry-after": String(Math.ceil(result.retryAfterMs / 1000)) }),
    });
    response.end(result.body ?? result.message);
    return;
  }
  response.writeHead(result.status, result.headers);
  for await (const chunk of result.body) response.write(chunk);
  response.end();
}
