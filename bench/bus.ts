/*
 * Two gateways on one Postgres: how much later an update reaches the followers of the other one, over NOTIFY and over
 * NATS, and whether all arrive, in order.
 *
 *   writer ── POST ──► gateway A's process ── commit ──┬──► followers on A      (at home)
 *                                                      └─ hint ──► B reads ──► followers on B   (away)
 *
 *   added = p50 of (arrival on B − arrival on A) of the same update
 *
 * A is a whole server, B a gateway beside it on the same data directory and database: what is measured is the hint and
 * the read behind it. `node bus.ts [--updates N] [--rate N] [--followers N]`; needs nats-server (Debian package of that name).
 * The last line of stdout is one JSON object.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startEmbeddedPostgres } from "../apps/server/src/postgres/embedded.ts";
import { startNatsServer } from "../packages/testkit/src/nats-server.ts";
import { quantile } from "./server.ts";

const { values: flags } = parseArgs({
  options: {
    updates: { type: "string", default: "1000" },
    rate: { type: "string", default: "100" },
    followers: { type: "string", default: "20" },
    rounds: { type: "string", default: "2" },
  },
});
const [UPDATES, RATE, FOLLOWERS, ROUNDS] = [flags.updates, flags.rate, flags.followers, flags.rounds].map(Number) as [
  number,
  number,
  number,
  number,
];
const MAIN = path.join(import.meta.dirname, "../apps/server/src/main.ts");

const home = await mkdtemp(path.join(tmpdir(), "signalbox-bench-bus-"));
await chmod(home, 0o755);
const postgres = await startEmbeddedPostgres({ dataDir: path.join(home, "postgres"), maxConnections: 120 });
const databaseUrl = `postgresql://postgres@localhost/signalbox?host=${encodeURIComponent(postgres.socketDir)}`;
const nats = await startNatsServer();

interface Server {
  readonly url: string;
  readonly token: string;
  stop(): Promise<void>;
}
async function start(name: string, role: "all" | "gateway", environment: Record<string, string>): Promise<Server> {
  const child = spawn(
    process.execPath,
    [MAIN, "--json", "--port", "0", "--no-sample", "--role", role, "--data-dir", path.join(home, "data")],
    {
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], LOG_LEVEL: "error", DATABASE_URL: databaseUrl, ...environment },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const ready = await new Promise<{ url: string; token: string }>((resolve, reject) => {
    void gone.then(() => reject(new Error(`${name} did not start`)));
    createInterface({ input: child.stdout }).on("line", (line) => line.includes('"ready"') && resolve(JSON.parse(line)));
  });
  return {
    ...ready,
    async stop() {
      child.kill("SIGTERM");
      await gone;
    },
  };
}

async function call(server: Server, route: string, body: unknown): Promise<{ id: string; token: string }> {
  const response = await fetch(server.url + route, {
    method: "POST",
    headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${route}: ${response.status} ${await response.text()}`);
  return (await response.json()) as { id: string; token: string };
}

/** Arrival of each message by its text, and the watermarks as they came. */
async function follow(
  server: Server,
  token: string,
  room: string,
): Promise<{ arrived: Map<string, number>; seqs: number[]; close(): void }> {
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/sync?token=${encodeURIComponent(token)}`);
  const arrived = new Map<string, number>();
  const seqs: number[] = [];
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true });
    socket.addEventListener("error", reject, { once: true });
  });
  socket.addEventListener("message", ({ data }) => {
    const at = performance.now();
    const frame = JSON.parse(String(data)) as { updates?: { watermark: string; payload: { data: { content_md?: string } } }[] };
    for (const { watermark, payload } of frame.updates ?? []) {
      seqs.push(Number(watermark));
      if (payload.data.content_md !== undefined) arrived.set(payload.data.content_md, at);
    }
  });
  socket.send(JSON.stringify({ type: "subscribe", topics: [`room:${room}`], resume_after: { [`room:${room}`]: "0" } }));
  return { arrived, seqs, close: () => socket.close() };
}

async function measure(name: string, environment: Record<string, string>) {
  const a = await start(name, "all", environment);
  const addresses = { SIGNALBOX_SHARED_DATA_DIR: "true", SIGNALBOX_PUBLIC_URL: a.url, SIGNALBOX_GATEWAY_URL: a.url };
  const b = { ...(await start(name, "gateway", { ...environment, ...addresses })), token: a.token };
  try {
    const { id: room } = await call(a, "/v1/rooms", { title: "bench" });
    const { id: thread } = await call(a, `/v1/rooms/${room}/threads`, {});
    const { token } = await call(a, "/v1/sync/token", {});
    const at = await Promise.all(Array.from({ length: FOLLOWERS }, () => follow(a, token, room)));
    const away = await Promise.all(Array.from({ length: FOLLOWERS }, () => follow(b, token, room)));
    await sleep(500);
    const begun = performance.now();
    const open = new Set<Promise<unknown>>();
    for (let i = 0; i < UPDATES; i++) {
      await sleep(Math.max(0, begun + (i * 1000) / RATE - performance.now()));
      const posting: Promise<unknown> = call(a, `/v1/threads/${thread}/messages`, { content_md: `m${i}` }).finally(() =>
        open.delete(posting),
      );
      open.add(posting);
    }
    await Promise.all(open);
    for (const end = performance.now() + 20_000; performance.now() < end && [...at, ...away].some(({ arrived }) => arrived.size < UPDATES);)
      await sleep(20);
    const lost = [...at, ...away].reduce((sum, { arrived }) => sum + UPDATES - arrived.size, 0);
    const disordered = [...at, ...away].filter(({ seqs }) => seqs.some((seq, i) => seq !== i + 1)).length;
    const added: number[] = [];
    for (let i = 0; i < UPDATES; i++) {
      const home = quantile(
        at.map(({ arrived }) => arrived.get(`m${i}`) ?? NaN),
        0.5,
      );
      for (const { arrived } of away) added.push((arrived.get(`m${i}`) ?? NaN) - home);
    }
    for (const one of [...at, ...away]) one.close();
    return { lost, disordered, added_p50_ms: quantile(added, 0.5), added_p99_ms: quantile(added, 0.99) };
  } finally {
    await b.stop();
    await a.stop();
  }
}

const result: Record<string, Awaited<ReturnType<typeof measure>>[]> = { notify: [], nats: [] };
try {
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, environment] of [
      ["notify", {}],
      ["nats", { SIGNALBOX_NATS_URL: `nats://127.0.0.1:${nats.port}` }],
    ] as const) {
      const figures = await measure(`${name}-${round}`, environment);
      result[name].push(figures);
      process.stdout.write(
        `${name.padEnd(7)} lost ${figures.lost}, out of order ${figures.disordered}, added p50 ${figures.added_p50_ms.toFixed(2)} ms, p99 ${figures.added_p99_ms.toFixed(2)} ms\n`,
      );
    }
  }
} finally {
  await postgres.stop();
  await nats.stop();
  await rm(home, { recursive: true, force: true });
}
const worst = (of: "lost" | "disordered"): number =>
  Math.max(...Object.values(result).flatMap((rounds) => rounds.map((round) => round[of])));
const middle = (name: string, of: "added_p50_ms" | "added_p99_ms"): number =>
  quantile(
    (result[name] ?? []).map((round) => round[of]),
    0.5,
  );
const measures = {
  updates: UPDATES,
  rate: RATE,
  followers: FOLLOWERS,
  rounds: ROUNDS,
  notify_added_p50_ms: middle("notify", "added_p50_ms"),
  notify_added_p99_ms: middle("notify", "added_p99_ms"),
  nats_added_p50_ms: middle("nats", "added_p50_ms"),
  nats_added_p99_ms: middle("nats", "added_p99_ms"),
};
const targets = [
  {
    target: "two gateways, updates lost or out of order",
    reached: worst("lost") + worst("disordered"),
    wanted: "0",
    ok: worst("lost") + worst("disordered") === 0,
  },
  {
    target: "two gateways over NATS, added p50, ms",
    reached: measures.nats_added_p50_ms,
    wanted: "≤ 2",
    ok: measures.nats_added_p50_ms <= 2,
  },
];
process.stdout.write(`${JSON.stringify({ bench: "bus", measures, targets })}\n`);
