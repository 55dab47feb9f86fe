import { type ClientRequest, get } from "node:http";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
let c: Composed;
let port: number;

beforeAll(async () => {
  c = await startComposed(database);
  port = await c.server.listen();
}, 60_000);
afterAll(() => c.close());

interface Reader {
  readonly status: number;
  readonly ids: number[];
  readonly types: string[];
  readonly texts: string[];
  until(count: number): Promise<void>;
  ended(): Promise<void>;
  cut(): void;
}

/** A plain SSE reader, that one can cut in the middle of anything. */
function follow(room: string, options: { token?: string; from?: number; last?: string } = {}): Promise<Reader> {
  return new Promise((resolve, reject) => {
    const ids: number[] = [];
    const types: string[] = [];
    const texts: string[] = [];
    let over = false;
    const request: ClientRequest = get(
      {
        host: "127.0.0.1",
        port,
        path: `/v1/streams/rooms/${room}${options.from === undefined ? "" : `?from_seq=${options.from}`}`,
        headers: {
          authorization: `Bearer ${options.token ?? c.owner}`,
          ...(options.last === undefined ? {} : { "last-event-id": options.last }),
        },
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
          for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
            const frame = text.slice(0, end);
            text = text.slice(end + 2);
            const id = /^id: (\d+)$/m.exec(frame)?.[1];
            if (id === undefined) continue;
            ids.push(Number(id));
            const data = /^data: (.*)$/m.exec(frame)![1]!;
            texts.push(data);
            types.push((JSON.parse(data) as { type: string }).type);
          }
        });
        response.on("close", () => (over = true));
        response.on("error", () => (over = true)); // cut by us
        resolve({
          status: response.statusCode!,
          ids,
          types,
          texts,
          until: async (count) => expect.poll(() => ids.length, { timeout: 8000, interval: 5 }).toBeGreaterThanOrEqual(count),
          ended: async () => expect.poll(() => over, { timeout: 8000, interval: 5 }).toBe(true),
          cut: () => request.destroy(),
        });
      },
    );
    request.on("error", (error) => (over ? undefined : reject(error)));
  });
}

async function newRoom(): Promise<{ room: string; say: (text: string) => Promise<unknown> }> {
  const room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "feed" } })).body.id as string;
  const thread = (await c.call("POST", `/v1/rooms/${room}/threads`, { token: c.owner, body: {} })).body.id as string;
  return { room, say: (text) => c.call("POST", `/v1/threads/${thread}/messages`, { token: c.owner, body: { content_md: text } }) };
}
const upTo = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i + 1);

test("a reader gets the whole history, then what comes, each once and in order", async () => {
  const { room, say } = await newRoom();
  await say("before");
  const reader = await follow(room);
  await reader.until(4);
  for (let i = 0; i < 5; i++) await say(`live ${i}`);
  await reader.until(9);
  expect(reader.ids).toEqual(upTo(0, 9));
  reader.cut();
});

test("what comes live, from the writer's memory, is to the byte what history says afterwards", async () => {
  const { room, say } = await newRoom();
  const live = await follow(room);
  await live.until(3);
  // Replaced before hashing (U+0000, a lone surrogate), redacted with records of its own, and several at once.
  await say("nul \u0000 half \ud83d, ümlaut, 1e21");
  await say(`ghp_${"a1B2".repeat(9)}`);
  await Promise.all(Array.from({ length: 12 }, (_, i) => say(`at once ${i}`)));
  await live.until(3 + 2 + 2 + 12);
  const later = await follow(room);
  await later.until(live.ids.length);
  expect(live.ids).toEqual(upTo(0, live.ids.length));
  expect(later.texts).toEqual(live.texts);
  expect(live.types).toContain("event.redacted");
  live.cut();
  later.cut();
});

