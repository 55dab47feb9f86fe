/* Backup and restore, with real servers: under load, into an empty directory and into another Postgres. */
import { nodePrimitives } from "@signalbox/verify/node";
import { parseKey } from "@signalbox/verify/note";
import { verifyExport } from "@signalbox/verify/export";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { pipeline } from "node:stream/promises";
import { createZstdCompress } from "node:zlib";
import path from "node:path";
import { startTestCluster } from "@signalbox/testkit/cluster";
import { processEnvironment } from "@signalbox/testkit/environment";
import { startS3Server } from "@signalbox/testkit/s3-server";
import { Client } from "pg";
import { pack } from "tar-stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { diskBlobs } from "@signalbox/providers/blob/disk/disk";
import { checkArchive, readArchive, writeArchive } from "./archive.ts";

const SERVER = path.join(import.meta.dirname, "../main.ts");
const BACKUP = path.join(import.meta.dirname, "main.ts");
const home = mkdtempSync(path.join(tmpdir(), "signalbox-backup-"));
chmodSync(home, 0o755);
const dataDir = path.join(home, "data");
const file = path.join(home, "backup.tar.zst");
const children = new Set<ChildProcess>();

function run(program: string, argv: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [program, ...argv], {
    stdio: ["ignore", "pipe", "pipe"],
    env: processEnvironment({ HOME: home, ...environment }),
  });
  children.add(child);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<number | null>((resolve) =>
    child.on("close", (code) => {
      children.delete(child);
      resolve(code);
    }),
  );
  return { child, ended, stdout: () => stdout, stderr: () => stderr };
}

