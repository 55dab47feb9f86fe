import { exportLog, listEvents, streamRoom } from "@signalbox/contract/log";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ApiError, createClient, type Client } from "./client.ts";

const ROOM = `room_${"0".repeat(26)}`;
const feed = { params: { roomId: ROOM } } as const;

let server: Server;
let client: Client;
/** Answers the n-th request (from 1). */
let answer: (request: IncomingMessage, response: ServerResponse, n: number) => void;
let requests: IncomingMessage[];

beforeEach(async () => {
  requests = [];
  server = createServer((request, response) => {
    requests.push(request);
    answer(request, response, requests.length);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  client = createClient({
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    token: "sbx_token",
    organizationId: "ws_dev",
  });
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const refuse = (response: ServerResponse, status: number, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(
    JSON.stringify({
      error: { code: "room_not_found", message: "There is no such room.", fix: "List them.", details: { id: ROOM }, request_id: "req_1" },
    }),
  );
};
const events = (response: ServerResponse, ...seqs: number[]): void => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(seqs.map((seq) => `id: ${seq}\ndata: {"seq":${seq}}\n\n`).join("") || ": open\n\n");
};
async function collect(
  count: number,
  options: { signal?: AbortSignal; lastEventId?: string; onStatus?: (status: string) => void } = {},
): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const frame of client.events(streamRoom, { ...feed, ...options })) {
    seen.push(frame.data);
    if (seen.length === count) break;
  }
  return seen;
}
const caught = (promise: Promise<unknown>): Promise<ApiError> =>
  promise.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: unknown) => error as ApiError,
  );

test("a call carries token, organization and query, and gives the answer", async () => {
  answer = (_, response) => response.end('{"items":[],"next_cursor":null}');
  expect(await client.call(listEvents, { query: { limit: 5, event_type: "message.created" } })).toEqual({ items: [], next_cursor: null });
  expect(requests[0]!.headers).toMatchObject({ authorization: "Bearer sbx_token", "x-workspace-id": "ws_dev" });
  expect(requests[0]!.url).toBe("/v1/events?limit=5&event_type=message.created");
});

test("a refusal is an ApiError with everything that the server said", async () => {
  answer = (_, response) => refuse(response, 404, { "retry-after": "3" });
  const error = await caught(client.call(listEvents, { query: { limit: 1 } }));
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({
    status: 404,
    code: "room_not_found",
    message: "There is no such room.",
    fix: "List them.",
    details: { id: ROOM },
    requestId: "req_1",
    retryAfterMs: 3000,
  });
});

test("an answer that is not the server's own is told as such", async () => {
  for (const body of ["<html>Bad gateway</html>", "null", '{"error":"Bad gateway"}', '{"error":{"code":"bad_gateway","message":502}}']) {
    answer = (_, response) => response.writeHead(502).end(body);
    expect(await caught(client.call(listEvents, { query: { limit: 1 } }))).toMatchObject({ status: 502, code: "invalid_answer" });
  }
});

test("a server that is not there is unreachable; a call that its caller gave up is not", async () => {
  const nobody = createClient({ baseUrl: "http://127.0.0.1:1" });
  expect(await caught(nobody.call(listEvents, { query: { limit: 1 } }))).toMatchObject({ status: 0, code: "unreachable" });
  answer = () => undefined;
  expect(await caught(client.call(listEvents, { query: { limit: 1 }, signal: AbortSignal.timeout(50) }))).toMatchObject({
    name: "TimeoutError",
  });
});

test("a feed that is cut goes on after the last event, and says so", async () => {
  answer = (_, response, n) => {
    if (n === 1) {
      events(response, 1, 2);
      setTimeout(() => response.destroy(), 20);
    } else if (n === 2) response.writeHead(503).end();
    else events(response, 3);
  };
  const status: string[] = [];
  expect(await collect(3, { onStatus: (one) => status.push(one) })).toEqual([{ seq: 1 }, { seq: 2 }, { seq: 3 }]);
  expect(requests.map((request) => request.headers["last-event-id"])).toEqual([undefined, "2", "2"]);
  expect(status).toEqual(["open", "retrying", "retrying", "open"]);
});

test("a feed begins after the cursor it is given", async () => {
  answer = (_, response) => events(response, 8);
  await collect(1, { lastEventId: "7" });
  expect(requests[0]!.headers["last-event-id"]).toBe("7");
});

test("a feed that is refused ends with the refusal, and is not asked for again", async () => {
  answer = (_, response) => refuse(response, 404);
  expect(await caught(collect(1))).toMatchObject({ code: "room_not_found" });
  expect(requests).toHaveLength(1);
});

test("a feed waits as long as the server asks before it comes back", async () => {
  const at: number[] = [];
  answer = (_, response, n) => {
    at.push(performance.now());
    if (n === 1) refuse(response, 429, { "retry-after": "1" });
    else events(response, 1);
  };
  await collect(1);
  expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(950);
});

test("a feed without its path parameter fails at once instead of trying for ever", async () => {
  answer = (_, response) => events(response, 1);
  const broken = client.events(streamRoom, { params: {} as { roomId: string }, signal: AbortSignal.timeout(2_000) });
  await expect(broken.next()).rejects.toThrow("needs the path parameter roomId");
});

test("leaving a feed ends its request, and so does the signal, also while it waits to try again", async () => {
  let over = 0;
  answer = (_, response, n) => {
    response.on("close", () => over++);
    if (n < 3) events(response, n);
    else response.writeHead(503).end();
  };
  await collect(1);
  await expect.poll(() => over).toBe(1);
  const leave = new AbortController();
  const all = collect(9, { signal: leave.signal, onStatus: (status) => status === "open" && setTimeout(() => leave.abort(), 50) });
  expect(await all).toEqual([{ seq: 2 }]);
  const waiting = new AbortController();
  expect(await collect(1, { signal: waiting.signal, onStatus: () => waiting.abort() })).toEqual([]);
  expect(requests).toHaveLength(3);
});

test("lines come one at a time exactly as sent, also across chunks, and the last needs no line break", async () => {
  answer = (_, response) => {
    response.write('{"n":1}\n{"n"');
    setTimeout(() => response.end(':"é"}\n{"n":3}'), 20);
  };
  const lines: string[] = [];
  for await (const line of client.lines(exportLog, { query: {} })) lines.push(line);
  expect(lines).toEqual(['{"n":1}', '{"n":"é"}', '{"n":3}']);
});

test("lines that are cut off fail instead of looking whole", async () => {
  answer = (_, response) => {
    response.write('{"n":1}\n');
    setTimeout(() => response.destroy(), 20);
  };
  const read = async (): Promise<void> => {
    for await (const line of client.lines(exportLog, { query: {} })) expect(line).toBe('{"n":1}');
  };
  await expect(read()).rejects.toThrow();
});
