import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { startScript } from "@signalbox/testkit/crash";
import { Client } from "pg";
import { afterEach, expect, test, vi } from "vitest";
import { findBinaries, platformPackage } from "./binaries.ts";
import { DataDirInUse, lockDataDir } from "./data-dir-lock.ts";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "./embedded.ts";
import { postgresOsUser } from "./os-user.ts";

vi.setConfig({ testTimeout: 90_000 }); // an initdb takes its time on a busy machine

const script = path.join(import.meta.dirname, "embedded.script.ts");
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function tempDir(): string {
  const dir = mkdtempSync(path.join(tmpdir(), "signalbox-pg-"));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function start(dataDir: string): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false });
  cleanups.push(() => postgres.stop());
  return postgres;
}

async function query(postgres: EmbeddedPostgres, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client(postgres.connection("admin"));
  client.on("error", () => undefined); // the tests below kill the server under it
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

const postmasterPid = (dataDir: string) => Number.parseInt(readFileSync(path.join(dataDir, "postgres/data/postmaster.pid"), "utf8"), 10);

test("it starts from nothing, listens on its socket only, keeps its data over a restart, and stops", async () => {
  const dataDir = tempDir();
  const first = await start(dataDir);
  expect(first.adopted).toBe(false);
  expect(await query(first, "show listen_addresses")).toEqual([{ listen_addresses: "" }]);
  expect(statSync(first.socketDir).mode & 0o777).toBe(0o700);
  expect(statSync(path.join(dataDir, "postgres/data")).mode & 0o777).toBe(0o700);
  await query(first, "create table kept as select 42 as answer");
  await first.stop();
  expect(existsSync(path.join(dataDir, "postgres/data/postmaster.pid"))).toBe(false);
  expect(existsSync(path.join(dataDir, "server.lock"))).toBe(false);
  const again = await start(dataDir);
  expect(await query(again, "select answer from kept")).toEqual([{ answer: 42 }]);
});

test("a second server on the same data directory is told who has it, and harms nothing", async () => {
  const dataDir = tempDir();
  const first = await start(dataDir);
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(new RegExp(`pid ${process.pid}.*--data-dir`));
  expect(await query(first, "select 1 as one")).toEqual([{ one: 1 }]);
});

test("a server killed with -9 leaves its Postgres running, and the next one adopts it", async () => {
  const dataDir = tempDir();
  const doomed = startScript(script, { args: [dataDir] });
  await doomed.line((line) => line.includes("ready"));
  const pid = postmasterPid(dataDir);
  doomed.kill("SIGKILL");
  await doomed.ended;
  const next = await start(dataDir);
  expect(next.adopted).toBe(true);
  expect(postmasterPid(dataDir)).toBe(pid);
  expect(await query(next, "select 1 as one")).toEqual([{ one: 1 }]);
});

test("Ctrl-C for the whole process group ends the server but not its Postgres, which is stopped when we say so", async () => {
  const dataDir = tempDir();
  const group = spawn(process.execPath, ["--no-warnings", script, JSON.stringify(dataDir)], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => group.stdout.once("data", resolve));
  const ended = new Promise((resolve) => group.once("exit", resolve));
  process.kill(-group.pid!, "SIGINT");
  await ended;
  const next = await start(dataDir);
  expect(next.adopted).toBe(true);
});

test("a Postgres that dies under a running server is started again", async () => {
  const dataDir = tempDir();
  const postgres = await start(dataDir);
  const events: string[] = [];
  const unwatch = postgres.keepAlive(({ what }) => events.push(what));
  process.kill(postmasterPid(dataDir), "SIGKILL");
  await vi.waitFor(() => expect(events).toContain("restarted"), { timeout: 15_000, interval: 50 });
  unwatch();
  expect(await query(postgres, "select 1 as one")).toEqual([{ one: 1 }]);
});

test.each([
  ["19", /belongs to Postgres 19, this Signalbox brings Postgres 18.*newer Signalbox/],
  ["17", /belongs to Postgres 17.*log export/],
])("a data directory of Postgres %s is refused with the way out, and left as it is", async (version, message) => {
  const dataDir = tempDir();
  mkdirSync(path.join(dataDir, "postgres/data"), { recursive: true });
  const file = path.join(dataDir, "postgres/data/PG_VERSION");
  writeFileSync(file, `${version}\n`);
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(message);
  expect(readFileSync(file, "utf8")).toBe(`${version}\n`);
  expect(existsSync(path.join(dataDir, "server.lock"))).toBe(false);
});

test("a data directory too deep for a socket's path gets a short one elsewhere, closed to others as well", async () => {
  const dataDir = path.join(tempDir(), "d".repeat(60), "e".repeat(60));
  mkdirSync(dataDir, { recursive: true });
  chmodSync(path.dirname(path.dirname(dataDir)), 0o711);
  const postgres = await start(dataDir);
  expect(postgres.socketDir.length).toBeLessThan(100);
  expect(statSync(postgres.socketDir).mode & 0o777).toBe(0o700);
  cleanups.unshift(() => rmSync(postgres.socketDir, { recursive: true, force: true }));
  expect(await query(postgres, "select 1 as one")).toEqual([{ one: 1 }]);
});

test("a lock whose holder is dead, or whose pid is another process by now, is taken over; garbage too", () => {
  const dataDir = tempDir();
  for (const left of [`{"pid":${process.pid},"startTime":"long ago"}`, '{"pid":999999999,"startTime":"x"}', "", "{"]) {
    writeFileSync(path.join(dataDir, "server.lock"), left);
    const release = lockDataDir(dataDir);
    expect(() => lockDataDir(dataDir)).toThrow(DataDirInUse);
    release();
    expect(existsSync(path.join(dataDir, "server.lock"))).toBe(false);
  }
});

const asRoot = process.getuid?.() === 0;

test.skipIf(!asRoot)(
  "root: binaries in a closed checkout, without their library links, are copied to where the postgres user can run them",
  () => {
    const closed = path.join(tempDir(), "root-home");
    mkdirSync(closed, { mode: 0o700 });
    const { nativeDir, packageVersion } = platformPackage();
    const source = path.join(closed, "native");
    execFileSync("cp", ["-a", nativeDir, source]);
    for (const name of execFileSync("find", [path.join(source, "lib"), "-maxdepth", "1", "-type", "l"], { encoding: "utf8" })
      .trim()
      .split("\n"))
      rmSync(name);
    const reachable = tempDir();
    chmodSync(reachable, 0o711);
    const binaries = findBinaries(postgresOsUser(), reachable, { nativeDir: source, packageVersion });
    expect(binaries.postgres.startsWith(reachable)).toBe(true);
    expect(binaries.version).toMatch(/^18\./);
  },
);

test.skipIf(!asRoot)("root: a data directory that the postgres user cannot enter is refused with the reason", async () => {
  const parent = tempDir(); // mkdtemp closes it to others
  await expect(startEmbeddedPostgres({ dataDir: path.join(parent, "data") })).rejects.toThrow(/"postgres", who cannot enter .*--data-dir/);
});

test("library links that npm did not make are made in place when the tree is ours", () => {
  const { nativeDir, packageVersion } = platformPackage();
  const dir = tempDir();
  chmodSync(dir, 0o755);
  const source = path.join(dir, "native");
  execFileSync("cp", ["-a", nativeDir, source]);
  rmSync(path.join(source, "lib/libpq.so.5"), { force: true });
  expect(findBinaries(postgresOsUser(), dir, { nativeDir: source, packageVersion }).postgres).toBe(path.join(source, "bin/postgres"));
  expect(existsSync(path.join(source, "lib/libpq.so.5"))).toBe(true);
});