interface Server {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  readonly url: string;
  readonly token: string;
}
async function start(of: string, environment: Record<string, string> = {}): Promise<Server> {
  const ran = run(SERVER, ["--json", "--port", "0", "--data-dir", of, "--no-sample"], environment);
  await new Promise<void>((resolve) => {
    ran.child.stdout.on("data", () => ran.stdout().includes("\n") && resolve());
    ran.child.once("exit", () => resolve());
  });
  if (ran.child.exitCode !== null) throw new Error(`it did not start: ${ran.stderr()}`);
  return { ...ran, ...(JSON.parse(ran.stdout()) as { url: string; token: string }) };
}
async function stop(server: Server): Promise<void> {
  server.child.kill("SIGTERM");
  expect(await server.ended).toBe(0);
}
const request = (server: Server, method: string, route: string, body?: unknown): Promise<Response> =>
  fetch(server.url + route, {
    method,
    headers: { authorization: `Bearer ${server.token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const exportOf = async (server: Server): Promise<string[]> =>
  (await (await request(server, "GET", "/v1/audit/export")).text()).split("\n").filter((line) => line !== "");

let key: string;
let rooms: string[];
let position: number;

beforeAll(async () => {
  const server = await start(dataDir);
  rooms = [];
  const make = async (title: string): Promise<void> =>
    void rooms.push(((await (await request(server, "POST", "/v1/rooms", { title })).json()) as { id: string }).id);
  for (let i = 0; i < 5; i++) await make(`before ${i}`);
  await diskBlobs(path.join(dataDir, "blobs")).put("ws_dev", "large content");
  key = ((await (await request(server, "GET", "/v1/audit/keys")).json()) as { keys: { public_key: string }[] }).keys[0]!.public_key;
  // While it is backed up, others go on.
  const going = new AbortController();
  const load = (async () => {
    for (let i = 0; !going.signal.aborted; i++) await make(`meanwhile ${i}`);
  })();
  const ran = run(BACKUP, ["backup", "--output", file, "--data-dir", dataDir, "--json"]);
  expect(await ran.ended, ran.stderr()).toBe(0);
  going.abort();
  await load;
  position = (JSON.parse(ran.stdout()) as { position: number }).position;
  await stop(server);
}, 240_000);
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

async function isWhole(server: Server): Promise<void> {
  // Whoever kept the public key from before checks what came back.
  const report = await verifyExport(nodePrimitives, await exportOf(server), [await parseKey(nodePrimitives, key)]);
  expect(report).toMatchObject({ valid: true, problems: [] });
  for (const id of rooms.slice(0, 5)) expect((await request(server, "GET", `/v1/rooms/${id}`)).status).toBe(200);
  expect((await request(server, "POST", "/v1/rooms", { title: "after" })).status).toBe(201);
  const { parts } = (await (await request(server, "GET", "/v1/health")).json()) as {
    parts: { name: string; ok: boolean; detail: string }[];
  };
  expect(parts.filter(({ name, ok }) => !ok && ["log", "audit"].includes(name))).toEqual([]);
}

test("a backup is for its owner alone and holds everything up to its position", async () => {
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const { manifest } = await checkArchive(file);
  expect(manifest.position).toBe(position);
  expect(manifest.tables.find(({ name }) => name === "evt_events")!.rows).toBeGreaterThan(10);
  expect(manifest.tables.map(({ name }) => name).filter((name) => name.startsWith("proj_"))).toEqual([]);
  expect(manifest.entries.map(({ name }) => name)).toContain("keys/checkpoint.pem");
});

test(
  "restored into an empty directory the server runs, its log verifies, and content and keys are there",
  { timeout: 240_000 },
  async () => {
    const to = path.join(home, "restored");
    const ran = run(BACKUP, ["restore", "--input", file, "--data-dir", to, "--json"]);
    expect(await ran.ended, ran.stderr()).toBe(0);
    expect(JSON.parse(ran.stdout())).toMatchObject({ position });
    expect(existsSync(path.join(to, "restore.incomplete"))).toBe(false);
    const sha256 = `sha256:${createHash("sha256").update("large content").digest("hex")}`;
    expect((await diskBlobs(path.join(to, "blobs")).get("ws_dev", sha256))?.toString()).toBe("large content");
    expect(statSync(path.join(to, "keys/checkpoint.pem")).mode & 0o777).toBe(0o600);
    const server = await start(to);
    await isWhole(server);
    await stop(server);
  },
);

test(
  "restored into another Postgres and a bucket the server runs on those, and is backed up from there",
  { timeout: 240_000 },
  async () => {
    const cluster = await startTestCluster();
    const bucket = await startS3Server();
    try {
      const admin = new Client({ host: cluster.socketDir, port: 5432, user: "postgres", database: "postgres" });
      await admin.connect();
      await admin.query("create database elsewhere");
      await admin.end();
      const environment = {
        DATABASE_URL: `postgres://postgres@/elsewhere?host=${encodeURIComponent(cluster.socketDir)}`,
        SIGNALBOX_BLOBS: "s3",
        SIGNALBOX_S3_BUCKET: bucket.bucket,
        SIGNALBOX_S3_ENDPOINT: bucket.endpoint,
        SIGNALBOX_S3_PATH_STYLE: "true",
        SIGNALBOX_S3_PREFIX: "signalbox",
        SIGNALBOX_S3_ACCESS_KEY_ID: bucket.accessKeyId,
        SIGNALBOX_S3_SECRET_ACCESS_KEY: bucket.secretAccessKey,
      };
      const to = path.join(home, "external");
      const ran = run(BACKUP, ["restore", "--input", file, "--data-dir", to], environment);
      expect(await ran.ended, ran.stderr()).toBe(0);
      expect(ran.stdout()).toContain("the log verifies");
      const server = await start(to, environment);
      await isWhole(server);
      await stop(server);
      // And from there once more, into the same database: refused.
      const again = run(BACKUP, ["restore", "--input", file, "--data-dir", path.join(home, "again")], environment);
      expect(await again.ended).toBe(1);
      expect(again.stderr()).toContain("The database is not empty");
      const back = path.join(home, "back.tar.zst");
      const backed = run(BACKUP, ["backup", "--output", back, "--data-dir", to], environment);
      expect(await backed.ended, backed.stderr()).toBe(0);
      const { manifest } = await checkArchive(back);
      expect(manifest.position).toBeGreaterThanOrEqual(position);
      expect(existsSync(path.join(to, "blobs"))).toBe(false);
      const hex = createHash("sha256").update("large content").digest("hex");
      expect(manifest.entries).toContainEqual(
        expect.objectContaining({ name: `blobs/ws_dev/${hex.slice(0, 2)}/${hex}`, sha256: hex, size: "large content".length }),
      );
    } finally {
      await cluster.stop();
      await bucket.close();
    }
  },
);

