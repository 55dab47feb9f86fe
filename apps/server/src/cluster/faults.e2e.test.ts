/*
 * What goes wrong between processes, while people write and follow: two apis, two gateways, a worker, hints over NATS.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Client } from "@signalbox/client/client";
import { databaseTest } from "@signalbox/testkit/database";
import { natsServerProgram, startNatsServer, type NatsServer } from "@signalbox/testkit/nats-server";
import { startTcpProxy, type TcpProxy } from "@signalbox/testkit/tcp-proxy";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { until } from "../modules/sessions/installation.fixture.ts";
import { databaseUrlOf, startSplit, type Part, type Split } from "./split.fixture.ts";
import { reached, startTraffic } from "./traffic.fixture.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const FAKETIME = ["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"].find(
  (file) => existsSync(file),
);
const database = databaseTest();
const folder = mkdtempSync(path.join(tmpdir(), "signalbox-faults-"));
let nats: NatsServer | undefined;
let natsWire: TcpProxy;
let databaseWire: TcpProxy;
let split: Split;
const parts: Record<string, Part> = {};
let client: Client;

async function start(name: string, environment: Record<string, string> = {}): Promise<void> {
  const role = name.split("-")[0] as "api" | "gateway" | "worker";
  parts[name] = await split.start(role, name, {
    environment,
    // One gateway reaches Postgres over a wire that can be cut.
    ...(name === "gateway-2" ? { databaseUrl: databaseUrlOf(database, folder) } : {}),
  });
}

beforeAll(async () => {
  if (natsServerProgram() !== null) nats = await startNatsServer();
  natsWire = await startTcpProxy(nats === undefined ? [] : [{ port: nats.port }]);
  const { host } = database.connection("admin");
  databaseWire = await startTcpProxy([{ path: `${host}/.s.PGSQL.5432` }], { listenOn: path.join(folder, ".s.PGSQL.5432") });
  split = await startSplit(database, {
    environment: nats === undefined ? {} : { SIGNALBOX_NATS_URL: `nats://127.0.0.1:${natsWire.port}` },
  });
  await Promise.all(["api-1", "api-2", "gateway-1", "gateway-2", "worker-1"].map((name) => start(name)));
  client = split.client();
});
const traffic = (operations: number) =>
  startTraffic(client, operations, async (roomId) => {
    const [row] = await database.rows<{ seq: string }>("select seq from evt_stream_heads where stream_id = $1", [roomId]);
    return Number(row!.seq);
  });
afterAll(async () => {
  databaseWire?.join();
  natsWire?.join();
  await split?.close();
  await databaseWire?.close();
  await natsWire?.close();
  await nats?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("kill -9 of each role in the middle of 1,000 operations loses nothing acknowledged and does nothing twice", async () => {
  const of = await traffic(1000);
  let at = 100;
  for (const name of ["api-1", "gateway-1", "worker-1", "api-2", "gateway-2"]) {
    await reached(of, at);
    await parts[name]!.stop("SIGKILL");
    await start(name);
    at += 150;
  }
  await of.check();
});

test("a rolling restart of every process under load: not a lost, not a repeated update", async () => {
  const of = await traffic(600);
  for (const name of ["api-1", "api-2", "gateway-1", "gateway-2", "worker-1"]) {
    expect(await parts[name]!.stop("SIGTERM")).toBe(0);
    await start(name);
  }
  await of.check();
});

/** A minute takes a minute: SIGNALBOX_TEST_OUTAGE_S=60 is for a run by hand, what happens is the same. */
const OUTAGE_S = Number(process.env["SIGNALBOX_TEST_OUTAGE_S"] ?? 3);

test.skipIf(natsServerProgram() === null)("NATS gone (needs nats-server): updates still arrive, and it heals", async () => {
  const goneUntil = performance.now() + OUTAGE_S * 1000;
  natsWire.cut();
  // Meanwhile hints come from a look at the log: late, and none is left out.
  while (performance.now() < goneUntil) await (await traffic(200)).check();
  const of = await traffic(300);
  await reached(of, 50);
  natsWire.join();
  await of.check();
  const again = await traffic(50);
  await again.check();
});

