/* Our own client against our own server: what the one says the other must understand. */
import { createClient } from "@signalbox/client/client";
import { createSync, type Sync } from "@signalbox/client/sync";
import { streamRoom } from "@signalbox/contract/log";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
let c: Composed;
let baseUrl: string;
let sync: Sync | undefined;
const sockets: WebSocket[] = [];

beforeAll(async () => {
  c = await startComposed(database);
  baseUrl = `http://127.0.0.1:${await c.server.listen()}`;
}, 60_000);
afterEach(() => sync?.close());
afterAll(() => c.close());

class Watched extends WebSocket {
  constructor(url: string) {
    super(url);
    sockets.push(this);
  }
}
function connect(token = c.owner): Sync {
  sync = createSync({ client: createClient({ baseUrl, token }), WebSocket: Watched as typeof WebSocket });
  return sync;
}

async function newRoom() {
  const room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "client" } })).body.id as string;
  const thread = (await c.call("POST", `/v1/rooms/${room}/threads`, { token: c.owner, body: {} })).body.id as string;
  return {
    room,
    topic: `room:${room}` as const,
    say: (text: string) => c.call("POST", `/v1/threads/${thread}/messages`, { token: c.owner, body: { content_md: text } }),
  };
}

function reader(after?: string) {
  const seen: string[] = [];
  const said: string[] = [];
  return {
    seen,
    said,
    after,
    onUpdate: (update: { watermark: string }) => seen.push(update.watermark),
    onStale: () => said.push("stale"),
    onStatus: (status: string) => said.push(status),
    onRefused: (code: string) => said.push(code),
  };
}
const WAIT = { timeout: 8_000 };

test("a reader that had seen nothing misses nothing while its connection is cut", async () => {
  const { topic, say } = await newRoom();
  const one = reader();
  connect().subscribe(topic, one);
  await expect.poll(() => one.said, WAIT).toContain("live");
  await say("first");
  await expect.poll(() => one.seen, WAIT).toHaveLength(1);
  sockets.at(-1)!.close();
  await say("while it was cut");
  await expect.poll(() => one.seen.length, WAIT).toBe(2);
  expect(new Set(one.seen).size).toBe(2);
});

test("a cursor beyond the head is told as stale, and what comes then is delivered", async () => {
  const { topic, say } = await newRoom();
  const one = reader("999");
  connect().subscribe(topic, one);
  await expect.poll(() => one.said, WAIT).toContain("stale");
  await say("after");
  await expect.poll(() => one.seen, WAIT).toHaveLength(1);
});

test("a topic that one may not see is refused by name, and the others go on", async () => {
  const { topic, say } = await newRoom();
  const [mine, secret] = [reader("0"), reader()];
  const own = connect();
  own.subscribe(topic, mine);
  own.subscribe(`room:room_${"0".repeat(26)}`, secret);
  await expect.poll(() => secret.said, WAIT).toContain("forbidden_topic");
  const before = mine.seen.length;
  await say("still here");
  await expect.poll(() => mine.seen.length, WAIT).toBeGreaterThan(before);
  expect(mine.said).not.toContain("forbidden_topic");
});

test("the client follows a room's feed from a cursor, and a room that is not there ends it", async () => {
  const { room, say } = await newRoom();
  await say("one");
  const client = createClient({ baseUrl, token: c.owner });
  const ids: (string | undefined)[] = [];
  for await (const frame of client.events(streamRoom, { params: { roomId: room }, lastEventId: "2", signal: AbortSignal.timeout(8_000) })) {
    ids.push(frame.id);
    if (ids.length === 2) break;
    if (ids.length === 1) await say("two");
  }
  expect(ids).toHaveLength(2);
  expect(Number(ids[1])).toBe(Number(ids[0]) + 1);
  await expect(client.events(streamRoom, { params: { roomId: `room_${"0".repeat(26)}` } }).next()).rejects.toMatchObject({
    code: "room_not_found",
  });
});
