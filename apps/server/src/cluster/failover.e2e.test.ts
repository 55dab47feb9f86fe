/* Postgres itself goes and comes back under every role, and two workers share its schedules. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Client as PgClient } from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { until } from "../modules/sessions/installation.fixture.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../postgres/embedded.ts";
import { startSplit, type Part, type Split } from "./split.fixture.ts";
import { reached, startTraffic } from "./traffic.fixture.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const home = mkdtempSync(path.join(tmpdir(), "signalbox-failover-"));
let postgres: EmbeddedPostgres;
let split: Split;
let parts: Part[];

beforeAll(async () => {
  chmodSync(home, 0o755);
  postgres = await startEmbeddedPostgres({ dataDir: home, maxConnections: 150 });
  split = await startSplit(postgres);
  // The first one makes the tables.
  const api = await split.start("api");
  parts = [api, ...(await Promise.all([split.start("gateway"), split.start("worker", "worker-1"), split.start("worker", "worker-2")]))];
});
afterAll(async () => {
  await split?.close();
  await postgres?.stop();
  rmSync(home, { recursive: true, force: true });
});

async function rows<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new PgClient(postgres.connection("admin"));
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}
const traffic = (operations: number) =>
  startTraffic(split.client(), operations, async (roomId) => {
    const [row] = await rows<{ seq: string }>("select seq from evt_stream_heads where stream_id = $1", [roomId]);
    return Number(row!.seq);
  });
const health = async (part: Part): Promise<number> => (await fetch(`${part.url}/v1/health`)).status;

test.each(["fast", "immediate"] as const)(
  "Postgres stopped (%s) and started under all roles: they say so, write nothing meanwhile, heal, and nothing is lost or doubled",
  async (mode) => {
    const of = await traffic(200);
    await reached(of, 50);
    await postgres.pause(mode);
    for (const part of parts) await until(`${part.name} says so`, async () => (await health(part)) === 503);
    const before = of.acknowledged.size;
    // Fails closed: who cannot be told apart from a stranger is not let in, and is told that it is not their fault.
    expect((await split.call("GET", "/v1/rooms")).status).toBe(503);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(of.acknowledged.size).toBe(before);
    await postgres.resume();
    await of.check();
    for (const part of parts) await until(`${part.name} is well again`, async () => (await health(part)) === 200);
    await (await traffic(30)).check();
  },
);

test("two workers with the same schedules: each that is due fires once", async () => {
  await rows(`
    create table fired (name text, at timestamptz);
    create function note_fired() returns trigger language plpgsql security definer as $$
      begin insert into public.fired values (new.name, new.last_run_at); return null; end $$;
    create trigger fired after update of last_run_at on job_schedules for each row
      when (new.last_run_at is distinct from old.last_run_at) execute function note_fired();`);
  const [all] = await rows<{ count: number }>("select count(*)::int as count from job_schedules");
  expect(all!.count).toBeGreaterThan(5);
  for (let round = 1; round <= 3; round++) {
    // All at once, at a time of this round's own.
    const [due] = await rows<{ at: Date }>("select clock_timestamp() - interval '1 second' as at");
    await rows("update job_schedules set next_run_at = $1", [due!.at]);
    const firings = () =>
      rows<{ name: string; count: number }>("select name, count(*)::int as count from fired where at = $1 group by 1", [due!.at]);
    await until("all have fired", async () => (await firings()).length === all!.count, 60_000);
    expect((await firings()).filter(({ count }) => count !== 1)).toEqual([]);
    // Whoever leads changes: the other one takes over with the same schedules.
    if (round === 1) {
      const [leader] = await rows<{ holder: string }>("select holder from job_leader");
      const part = parts.find(({ child }) => leader!.holder.startsWith(`${child.pid}:`))!;
      expect(part.role).toBe("worker");
      await part.stop("SIGTERM");
      parts = parts.filter((one) => one !== part);
    }
  }
  const [dead] = await rows<{ count: number }>("select count(*)::int as count from jobs where state = 'dead'");
  expect(dead!.count).toBe(0);
});
