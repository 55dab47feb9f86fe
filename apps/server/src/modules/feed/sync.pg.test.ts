import type { SessionDelta, ServerFrame, SyncUpdate } from "@signalbox/contract/sync";
import { canonicalJson, sha256, type Json } from "@signalbox/kernel/canonical";
import { databaseTest } from "@signalbox/testkit/database";
import { newId } from "@signalbox/kernel/id";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { Pool } from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { compareWatermarks, type LiveSource, type LiveUpdate } from "./live-source.ts";
import { createKeyRing } from "../../key-ring.ts";
import { RINGS } from "../../rings.ts";
import { createSecrets } from "../secrets/public.ts";
import { createFeed } from "./public.ts";

const database = databaseTest();
let c: Composed;
let port: number;
let pool: Pool;

beforeAll(async () => {
  c = await startComposed(database);
  port = await c.server.listen();
  pool = new Pool(database.connection("sb_log"));
}, 60_000);
afterAll(async () => {
  await pool.end();
  await c.close();
});

interface Socket {
  readonly frames: ServerFrame[];
  readonly updates: SyncUpdate[];
  readonly closed: Promise<number>;
  send(frame: unknown): void;
  until(predicate: () => boolean): Promise<void>;
  error(code: string): Promise<Extract<ServerFrame, { type: "error" }>>;
  close(): void;
}

function open(token: string, at = port): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(`ws://127.0.0.1:${at}/v1/sync?token=${token}`);
    const frames: ServerFrame[] = [];
    const updates: SyncUpdate[] = [];
    const closed = new Promise<number>((done) => ws.on("close", done));
    ws.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as ServerFrame;
      frames.push(frame);
      if (frame.type === "update_batch") updates.push(...frame.updates);
    });
    ws.on("error", reject);
    ws.on("open", () => {
      const until = async (predicate: () => boolean) => expect.poll(predicate, { timeout: 8000, interval: 5 }).toBe(true);
      const errors = () => frames.filter((frame) => frame.type === "error");
      resolve({
        frames,
        updates,
        closed,
        until,
        send: (frame) => ws.send(typeof frame === "string" ? frame : JSON.stringify(frame)),
        async error(code) {
          await until(() => errors().some((frame) => frame.code === code));
          return errors().find((frame) => frame.code === code)!;
        },
        close: () => ws.close(),
      });
    });
  });
}

const tokenOf = async (token: string, body: object = {}): Promise<string> =>
  (await c.call("POST", "/v1/sync/token", { token, body })).body.token;
const caughtUp = (socket: Socket, topic: string) =>
  socket.until(() => socket.frames.some((f) => f.type === "update_batch" && f.replay_complete && topic in f.head_watermarks));

async function newRoom(): Promise<{ room: string; topic: string; say: (text: string) => Promise<unknown> }> {
  const room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "sync" } })).body.id as string;
  const thread = (await c.call("POST", `/v1/rooms/${room}/threads`, { token: c.owner, body: {} })).body.id as string;
  return {
    room,
    topic: `room:${room}`,
    say: (text) => c.call("POST", `/v1/threads/${thread}/messages`, { token: c.owner, body: { content_md: text } }),
  };
}

test("without a cursor only what is new comes; with one, everything after it, each once", async () => {
  const { topic, say } = await newRoom();
  await say("old");
  const socket = await open(await tokenOf(c.owner));
  socket.send({ type: "subscribe", topics: [topic] });
  await caughtUp(socket, topic);
  expect(socket.updates).toEqual([]);
  for (let i = 0; i < 3; i++) await say(`new ${i}`);
  await socket.until(() => socket.updates.length === 3);
  expect(socket.updates.map((update) => update.watermark)).toEqual(["5", "6", "7"]);
  socket.close();

  const again = await open(await tokenOf(c.owner));
  again.send({ type: "subscribe", topics: [topic], resume_after: { [topic]: "2" }, batch: 2 });
  await again.until(() => again.updates.length === 5);
  await caughtUp(again, topic);
  expect(again.updates.map((update) => update.watermark)).toEqual(["3", "4", "5", "6", "7"]);
  const batches = again.frames.filter((frame) => frame.type === "update_batch");
  expect(batches.every((frame) => frame.updates.length <= 2)).toBe(true);
  again.close();
});

