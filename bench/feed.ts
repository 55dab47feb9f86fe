/*
 * From commit to a thousand clients of one room, and what the fan-out carries beside a bare `ws`
 * broadcast of the same bytes.
 *
 *   latency   20 events/s, 1,000 SSE clients: from the time that Postgres itself notes for the commit
 *             (`track_commit_timestamp`: when it writes the commit record, so before the flush to
 *             disk and before the server hears of it) until the last byte of the event was read
 *   bare      the same from a server that does nothing else: one `socket.write` of as many bytes to
 *             each of as many sockets in a loop, from the loop's start. What this machine can do at best
 *   rate      200 events/s offered to 1,000 clients: deliveries per second, signalbox and ws in turn
 *
 * On two cores the bare loop is most of it: a write to a loopback socket is 5.8 µs of the kernel's processor, so the
 * middle of a thousand leaves after 3 ms, and each is then read on the other core. Tried, to no gain: writing past
 * Node's streams with the handle's own `writeBuffer` (the same 5.8 µs), and, measured before this bench, a second process
 * for half of the followers. What the server adds to the bare loop is the flush to disk, the
 * database's answer, the caller's, and one encoding.
 *
 * Clients are raw sockets in this process, on the same cores as the servers, which are processes of
 * their own. Each reads every frame and its id, and parses no JSON.
 * `node feed.ts [--rounds N] [--seconds S] [--clients N]`; the last line of stdout is one JSON object.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import pg from "pg";
import type * as Ws from "ws";
import { startEmbeddedPostgres } from "../apps/server/src/postgres/embedded.ts";
import { median, quantile, startServer, type BenchServer } from "./server.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "5" },
    clients: { type: "string", default: "1000" },
    ws: { type: "string" },
    bare: { type: "string" },
  },
});
const ROUNDS = Number(flags.rounds);
const SECONDS = Number(flags.seconds);
const CLIENTS = Number(flags.clients);
const OFFERED = 200;
const CALM = 20;

/** All sockets read into it: one anew for every read was a fifth of the clients' processor, and the servers' is the same. */
const reading = Buffer.alloc(64 * 1024);

/** Opens a connection that says `head` and hands over what comes after the answer's own head. Bytes are good until `receive` returns. */
function client(port: number, head: string, receive: (bytes: Buffer) => void): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const callback = (length: number): boolean => {
      take(reading.subarray(0, length));
      return true;
    };
    const socket = connect({ port, host: "127.0.0.1", onread: { buffer: reading, callback } }, () => socket.write(head));
    let opened = false;
    const take = (bytes: Buffer): void => {
      if (opened) return receive(bytes);
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      if (!/^HTTP\/1\.1 (200|101)/.test(bytes.toString("latin1", 0, 20))) reject(new Error(bytes.toString("latin1", 0, 200)));
      opened = true;
      if (bytes.length > end + 4) receive(bytes.subarray(end + 4));
      resolve(socket);
    };
    socket.on("error", reject);
  });
}

/** `receiver` makes what one client does with its bytes. */
async function clients(port: number, head: string, receiver: () => (bytes: Buffer) => void): Promise<Socket[]> {
  const open: Socket[] = [];
  while (open.length < CLIENTS)
    open.push(...(await Promise.all(Array.from({ length: Math.min(50, CLIENTS - open.length) }, () => client(port, head, receiver())))));
  return open;
}

const now = (): number => performance.timeOrigin + performance.now();

/** Reads one HTTP chunk after the other and tells the id of each frame when its last byte is there. */
function frames(arrived: (id: number) => void): (bytes: Buffer) => void {
  let left = 0;
  let id = 0;
  let begun: Buffer | undefined;
  return (part) => {
    const bytes = begun === undefined ? part : Buffer.concat([begun, part]);
    begun = undefined;
    for (let at = 0; at < bytes.length;) {
      if (left === 0) {
        const size = bytes.indexOf(10, at);
        const line = size < 0 ? size : bytes.indexOf(10, size + 1);
        if (line < 0) {
          begun = Buffer.from(bytes.subarray(at));
          return;
        }
        left = size + 1 - at + Number.parseInt(bytes.latin1Slice(at, size), 16) + 2;
        // A keep-alive comment has none.
        id = bytes[size + 1] === 0x69 ? Number(bytes.latin1Slice(size + 5, line)) : -1;
      }
      const length = Math.min(left, bytes.length - at);
      at += length;
      left -= length;
      if (left === 0 && id >= 0) arrived(id);
    }
  };
}

/** Follows with all clients while `drive` runs; gives each arrival less the time that `began` has for its id. */
async function delays(
  port: number,
  head: string,
  drive: () => Promise<unknown>,
  began: () => Promise<Map<number, number>>,
): Promise<number[]> {
  const expected = CALM * SECONDS * CLIENTS;
  const [ids, times] = [new Int32Array(2 * expected), new Float64Array(2 * expected)];
  let count = 0;
  const sockets = await clients(port, head, () =>
    frames((id) => {
      ids[count] = id;
      times[count++] = now();
    }),
  );
  await sleep(500);
  count = 0;
  await drive();
  await sleep(300);
  closeAll(sockets);
  if (count < expected * 0.999) throw new Error(`only ${count} of ${expected} arrived`);
  const starts = await began();
  return Array.from({ length: count }, (_, i) => times[i] - starts.get(ids[i])!);
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
  return { room, say, head };
}

