/*
 * From commit to a thousand clients of one room, and what the fan-out carries beside a bare `ws`
 * broadcast of the same bytes.
 *
 *   latency   20 events/s, 1,000 SSE clients: arrival less `recorded_at`, which the database takes
 *             before the commit, in whole milliseconds (rounded down, so the figure errs upwards)
 *   rate      200 events/s offered to 1,000 clients: deliveries per second, signalbox and ws in turn
 *
 * Clients are raw sockets in this process; servers are processes of their own.
 * `node feed.ts [--rounds N] [--seconds S] [--clients N]`; the last line of stdout is one JSON object.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { type AddressInfo, connect, type Socket } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type * as Ws from "ws";
import { median, quantile, startServer, type BenchServer } from "./server.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "5" },
    clients: { type: "string", default: "1000" },
    ws: { type: "string" },
  },
});
const ROUNDS = Number(flags.rounds);
const SECONDS = Number(flags.seconds);
const CLIENTS = Number(flags.clients);
const OFFERED = 200;

/** Opens a connection that says `head` and hands over what comes after the answer's own head. */
function client(port: number, head: string, receive: (bytes: Buffer) => void): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(head));
    let opened = false;
    socket.on("data", (bytes: Buffer) => {
      if (opened) return receive(bytes);
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      if (!/^HTTP\/1\.1 (200|101)/.test(bytes.toString("latin1", 0, 20))) reject(new Error(bytes.toString("latin1", 0, 200)));
      opened = true;
      if (bytes.length > end + 4) receive(bytes.subarray(end + 4));
      resolve(socket);
    });
    socket.on("error", reject);
  });
}

async function clients(port: number, head: string, receive: (bytes: Buffer) => void): Promise<Socket[]> {
  const open: Socket[] = [];
  while (open.length < CLIENTS)
    open.push(...(await Promise.all(Array.from({ length: Math.min(50, CLIENTS - open.length) }, () => client(port, head, receive)))));
  return open;
}

const closeAll = (sockets: readonly Socket[]): void => sockets.forEach((socket) => socket.destroy());

/** Calls `work` `perSecond` times a second, without waiting for it. */
async function offer(perSecond: number, seconds: number, work: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  const running: Promise<unknown>[] = [];
  for (let i = 0; i < perSecond * seconds; i++) {
    const due = began + (i * 1000) / perSecond;
    if (due > performance.now()) await sleep(due - performance.now());
    running.push(work());
  }
  await Promise.all(running);
}

async function newRoom(server: BenchServer) {
  const room = (await server.call("POST", "/v1/rooms", { title: "bench" })).body["id"];
  const thread = (await server.call("POST", `/v1/rooms/${room}/threads`, {})).body["id"];
  const say = () => server.call("POST", `/v1/threads/${thread}/messages`, { content_md: "a message of a length that people write" });
  const head = `GET /v1/streams/rooms/${room}?from_seq=3 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${server.token}\r\n\r\n`;
  return { say, head };
}

async function latency(server: BenchServer): Promise<number[]> {
  const { say, head } = await newRoom(server);
  const took: number[] = [];
  const mark = Buffer.from('"recorded_at":"');
  const sockets = await clients(server.port, head, (bytes) => {
    const now = performance.timeOrigin + performance.now();
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1))
      took.push(now - Date.parse(bytes.toString("latin1", at + mark.length, at + mark.length + 24)));
  });
  await sleep(500);
  await offer(20, SECONDS, say);
  await sleep(300);
  closeAll(sockets);
  if (took.length < 20 * SECONDS * CLIENTS * 0.999) throw new Error(`only ${took.length} of ${20 * SECONDS * CLIENTS} arrived`);
  return took;
}

