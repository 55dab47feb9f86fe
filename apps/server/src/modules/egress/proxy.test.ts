import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTcpServer, connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createEgressProxy, type EgressAsk, type EgressOptions, type EgressProxy, type EgressRecord, type EgressVerdict } from "./proxy.ts";

const IDENTITY = { sandboxId: "sbx_1", sessionId: "ses_1", organizationId: "ws_dev" };
const DENIED: EgressVerdict = {
  allow: false,
  code: "egress_host_not_allowed",
  message: "evil.test is not on the allow-list.",
  fix: "Ask for it to be allowed.",
};

let directory: string;
let proxy: EgressProxy;
let asked: EgressAsk[];
let records: EgressRecord[];
let faults: unknown[];
let resolved: string[];
const closers: (() => void)[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "egress-"));
  [asked, records, faults, resolved] = [[], [], [], []];
});

afterEach(async () => {
  await proxy.close();
  for (const close of closers.splice(0)) close();
  rmSync(directory, { recursive: true, force: true });
});

/** Hosts `*.test` resolve to the loopback, which is permitted unless a test says otherwise. */
async function start(options: Partial<EgressOptions> = {}): Promise<void> {
  proxy = createEgressProxy({
    decide: async (ask) => {
      asked.push(ask);
      return ask.host === "evil.test" ? DENIED : { allow: true };
    },
    record: (record) => records.push(record),
    onFault: (error) => faults.push(error),
    resolve: async (host) => {
      resolved.push(host);
      return host.endsWith(".test") ? ["127.0.0.1"] : [];
    },
    permitAddress: () => true,
    internal: {
      "model.signalbox.invalid": (request, response, identity) => {
        response.end(`${identity.sessionId} ${request.method} ${request.url}`);
      },
    },
    ...options,
  });
  await proxy.listen(IDENTITY, directory);
}

const socketPath = (): string => join(directory, "egress.sock");

type Answer = { status: number; headers: IncomingMessage["headers"]; body: string };

function ask(options: RequestOptions, body?: string | Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath: socketPath(), agent: false, ...options }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body: text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** The raw bytes that come back for the raw bytes that go in, until the proxy closes or `until` is seen. */
function raw(bytes: string, until?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath());
    let got = "";
    socket.on("data", (chunk) => {
      got += chunk.toString("latin1");
      if (until?.test(got)) {
        socket.destroy();
        resolve(got);
      }
    });
    socket.on("close", () => resolve(got));
    socket.on("error", reject);
    socket.write(bytes);
  });
}

async function upstream(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> {
  const server: Server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => (server.closeAllConnections(), server.close()));
  return (server.address() as AddressInfo).port;
}

const recorded = async (count = 1): Promise<void> => expect.poll(() => records.length).toBe(count);