test("an update's hash is over the canonical form of its payload, which is the event", async () => {
  const { room, topic, say } = await newRoom();
  const socket = await open(await tokenOf(c.owner));
  socket.send({ type: "subscribe", topics: [topic] });
  await caughtUp(socket, topic);
  await say("ünïcödé 😀");
  await socket.until(() => socket.updates.length === 1);
  const [update] = socket.updates;
  expect(update!.payload_hash).toBe(sha256(canonicalJson(update!.payload as Json)));
  const [event] = (await c.call("GET", `/v1/events?stream_type=room&stream_id=${room}&from_seq=3`, { token: c.owner })).body.items;
  expect(update!.payload).toEqual(event);
  expect(update!.doc_key).toBe(`room/event:${event.event_id}`);
  socket.close();
});

test("an update over 256 KB comes without its data, and every batch stays under 2 MB", async () => {
  const { topic, say } = await newRoom();
  await say("x".repeat(400_000));
  for (let i = 0; i < 20; i++) await say("y".repeat(200_000));
  const socket = await open(await tokenOf(c.owner));
  socket.send({ type: "subscribe", topics: [topic], resume_after: { [topic]: "3" } });
  await socket.until(() => socket.updates.length === 21);
  expect((socket.updates[0]!.payload as { data: { omitted: string } }).data.omitted).toBe("too_large");
  expect(socket.updates[0]!.payload_hash).toBe(sha256(canonicalJson(socket.updates[0]!.payload as Json)));
  for (const frame of socket.frames) expect(Buffer.byteLength(JSON.stringify(frame))).toBeLessThanOrEqual(2_097_152);
  socket.close();
});

test("a frame of 1 MB is refused by its size: socket and topics go on, nobody else notices; beyond what a batch may have nothing is read", async () => {
  const { topic, say } = await newRoom();
  const [large, other] = [await open(await tokenOf(c.owner)), await open(await tokenOf(c.owner))];
  for (const socket of [large, other]) {
    socket.send({ type: "subscribe", topics: [topic] });
    await caughtUp(socket, topic);
  }
  const megabyte = "x".repeat(1024 * 1024);
  large.send({ type: "subscribe", topics: [megabyte] });
  expect((await large.error("payload_too_large")).message).toContain("65536");
  // What is as large as it may be is judged by what it says.
  const most = { type: "heartbeat", x: "" };
  large.send({ ...most, x: "x".repeat(65_536 - JSON.stringify(most).length) });
  // A message of a megabyte comes to both without its data, and is whole over HTTP.
  expect(((await say(megabyte)) as { status: number }).status).toBe(201);
  await say("after");
  for (const socket of [large, other]) {
    await socket.until(() => socket.updates.length === 2);
    const [cut, after] = socket.updates.map(({ payload }) => payload as { event_id: string; data: Record<string, unknown> });
    expect(cut!.data).toEqual({ omitted: "too_large", bytes: expect.any(Number) });
    expect(after!.data["content_md"]).toBe("after");
    const whole = (await c.call("GET", `/v1/events/${cut!.event_id}`, { token: c.owner })).body;
    expect(whole.data.content_md).toBe(megabyte);
    expect(cut!.data["bytes"]).toBeGreaterThan(megabyte.length);
  }
  expect(large.frames.filter((frame) => frame.type === "error")).toHaveLength(1);
  for (let i = 0; i < 4; i++) large.send(megabyte);
  expect(await large.closed).toBe(4400);
  const huge = await open(await tokenOf(c.owner));
  huge.send("x".repeat(2_097_153));
  expect(await huge.closed).toBe(1009);
  await say("still");
  await other.until(() => other.updates.length === 3);
  other.close();
});

test("a cursor beyond the head is stale: read the state anew", async () => {
  const { topic } = await newRoom();
  const socket = await open(await tokenOf(c.owner));
  socket.send({ type: "subscribe", topics: [topic], resume_after: { [topic]: "999" } });
  expect(await socket.error("stale_cursor")).toMatchObject({ full_resync_required: true, stale_topics: [topic] });
  socket.close();
});