test("a directory that is in use, or half restored, is refused, and no server starts in the latter", { timeout: 60_000 }, async () => {
  const used = run(BACKUP, ["restore", "--input", file, "--data-dir", dataDir]);
  expect(await used.ended).toBe(1);
  expect(used.stderr()).toContain("is not empty");
  const half = path.join(home, "half");
  mkdirSync(half);
  writeFileSync(path.join(half, "restore.incomplete"), "");
  const server = run(SERVER, ["--json", "--port", "0", "--data-dir", half]);
  expect(await server.ended).toBe(2);
  expect(server.stderr()).toContain("did not end");
  const again = run(BACKUP, ["restore", "--input", file, "--data-dir", half]);
  expect(await again.ended).toBe(1);
  expect(again.stderr()).toContain("did not end");
});

/** The same backup with one entry written otherwise, or left out. */
async function tampered(name: string, change: (bytes: Buffer) => Buffer | null): Promise<string> {
  const { manifest } = await checkArchive(file);
  const output = path.join(home, "tampered.tar.zst");
  const changed = writeArchive(output);
  await readArchive(file, manifest, async (entry, content) => {
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(chunk);
    const bytes = entry.name === name ? change(Buffer.concat(chunks)) : Buffer.concat(chunks);
    if (bytes !== null) await changed.add(entry.name, bytes);
  });
  const { entries: _, format: __, ...rest } = manifest;
  // The manifest of before, as it was: what `finish` writes is made from what was added.
  await changed.finish({ ...rest });
  return output;
}

test(
  "a backup whose log was changed is refused with the event's place, even when its manifest was made anew",
  { timeout: 120_000 },
  async () => {
    const { manifest } = await checkArchive(file);
    const part = manifest.entries.find(({ name }) => name.startsWith("database/evt_payloads/"))!.name;
    const other = await tampered(part, (bytes) => Buffer.from(bytes.toString("latin1").replace("before 3", "before 4"), "latin1"));
    const to = path.join(home, "changed");
    const ran = run(BACKUP, ["restore", "--input", other, "--data-dir", to]);
    expect(await ran.ended).toBe(1);
    expect(ran.stderr()).toMatch(/does not verify: room:room_\w+ \d+: its data is not what was hashed/);
    expect(existsSync(path.join(to, "restore.incomplete"))).toBe(true);
    // Whoever kept the digest of the true one is told before anything is written.
    const { digest } = await checkArchive(file);
    const expected = run(BACKUP, ["restore", "--input", other, "--expect", digest, "--data-dir", path.join(home, "never")]);
    expect(await expected.ended).toBe(1);
    expect(expected.stderr()).toContain("This is another backup");
    expect(existsSync(path.join(home, "never"))).toBe(false);
  },
);

/** One bit at a tenth of the file: 9 is in the manifest, which nothing but zstd's checksum covers. */
const flipped =
  (tenth: number) =>
  (bytes: Buffer): Buffer => {
    const changed = Buffer.from(bytes);
    const at = Math.floor((changed.length * tenth) / 10);
    changed[at] = changed[at]! ^ 1;
    return changed;
  };
test.each<[string, (bytes: Buffer) => Buffer, RegExp]>([
  ...[1, 3, 5, 7, 9].map((tenth): [string, (bytes: Buffer) => Buffer, RegExp] => [
    `a bit was flipped at ${tenth}/10`,
    flipped(tenth),
    /cannot be read to its end|is not what was backed up|has no place in a backup|is not one that this version can read|does not end with/,
  ]),
  ["a bit was flipped in the last byte", flipped(9.999999), /does not end with the manifest/],
  ["the end was cut off", (bytes) => bytes.subarray(0, bytes.length >> 1), /cut off/],
  ["nothing is left", () => Buffer.from("hello"), /not a backup/],
])("a file of which %s is refused", async (_, change, says) => {
  const damaged = path.join(home, "damaged.tar.zst");
  writeFileSync(damaged, change(readFileSync(file)));
  await expect(checkArchive(damaged)).rejects.toThrow(says);
});

