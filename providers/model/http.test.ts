/* The faults of an upstream, from a local server that speaks the real wire format and misbehaves on purpose. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "vitest";
import { retryAfterMs } from "./http.ts";
import type { ForwardRequest, ModelUpstream, UpstreamTimeouts } from "./port.ts";
import { createUpstream, type UpstreamConfig } from "./upstreams.ts";

const opened: { close(): Promise<unknown> | void }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close();
});

type Seen = { url: string; headers: IncomingMessage["headers"]; body: string };

async function serve(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string; seen: Seen[]; server: Server }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      seen.push({ url: request.url ?? "", headers: request.headers, body });
      handle(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened.push({
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, server };
}

function make(config: UpstreamConfig): ModelUpstream {
  const upstream = createUpstream(config);
  opened.push(upstream);
  return upstream;
}

const compatible = (url: string, timeouts: Partial<UpstreamTimeouts> = {}): ModelUpstream =>
  make({ kind: "openai-compatible", name: "local", baseUrl: `${url}/v1`, apiKey: "sk-real-secret", timeouts });

const ask = (more: Partial<ForwardRequest> = {}): ForwardRequest => ({
  endpoint: "chat/completions",
  body: Buffer.from('{"model":"m","stream":true,"messages":[]}'),
  headers: {},
  signal: new AbortController().signal,
  ...more,
});

const CHUNK = 'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n';
const stream = (response: ServerResponse): void => {
  response.writeHead(200, {
    "content-type": "text/event-stream",
    "set-cookie": "tracking=1",
    "x-request-id": "req_1",
    "openai-organization": "org-secret",
  });
  response.write(CHUNK);
};

describe("an upstream over HTTP", () => {
  test("gets the body as it came, with the real credential and none of the client's", async () => {
    const { url, seen } = await serve((_, response) => {
      stream(response);
      response.end("data: [DONE]\n\n");
    });
    const headers = {
      authorization: "Bearer vk_session",
      cookie: "a=b",
      "x-api-key": "vk_session",
      "anthropic-beta": "tools-1",
      "x-forwarded-for": "10.0.0.1",
    };
    const body = Buffer.from('{"model":"m",  "odd": "spacing kept \\u00e9"}');
    const answer = await compatible(url).forward(ask({ headers, body }));
    if (!answer.ok) throw new Error(answer.message);
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe(`${CHUNK}data: [DONE]\n\n`);
    expect(seen[0]!.url).toBe("/v1/chat/completions");
    expect(seen[0]!.body).toBe(body.toString());
    expect(seen[0]!.headers.authorization).toBe("Bearer sk-real-secret");
    expect(seen[0]!.headers["anthropic-beta"]).toBe("tools-1");
    expect(JSON.stringify(seen[0]!.headers)).not.toContain("vk_session");
    expect(seen[0]!.headers.cookie).toBeUndefined();
    expect(seen[0]!.headers["x-forwarded-for"]).toBeUndefined();
    expect(answer.headers).toMatchObject({ "content-type": "text/event-stream", "x-request-id": "req_1" });
    expect(JSON.stringify(answer.headers)).not.toMatch(/tracking|org-secret/);
  });

  test("Anthropic gets its key in its own header and a version, unless the client names one", async () => {
    const { url, seen } = await serve((_, response) => response.end("{}"));
    const upstream = make({ kind: "anthropic", name: "anthropic", apiKey: "sk-ant-real", baseUrl: `${url}/v1` });
    await upstream.forward(ask({ endpoint: "messages" }));
    await upstream.forward(ask({ endpoint: "messages", headers: { "anthropic-version": "2099-01-01" } }));
    expect(seen.map(({ url: path, headers }) => [path, headers["x-api-key"], headers["anthropic-version"], headers.authorization])).toEqual(
      [
        ["/v1/messages", "sk-ant-real", "2023-06-01", undefined],
        ["/v1/messages", "sk-ant-real", "2099-01-01", undefined],
      ],
    );
  });

  test("a format that it does not speak is refused without a request", async () => {
    const { url, seen } = await serve((_, response) => response.end());
    expect(await compatible(url).forward(ask({ endpoint: "messages" }))).toMatchObject({
      ok: false,
      code: "unsupported_endpoint",
      retryable: false,
    });
    expect(seen).toEqual([]);
  });

  test("429 is a value with its retry-after and the upstream's own words", async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(429, { "content-type": "application/json", "retry-after": "7" });
      response.end('{"error":{"message":"slow down"}}');
    });
    const refused = await compatible(url).forward(ask());
    expect(refused).toMatchObject({
      ok: false,
      code: "http_status",
      status: 429,
      retryable: true,
      retryAfterMs: 7_000,
      contentType: "application/json",
    });
    expect(!refused.ok && refused.body?.toString()).toContain("slow down");
  });

  test.each([
    [500, true],
    [503, true],
    [408, true],
    [400, false],
    [401, false],
    [404, false],
  ])("%i is a value, retryable: %s", async (status, retryable) => {
    const { url } = await serve((_, response) => response.writeHead(status).end("no"));
    expect(await compatible(url).forward(ask())).toMatchObject({ ok: false, code: "http_status", status, retryable });
  });

  test("an endless error is cut", async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(500);
      const more = setInterval(() => response.write("x".repeat(65_536)), 1);
      response.on("close", () => clearInterval(more));
    });
    const refused = await compatible(url).forward(ask());
    expect(!refused.ok && refused.body?.length).toBe(64 * 1024);
  });

  test("a server that is not there is unreachable", async () => {
    const { url, server } = await serve(() => undefined);
    await new Promise((resolve) => server.close(resolve));
    expect(await compatible(url).forward(ask())).toMatchObject({ ok: false, code: "unreachable", retryable: true });
  });

  test("an upstream that hangs before its first byte times out, and its connection is dropped", async () => {
    let closed = false;
    const { url } = await serve((_, response) => response.on("close", () => (closed = true)));
    const from = performance.now();
    expect(await compatible(url, { firstByteMs: 150 }).forward(ask())).toMatchObject({ ok: false, code: "timeout", retryable: true });
    expect(performance.now() - from).toBeLessThan(1_500);
    await expect.poll(() => closed).toBe(true);
  });

  test("an upstream that falls silent in the middle fails the stream after what it said", async () => {
    const { url } = await serve((_, response) => stream(response));
    const answer = await compatible(url, { idleMs: 150 }).forward(ask());
    if (!answer.ok) throw new Error(answer.message);
    const got: string[] = [];
    await expect(async () => {
      for await (const chunk of answer.body) got.push(Buffer.from(chunk).toString());
    }).rejects.toMatchObject({ name: "UpstreamStreamError", code: "idle" });
    expect(got.join("")).toBe(CHUNK);
  });

  test("a stream that is cut fails, and is not taken for an end", async () => {
    const { url } = await serve((_, response) => {
      stream(response);
      setTimeout(() => response.destroy(), 20);
    });
    const answer = await compatible(url).forward(ask());
    if (!answer.ok) throw new Error(answer.message);
    await expect(buffer(answer.body as AsyncIterable<Buffer> as never)).rejects.toMatchObject({ name: "UpstreamStreamError", code: "cut" });
  });

  test("a client that leaves frees the upstream at once", async () => {
    let closed = false;
    const { url } = await serve((_, response) => {
      stream(response);
      const more = setInterval(() => response.write(CHUNK), 5);
      response.on("close", () => {
        closed = true;
        clearInterval(more);
      });
    });
    const answer = await compatible(url).forward(ask());
    if (!answer.ok) throw new Error(answer.message);
    for await (const _ of answer.body) break;
    await expect.poll(() => closed).toBe(true);
  });

  test("a request that is called off says so, before the answer and within it", async () => {
    const { url } = await serve((request, response) => {
      if (request.headers["idempotency-key"] === "streams") stream(response);
    });
    const early = new AbortController();
    setTimeout(() => early.abort(), 30);
    expect(await compatible(url).forward(ask({ signal: early.signal }))).toMatchObject({ ok: false, code: "aborted", retryable: false });
    const late = new AbortController();
    const answer = await compatible(url).forward(ask({ signal: late.signal, headers: { "idempotency-key": "streams" } }));
    if (!answer.ok) throw new Error(answer.message);
    await expect(async () => {
      for await (const _ of answer.body) late.abort();
    }).rejects.toMatchObject({ code: "aborted" });
  });

  test("a server that speaks something else is unreachable, not a crash", async () => {
    const tcp = createTcpServer((socket) => socket.end("SSH-2.0-nonsense\r\n"));
    await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
    opened.push({ close: () => void tcp.close() });
    const { port } = tcp.address() as AddressInfo;
    expect(await compatible(`http://127.0.0.1:${port}`).forward(ask())).toMatchObject({ ok: false, code: "unreachable" });
  });

  test("no message of a failure carries the key", async () => {
    const { url } = await serve((_, response) => response.writeHead(401).end("bad key"));
    const refused = await compatible(url).forward(ask());
    expect(JSON.stringify({ ...refused, body: undefined })).not.toContain("sk-real-secret");
  });
});

describe("model lists", () => {
  test("are read in each upstream's own shape", async () => {
    const { url, seen } = await serve((request, response) => {
      const lists: Record<string, unknown> = {
        "/v1/models": { data: [{ id: "gpt-5", owned_by: "openai" }] },
        "/v1/models?limit=1000": { data: [{ id: "claude-opus-4-5", display_name: "Claude Opus 4.5" }] },
        "/api/tags": { models: [{ name: "qwen3:8b" }] },
      };
      response.end(JSON.stringify(lists[request.url ?? ""] ?? null));
    });
    const names = async (upstream: ModelUpstream): Promise<unknown> => {
      const list = await upstream.models();
      return list.ok ? list.models.map((model) => [model.id, model.name, model.scripted]) : list;
    };
    expect(await names(make({ kind: "openai", name: "openai", apiKey: "k", baseUrl: `${url}/v1` }))).toEqual([["gpt-5", "gpt-5", false]]);
    expect(await names(make({ kind: "anthropic", name: "anthropic", apiKey: "k", baseUrl: `${url}/v1` }))).toEqual([
      ["claude-opus-4-5", "Claude Opus 4.5", false],
    ]);
    expect(await names(make({ kind: "ollama", name: "ollama", baseUrl: url }))).toEqual([["qwen3:8b", "qwen3:8b", false]]);
    expect(await names(make({ kind: "demo", name: "demo" }))).toEqual([
      ["signalbox-demo-scripted", "Demo (scripted, not an AI model)", true],
    ]);
    expect(seen.map((one) => one.url)).toEqual(["/v1/models", "/v1/models?limit=1000", "/api/tags"]);
  });

  test("a list that cannot be read is a failure with its reason", async () => {
    const { url } = await serve((_, response) => response.end("<html>"));
    expect(await compatible(url).models()).toMatchObject({ ok: false, retryable: false });
  });
});

test("Ollama's chat goes to its OpenAI-compatible door, without a credential", async () => {
  const { url, seen } = await serve((_, response) => response.end("{}"));
  await make({ kind: "ollama", name: "ollama", baseUrl: `${url}/` }).forward(ask());
  expect(seen[0]).toMatchObject({ url: "/v1/chat/completions" });
  expect(seen[0]!.headers.authorization).toBeUndefined();
});

test("retry-after is read as seconds and as a date", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  expect(retryAfterMs("1.5", now)).toBe(1_500);
  expect(retryAfterMs("Thu, 01 Jan 2026 00:00:10 GMT", now)).toBe(10_000);
  expect(retryAfterMs("Wed, 31 Dec 2025 00:00:00 GMT", now)).toBe(0);
  expect(retryAfterMs("soon", now)).toBeUndefined();
  expect(retryAfterMs(undefined, now)).toBeUndefined();
});
