/*
 * `sync:v1` on one gateway: how late an update is, how that compares with a bare `ws` broadcast of as many bytes,
 * what a follower costs at rest, and how long ten thousand take to come back. The clients are a process of their own
 * (`sync-clients.ts`), the same for the server and for what it is compared with.
 *
 *   latency    1,000 followers of one room, 20 messages/s: from the event's `recorded_at`, which is taken before the
 *              commit, until the frame is in each client
 *   fan-out    5,000 followers, 5 messages/s, in turn with a process that does nothing but send as many bytes to as
 *              many sockets through `ws`, each from the moment at which the server began, which of ours is before the
 *              commit; the median of the rounds. Beside it what the writing alone takes (from the first client that has
 *              a frame to the middle one), and each process's CPU time: what others do on the machine weighs less there
 *   at rest    what the server's memory grew by for 5,000 followers who are told nothing
 *   return     10,000 sockets at once, each resuming a room from 50 events ago: until the last has caught up
 *
 *   node bench/sync.ts [--seconds n] [--rounds n] [--only latency,fan-out,return]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";
import { median, startServer } from "./server.ts";

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "4" },
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: "latency,fan-out,return" },
    bare: { type: "boolean", default: false },
    raised: { type: "boolean", default: false },
  },
});
const SECONDS = Number(flags.seconds);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** This file again, with as many open files as ten thousand sockets take. */
async function raised(): Promise<void> {
  const again = [process.execPath, ...process.execArgv, import.meta.filename, "--raised", ...process.argv.slice(2)];
  const child = spawn("sh", ["-c", 'ulimit -n "$(ulimit -Hn)" && exec "$@"', "sh", ...again], { stdio: "inherit" });
  process.exitCode = await new Promise<number>((resolve) => child.on("exit", (code) => resolve(code ?? 1)));
}

/** Sends a frame of that many bytes to every socket, so many times, whenever told; it says when it began. */
async function serveBare(): Promise<void> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false, backlog: 4096 });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  for await (const line of createInterface({ input: process.stdin })) {
    const { bytes, times } = JSON.parse(line) as { bytes: number; times: number };
    for (let i = 0; i < times; i++) {
      const frame = JSON.stringify({ recorded_at: new Date().toISOString(), pad: "" }).padEnd(bytes, " ");
      for (const socket of server.clients) socket.send(frame);
      await sleep(200);
    }
    console.log(JSON.stringify({ port }));
  }
  process.exit(0);
}

interface Taken {
  readonly p50: number;
  readonly p99: number;
  /** Of the middle client, from the first one that got the same. */
  readonly spread: number;
  readonly got: number;
  readonly bytes: number;
}
interface Talker {
  readonly pid: number;
  ask<T>(order: object): Promise<T>;
  stop(): void;
}

/** A process that answers each line of JSON with one. */
function talk(argv: readonly string[]): Talker {
  const child: ChildProcess = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return {
    pid: child.pid!,
    async ask<T>(order: object) {
      child.stdin!.write(`${JSON.stringify(order)}\n`);
      const line = await lines.next();
      if (line.done === true) throw new Error(`${argv[0]} ended`);
      return JSON.parse(line.value) as T;
    },
    stop: () => child.stdin!.end(),
  };
}

const cpuMs = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
};
const residentKb = (pid: number): number => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