test("a cut reader resumes after its last id and misses nothing, whatever was written meanwhile", async () => {
  const { room, say } = await newRoom();
  const seen: number[] = [];
  const writing = (async () => {
    for (let i = 0; i < 120; i++) await say(`m${i}`);
  })();
  while (seen.length < 123) {
    const reader = await follow(room, seen.length === 0 ? {} : { last: String(seen.at(-1)) });
    const enough = Math.min(15, 123 - seen.length);
    await reader.until(enough);
    reader.cut();
    seen.push(...reader.ids);
  }
  await writing;
  expect(seen).toEqual(upTo(0, 123));
});

test("many readers who join while others write all see one gapless order", async () => {
  const { room, say } = await newRoom();
  const writing = Promise.all(Array.from({ length: 60 }, (_, i) => say(`m${i}`)));
  const readers = await Promise.all(Array.from({ length: 30 }, (_, i) => follow(room, { from: i % 4 })));
  await writing;
  for (const [i, reader] of readers.entries()) {
    await reader.until(63 - (i % 4));
    expect(reader.ids).toEqual(upTo(i % 4, 63));
    reader.cut();
  }
});

test("from_seq is exclusive, Last-Event-ID wins over it, and what is no cursor of ours counts as none", async () => {
  const { room, say } = await newRoom();
  for (let i = 0; i < 3; i++) await say("x");
  const first = async (options: { from?: number; last?: string }) => {
    const reader = await follow(room, options);
    await reader.until(1);
    reader.cut();
    return reader.ids[0];
  };
  expect(await first({ from: 2 })).toBe(3);
  expect(await first({ from: 2, last: "4" })).toBe(5);
  expect(await first({ from: 2, last: "not-a-number" })).toBe(3);
});

test("a cursor from the future is refused, with where the feed stands", async () => {
  const { room } = await newRoom();
  for (const [query, headers] of [
    ["?from_seq=99", {}],
    ["", { "last-event-id": "99" }],
  ] as const) {
    const answer = await c.call("GET", `/v1/streams/rooms/${room}${query}`, { token: c.owner, headers });
    expect([answer.status, answer.body.error.code, answer.body.error.details]).toEqual([400, "cursor_in_future", { cursor: 99, head: 3 }]);
  }
});

test("whoever is taken out of a room is told so and hears no more of it", async () => {
  const { room, say } = await newRoom();
  const guest = await c.person("member");
  await c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id: guest.id, role: "viewer" } });
  const [theirs, ours] = [await follow(room, { token: guest.token }), await follow(room)];
  await theirs.until(4);
  await c.call("DELETE", `/v1/rooms/${room}/members/${guest.id}`, { token: c.owner });
  await theirs.ended();
  await say("secret");
  await ours.until(6);
  expect(theirs.types.at(-1)).toBe("room.member_removed");
  expect(theirs.ids).toEqual(upTo(0, 5));
  // Back in again: their own old removal in the history does not end the new feed.
  await c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id: guest.id, role: "viewer" } });
  const again = await follow(room, { token: guest.token });
  await again.until(7);
  expect(again.ids).toEqual(upTo(0, 7));
  again.cut();
  ours.cut();
});

test("a reader that does not read is cut off, and the others go on", async () => {
  const { room, say } = await newRoom();
  const deaf = await new Promise<ClientRequest>((resolve) => {
    const request = get(
      { host: "127.0.0.1", port, path: `/v1/streams/rooms/${room}`, headers: { authorization: `Bearer ${c.owner}` } },
      (response) => {
        response.pause();
        resolve(request);
      },
    );
    request.on("error", () => undefined);
  });
  const reader = await follow(room);
  const before = c.server.http.streams();
  const text = "x".repeat(900_000);
  for (let i = 0; i < 14; i++) await say(text);
  await reader.until(17);
  await expect.poll(() => c.server.http.streams(), { timeout: 8000 }).toBe(before - 1);
  deaf.destroy();
  reader.cut();
});

test("nothing is left behind when readers go", async () => {
  await expect.poll(() => c.server.http.streams()).toBe(0);
  const { body } = await c.call("GET", "/metrics");
  expect(body).toMatch(/signalbox_feed_followers 0/);
});
