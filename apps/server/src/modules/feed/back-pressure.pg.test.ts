/* A follower that stops reading, at each door: cut off, nobody else delayed, and nothing missed when it comes back. */
import { get } from "node:http";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { openSocket } from "./sync-socket.fixture.ts";

const database = databaseTest();
let c: Composed;
let port: number;
let room: string;
let thread: string;
let run: string;

beforeAll(async () => {
  c = await startComposed(database);
  port = await c.server.listen();
  room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Slow" } })).body.id;
  thread = (await c.call("POST", `/v1/rooms/${room}/threads`, { token: c.owner, body: {} })).body.id;
  run = (await c.call("POST", "/v1/runs", { token: c.owner, body: { room_id: room, title: "A run" } })).body.id;
}, 60_000);
afterAll(() => c.close());

/** More than what the kernel takes off our hands on both ends of a connection, and the bound. */
const FRAMES = 80;
const TEXT = "x".repeat(200_000);
const WAIT = { timeout: 60_000, interval: 20 };

async function sayAll(): Promise<void> {
  for (let i = 0; i < FRAMES; i++) await c.call("POST", `/v1/threads/${thread}/messages`, { token: c.owner, body: { content_md: TEXT } });
}
const lastSeq = async (): Promise<number> => (await c.call("GET", `/v1/rooms/${room}`, { token: c.owner })).body.last_seq;

interface Reader {
  readonly ids: string[];
  readonly closed: Promise<void>;
  pause(): void;
  resume(): void;
  destroy(): void;
}
/** Server-sent events; an id is what `pattern` finds in one. */
function follow(path: string, pattern: RegExp): Promise<Reader> {
  return new Promise((resolve, reject) => {
    const request = get({ host: "127.0.0.1", port, path, headers: { authorization: `Bearer ${c.owner}` } }, (response) => {
      const ids: string[] = [];
      let rest = "";
      response.on("data", (part: Buffer) => {
        const blocks = (rest + part.toString()).split("\n\n");
        rest = blocks.pop()!;
        for (const block of blocks) ids.push(...(pattern.exec(block)?.slice(1, 2) ?? []));
      });
      response.on("error", () => undefined); // cut, as is the point
      resolve({
        ids,
        closed: new Promise((done) => response.on("close", done)),
        pause: () => void response.pause(),
        resume: () => void response.resume(),
        destroy: () => request.destroy(),
      });
    });
    request.on("error", reject);
  });
}
const isUnbroken = (ids: readonly string[]): boolean => ids.every((id, i) => i === 0 || Number(id) === Number(ids[i - 1]) + 1);

test("server-sent events", { timeout: 120_000 }, async () => {
  const from = await lastSeq();
  const path = `/v1/streams/rooms/${room}?from_seq=`;
  const [deaf, reader] = [await follow(`${path}${from}`, /^id: (\d+)/m), await follow(`${path}${from}`, /^id: (\d+)/m)];
  deaf.pause();
  const before = c.server.http.streams();
  await sayAll();
  await expect.poll(() => reader.ids.length, WAIT).toBe(FRAMES);
  await expect.poll(() => c.server.http.streams(), WAIT).toBe(before - 1);
  deaf.resume();
  await deaf.closed;
  expect(deaf.ids.length).toBeLessThan(FRAMES);
  const again = await follow(`${path}${deaf.ids.at(-1) ?? from}`, /^id: (\d+)/m);
  await expect.poll(() => deaf.ids.length + again.ids.length, WAIT).toBe(FRAMES);
  expect(isUnbroken([...deaf.ids, ...again.ids])).toBe(true);
  for (const one of [reader, again]) one.destroy();
});

test("sync:v1", { timeout: 120_000 }, async () => {
  const { token } = (await c.call("POST", "/v1/sync/token", { token: c.owner, body: {} })).body;
  const topic = `room:${room}`;
  const from = String(await lastSeq());
  const subscribe = (after: string) => ({ type: "subscribe", topics: [topic], resume_after: { [topic]: after } });
  const [deaf, reader] = [await openSocket(port, token), await openSocket(port, token)];
  for (const socket of [deaf, reader]) {
    socket.send(subscribe(from));
    await socket.caughtUp(topic);
  }
  deaf.ws.pause();
  const sockets = async () => Number(/^signalbox_sync_sockets (\d+)/m.exec((await c.call("GET", "/metrics")).body)?.[1]);
  expect(await sockets()).toBe(2);
  await sayAll();
  await expect.poll(() => reader.updates.length, WAIT).toBe(FRAMES);
  await expect.poll(sockets, WAIT).toBe(1);
  deaf.ws.resume();
  await deaf.closed;
  expect(deaf.updates.length).toBeLessThan(FRAMES);
  const again = await openSocket(port, token);
  again.send(subscribe(deaf.updates.at(-1)?.watermark ?? from));
  await expect.poll(() => deaf.updates.length + again.updates.length, WAIT).toBe(FRAMES);
  expect(isUnbroken([...deaf.updates, ...again.updates].map((update) => update.watermark))).toBe(true);
  reader.close();
  again.close();
});

test("Durable Streams", { timeout: 120_000 }, async () => {
  const path = `/v1/durable/runs/${run}/slow`;
  const headers = { "content-type": "text/plain" };
  await c.call("PUT", path, { token: c.owner, headers });
  const at = (offset: string): string => `${path}?live=sse&offset=${offset}`;
  const OFFSET = /"streamNextOffset":"(\d+_\d+)"/;
  const [deaf, reader] = [await follow(at("-1"), OFFSET), await follow(at("-1"), OFFSET)];
  deaf.pause();
  const before = c.server.http.streams();
  for (let i = 0; i < FRAMES; i++) await c.call("POST", path, { token: c.owner, headers, body: TEXT });
  const end = `${"0".repeat(16)}_${String(FRAMES * TEXT.length).padStart(16, "0")}`;
  await expect.poll(() => reader.ids.at(-1), WAIT).toBe(end);
  await expect.poll(() => c.server.http.streams(), WAIT).toBe(before - 1);
  deaf.resume();
  await deaf.closed;
  expect(deaf.ids.at(-1)).not.toBe(end);
  const again = await follow(at(deaf.ids.at(-1) ?? "-1"), OFFSET);
  await expect.poll(() => again.ids.at(-1), WAIT).toBe(end);
  expect(new Set([...deaf.ids, ...again.ids].filter((id) => !id.endsWith("0".repeat(16)))).size).toBe(FRAMES);
  for (const one of [reader, again]) one.destroy();
});