test("topics that are unknown, malformed in their cursor or not the caller's are refused by name; the others go on", async () => {
  const { topic, say } = await newRoom();
  const stranger = `room:${newId("room")}`;
  const outsider = await c.person("member");
  const socket = await open(await tokenOf(c.owner));
  socket.send({ type: "subscribe", topics: ["weather", stranger, `session:${newId("ses")}`, topic] });
  await caughtUp(socket, topic);
  expect((await socket.error("bad_topic")).stale_topics).toEqual(["weather"]);
  const refused = socket.frames
    .filter((frame) => frame.type === "error")
    .map((frame) => [frame.code, frame.stale_topics?.[0]?.split(":")[0]]);
  expect(refused.map(String).toSorted()).toEqual(["bad_topic,weather", "forbidden_topic,room", "forbidden_topic,session"]);
  socket.send({ type: "subscribe", topics: [topic], resume_after: { [topic]: "yesterday" } });
  await socket.error("bad_subscription");
  await say("still");
  socket.close();

  const theirs = await open(await tokenOf(outsider.token));
  theirs.send({ type: "subscribe", topics: [topic] });
  expect((await theirs.error("forbidden_topic")).stale_topics).toEqual([topic]);
  theirs.close();
});

test("a token's scopes bound its topics, and unknown scopes are refused", async () => {
  const [one, two] = [await newRoom(), await newRoom()];
  const socket = await open(await tokenOf(c.owner, { scopes: [one.topic] }));
  socket.send({ type: "subscribe", topics: [one.topic, two.topic] });
  await caughtUp(socket, one.topic);
  expect((await socket.error("forbidden_topic")).stale_topics).toEqual([two.topic]);
  socket.close();
  const bad = await c.call("POST", "/v1/sync/token", { token: c.owner, body: { scopes: ["everything"] } });
  expect([bad.status, bad.body.error.code]).toEqual([400, "scope_not_allowed"]);
  expect((await c.call("POST", "/v1/sync/token", { token: c.owner, body: { ttl_s: 59 } })).status).toBe(400);
  expect((await c.call("POST", "/v1/sync/token", { token: c.owner, body: { ttl_s: 901 } })).status).toBe(400);
});

