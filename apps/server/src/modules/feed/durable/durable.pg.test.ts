/* The Durable Streams door, by the protocol's own client where it has one: rooms, sessions' neighbours, and what engines write. */
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../../composed.fixture.ts";

const database = databaseTest();
let c: Composed;
let base: string;

beforeAll(async () => {
  c = await startComposed(database);
  base = `http://127.0.0.1:${await c.server.listen()}`;
}, 60_000);
afterAll(() => c.close());

const WAIT = { timeout: 20_000, interval: 10 };
interface Room {
  readonly id: string;
  readonly run: string;
  say(text: string): Promise<unknown>;
}
async function newRoom(): Promise<Room> {
  const id = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Durable" } })).body.id as string;
  const thread = (await c.call("POST", `/v1/rooms/${id}/threads`, { token: c.owner, body: {} })).body.id as string;
  const run = (await c.call("POST", "/v1/runs", { token: c.owner, body: { room_id: id, title: "A run" } })).body.id as string;
  return { id, run, say: (text) => c.call("POST", `/v1/threads/${thread}/messages`, { token: c.owner, body: { content_md: text } }) };
}
async function ask(
  method: string,
  path: string,
  of: { token?: string; body?: string; headers?: Record<string, string>; signal?: AbortSignal } = {},
) {
  return fetch(base + path, {
    method,
    headers: { authorization: `Bearer ${of.token ?? c.owner}`, ...of.headers },
    ...(of.body === undefined ? {} : { body: of.body }),
    ...(of.signal === undefined ? {} : { signal: of.signal }),
  });
}
const text = { "content-type": "text/plain" };
const next = (answer: Response): string => answer.headers.get("stream-next-offset")!;

/** Reads events until `until` holds of what came, or the server ends it. */
async function events(
  path: string,
  until: (sofar: string) => boolean,
  token?: string,
): Promise<{ readonly received: string; readonly ended: boolean }> {
  const stop = new AbortController();
  const answer = await ask("GET", path, { signal: stop.signal, ...(token === undefined ? {} : { token }) });
  expect(answer.headers.get("content-type")).toBe("text/event-stream");
  let received = "";
  const decoder = new TextDecoder();
  try {
    for await (const chunk of answer.body!) {
      received += decoder.decode(chunk, { stream: true });
      if (until(received)) return { received, ended: false };
    }
    return { received, ended: true };
  } finally {
    stop.abort();
  }
}

test("an engine's output is created, appended, read from any offset, closed, and deleted", async () => {
  const { run } = await newRoom();
  const path = `/v1/durable/runs/${run}/stdout`;
  const made = await ask("PUT", path, { headers: text, body: "one " });
  expect([made.status, (await ask("PUT", path, { headers: text })).status]).toEqual([201, 200]);
  expect((await ask("PUT", path, { headers: { "content-type": "text/html" } })).status).toBe(409);
  const two = await ask("POST", path, { headers: text, body: "two " });
  expect(two.status).toBe(204);
  const all = await ask("GET", `${path}?offset=-1`);
  expect([await all.text(), next(all), all.headers.get("stream-up-to-date")]).toEqual(["one two ", next(two), "true"]);
  expect(await (await ask("GET", `${path}?offset=${next(made)}`)).text()).toBe("two ");
  expect((await ask("GET", `${path}?offset=-1`, { headers: { "if-none-match": all.headers.get("etag")! } })).status).toBe(304);
  expect((await ask("POST", path, { headers: { ...text, "stream-closed": "true" }, body: "end" })).headers.get("stream-closed")).toBe(
    "true",
  );
  const refused = await ask("POST", path, { headers: text, body: "more" });
  expect([refused.status, refused.headers.get("stream-closed")]).toEqual([409, "true"]);
  const head = await ask("HEAD", path);
  expect([head.status, head.headers.get("stream-closed"), await head.text()]).toEqual([200, "true", ""]);
  expect([(await ask("DELETE", path)).status, (await ask("GET", path)).status, (await ask("DELETE", path)).status]).toEqual([
    204, 404, 404,
  ]);
});

test("an append that is sent again, also by many at once, is there once", async () => {
  const { run } = await newRoom();
  const path = `/v1/durable/runs/${run}/log`;
  await ask("PUT", path, { headers: { "content-type": "application/json" } });
  const send = (epoch: number, seq: number, body: unknown) =>
    ask("POST", path, {
      headers: {
        "content-type": "application/json",
        "producer-id": "engine",
        "producer-epoch": String(epoch),
        "producer-seq": String(seq),
      },
      body: JSON.stringify(body),
    });
  const first = await Promise.all(Array.from({ length: 5 }, () => send(0, 0, { n: 0 })));
  expect(first.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 204, 204, 204, 204]);
  const gap = await send(0, 2, { n: 2 });
  expect([gap.status, gap.headers.get("producer-expected-seq")]).toEqual([409, "1"]);
  expect((await send(0, 1, [{ n: 1 }, { n: 2 }])).status).toBe(200);
  expect((await send(1, 0, { n: 3 })).status).toBe(200);
  const fenced = await send(0, 2, { n: "late" });
  expect([fenced.status, fenced.headers.get("producer-epoch")]).toEqual([403, "1"]);
  expect(await (await ask("GET", path)).json()).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }]);
});

