/*
 * Stands between a Durable Streams client that knows no credential and a path of its own, and our server: names a
 * run's stream for each path below `/v1/stream/`, adds the token, and hands everything else on as it is.
 */
import { createHash } from "node:crypto";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";

export interface DurableProxy {
  readonly url: string;
  close(): Promise<void>;
}

export async function startDurableProxy(of: { port: number; token: string; runs: readonly string[] }): Promise<DurableProxy> {
  const mine = "/v1/stream/";
  function theirs(path: string): string {
    const name = decodeURIComponent(path.slice(mine.length)).replaceAll(
      /[^A-Za-z0-9._-]/g,
      (mark) => `~${(mark.codePointAt(0) ?? 0).toString(16)}`,
    );
    const run = of.runs[createHash("sha256").update(name).digest().readUInt8() % of.runs.length];
    return `/v1/durable/runs/${run}/${name === "" ? "~" : name}`;
  }
  const server = createServer((asked, answer) => {
    const [path = "", query] = (asked.url ?? "/").split("?", 2);
    const headers = { ...asked.headers, host: `127.0.0.1:${of.port}`, authorization: `Bearer ${of.token}` };
    const to = path.startsWith(mine) ? theirs(path) : path;
    const on = request({
      host: "127.0.0.1",
      port: of.port,
      method: asked.method,
      path: query === undefined ? to : `${to}?${query}`,
      headers,
    });
    on.on("response", (given) => {
      const { location, ...rest } = given.headers;
      answer.writeHead(given.statusCode ?? 502, {
        ...rest,
        ...(location === undefined ? {} : { location: `http://${asked.headers.host}${path}` }),
      });
      answer.flushHeaders();
      given.pipe(answer);
      given.on("error", () => answer.destroy());
    });
    on.on("error", () => answer.destroy());
    answer.on("close", () => on.destroy());
    asked.pipe(on);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
