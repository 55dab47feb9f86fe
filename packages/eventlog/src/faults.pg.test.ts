import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { MIGRATIONS, startEmbedded, startTestCluster, TEMPLATE, type TestCluster } from "@signalbox/testkit/cluster";
import { startScript } from "@signalbox/testkit/crash";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { add, counter, ORG, room, target } from "./fixtures.ts";
import { migrate } from "./migrate.ts";
import { createLog, type PostgresLog } from "./postgres-log.ts";
import type { ConnectionFor } from "./roles.ts";

/* A cluster of this file's own, durable (fsync on), because it gets crashed; a fresh database for every test. */
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
let shared: TestCluster;
beforeAll(async () => {
  shared = await startTestCluster({ durable: true });
});
afterAll(() => shared.stop());

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface DurableDatabase {
  readonly connection: ConnectionFor;
  readonly pause: TestCluster["pause"];
  readonly resume: TestCluster["resume"];
}

async function durableDatabase(): Promise<DurableDatabase> {
  await shared.resume(); // a test before this one may have failed while it was stopped
  const name = `t_${randomBytes(4).toString("hex")}`;
  const admin = new Client(shared.connection("admin", "postgres"));
  await admin.connect();
  await admin.query(`create database ${name} template ${TEMPLATE} strategy file_copy owner sb_owner`);
  await admin.end();
  return { connection: (role, database = name) => shared.connection(role, database), pause: shared.pause, resume: shared.resume };
}

async function openLog(connection: ConnectionFor, patienceMs?: number): Promise<PostgresLog> {
  const log = await createLog({ connection: connection("sb_log"), patienceMs });
  cleanups.push(() => log.close());
  return log;
}

/** Every stream, recomputed from what is stored. */
async function chainFaults(connection: ConnectionFor): Promise<string[]> {
  const client = new Client(connection("sb_log"));
  await client.connect();
  try {
    const { rows } = await client.query<{
      stream_id: string;
      seq: string;
      header: string;
      hash: Buffer;
      data_hash: string | null;
      data: string;
      salt: Buffer;
    }>(
      `select e.stream_id, e.seq, e.header, e.hash, e.header::jsonb ->> 'data_hash' as data_hash, p.data, p.salt
         from evt_events e left join evt_payloads p using (position) order by e.stream_id, e.seq`,
    );
    const faults: string[] = [];
    const heads = new Map<string, { seq: number; hash: Buffer }>();
    for (const row of rows) {
      const head = heads.get(row.stream_id) ?? { seq: 0, hash: Buffer.alloc(32) };
      const seq = Buffer.alloc(8);
      seq.writeBigUInt64BE(BigInt(head.seq + 1));
      const entry = createHash("sha256")
        .update(Buffer.concat([Buffer.of(0), Buffer.from(row.header)]))
        .digest();
      const hash = createHash("sha256")
        .update(Buffer.concat([Buffer.of(1), head.hash, seq, entry]))
        .digest();
      const data = createHash("sha256")
        .update(Buffer.concat([row.salt, Buffer.from(row.data)]))
        .digest("hex");
      if (Number(row.seq) !== head.seq + 1 || !row.hash.equals(hash) || row.data_hash !== `sha256:${data}`)
        faults.push(`${row.stream_id}#${row.seq}`);
      heads.set(row.stream_id, { seq: Number(row.seq), hash: row.hash });
    }
    const { rows: stored } = await client.query<{ stream_id: string; seq: string; hash: Buffer }>(
      "select stream_id, seq, hash from evt_stream_heads where seq > 0",
    );
    for (const row of stored)
      if (heads.get(row.stream_id)?.seq !== Number(row.seq) || !heads.get(row.stream_id)?.hash.equals(row.hash))
        faults.push(`head of ${row.stream_id}`);
    return faults;
  } finally {
    await client.end();
  }
}

test("the server killed with -9 while appending, and Postgres crashed with it: 1,000 acknowledged events, none lost, chain whole", async () => {
  const cluster = await durableDatabase();
  const roles = ["admin", "sb_owner", "sb_log", "sb_app"] as const;
  const server = startScript(path.join(import.meta.dirname, "crash.script.ts"), {
    args: [Object.fromEntries(roles.map((role) => [role, cluster.connection(role)]))],
  });
  cleanups.push(() => server.kill());
  await vi.waitFor(() => expect(server.lines.length).toBeGreaterThan(1000), { timeout: 60_000, interval: 5 });
  server.kill("SIGKILL");
  await cluster.pause("immediate");
  expect(await server.ended).toBe("SIGKILL");
  const acknowledged = server.lines.filter((line) => line.length === 36);
  await cluster.resume();

  const log = await openLog(cluster.connection);
  const { rows } = await log.pool.query<{ event_id: string }>("select event_id from evt_events");
  const stored = new Set(rows.map((row) => row.event_id));
  expect(acknowledged.length).toBeGreaterThan(1000);
  expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
  expect(await chainFaults(cluster.connection)).toEqual([]);
  // Projection and log went through the same commits.
  const drift = await log.pool.query(
    "select 1 from proj_counters p where subject_version <> (select max(subject_version) from evt_events e where e.organization_id || '/' || e.subject = p.id)",
  );
  expect(drift.rowCount).toBe(0);
});