test("cut off from Postgres, a gateway answers 503, keeps its sockets, and catches up when it is mended", async () => {
  const of = await traffic(300);
  await reached(of, 50);
  databaseWire.cut();
  await until("it says so", async () => (await fetch(`${parts["gateway-2"]!.url}/v1/health`)).status === 503);
  // The others go on meanwhile.
  await reached(of, 200);
  databaseWire.join();
  await of.check();
  await until("it is well again", async () => {
    const { parts: all } = (await (await fetch(`${parts["gateway-2"]!.url}/v1/health`)).json()) as {
      parts: { name: string; ok: boolean }[];
    };
    return all.find(({ name }) => name === "log")?.ok === true;
  });
});

test("a wire to Postgres that is slow makes nothing wrong", async () => {
  databaseWire.slow(30);
  const of = await traffic(100);
  await of.check();
  databaseWire.slow(0);
});

test.skipIf(FAKETIME === undefined)(
  "clocks that are an hour ahead or behind, and jump to the other side under load (needs libfaketime): tokens, leases, order and requests between processes hold",
  async () => {
    const shifted = ["gateway-1", "api-2", "worker-1"] as const;
    await Promise.all(shifted.map((name) => parts[name]!.stop()));
    const clockOf = (name: string): string => path.join(folder, `clock of ${name}`);
    // Read anew every second, by every process of that name.
    const turn = (ahead: readonly string[]): void =>
      shifted.forEach((name) => writeFileSync(clockOf(name), ahead.includes(name) ? "+1h" : "-1h"));
    turn(["gateway-1", "worker-1"]);
    await Promise.all(
      shifted.map((name) =>
        start(name, {
          LD_PRELOAD: FAKETIME!,
          FAKETIME_TIMESTAMP_FILE: clockOf(name),
          FAKETIME_CACHE_DURATION: "1",
          DONT_FAKE_MONOTONIC: "1",
        }),
      ),
    );
    const skewOf = async (name: string): Promise<number> =>
      Date.parse((await fetch(`${parts[name]!.url}/readyz`)).headers.get("date")!) - Date.now();
    expect(await skewOf("gateway-1")).toBeGreaterThan(3_000_000);
    expect(await skewOf("api-2")).toBeLessThan(-3_000_000);
    const of = await traffic(400);
    await reached(of, 50);
    turn(["api-2"]);
    await until("they have jumped", async () => (await skewOf("gateway-1")) < -3_000_000 && (await skewOf("api-2")) > 3_000_000);
    await reached(of, 200);
    turn(["gateway-1", "worker-1"]);
    await of.check();
    await (await traffic(30)).check();
    const nodes = await database.rows<{ node_id: string; left_ms: string }>(
      "select node_id, extract(epoch from expires_at - now()) * 1000 as left_ms from cluster_nodes where expires_at > now()",
    );
    expect(new Set(nodes.map(({ node_id: id }) => id.split("#")[1]))).toEqual(
      new Set(["api-1", "api-2", "gateway-1", "gateway-2", "worker-1"]),
    );
    for (const node of nodes) expect(Number(node.left_ms)).toBeLessThan(10_000);
    // Nothing of it got into the history: by no clock that counts was it ever another hour.
    const wrong = await database.rows(
      `select seq, recorded_at from (select seq, recorded_at, lag(recorded_at) over (partition by stream_id order by seq) as before from evt_events) e
        where recorded_at < before - interval '5 seconds' or recorded_at > now() + interval '5 seconds'`,
    );
    expect(wrong).toEqual([]);
    // Each schedule goes on by the database's clock: what is due every minute is due within the next, whatever the worker's says.
    const [minutely] = await database.rows<{ in_s: string }>(
      "select extract(epoch from next_run_at - now()) as in_s from job_schedules where name = 'feed.expire'",
    );
    expect(Math.abs(Number(minutely!.in_s))).toBeLessThan(120);
    // Each schedule fired by one, and not for an hour at once.
    const [fired] = await database.rows<{ count: string }>(
      "select count(*) as count from jobs where kind like 'schedule.%' and state = 'dead'",
    );
    expect(Number(fired!.count)).toBe(0);
  },
);