test(
  "an entry that is not what the manifest says is named, and so is one that is missing or that nobody named",
  { timeout: 60_000 },
  async () => {
    const { manifest } = await checkArchive(file);
    const entries = new Map<string, Buffer>();
    await readArchive(file, manifest, async (entry, content) => {
      const chunks: Buffer[] = [];
      for await (const chunk of content) chunks.push(chunk);
      entries.set(entry.name, Buffer.concat(chunks));
    });
    const output = path.join(home, "entries.tar.zst");
    const says = async (of: ReadonlyMap<string, Buffer>): Promise<string> => {
      const tar = pack();
      for (const [name, bytes] of of) tar.entry({ name }, bytes);
      // As they were written before the manifest stood at the end too.
      tar.entry({ name: "manifest.json" }, JSON.stringify({ ...manifest, format: "signalbox-backup/1" }));
      tar.finalize();
      await pipeline(tar, createZstdCompress(), createWriteStream(output));
      return checkArchive(output).then(
        () => "nothing",
        (error: Error) => error.message,
      );
    };
    const name = "keys/checkpoint.pem";
    expect(await says(entries)).toBe("nothing");
    expect(await says(new Map(entries).set(name, Buffer.from("another key")))).toBe(
      `${name} is not what was backed up: its sha256 is another.`,
    );
    expect(await says(new Map([...entries].filter(([of]) => of !== name)))).toBe(`${name} is missing from the backup.`);
    expect(await says(new Map(entries).set("keys/more.pem", Buffer.from("?")))).toBe(
      "keys/more.pem is in the backup, and its manifest does not name it.",
    );
    expect(await says(new Map(entries).set("keys/../../etc/passwd", Buffer.from("?")))).toContain("has no place in a backup");
  },
);

/** Whoever read it would find that it is damaged; what is refused before that says something else. */
function spoil(of: string): void {
  const bytes = readFileSync(of);
  bytes.fill(0, 20, 60);
  writeFileSync(of, bytes);
}

test("what cannot be restored is refused before the backup is read and before anything is written", { timeout: 60_000 }, async () => {
  const spoiled = path.join(home, "spoiled.tar.zst");
  writeFileSync(spoiled, readFileSync(file));
  spoil(spoiled);
  const said = async (of: string, ...argv: string[]): Promise<string> => {
    const ran = run(BACKUP, ["restore", "--input", of, ...argv]);
    expect(await ran.ended).toBe(1);
    return ran.stderr();
  };
  const to = path.join(home, "nothing");
  expect(await said(spoiled, "--data-dir", to)).toContain("cannot be read to its end");
  expect(await said(spoiled, "--data-dir", dataDir)).toContain("is not empty");
  expect(await said(spoiled, "--data-dir", to, "--expect", `sha256:${"0".repeat(64)}`)).toContain("This is another backup");
  const huge = path.join(home, "huge.tar.zst");
  const { manifest } = await checkArchive(file);
  const writing = writeArchive(huge);
  await writing.finish(manifest);
  // The size is the manifest's word alone, so it can be more than any disk has.
  const [tar, said2] = [readFileSync(huge), { ...manifest, entries: [{ name: "keys/a", size: 2 ** 52, sha256: "", mode: 0o600 }] }];
  const text = Buffer.from(JSON.stringify(said2));
  const [head, length] = [Buffer.alloc(8), Buffer.alloc(4)];
  head.writeUInt32LE(0x184d2a5b, 0);
  head.writeUInt32LE(text.length + 12, 4);
  length.writeUInt32LE(text.length);
  writeFileSync(huge, Buffer.concat([tar, head, text, length, Buffer.from("sbmanif1")]));
  expect(await said(huge, "--data-dir", to)).toMatch(
    /There is no room for it in .*nothing: it unpacks to 4194304\.00 GiB, and [0-9.]+ GiB are free/,
  );
  expect(existsSync(to)).toBe(false);
});

test("a backup of a newer version is refused", async () => {
  const { manifest } = await checkArchive(file);
  const output = path.join(home, "newer.tar.zst");
  const newer = writeArchive(output);
  const migrations = [...manifest.migrations, { set: "server", number: 9999, name: "9999-later.sql", hash: "0" }];
  await newer.add("database/evt_events/000000", Buffer.from("never looked at"));
  await newer.finish({ ...manifest, version: "9.0.0", migrations });
  spoil(output);
  const ran = run(BACKUP, ["restore", "--input", output, "--data-dir", path.join(home, "newer")]);
  expect(await ran.ended).toBe(1);
  expect(ran.stderr()).toContain("another version of Signalbox (9.0.0): it has server/9999-later.sql");
});
