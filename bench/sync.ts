/*
 * `sync:v1` on one gateway: how late an update is, how that compares with a bare `ws` broadcast of as many bytes,
 * what a follower costs at rest, and how long ten thousand take to come back.
 *
 *   latency    1,000 followers of one room, 20 messages/s: from the event's `recorded_at`, which is taken before the
 *              commit, until the frame is in each client
 *   fan-out    5,000 followers, 5 messages/s, beside a process that does nothing but write as many bytes to as many
 *              sockets, both from the moment at which the server began
 *   at rest    what the server's memory grew by for 5,000 followers who are told nothing
 *   return     10,000 sockets at once, each resuming a room from 50 events ago: until the last has caught up
 *
 *   node bench/sync.ts [--seconds n]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { WebSocket, WebSocketServer } from "ws";
import { startServer } from "./server.ts";

const { values: flags } = parseArgs({
  options: { seconds: { type: "string", default: "8" }, bare: { type: "string" }, raised: { type: "boolean", default: false } },
});
const SECONDS = Number(flags.seconds);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const quantile = (values: readonly number[], q: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN) * 100) / 100;
};

/** This file again, with as many open files as ten thousand sockets take. */
async function raised(): Promise<void> {
  const again = [process.execPath, import.meta.filename, "--raised", "--seconds", String(SECONDS)];
  const child = spawn("sh", ["-c", 'ulimit -n "$(ulimit -Hn)" && exec "$@"', "sh", ...again], { stdio: "inherit" });
  process.exitCode = await new Promise<number>((resolve) => child.on("exit", (code) => resolve(code ?? 1)));
}

/** Writes a frame of that many bytes to every socket, five times a second, when told; it says when it began. */
async function serveBare(bytes: number): Promise<void> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  console.log((server.address() as AddressInfo).port);
  for await (const _go of createInterface({ input: process.stdin })) {
    for (let i = 0; i < 5 * SECONDS; i++) {
      const frame = JSON.stringify({ recorded_at: new Date().toISOString(), pad: "" }).padEnd(bytes, " ");
      for (const socket of server.clients) socket.send(frame);
      await sleep(200);
    }
    console.log("done");
  }
  process.exit(0);
}

interface Followers {
  readonly sockets: WebSocket[];
  /** Milliseconds from `recorded_at`, of every frame at every client. */
  delays: number[];
  /** When each had caught up. */
  readonly caughtUp: Promise<void>[];
  bytes: number;
}

async function connect(count: number, url: string, hello: string | null, atOnce = 200): Promise<Followers> {
  const followers: Followers = { sockets: [], delays: [], caughtUp: [], bytes: 0 };
  for (let i = 0; i < count; i += atOnce) {
    const opened = Array.from({ length: Math.min(atOnce, count - i) }, () => {
      const ws = new WebSocket(url, { perMessageDeflate: false });
      followers.sockets.push(ws);
      const { promise, resolve } = Promise.withResolvers<void>();
      followers.caughtUp.push(promise);
      ws.on("error", () => undefined); // counted by who has not caught up
      ws.on("message", (data: Buffer) => {
        const now = Date.now();
        const text = data.toString("latin1");
        if (text.includes('"replay_complete":true')) resolve();
        const at = /"recorded_at":"([^"]+)"/.exec(text)?.[1];
        if (at === undefined) return;
        followers.bytes = data.length;
        followers.delays.push(now - Date.parse(at));
      });
      return new Promise<void>((done) =>
        ws.on("open", () => {
          if (hello === null) resolve();
          else ws.send(hello);
          done();
        }),
      );
    });
    await Promise.all(opened);
  }
  return followers;
}

async function close(followers: Followers): Promise<void> {
  for (const ws of followers.sockets) ws.terminate();
  await sleep(1500);
}

const residentKb = (pid: number): number => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