test("Postgres stopped and started under load: commands wait or fail cleanly, every acknowledged one is there once, readers wake again", async () => {
  const cluster = await durableDatabase();
  const log = await openLog(cluster.connection);
  const follower = await openLog(cluster.connection);
  let woken = 0;
  follower.onAppended(({ streams }) => void (woken += streams.length));
  const acknowledged: string[] = [];
  let failed = 0;
  const stop = new AbortController();
  const writing = Promise.all(
    Array.from({ length: 8 }, async (_, w) => {
      while (!stop.signal.aborted) {
        try {
          const { recorded } = await log.run(counter, target(`w${w}`, room(`w${w % 3}`)), add(1));
          acknowledged.push(recorded[0]!.eventId);
        } catch {
          failed++; // a read that was under way when the database went; the caller may retry
        }
      }
    }),
  );
  await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(50), { timeout: 30_000 });
  for (const mode of ["fast", "immediate"] as const) {
    await cluster.pause(mode);
    expect(await log.isHealthy()).toBe(false);
    await cluster.resume();
    const before = acknowledged.length;
    await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(before + 50), { timeout: 30_000 });
  }
  stop.abort();
  await writing;
  await vi.waitFor(async () => expect(await follower.isHealthy()).toBe(true), { timeout: 15_000 });
  const before = woken;
  await log.run(counter, target("last"), add(1));
  await vi.waitFor(() => expect(woken).toBeGreaterThan(before), { timeout: 15_000 });

  const { rows } = await log.pool.query<{ event_id: string; type: string }>("select event_id from evt_events");
  const stored = rows.map((row) => row.event_id);
  expect(new Set(stored).size).toBe(stored.length);
  expect(acknowledged.filter((id) => !stored.includes(id))).toEqual([]);
  // Nothing was appended twice: what is stored beyond the acknowledged was in flight when its caller got an error.
  expect(stored.length - acknowledged.length - 1).toBeLessThanOrEqual(failed);
  expect(await chainFaults(cluster.connection)).toEqual([]);
});

test("a command fails as unavailable, not for ever, when the database stays away, and nothing of it is written", async () => {
  const cluster = await durableDatabase();
  const log = await openLog(cluster.connection, 300);
  await log.run(counter, target("a"), add(1));
  await cluster.pause();
  const started = performance.now();
  await expect(log.run(counter, target("a"), add(1))).rejects.toMatchObject({ code: "log_unavailable", retryable: true });
  expect(performance.now() - started).toBeLessThan(8000);
  await cluster.resume();
  expect((await log.run(counter, target("a"), add(1))).recorded[0]?.subjectVersion).toBe(2);
});

/** A file system of `megabytes` for a data directory; null where mounting is not allowed. */
function smallDisk(megabytes: number): string | null {
  const dir = mkdtempSync(path.join(tmpdir(), "signalbox-small-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=0755`, "tmpfs", dir], { stdio: "ignore" });
  } catch {
    rmSync(dir, { recursive: true });
    return null; // not root, or not allowed to mount: the test says that it was skipped
  }
  cleanups.push(() => {
    execFileSync("umount", ["-l", dir]);
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

test("a full disk: appends fail, nothing acknowledged is lost, and with space again the log goes on", async ({ skip }) => {
  const disk = smallDisk(200);
  if (disk === null) return skip("this machine does not let us mount a small file system");
  const dataDir = path.join(disk, "data");
  mkdirSync(dataDir);
  const postgres = await startEmbedded({ dataDir });
  cleanups.push(() => postgres.stop());
  await migrate(postgres.connection, MIGRATIONS);
  const log = await openLog(postgres.connection, 400);
  const acknowledged: string[] = [];
  const append = async (i: number) => {
    const { recorded } = await log.run(counter, target(`d${i}`, room("disk")), add(1, "x".repeat(4000)));
    acknowledged.push(recorded[0]!.eventId);
  };
  for (let i = 0; i < 20; i++) await append(i);
  const ballast = path.join(disk, "ballast");
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(ballast, Buffer.alloc(bavail * bsize - 256 * 1024));
  const fill = async () => {
    for (let i = 20; i < 20_000; i++) await append(i);
  };
  await expect(fill()).rejects.toThrow();
  rmSync(ballast);

  // Postgres may have stopped itself (a full WAL is a PANIC); the watch starts it again.
  const unwatch = postgres.keepAlive(() => undefined);
  cleanups.push(unwatch);
  await vi.waitFor(() => append(100_000), { timeout: 20_000, interval: 200 });
  const { rows } = await log.pool.query<{ event_id: string }>("select event_id from evt_events");
  const stored = new Set(rows.map((row) => row.event_id));
  expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
  expect(await chainFaults(postgres.connection)).toEqual([]);
  expect(await log.head(ORG, room("disk"))).toBe(stored.size);
});