async function latency(server: BenchServer, postgres: pg.Client): Promise<number[]> {
  const { room, say, head } = await newRoom(server);
  return delays(
    server.port,
    head,
    () => offer(CALM, SECONDS, say),
    async () => {
      const { rows } = await postgres.query<{ seq: string; at: string }>(
        "select seq, extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000 as at from evt_events where stream_id = $1",
        [room],
      );
      return new Map(rows.map(({ seq, at }) => [Number(seq), Number(at)]));
    },
  );
}

/** Deliveries per second between the first and the last, by bytes. */
async function rate(port: number, head: string, frameBytes: number, drive: () => Promise<unknown>): Promise<number> {
  let bytes = 0;
  let first = 0;
  let last = 0;
  const receive = (part: Buffer): void => {
    bytes += part.length;
    last = performance.now();
    if (first === 0) first = last;
  };
  const sockets = await clients(port, head, () => receive);
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

/** The least that a server can do: writes a frame of that many bytes to each socket when told, and says when it began each. */
async function serveBare(bytes: number): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createTcpServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\n\r\n"));
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined); // cut by the clients
  });
  server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
  for await (const _go of createInterface({ input: process.stdin })) {
    const began: number[] = [];
    await offer(CALM, SECONDS, async () => {
      const size = (bytes - 7).toString(16);
      const frame = Buffer.from(`${size}\r\n${`id: ${began.length}\ndata: `.padEnd(bytes - 7 - 2, "x")}\n\n\r\n`);
      began.push(now());
      for (const socket of sockets) socket.write(frame);
    });
    console.log(JSON.stringify(began));
  }
}

if (flags.bare !== undefined) {
  await serveBare(Number(flags.bare));
  process.exit(0);
}
if (flags.ws !== undefined) {
  await serveBroadcast(Number(flags.ws));
  process.exit(0);
}

const place = await mkdtemp(path.join(tmpdir(), "signalbox-bench-"));
await chmod(place, 0o711);
const cluster = await startEmbeddedPostgres({ dataDir: path.join(place, "cluster") });
const settings = new pg.Client(cluster.connection("admin"));
await settings.connect();
await settings.query("alter system set track_commit_timestamp = on");
await settings.end();
await cluster.pause();
await cluster.resume();
const postgres = new pg.Client(cluster.connection("admin"));
await postgres.connect();
const server = await startServer({
  DATABASE_URL: `postgresql://postgres@localhost:5432/signalbox?host=${encodeURIComponent(cluster.socketDir)}`,
});
const bytes = await frameBytes(server);

/** This file again, as a server of its own. */
async function serve(kind: "ws" | "bare") {
  const child: ChildProcess = spawn(process.execPath, [import.meta.filename, `--${kind}`, String(bytes), "--seconds", String(SECONDS)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const port = Number((await lines.next()).value);
  return {
    port,
    async go(): Promise<string> {
      child.stdin!.write("go\n");
      return String((await lines.next()).value);
    },
    async end() {
      const ended = once(child, "exit");
      child.stdin!.end();
      await ended;
    },
  };
}
const broadcast = await serve("ws");
const bareServer = await serve("bare");
const wsHead =
  "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const figures = {
  p50: [] as number[],
  p99: [] as number[],
  bareP50: [] as number[],
  bareP99: [] as number[],
  ours: [] as number[],
  ws: [] as number[],
};
for (let round = 0; round < ROUNDS; round++) {
  const took = await latency(server, postgres);
  figures.p50.push(quantile(took, 0.5));
  figures.p99.push(quantile(took, 0.99));
  let began: number[] = [];
  const bareTook = await delays(
    bareServer.port,
    "GET / HTTP/1.1\r\n\r\n",
    async () => (began = JSON.parse(await bareServer.go()) as number[]),
    async () => new Map(began.entries()),
  );
  figures.bareP50.push(quantile(bareTook, 0.5));
  figures.bareP99.push(quantile(bareTook, 0.99));
  const { say, head } = await newRoom(server);
  figures.ours.push(await rate(server.port, head, bytes, () => offer(OFFERED, SECONDS, say)));
  figures.ws.push(await rate(broadcast.port, wsHead, bytes, () => broadcast.go()));
}
await broadcast.end();
await bareServer.end();
await server.stop();
await postgres.end();
await cluster.stop();
await rm(place, { recursive: true, force: true });

const [p50, p99, delivered, reference] = [
  median(figures.p50),
  median(figures.p99),
  Math.round(median(figures.ours)),
  Math.round(median(figures.ws)),
];
const share = Number((delivered / reference).toFixed(2));
console.log(
  JSON.stringify({
    bench: "feed",
    measures: {
      clients: CLIENTS,
      commit_to_client_p50_ms: p50,
      commit_to_client_p99_ms: p99,
      bare_write_to_client_p50_ms: median(figures.bareP50),
      bare_write_to_client_p99_ms: median(figures.bareP99),
      added_to_bare_write_p50_ms: Number((p50 - median(figures.bareP50)).toFixed(2)),
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