async function measure(): Promise<void> {
  const server = await startServer();
  const url = async (): Promise<string> =>
    `ws://127.0.0.1:${server.port}/v1/sync?token=${(await server.call("POST", "/v1/sync/token", { ttl_s: 900 })).body["token"]}`;
  const room = (await server.call("POST", "/v1/rooms", { title: "Bench" })).body["id"];
  const thread = (await server.call("POST", `/v1/rooms/${room}/threads`, {})).body["id"];
  const topic = `room:${room}`;
  const follow = JSON.stringify({ type: "subscribe", topics: [topic] });
  const say = (n: number) => server.call("POST", `/v1/threads/${thread}/messages`, { content_md: `update ${n}` });
  async function offer(perSecond: number): Promise<void> {
    const from = performance.now();
    for (let i = 0; i < perSecond * SECONDS; i++) {
      await sleep(Math.max(0, from + (i * 1000) / perSecond - performance.now()));
      void say(i);
    }
    await sleep(1500);
  }

  // Latency.
  const thousand = await connect(1000, await url(), follow);
  await Promise.all(thousand.caughtUp);
  await offer(20);
  const latency = { p50: quantile(thousand.delays, 0.5), p99: quantile(thousand.delays, 0.99), got: thousand.delays.length };
  const { bytes } = thousand;
  await close(thousand);

  // At rest, and fan-out.
  const before = residentKb(server.pid);
  const many = await connect(5000, await url(), follow);
  await Promise.all(many.caughtUp);
  await sleep(2000);
  const perFollowerKb = Math.round(((residentKb(server.pid) - before) / 5000) * 10) / 10;
  await offer(5);
  const fan = { p50: quantile(many.delays, 0.5), p99: quantile(many.delays, 0.99), got: many.delays.length };
  await close(many);

  const child: ChildProcess = spawn(process.execPath, [import.meta.filename, "--bare", String(bytes), "--seconds", String(SECONDS)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const bare = await connect(5000, `ws://127.0.0.1:${(await lines.next()).value}`, null);
  child.stdin!.write("go\n");
  await lines.next();
  await sleep(500);
  const reference = { p50: quantile(bare.delays, 0.5), p99: quantile(bare.delays, 0.99) };
  await close(bare);
  child.stdin!.end();

  // Return.
  const { body } = await server.call("GET", `/v1/rooms/${room}`);
  const head = Number(body["last_seq"]);
  const resume = JSON.stringify({ type: "subscribe", topics: [topic], resume_after: { [topic]: String(Math.max(0, head - 50)) } });
  const back = await url();
  const began = performance.now();
  const returning = await connect(10_000, back, resume, 10_000);
  await Promise.all(returning.caughtUp);
  const returnedS = Math.round((performance.now() - began) / 100) / 10;
  await close(returning);
  await server.stop();

  const ratio = Math.round((fan.p50 / reference.p50) * 100) / 100;
  console.log(
    JSON.stringify({
      bench: "sync",
      measures: {
        latency_p50_ms: latency.p50,
        latency_p99_ms: latency.p99,
        latency_frames: latency.got,
        fan_out_p50_ms: fan.p50,
        fan_out_p99_ms: fan.p99,
        fan_out_frames: fan.got,
        bare_ws_p50_ms: reference.p50,
        bare_ws_p99_ms: reference.p99,
        frame_bytes: bytes,
        kb_per_follower_at_rest: perFollowerKb,
        returned_s: returnedS,
      },
      targets: [
        {
          target: "1,000 followers, 20 updates/s, recorded to client p50, ms",
          reached: latency.p50,
          wanted: "≤ 15",
          ok: latency.p50 <= 15,
        },
        { target: "5,000 followers, 5/s, against a bare ws broadcast, p50", reached: ratio, wanted: "≤ 1.3×", ok: ratio <= 1.3 },
        { target: "memory a follower at rest, KB", reached: perFollowerKb, wanted: "≤ 30", ok: perFollowerKb <= 30 },
        { target: "10,000 reconnecting at once, all caught up, s", reached: returnedS, wanted: "≤ 15", ok: returnedS <= 15 },
      ],
    }),
  );
}

if (flags.bare !== undefined) await serveBare(Number(flags.bare));
else if (!flags.raised) await raised();
else await measure();