/** Deliveries per second between the first and the last, by bytes. */
async function rate(port: number, head: string, frameBytes: number, drive: () => Promise<unknown>): Promise<number> {
  let bytes = 0;
  let first = 0;
  let last = 0;
  const sockets = await clients(port, head, (part) => {
    bytes += part.length;
    last = performance.now();
    if (first === 0) first = last;
  });
  await sleep(300);
  bytes = 0;
  first = 0;
  await drive();
  // Until what was offered has arrived, or nothing has for a while.
  const isComplete = (): boolean => bytes >= OFFERED * SECONDS * CLIENTS * frameBytes;
  while (!isComplete() && performance.now() - last < 1000) await sleep(20);
  closeAll(sockets);
  return bytes / frameBytes / ((last - first) / 1000);
}

/** Bytes of one event as SSE sends it, chunk framing included: what the broadcast repeats. */
async function frameBytes(server: BenchServer): Promise<number> {
  const { say, head } = await newRoom(server);
  let bytes = 0;
  const socket = await client(server.port, head, (part) => (bytes += part.length));
  await say();
  await sleep(200);
  socket.destroy();
  return bytes;
}

/** The other side, in a process of its own: broadcasts a frame of that many bytes when told. */
async function serveBroadcast(bytes: number): Promise<void> {
  const require = createRequire(path.join(import.meta.dirname, "../apps/server/package.json"));
  const { WebSocketServer } = require("ws") as typeof Ws;
  const server = createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  // The length of a frame's header is part of its bytes.
  const text = "x".repeat(bytes - (bytes > 65_539 ? 10 : bytes > 129 ? 4 : 2));
  server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
  for await (const _go of createInterface({ input: process.stdin })) {
    await offer(OFFERED, SECONDS, async () => {
      for (const socket of sockets.clients) socket.send(text);
    });
    console.log("done");
  }
}

if (flags.ws !== undefined) {
  await serveBroadcast(Number(flags.ws));
  process.exit(0);
}

const server = await startServer();
const bytes = await frameBytes(server);
const broadcast: ChildProcess = spawn(process.execPath, [import.meta.filename, "--ws", String(bytes), "--seconds", String(SECONDS)], {
  stdio: ["pipe", "pipe", "inherit"],
});
const lines = createInterface({ input: broadcast.stdout! })[Symbol.asyncIterator]();
const wsPort = Number((await lines.next()).value);
const wsHead =
  "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const [p50s, p99s, ours, bare]: [number[], number[], number[], number[]] = [[], [], [], []];
for (let round = 0; round < ROUNDS; round++) {
  const took = await latency(server);
  p50s.push(quantile(took, 0.5));
  p99s.push(quantile(took, 0.99));
  const { say, head } = await newRoom(server);
  ours.push(await rate(server.port, head, bytes, () => offer(OFFERED, SECONDS, say)));
  bare.push(
    await rate(wsPort, wsHead, bytes, async () => {
      broadcast.stdin!.write("go\n");
      await lines.next();
    }),
  );
}
const ended = once(broadcast, "exit");
broadcast.stdin!.end();
await ended;
await server.stop();

const [p50, p99, delivered, reference] = [median(p50s), median(p99s), Math.round(median(ours)), Math.round(median(bare))];
const share = Number((delivered / reference).toFixed(2));
console.log(
  JSON.stringify({
    bench: "feed",
    measures: {
      clients: CLIENTS,
      commit_to_client_p50_ms: p50,
      commit_to_client_p99_ms: p99,
      delivered_per_s: delivered,
      ws_broadcast_per_s: reference,
      frame_bytes: bytes,
    },
    targets: [
      { target: `commit to SSE client, ${CLIENTS} clients and 20 events/s, p50, ms`, reached: p50, wanted: "≤ 5", ok: p50 <= 5 },
      { target: `commit to SSE client, ${CLIENTS} clients and 20 events/s, p99, ms`, reached: p99, wanted: "≤ 25", ok: p99 <= 25 },
      { target: "delivered rate, share of a bare ws broadcast", reached: share, wanted: "≥ 0.9", ok: share >= 0.9 },
    ],
  }),
);