test("a room is read by pages, waited for, and followed, each event once", async () => {
  const room = await newRoom();
  const path = `/v1/durable/rooms/${room.id}`;
  const page = await ask("GET", `${path}?offset=-1`);
  const known = (await page.json()) as { seq: number }[];
  expect(known.map(({ seq }) => seq)).toEqual(known.map((_, i) => i + 1));
  const waiting = ask("GET", `${path}?offset=${next(page)}&live=long-poll`);
  await room.say("while you wait");
  const came = await waiting;
  expect([came.status, came.headers.get("stream-cursor")]).toEqual([200, expect.stringMatching(/^\d+$/)]);
  expect(((await came.json()) as { seq: number }[]).map(({ seq }) => seq)).toEqual([known.length + 1]);
  const following = events(`${path}?offset=${next(page)}&live=sse`, (sofar) => sofar.includes("while you follow"));
  await room.say("while you follow");
  const { received } = await following;
  expect(received.match(/^event: data$/gm)).toHaveLength(2);
  expect((await ask("GET", `${path}?offset=0000000000000000_0000000000099999`)).status).toBe(410);
  expect((await ask("POST", path, { body: "x", headers: text })).status).toBe(404);
});

test("a follower gets what is appended by whichever process, and the end when it is closed", async () => {
  const { run } = await newRoom();
  const other = await startComposed(database, { dataDir: c.dataDir });
  const path = `/v1/durable/runs/${run}/shared`;
  await ask("PUT", path, { headers: text, body: "first " });
  const following = events(`${path}?offset=-1&live=sse`, () => false);
  const bytes = (name: string, more: Record<string, string> = {}) =>
    other.call("POST", path, { token: c.owner, body: name, headers: { ...text, ...more } });
  for (let i = 0; i < 20; i++) expect((await bytes(`${i} `)).status).toBe(204);
  await bytes("last", { "stream-closed": "true" });
  const { received, ended } = await following;
  expect(ended).toBe(true);
  const data = [...received.matchAll(/^event: data\ndata:(.*)$/gm)]
    .map(([, one]) => (one!.startsWith("  ") ? one!.slice(1) : one!))
    .join("");
  expect(data.replaceAll(" ", "")).toBe(`first${Array.from({ length: 20 }, (_, i) => i).join("")}last`);
  expect(received.trim().split("\n").at(-1)).toContain('"streamClosed":true');
  await other.close();
});

test("nobody reads or writes where they may not, and whoever is taken out is cut off", async () => {
  const room = await newRoom();
  const member = await c.person("member", { scopes: ["read", "engine"] });
  const viewer = await c.person("member", { scopes: ["read", "engine"] });
  const stranger = await c.person("member", { scopes: ["read", "engine"] });
  const foreigner = (await c.organization()).token;
  const add = (principal_id: string, role: string) =>
    c.call("POST", `/v1/rooms/${room.id}/members`, { token: c.owner, body: { principal_id, role } });
  await add(member.id, "member");
  await add(viewer.id, "viewer");
  const path = `/v1/durable/runs/${room.run}/out`;
  expect((await ask("PUT", path, { token: viewer.token, headers: text })).status).toBe(403);
  expect((await ask("PUT", path, { token: member.token, headers: text, body: "mine" })).status).toBe(201);
  for (const token of [stranger.token, foreigner]) {
    for (const [method, at] of [
      ["GET", path],
      ["POST", path],
      ["DELETE", path],
      ["PUT", `${path}2`],
      ["GET", `/v1/durable/rooms/${room.id}`],
    ] as const)
      expect((await ask(method, at, { token, headers: text, ...(method === "POST" ? { body: "x" } : {}) })).status, `${method} ${at}`).toBe(
        404,
      );
  }
  const [ofRoom, ofRun] = [`/v1/durable/rooms/${room.id}`, path].map((at) => events(`${at}?offset=-1&live=sse`, () => false, viewer.token));
  await expect.poll(() => c.server.http.streams(), WAIT).toBeGreaterThanOrEqual(2);
  await c.call("DELETE", `/v1/rooms/${room.id}/members/${viewer.id}`, { token: c.owner });
  expect((await ofRoom!).ended).toBe(true);
  expect((await ofRun!).ended).toBe(true);
  await ask("POST", path, { token: member.token, headers: text, body: " secret" });
  expect((await ofRun!).received).not.toContain("secret");
});

test("a frame that is too large is refused in words, and the stream goes on", async () => {
  const { run } = await newRoom();
  const path = `/v1/durable/runs/${run}/big`;
  await ask("PUT", path, { headers: text });
  const large = await ask("POST", path, { headers: text, body: "x".repeat(1_048_577) });
  expect([large.status, ((await large.json()) as { error: { code: string } }).error.code]).toEqual([413, "payload_too_large"]);
  expect((await ask("POST", path, { headers: text, body: "x".repeat(1_048_576) })).status).toBe(204);
  expect((await ask("POST", path, { headers: text, body: "y" })).status).toBe(204);
  const first = await ask("GET", path);
  expect([(await first.text()).length, first.headers.get("stream-up-to-date")]).toEqual([1_048_576, null]);
  expect(await (await ask("GET", `${path}?offset=${next(first)}`)).text()).toBe("y");
});