test("a wrong, unsigned or foreign token gets no socket", async () => {
  const good = await tokenOf(c.owner);
  const [header, body] = good.split(".");
  const unsigned = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${body}.`;
  for (const token of ["", "x", `${header}.${body}.AAAA`, unsigned, c.owner]) {
    const socket = await open(token);
    await socket.error("unauthenticated");
    expect(await socket.closed).toBe(4401);
  }
});

test("a socket ends with the credential that opened it", async () => {
  const person = await c.person("owner");
  const { topic, say } = await newRoom();
  const socket = await open(await tokenOf(person.token));
  socket.send({ type: "subscribe", topics: [topic] });
  await caughtUp(socket, topic);
  await c.call("DELETE", `/v1/tokens/${person.tokenId}`, { token: c.owner });
  await socket.error("unauthenticated");
  expect(await socket.closed).toBe(4401);
  await say("unheard");
  expect(socket.updates).toEqual([]);
});

test("whoever is removed from a room loses its topic", async () => {
  const { room, topic, say } = await newRoom();
  const guest = await c.person("member");
  await c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id: guest.id, role: "viewer" } });
  const socket = await open(await tokenOf(guest.token));
  socket.send({ type: "subscribe", topics: [topic] });
  await caughtUp(socket, topic);
  await c.call("DELETE", `/v1/rooms/${room}/members/${guest.id}`, { token: c.owner });
  expect((await socket.error("forbidden_topic")).stale_topics).toEqual([topic]);
  await say("secret");
  expect(socket.updates.map((update) => (update.payload as { type: string }).type)).toEqual(["room.member_removed"]);
  socket.close();
});

test("after unsubscribing nothing comes", async () => {
  const { topic, say } = await newRoom();
  const socket = await open(await tokenOf(c.owner));
  socket.send({ type: "subscribe", topics: [topic] });
  socket.send({ type: "unsubscribe", topics: [topic] });
  await say("unheard");
  socket.send({ type: "subscribe", topics: [topic] });
  await caughtUp(socket, topic);
  expect(socket.updates).toEqual([]);
  socket.close();
});

test("bad frames are refused and, when they do not stop, end the socket", async () => {
  const socket = await open(await tokenOf(c.owner));
  for (const frame of [
    "not json",
    { type: "shout" },
    { type: "subscribe" },
    { type: "subscribe", topics: [] },
    { type: "subscribe", topics: [1] },
  ])
    socket.send(frame);
  expect(await socket.closed).toBe(4400);
  expect(socket.frames.filter((frame) => frame.type === "error" && frame.code === "bad_frame")).toHaveLength(5);
  const flood = await open(await tokenOf(c.owner));
  for (let i = 0; i < 60; i++) flood.send({ type: "heartbeat" });
  await flood.error("rate_limited");
  expect(await flood.closed).toBe(4429);
});

// ── A session's live deltas, and time, on a feed of its own ──

/** Epochs of deltas in memory, as the sessions module keeps them. */
function memorySource(
  roomId: string,
): LiveSource & { push(delta: SessionDelta): void; takeOver(): void; forgetBefore(watermark: string): void } {
  const kept: LiveUpdate[] = [];
  const listeners = new Set<(updates: readonly LiveUpdate[]) => void>();
  let epoch = 1;
  let n = 0;
  let oldest = "0.0";
  return {
    roomOf: (_organization, sessionId) => Promise.resolve(sessionId.startsWith("ses_") ? roomId : null),
    subscribe(_session, listener) {
      listeners.add(listener);
      return { head: kept.at(-1)?.watermark ?? "0.0", close: () => listeners.delete(listener) };
    },
    head: () => Promise.resolve(kept.at(-1)?.watermark ?? "0.0"),
    history: async (_session, after, limit) =>
      compareWatermarks(after, oldest) < 0
        ? "stale"
        : kept.filter(({ watermark }) => compareWatermarks(watermark, after) > 0).slice(0, limit),
    push(delta) {
      const update = { watermark: `${epoch}.${++n}`, delta };
      kept.push(update);
      for (const listener of listeners) listener([update]);
    },
    takeOver() {
      epoch++;
      n = 0;
    },
    forgetBefore: (watermark) => void (oldest = watermark),
  };
}

const text = (delta: string): SessionDelta => ({ kind: "text", part_id: "p1", run_id: "run_1", delta });

async function ownFeed(role: "owner" | "member" = "owner") {
  const { room, topic: roomTopic } = await newRoom();
  const guest = await c.person("member");
  await c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id: guest.id, role: "viewer" } });
  const live = memorySource(room);
  let nowMs = Date.now();
  const clock = { now: () => new Date(nowMs).toISOString(), nowMs: () => nowMs };
  const feed = createFeed({
    log: c.server.log,
    db: c.server.db,
    clock,
    logger: pino({ level: "silent" }),
    rooms: c.server.rooms,
    live,
    topics: [],
    pool,
    connection: database.connection("sb_log"),
    tokenKeys: createKeyRing(
      {
        pool,
        clock,
        sealer: createSecrets({
          log: c.server.log,
          db: c.server.db,
          clock,
          logger: pino({ level: "silent" }),
          keysDirectory: path.join(c.dataDir, "keys"),
          organizations: c.server.identity.organizations,
        }).sealer,
      },
      RINGS.sync,
    ),
    retentionMs: 24 * 3600_000,
    runRoom: () => Promise.resolve(null),
    organizations: c.server.identity.organizations,
    displayNames: (_organization, ids) => Promise.resolve(new Map(ids.map((id) => [id, id]))),
    hold: () => () => undefined,
    standing: async () => role,
  });
  const server = createServer().listen(0, "127.0.0.1");
  server.on("upgrade", feed.upgrade);
  await new Promise((resolve) => server.once("listening", resolve));
  const createToken = feed.routes.find(({ route }) => route.id === "sync.token")!;
  const principal = role === "owner" ? { id: "usr_owner", type: "user", displayName: "" } : { id: guest.id, type: "user", displayName: "" };
  const token = async (ttl_s = 300): Promise<string> =>
    (
      (await createToken.handler({
        caller: { principal, organizationId: "ws_dev", role, scopes: [], credential: { kind: "token", id: "tok_own" } },
        body: { ttl_s },
      } as never)) as {
        token: string;
      }
    ).token;
  return {
    feed,
    live,
    guest,
    room,
    roomTopic,
    topic: `session:${newId("ses")}`,
    advance: (ms: number) => void (nowMs += ms),
    token,
    openWith: (given: string) => open(given, (server.address() as AddressInfo).port),
    open: async () => open(await token(), (server.address() as AddressInfo).port),
    async close() {
      feed.disconnect();
      await feed.stop!();
      server.closeAllConnections();
      server.close();
    },
  };
}

test("a session's deltas resume by epoch.n without loss or repeat, also over a takeover", async () => {
  const own = await ownFeed();
  for (let i = 0; i < 450; i++) own.live.push(text(`a${i} `));
  own.live.takeOver();
  own.live.push({ kind: "snapshot", part_id: "p1", run_id: "run_1", part: "text", name: null, text: "whole" });
  const socket = await own.open();
  socket.send({ type: "subscribe", topics: [own.topic], resume_after: { [own.topic]: "1.10" } });
  for (let i = 0; i < 50; i++) own.live.push(text(`b${i} `));
  await socket.until(() => socket.updates.length === 440 + 51);
  const expected = [...Array.from({ length: 440 }, (_, i) => `1.${i + 11}`), ...Array.from({ length: 51 }, (_, i) => `2.${i + 1}`)];
  expect(socket.updates.map((update) => update.watermark)).toEqual(expected);
  expect(socket.updates.every((update) => update.doc_key === `session/delta:${update.watermark}`)).toBe(true);
  socket.close();
  await own.close();
});

test("deltas that are no longer kept make the cursor stale", async () => {
  const own = await ownFeed();
  for (let i = 0; i < 9; i++) own.live.push(text("x"));
  own.live.forgetBefore("1.5");
  const socket = await own.open();
  socket.send({ type: "subscribe", topics: [own.topic], resume_after: { [own.topic]: "1.2" } });
  expect(await socket.error("stale_cursor")).toMatchObject({ stale_topics: [own.topic], full_resync_required: true });
  socket.close();
  await own.close();
});

test("leaving a session's room ends its live topic too", async () => {
  const own = await ownFeed("member");
  const socket = await own.open();
  socket.send({ type: "subscribe", topics: [own.topic] });
  await caughtUp(socket, own.topic);
  await c.call("DELETE", `/v1/rooms/${own.room}/members/${own.guest.id}`, { token: c.owner });
  expect((await socket.error("forbidden_topic")).stale_topics).toEqual([own.topic]);
  own.live.push(text("secret"));
  expect(socket.updates).toEqual([]);
  socket.close();
  await own.close();
});

test("a socket is closed when its token ends, and a token cannot be used after", async () => {
  const own = await ownFeed();
  const token = await own.token(60);
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  const socket = await own.openWith(token);
  await vi.advanceTimersByTimeAsync(61_000);
  vi.useRealTimers();
  await socket.error("token_expired");
  expect(await socket.closed).toBe(4401);
  own.advance(61_000);
  const late = await own.openWith(token);
  await late.error("token_expired");
  expect(await late.closed).toBe(4401);
  await own.close();
});

test("heartbeats say where each topic stands, and a silent client is closed", async () => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  const own = await ownFeed();
  await own.feed.start!();
  const socket = await own.open();
  socket.send({ type: "subscribe", topics: [own.topic] });
  await caughtUp(socket, own.topic);
  own.live.push(text("x"));
  await vi.advanceTimersByTimeAsync(15_000);
  await socket.until(() => socket.frames.some((frame) => frame.type === "heartbeat"));
  expect(socket.frames.find((frame) => frame.type === "heartbeat")).toEqual({ type: "heartbeat", watermarks: { [own.topic]: "1.1" } });
  own.advance(61_000);
  await vi.advanceTimersByTimeAsync(15_000);
  vi.useRealTimers();
  expect(await socket.closed).toBe(4408);
  await own.close();
});
