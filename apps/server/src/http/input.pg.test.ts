import { databaseTest } from "@signalbox/testkit/database";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, type Composed, startComposed } from "../composed.fixture.ts";

const database = databaseTest();
let c: Composed;
let room: string;
let thread: string;

beforeAll(async () => {
  c = await startComposed(database);
  room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Input" } })).body.id;
  thread = (await c.call("POST", `/v1/rooms/${room}/threads`, { token: c.owner, body: {} })).body.id;
}, 60_000);
afterAll(() => c.close());

const invalid = (answer: Answer, names: string): void => {
  expect(answer.status).toBe(400);
  expect(answer.body.error).toMatchObject({ code: "invalid_request", fix: expect.any(String), request_id: expect.stringMatching(/^req_/) });
  expect(answer.body.error.message).toContain(names);
};

test.each([
  ["an unknown query key", "GET", "/v1/rooms?limmit=5", undefined, "unknown: limmit"],
  ["a limit beyond 200", "GET", "/v1/rooms?limit=201", undefined, "query.limit"],
  ["a limit that is no number", "GET", "/v1/rooms?limit=many", undefined, "query.limit"],
  ["a malformed id", "GET", "/v1/rooms/room_1", undefined, "path.id"],
  ["a missing member", "POST", "/v1/rooms", {}, "body.title"],
  ["a member of the wrong type", "POST", "/v1/rooms", { title: 5 }, "body.title"],
  ["a blank title", "POST", "/v1/rooms", { title: "   " }, "body.title"],
  ["an array for an object", "POST", "/v1/rooms", [], "body"],
  ["half a JSON text", "POST", "/v1/rooms", '{"title":', "not well-formed JSON"],
  ["bytes that are no UTF-8", "POST", "/v1/rooms", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), "not well-formed JSON"],
] as const)("%s is refused with the field, the reason and what to do", async (_what, method, url, body, names) => {
  invalid(await c.call(method, url, { token: c.owner, body }), names);
});

test("a body that is not JSON by its own word is refused", async () => {
  const answer = await c.call("POST", "/v1/rooms", {
    token: c.owner,
    body: "title=x",
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });
  expect([answer.status, answer.body.error.code]).toEqual([400, "invalid_request"]);
});

test.each(["nonsense", Buffer.from('["2030-01-01T00:00:00.000Z"]').toString("base64url"), Buffer.from("[1,2]").toString("base64url")])(
  "the cursor %s is refused as one",
  async (cursor) => {
    const answer = await c.call("GET", `/v1/rooms?cursor=${cursor}`, { token: c.owner });
    expect([answer.status, answer.body.error.code]).toEqual([400, "invalid_cursor"]);
  },
);

test("a body beyond the route's limit is refused without being read", async () => {
  const answer = await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "x".repeat(3 * 1024 * 1024) } });
  expect([answer.status, answer.body.error.code]).toEqual([413, "payload_too_large"]);
});

test("a million characters are a legal message, and come back whole", async () => {
  const text = "ü\u0001 ".repeat(333_333);
  const posted = await c.call("POST", `/v1/threads/${thread}/messages`, { token: c.owner, body: { content_md: text } });
  expect(posted.status).toBe(201);
  const listed = await c.call("GET", `/v1/threads/${thread}/messages?limit=200`, { token: c.owner });
  expect(listed.body.items.at(-1).content_md).toBe(text);
});

test("U+0000 and lone surrogates do not break a message", async () => {
  const posted = await c.call("POST", `/v1/threads/${thread}/messages`, { token: c.owner, body: '{"content_md":"a\\u0000b\\ud800c"}' });
  expect([posted.status, posted.body.content_md]).toEqual([201, "a\uFFFDb\uFFFDc"]);
});

test("a secret in a message is gone from the answer, the list and the log", async () => {
  const secret = `ghp_${"a1B2".repeat(9)}`;
  const posted = await c.call("POST", `/v1/threads/${thread}/messages`, { token: c.owner, body: { content_md: `take ${secret}` } });
  expect(posted.body.content_md).toBe("take [redacted:github_token]");
  const events = await c.call("GET", `/v1/events?stream_type=room&stream_id=${room}&limit=200`, { token: c.owner });
  expect(JSON.stringify(events.body)).not.toContain(secret);
});

test("a path that does not exist is 404 in the same shape", async () => {
  const answer = await c.call("GET", "/v1/nothing", { token: c.owner });
  expect([answer.status, answer.body.error.code]).toEqual([404, "not_found"]);
});

test("an id of __proto__ and a body with one change nothing", async () => {
  const answer = await c.call("POST", "/v1/rooms", {
    token: c.owner,
    body: '{"title":"x","__proto__":{"role":"owner"},"constructor":{"prototype":{"polluted":1}}}',
  });
  expect(answer.status).toBe(201);
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

// ── Idempotency ──

test("the same key and body is one room, however often and however many at once", async () => {
  const send = () => c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Once" }, headers: { "idempotency-key": "once-1" } });
  const answers = await Promise.all(Array.from({ length: 8 }, send));
  const again = await send();
  expect(new Set([...answers, again].map((answer) => answer.body.id)).size).toBe(1);
  expect([...answers, again].every((answer) => answer.status === 201)).toBe(true);
});

test("the same key and another body is a conflict, also on another route", async () => {
  const headers = { "idempotency-key": "once-2" };
  await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "One" }, headers });
  const other = await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Two" }, headers });
  expect([other.status, other.body.error.code]).toEqual([409, "idempotency_conflict"]);
  const elsewhere = await c.call("POST", `/v1/rooms/${room}/threads`, { token: c.owner, body: { title: "One" }, headers });
  expect([elsewhere.status, elsewhere.body.error.code]).toEqual([409, "idempotency_conflict"]);
});

