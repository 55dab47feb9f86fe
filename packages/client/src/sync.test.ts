import type { ClientFrame, ServerFrame, SyncUpdate } from "@signalbox/contract/sync";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocketServer, type WebSocket as Socket } from "ws";
import { createClient } from "./client.ts";
import { createSync, type Subscription, type Sync } from "./sync.ts";

const ROOM = `room:room_${"0".repeat(26)}` as const;
const OTHER = `room:room_${"1".repeat(26)}` as const;

type Subscribe = Extract<ClientFrame, { type: "subscribe" }>;

let http: Server;
let wss: WebSocketServer;
let sync: Sync;
let sockets: Socket[];
let subscribes: Subscribe[];
let unsubscribed: string[];
let tokens: number;
/** Answers what a socket is sent. */
let onSubscribe: (socket: Socket, frame: Subscribe) => void;
let holdTokens: Promise<void> | undefined;

const baseUrl = (): string => `http://127.0.0.1:${(http.address() as AddressInfo).port}`;

beforeEach(async () => {
  [sockets, subscribes, unsubscribed, tokens, holdTokens] = [[], [], [], 0, undefined];
  onSubscribe = () => undefined;
  http = createServer((_, response) => {
    tokens++;
    void Promise.resolve(holdTokens).then(() =>
      response.end(JSON.stringify({ token: `t${tokens}`, token_type: "Bearer", expires_in: 300, expires_at: "2030-01-01T12:00:00.000Z" })),
    );
  });
  wss = new WebSocketServer({ server: http });
  wss.on("connection", (socket) => {
    sockets.push(socket);
    socket.on("message", (data) => {
      const frame = JSON.parse((data as Buffer).toString()) as ClientFrame;
      if (frame.type === "subscribe") {
        subscribes.push(frame);
        onSubscribe(socket, frame);
      } else if (frame.type === "unsubscribe") unsubscribed.push(...frame.topics);
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  sync = createSync({ client: createClient({ baseUrl: baseUrl() }) });
});
afterEach(async () => {
  sync.close();
  for (const socket of wss.clients) socket.terminate();
  wss.close();
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
});

const say = (socket: Socket, frame: ServerFrame): void => socket.send(JSON.stringify(frame));
const update = (topic: string, n: number): SyncUpdate => ({
  topic,
  doc_key: `event:${n}`,
  doc_version: 1,
  payload: n,
  payload_hash: "sha256:x",
  watermark: String(n),
});
const batch = (topic: string, ...seqs: number[]): ServerFrame => ({
  type: "update_batch",
  updates: seqs.map((n) => update(topic, n)),
  replay_complete: true,
  head_watermarks: { [topic]: String(seqs.at(-1)) },
});
/** As the server says that history ends here. */
const head = (topic: string, at: number): ServerFrame => ({
  type: "update_batch",
  updates: [],
  replay_complete: true,
  head_watermarks: { [topic]: String(at) },
});

interface Reader extends Subscription {
  readonly seen: unknown[];
  readonly said: string[];
}
function reader(after?: string): Reader {
  const seen: unknown[] = [];
  const said: string[] = [];
  return {
    seen,
    said,
    after,
    onUpdate: (one) => seen.push(one.payload),
    onStale: () => said.push("stale"),
    onStatus: (status) => said.push(status),
    onRefused: (code) => said.push(code),
  };
}

test("a reader gets what comes, from the cursor it names", async () => {
  onSubscribe = (socket) => say(socket, batch(ROOM, 4, 5));
  const one = reader("3");
  sync.subscribe(ROOM, one);
  await expect.poll(() => one.seen).toEqual([4, 5]);
  expect(subscribes).toEqual([{ type: "subscribe", topics: [ROOM], resume_after: { [ROOM]: "3" } }]);
  expect(one.said).toEqual(["connecting", "live"]);
});

test("a connection that is cut comes back with a new token, goes on after the last update, and repeats none", async () => {
  onSubscribe = (socket) => {
    if (subscribes.length === 1) {
      say(socket, batch(ROOM, 1, 2));
      setTimeout(() => socket.terminate(), 20);
    } else say(socket, batch(ROOM, 2, 3));
  };
  const one = reader();
  sync.subscribe(ROOM, one);
  await expect.poll(() => one.seen).toEqual([1, 2, 3]);
  expect(subscribes[1]).toMatchObject({ resume_after: { [ROOM]: "2" } });
  expect(tokens).toBe(2);
  // To be read anew once: what happened before the topic was followed was told to nobody.
  expect(one.said).toEqual(["connecting", "live", "stale", "retrying", "live"]);
});

test("what came while the connection was cut is not missed, even by who had seen nothing before", async () => {
  onSubscribe = (socket, frame) => {
    if (subscribes.length === 1) {
      say(socket, head(ROOM, 7));
      setTimeout(() => socket.terminate(), 20);
    } else if (frame.resume_after?.[ROOM] === "7") say(socket, batch(ROOM, 8));
    else say(socket, head(ROOM, 8));
  };
  const one = reader();
  sync.subscribe(ROOM, one);
  await expect.poll(() => one.seen).toEqual([8]);
});

test("who begins with what is new is told when that begins, once, to read what happened before it", async () => {
  onSubscribe = (socket) => {
    say(socket, head(ROOM, 7));
    say(socket, batch(ROOM, 8));
  };
  const one = reader();
  sync.subscribe(ROOM, { ...one, onStale: () => one.said.push(`read before ${one.seen.length + 1}`) });
  await expect.poll(() => one.seen).toEqual([8]);
  expect(one.said).toEqual(["connecting", "live", "read before 1"]);
});

test("a cursor that the server no longer has is told once the topic is followed anew", async () => {
  onSubscribe = (socket, frame) => {
    if (frame.resume_after?.[ROOM] !== undefined)
      say(socket, { type: "error", code: "stale_cursor", message: "gone", stale_topics: [ROOM], full_resync_required: true });
    else {
      say(socket, head(ROOM, 90));
      say(socket, batch(ROOM, 91));
    }
  };
  const one = reader("3");
  sync.subscribe(ROOM, { ...one, onStale: () => one.said.push(`stale after ${subscribes.length} subscriptions`) });
  await expect.poll(() => one.seen).toEqual([91]);
  // Not before: what happened between reading and following would be missed.
  expect(one.said).toEqual(["connecting", "live", "stale after 2 subscriptions"]);
});

test.each(["forbidden_topic", "bad_topic", "bad_subscription"] as const)("%s ends the topic that it names and no other", async (code) => {
  onSubscribe = (socket, frame) => {
    if (frame.topics.includes(ROOM)) say(socket, { type: "error", code, message: "no", stale_topics: [ROOM] });
    say(socket, head(OTHER, 0));
  };
  const [one, other] = [reader(), reader()];
  const leave = sync.subscribe(ROOM, one);
  sync.subscribe(OTHER, other);
  await expect.poll(() => one.said).toContain(code);
  // Whoever asks again asks for itself; the one that was refused leaves without taking it along.
  onSubscribe = () => undefined;
  const again = reader();
  sync.subscribe(ROOM, again);
  leave();
  say(sockets[0]!, batch(ROOM, 1));
  say(sockets[0]!, batch(OTHER, 1));
  await expect.poll(() => [again.seen, other.seen]).toEqual([[1], [1]]);
  expect(one.seen).toEqual([]);
  expect(unsubscribed).toEqual([]);
});

test("a topic that the server could not read is followed again from where it stood", async () => {
  onSubscribe = (socket) => {
    say(socket, batch(ROOM, subscribes.length));
    if (subscribes.length === 1)
      say(socket, { type: "error", code: "internal", message: "The topic could not be read.", stale_topics: [ROOM] });
  };
  const one = reader();
  sync.subscribe(ROOM, one);
  await expect.poll(() => one.seen).toEqual([1, 2]);
  expect(subscribes[1]).toMatchObject({ resume_after: { [ROOM]: "1" } });
});

test("a second reader of a topic cuts short nothing of the first", async () => {
  onSubscribe = (socket) => say(socket, { ...batch(ROOM, 1, 2), replay_complete: false } as ServerFrame);
  const [first, second] = [reader("0"), reader()];
  sync.subscribe(ROOM, first);
  await expect.poll(() => first.seen).toEqual([1, 2]);
  sync.subscribe(ROOM, second);
  say(sockets[0]!, batch(ROOM, 3));
  await expect.poll(() => [first.seen, second.seen]).toEqual([[1, 2, 3], [3]]);
  expect(subscribes).toHaveLength(1);
});

test("a second reader with a cursor of its own gets its history, and the first sees nothing twice", async () => {
  onSubscribe = (socket, frame) => say(socket, frame.resume_after?.[ROOM] === "1" ? batch(ROOM, 2, 3) : batch(ROOM, 3));
  const [first, second] = [reader("2"), reader("1")];
  sync.subscribe(ROOM, first);
  await expect.poll(() => first.seen).toEqual([3]);
  sync.subscribe(ROOM, second);
  await expect.poll(() => second.seen).toEqual([2, 3]);
  expect(first.seen).toEqual([3]);
});

test("a server that says nothing any more is given up and asked anew", async () => {
  sync.close();
  sync = createSync({ client: createClient({ baseUrl: baseUrl() }), silenceMs: 100 });
  onSubscribe = (socket) => {
    if (subscribes.length === 1) {
      say(socket, batch(ROOM, 1));
      // As a network that has gone: nothing arrives any more, not even the closing.
      socket.pause();
    } else say(socket, batch(ROOM, 2));
  };
  const one = reader();
  sync.subscribe(ROOM, one);
  await expect.poll(() => one.seen, { timeout: 3_000 }).toEqual([1, 2]);
});

test("frames that are not of this protocol are passed over", async () => {
  onSubscribe = (socket) => {
    socket.send("not json");
    socket.send("null");
    socket.send('{"type":"of_a_later_version"}');
    socket.send('{"type":"update_batch"}');
    socket.send('{"type":"update_batch","updates":[{"topic":1}],"replay_complete":true,"head_watermarks":{}}');
    socket.send('{"type":"error"}');
    say(socket, batch(ROOM, 1));
  };
  const one = reader();
  sync.subscribe(ROOM, one);
  await expect.poll(() => one.seen).toEqual([1]);
});

test("a socket that nobody waits for any more is not opened", async () => {
  let give = (): void => undefined;
  holdTokens = new Promise((resolve) => (give = resolve));
  sync.subscribe(ROOM, reader())();
  give();
  await expect.poll(() => tokens).toBe(1);
  holdTokens = undefined;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(sockets).toHaveLength(0);
  // And the next reader is served all the same.
  onSubscribe = (socket) => say(socket, batch(ROOM, 1));
  const one = reader();
  sync.subscribe(ROOM, one);
  await expect.poll(() => one.seen).toEqual([1]);
});

test("closing while the token is still awaited leaves nothing behind", async () => {
  let give = (): void => undefined;
  holdTokens = new Promise((resolve) => (give = resolve));
  sync.subscribe(ROOM, reader());
  await expect.poll(() => tokens).toBe(1);
  sync.close();
  give();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(sockets).toHaveLength(0);
});