test("an allowed request reaches the host with its headers, and is recorded with address and bytes", async () => {
  const port = await upstream((request, response) => {
    response.setHeader("Set-Cookie", ["a=1", "b=2"]);
    response.end(
      `${request.method} ${request.url} ${request.headers.host} ${String(request.headers["x-mine"])} ${request.headers["proxy-authorization"]}`,
    );
  });
  await start();
  const answer = await ask({ path: `http://API.test:${port}/v1?q=1`, headers: { "X-Mine": "yes", "Proxy-Authorization": "Basic c2Vj" } });
  expect(answer).toMatchObject({ status: 200, body: `GET /v1?q=1 api.test:${port} yes undefined` });
  expect(answer.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
  await recorded();
  expect(asked[0]).toMatchObject({ ...IDENTITY, host: "api.test", port, scheme: "http", method: "GET", path: "/v1", internal: false });
  expect(records[0]).toMatchObject({
    decision: "allowed",
    code: null,
    address: "127.0.0.1",
    status: 200,
    path: "/v1",
    bytesDown: answer.body.length,
  });
});

test("a body of unknown length arrives whole", async () => {
  const port = await upstream((request, response) => {
    let bytes = 0;
    request.on("data", (chunk: Buffer) => (bytes += chunk.length));
    request.on("end", () => response.end(String(bytes)));
  });
  await start();
  const answer = await ask(
    { method: "POST", path: `http://api.test:${port}/`, headers: { "Transfer-Encoding": "chunked" } },
    Buffer.alloc(300_000),
  );
  expect(answer.body).toBe("300000");
  await recorded();
  expect(records[0]!.bytesUp).toBe(300_000);
});

test("a denied host gets 403 with what, why and what to do, and is never resolved", async () => {
  await start();
  const answer = await ask({ path: "http://evil.test/x" });
  expect(answer.status).toBe(403);
  expect(JSON.parse(answer.body)).toEqual({ error: { code: DENIED.code, message: DENIED.message, fix: DENIED.fix } });
  const tunnel = await raw("CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n");
  expect(tunnel).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
  expect(tunnel).toContain(DENIED.code);
  expect(resolved).toEqual([]);
  await recorded(2);
  expect(records.map((record) => [record.decision, record.code])).toEqual([
    ["denied", DENIED.code],
    ["denied", DENIED.code],
  ]);
});

test("a gate that fails is a no", async () => {
  await start({ decide: async () => Promise.reject(new Error("database is down")) });
  expect(await ask({ path: "http://api.test/" })).toMatchObject({ status: 403 });
  expect(faults).toHaveLength(1);
  await recorded();
  expect(records[0]).toMatchObject({ decision: "denied", code: "gate_unavailable" });
});

test.each([
  "127.0.0.1",
  "169.254.169.254",
  "10.1.2.3",
  "100.64.0.1",
  "::1",
  "::ffff:127.0.0.1",
  "fd00::1",
  "fe80::1",
  "64:ff9b::a00:1",
  "224.0.0.1",
  "0.0.0.0",
])("a name that leads to %s is refused, whatever else it leads to", async (address) => {
  await start({ permitAddress: undefined, resolve: async () => ["93.184.216.34", address] });
  expect(await ask({ path: "http://api.test/" })).toMatchObject({ status: 403, headers: { "x-signalbox-refused": "private_address" } });
  expect(await raw("CONNECT api.test:443 HTTP/1.1\r\n\r\n")).toContain("private_address");
});

test.each(["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "017700000001", "[::ffff:169.254.169.254]", "169.254.169.254."])(
  "the literal address %s is refused in both forms",
  async (host) => {
    await start({ permitAddress: undefined });
    expect((await ask({ path: `http://${host}/latest/meta-data` })).headers["x-signalbox-refused"]).toBe("private_address");
    expect(await raw(`CONNECT ${host}:80 HTTP/1.1\r\n\r\n`)).toContain("private_address");
    expect(resolved).toEqual([]);
  },
);

test("the name is resolved once and the connection goes to that address", async () => {
  const port = await upstream((_request, response) => void response.end("first"));
  const answers = [["127.0.0.1"], ["169.254.169.254"]];
  await start({ resolve: async () => answers.shift() ?? [] });
  expect((await ask({ path: `http://rebind.test:${port}/` })).body).toBe("first");
  expect(answers).toHaveLength(1);
});

test("CONNECT is a tunnel for any bytes, counted both ways", async () => {
  const echo = createTcpServer((socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
  closers.push(() => echo.close());
  const { port } = echo.address() as AddressInfo;
  await start();
  const got = await raw(`CONNECT api.test:${port} HTTP/1.1\r\nHost: x\r\n\r\nearly bytes`, /early bytes/);
  expect(got).toBe("HTTP/1.1 200 Connection Established\r\n\r\nearly bytes");
  await recorded();
  expect(records[0]).toMatchObject({ method: "CONNECT", decision: "allowed", bytesUp: 11, bytesDown: 11, path: null });
});

test("an internal destination is answered in the process with the sandbox's identity, and decided like any other", async () => {
  await start();
  const answer = await ask({ method: "POST", path: "http://model.signalbox.invalid/llm/v1/models" }, "{}");
  expect(answer).toMatchObject({ status: 200, body: "ses_1 POST /llm/v1/models" });
  expect(asked[0]).toMatchObject({ internal: true, host: "model.signalbox.invalid", path: "/llm/v1/models" });
  expect(resolved).toEqual([]);
});

test("an internal destination is reached through a tunnel too, each request on it decided", async () => {
  await start();
  const once = "GET /llm/v1/models HTTP/1.1\r\nHost: whatever\r\n\r\n";
  const got = await raw(`CONNECT model.signalbox.invalid:80 HTTP/1.1\r\n\r\n${once}${once}`, /ses_1[\s\S]*ses_1/);
  expect(got).toMatch(/^HTTP\/1\.1 200 Connection Established\r\n\r\nHTTP\/1\.1 200 OK/);
  expect(asked.map((one) => one.path)).toEqual(["/llm/v1/models", "/llm/v1/models"]);
  expect(await raw("CONNECT model.signalbox.invalid:443 HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1\.1 400[\s\S]*use http:/);
});

test.each([
  ["GET /origin HTTP/1.1\r\nHost: api.test\r\n\r\n", 400],
  ["GET https://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n", 400],
  ["GET ftp://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n", 400],
  ["CONNECT api.test HTTP/1.1\r\nHost: api.test\r\n\r\n", 400],
  ["CONNECT user@api.test:443 HTTP/1.1\r\nHost: api.test\r\n\r\n", 400],
  ["CONNECT api.test:99999 HTTP/1.1\r\nHost: api.test\r\n\r\n", 400],
  ["\x16\x03\x01\x02\x00\x01\x00\x01", 400],
  [`GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\nX: ${"a".repeat(40_000)}\r\n\r\n`, 431],
])("%j is refused with %i and asks nobody", async (bytes, status) => {
  await start();
  expect(await raw(bytes, /\r\n\r\n[\s\S]*\}\n/)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(asked).toEqual([]);
});

test("a host that does not answer or does not exist is 502 with its own code", async () => {
  const port = await upstream((request) => void request.socket.destroy());
  await start();
  expect(await ask({ path: `http://api.test:${port}/` })).toMatchObject({
    status: 502,
    headers: { "x-signalbox-refused": "upstream_failed" },
  });
  expect(await ask({ path: "http://nowhere.invalid/" })).toMatchObject({ status: 502, headers: { "x-signalbox-refused": "dns_failed" } });
  await recorded(2);
  expect(records.map((record) => [record.decision, record.code])).toEqual([
    ["failed", "upstream_failed"],
    ["failed", "dns_failed"],
  ]);
});

test("the kill switch cuts open tunnels, downloads and model streams, and says so in the record", async () => {
  const port = await upstream((_request, response) => void response.write("begin"));
  await start({ internal: { "model.signalbox.invalid": (_request, response) => void response.write("token") } });
  const tunnel = raw(`CONNECT api.test:${port} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n`);
  const download = raw(`GET http://api.test:${port}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
  const model = raw("POST http://model.signalbox.invalid/llm HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  await expect.poll(() => asked.length).toBe(3);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(proxy.cut((open) => open.organizationId === "another", "kill_switch")).toBe(0);
  expect(proxy.cut((open) => open.organizationId === "ws_dev", "kill_switch")).toBe(3);
  expect(await tunnel).toContain("begin");
  expect(await download).toContain("begin");
  expect(await model).toContain("token");
  await recorded(3);
  expect(new Set(records.map((record) => `${record.decision} ${record.code}`))).toEqual(new Set(["denied kill_switch"]));
});

test("one sandbox cannot hold more than its share of connections", async () => {
  const port = await upstream((_request, response) => void response.write("begin"));
  await start({ limits: { concurrentPerSandbox: 2 } });
  const held = [raw(`GET http://api.test:${port}/ HTTP/1.1\r\nHost: x\r\n\r\n`), raw(`CONNECT api.test:${port} HTTP/1.1\r\n\r\n`)];
  await expect.poll(() => asked.length).toBe(2);
  expect((await ask({ path: `http://api.test:${port}/` })).status).toBe(429);
  expect(await raw(`CONNECT api.test:${port} HTTP/1.1\r\n\r\n`)).toMatch(/^HTTP\/1\.1 429/);
  proxy.cut(() => true, "done");
  await Promise.all(held);
});

test("an idle tunnel is closed", async () => {
  const silent = createTcpServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  closers.push(() => silent.close());
  await start({ limits: { idleMs: 100 } });
  expect(await raw(`CONNECT api.test:${(silent.address() as AddressInfo).port} HTTP/1.1\r\n\r\n`)).toBe(
    "HTTP/1.1 200 Connection Established\r\n\r\n",
  );
});

test("a folder with a path too long for a socket serves as well", async () => {
  const deep = join(directory, "a-rather-long-name-for-a-folder".repeat(4));
  mkdirSync(deep);
  await start();
  await proxy.listen({ ...IDENTITY, sandboxId: "sbx_deep" }, deep);
  expect(existsSync(join(deep, "egress.sock"))).toBe(true);
  await proxy.unlisten("sbx_deep");
  expect(existsSync(join(deep, "egress.sock"))).toBe(false);
});

test("listening again after a killed server replaces the dead socket", async () => {
  await start();
  await proxy.listen(IDENTITY, directory);
  expect((await ask({ path: "http://model.signalbox.invalid/" })).status).toBe(200);
});