test("a repeated message is one message", async () => {
  const send = () =>
    c.call("POST", `/v1/threads/${thread}/messages`, {
      token: c.owner,
      body: { content_md: "only once" },
      headers: { "idempotency-key": "once-3" },
    });
  const [first, second] = [await send(), await send()];
  expect(second.body).toEqual(first.body);
});

test("keys of two people are two keys", async () => {
  const admin = await c.person("admin");
  const headers = { "idempotency-key": "once-4" };
  const mine = await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "A" }, headers });
  const theirs = await c.call("POST", "/v1/rooms", { token: admin.token, body: { title: "B" }, headers });
  expect([mine.status, theirs.status]).toEqual([201, 201]);
  expect(mine.body.id).not.toBe(theirs.body.id);
});

// ── Browsers ──

async function cookie(): Promise<string> {
  const made = await c.call("POST", "/v1/auth/login-codes", { token: c.owner, body: {} });
  const answer = await c.call("POST", "/v1/auth/login", { body: { code: made.body.code } });
  return String(answer.headers["set-cookie"]).split(";")[0]!;
}

test("a host name that is not ours is refused before anything else: a rebound page reads nothing", async () => {
  for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]", "0.0.0.0"]) {
    for (const url of ["/", "/v1/health", "/v1/me", "/metrics", "/openapi.json"]) {
      const answer = await c.call("GET", url, { token: c.owner, headers: { host } });
      expect(answer.status, `${host}${url}`).toBe(403);
    }
  }
  for (const host of ["localhost:4400", "127.0.0.1:4400", "[::1]:4400", "LOCALHOST"])
    expect((await c.call("GET", "/v1/health", { headers: { host } })).status).toBe(200);
});

test("with a cookie, only our own pages may change anything", async () => {
  const headers = { cookie: await cookie(), host: "localhost:4400" };
  const create = (more: Record<string, string>) =>
    c.call("POST", "/v1/rooms", { body: { title: "csrf" }, headers: { ...headers, ...more } });
  expect((await create({ origin: "http://localhost:4400" })).status).toBe(201);
  expect((await create({ "sec-fetch-site": "same-origin" })).status).toBe(201);
  for (const more of [
    {},
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: "http://localhost:3000" },
    { origin: "https://localhost:4400", "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "none" },
  ]) {
    expect((await create(more as Record<string, string>)).status, JSON.stringify(more)).toBe(403);
  }
  expect((await c.call("GET", "/v1/me", { headers })).status).toBe(200);
});

test("another site's page cannot log a browser in", async () => {
  const made = await c.call("POST", "/v1/auth/login-codes", { token: c.owner, body: {} });
  const answer = await c.call("POST", "/v1/auth/login", {
    body: { code: made.body.code },
    headers: { origin: "http://evil.example", "sec-fetch-site": "cross-site" },
  });
  expect(answer.status).toBe(403);
  expect(answer.headers["set-cookie"]).toBeUndefined();
});

test("a wrong token is not saved by a good cookie", async () => {
  expect((await c.call("GET", "/v1/me", { token: "sbt_wrong", headers: { cookie: await cookie() } })).status).toBe(401);
});

test("nobody else's page may read an answer, and no answer may be framed or sniffed", async () => {
  const answer = await c.call("GET", "/v1/me", { token: c.owner, headers: { origin: "http://evil.example" } });
  expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
  expect(answer.headers).toMatchObject({
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
  });
  const preflight = await c.call("OPTIONS", "/v1/rooms", {
    headers: { origin: "http://evil.example", "access-control-request-method": "POST" },
  });
  expect(preflight.headers["access-control-allow-origin"]).toBeUndefined();
});

test("an upgrade from another site or host, or to anywhere else, is refused", async () => {
  const port = await c.server.listen();
  const upgrade = (path: string, headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      const request = httpRequest({
        host: "127.0.0.1",
        port,
        path,
        headers: {
          connection: "Upgrade",
          upgrade: "websocket",
          "sec-websocket-version": "13",
          "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
          ...headers,
        },
      });
      request.on("response", (response) => resolve(response.statusCode!));
      request.on("upgrade", (_response, socket) => {
        socket.destroy();
        resolve(101);
      });
      request.on("error", reject);
      request.end();
    });
  expect(await upgrade("/v1/sync?token=x", { host: "evil.example" })).toBe(403);
  expect(await upgrade("/v1/sync?token=x", { origin: "http://evil.example" })).toBe(403);
  expect(await upgrade("/v1/other", {})).toBe(404);
  expect(await upgrade("/v1/sync?token=x", {})).toBe(101);
});

// ── What operators see ──

test("health is green when the parts are, and says which", async () => {
  const answer = await c.call("GET", "/v1/health");
  expect([answer.status, answer.body.ok]).toEqual([200, true]);
  expect(answer.body.parts.map((part: { name: string }) => part.name)).toContain("log");
});

test("metrics count answers by operation, never by id", async () => {
  await c.call("GET", `/v1/rooms/${room}`, { token: c.owner });
  const { body } = await c.call("GET", "/metrics");
  expect(body).toMatch(/signalbox_http_requests_total\{route="rooms.get",status="200"\} \d+/);
  expect(body).not.toContain(room);
});