async function measure(): Promise<void> {
  const only = new Set(flags.only.split(","));
  const server = await startServer();
  const clients = talk([path.join(import.meta.dirname, "sync-clients.ts")]);
  const measures: Record<string, number> = {};
  const targets: { target: string; reached: number; wanted: string; ok: boolean }[] = [];
  const reach = (target: string, reached: number, most: number, unit = ""): void =>
    void targets.push({ target, reached, wanted: `≤ ${most}${unit}`, ok: reached <= most });

  const room = (await server.call("POST", "/v1/rooms", { title: "Bench" })).body["id"];
  const thread = (await server.call("POST", `/v1/rooms/${room}/threads`, {})).body["id"];
  const topic = `room:${room}`;
  async function open(group: string, count: number, after?: number, atOnce = 200): Promise<{ ms: number; retries: number }> {
    console.error(`${count} followers …`);
    const { body } = await server.call("POST", "/v1/sync/token", { ttl_s: 900 });
    return clients.ask({
      do: "open",
      group,
      count,
      port: server.port,
      path: `/v1/sync?token=${body["token"]}`,
      hello: JSON.stringify({
        type: "subscribe",
        topics: [topic],
        ...(after === undefined ? {} : { resume_after: { [topic]: String(after) } }),
      }),
      at_once: atOnce,
    });
  }
  const take = (group: string): Promise<Taken> => clients.ask({ do: "take", group });
  async function close(group: string): Promise<void> {
    await clients.ask({ do: "close", group });
    await sleep(1500);
  }
  async function offer(perSecond: number): Promise<void> {
    const from = performance.now();
    for (let i = 0; i < perSecond * SECONDS; i++) {
      await sleep(Math.max(0, from + (i * 1000) / perSecond - performance.now()));
      void server.call("POST", `/v1/threads/${thread}/messages`, { content_md: `update ${i}` });
    }
    await sleep(1000);
  }
  await offer(20);

  if (only.has("latency")) {
    await open("thousand", 1000);
    await offer(20);
    const { p50, p99, got, bytes } = await take("thousand");
    Object.assign(measures, { latency_p50_ms: p50, latency_p99_ms: p99, latency_frames: got, frame_bytes: bytes });
    reach("1,000 followers, 20 updates/s, recorded to client p50, ms", p50, 15);
    await close("thousand");
  }

  if (only.has("fan-out")) {
    const before = residentKb(server.pid);
    await open("many", 5000);
    await sleep(2000);
    measures["kb_per_follower_at_rest"] = Math.round(((residentKb(server.pid) - before) / 5000) * 10) / 10;
    const bare = talk([import.meta.filename, "--bare", "--raised"]);
    const { port } = await bare.ask<{ port: number }>({ bytes: 0, times: 0 });
    await clients.ask({ do: "open", group: "bare", count: 5000, port, path: "/", hello: null, at_once: 200 });
    const rounds: { ours: Taken; theirs: Taken; oursMs: number; theirsMs: number }[] = [];
    for (let round = 0; round < Number(flags.rounds); round++) {
      const cpu = cpuMs(server.pid);
      await offer(5);
      const oursMs = cpuMs(server.pid) - cpu;
      const ours = await take("many");
      const before = cpuMs(bare.pid);
      await bare.ask({ bytes: ours.bytes, times: 5 * SECONDS });
      await sleep(1000);
      rounds.push({ ours, theirs: await take("bare"), oursMs, theirsMs: cpuMs(bare.pid) - before });
    }
    bare.stop();
    await clients.ask({ do: "close", group: "bare" });
    await close("many");
    const of = (value: (round: (typeof rounds)[number]) => number): number => median(rounds.map(value));
    Object.assign(measures, {
      fan_out_p50_ms: of(({ ours }) => ours.p50),
      fan_out_p99_ms: of(({ ours }) => ours.p99),
      fan_out_frames: of(({ ours }) => ours.got),
      fan_out_cpu_ms_per_update: of(({ oursMs }) => oursMs / (5 * SECONDS)),
      fan_out_spread_ms: of(({ ours }) => ours.spread),
      bare_ws_spread_ms: of(({ theirs }) => theirs.spread),
      bare_ws_cpu_ms_per_update: of(({ theirsMs }) => theirsMs / (5 * SECONDS)),
      bare_ws_p50_ms: of(({ theirs }) => theirs.p50),
      bare_ws_p99_ms: of(({ theirs }) => theirs.p99),
    });
    const ratio = of(({ ours, theirs }) => ours.p50 / theirs.p50);
    reach("5,000 followers, 5/s, against a bare ws broadcast, p50", ratio, 1.3, "×");
    reach(
      "5,000 followers, the writing alone against a bare ws broadcast",
      of(({ ours, theirs }) => ours.spread / theirs.spread),
      1.3,
      "×",
    );
    reach("memory a follower at rest, KB", measures["kb_per_follower_at_rest"], 30);
  }

  if (only.has("return")) {
    const { body } = await server.call("GET", `/v1/rooms/${room}`);
    const head = Number(body["last_seq"]);
    const { ms, retries } = await open("back", 10_000, Math.max(0, head - 50), 10_000);
    measures["returned_s"] = Math.round(ms / 100) / 10;
    measures["returned_tried_again"] = retries;
    reach("10,000 reconnecting at once, all caught up, s", measures["returned_s"], 15);
    await close("back");
  }
  clients.stop();
  await server.stop();
  console.log(JSON.stringify({ bench: "sync", measures, targets }));
}

if (flags.bare) await serveBare();
else if (!flags.raised) await raised();
else await measure();
