/* The server as a process: how it starts, what it says, how it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { startTestCluster, TEMPLATE } from "@signalbox/testkit/cluster";
import { processEnvironment } from "@signalbox/testkit/environment";
import { Client } from "pg";
import { afterAll, expect, test } from "vitest";

/** Of one start, on a machine that does ten other things. */
const PATIENCE_MS = 120_000;
const MAIN = path.join(import.meta.dirname, "main.ts");
const home = mkdtempSync(path.join(tmpdir(), "signalbox-main-"));
chmodSync(home, 0o755);
const children = new Set<ChildProcess>();

afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  readonly token: string;
  stderr(): string;
  ended: Promise<number | null>;
}

function run(argv: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN, ...argv], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
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

async function start(dataDir: string, argv: readonly string[] = [], environment: Record<string, string> = {}): Promise<Started> {
  const ran = run(["--json", "--port", "0", "--data-dir", dataDir, ...argv], environment);
  await expect.poll(() => ran.stdout().includes("\n") || ran.child.exitCode !== null, { timeout: PATIENCE_MS, interval: 10 }).toBe(true);
  if (ran.child.exitCode !== null) throw new Error(`it did not start: ${ran.stderr()}`);
  const ready = JSON.parse(ran.stdout()) as { event: string; url: string; token: string };
  expect(ready.event).toBe("ready");
  return { ...ran, ...ready };
}

const call = async (
  server: Started,
  method: string,
  route: string,
  body?: unknown,
): Promise<{ status: number; body: Record<string, never> & { id: string; valid: boolean } }> => {
  const response = await fetch(server.url + route, {
    method,
    headers: { authorization: `Bearer ${server.token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as never };
};

const dataDir = path.join(home, "data");

test("a first start is ready by one line, and leaves its address and token to this user alone", { timeout: 3 * PATIENCE_MS }, async () => {
  const server = await start(dataDir);
  const file = path.join(dataDir, "server.json");
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ url: server.url, token: server.token });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect((await call(server, "GET", "/v1/me")).status).toBe(200);
  server.child.kill("SIGTERM");
  expect(await server.ended).toBe(0);
});

test("a second server on the same data directory is told who has it, and the first goes on", { timeout: 3 * PATIENCE_MS }, async () => {
  const first = await start(dataDir);
  const second = run(["--json", "--port", "0", "--data-dir", dataDir]);
  expect(await second.ended).toBe(2);
  expect(second.stderr()).toContain(`pid ${first.child.pid}`);
  expect(second.stderr()).toContain("--data-dir");
  // Nor does it go when whoever reads its log does: each line was a fault, which was logged, for ever.
  first.child.stderr!.destroy();
  for (let i = 0; i < 3; i++) expect((await call(first, "GET", "/v1/me")).status).toBe(200);
  first.child.kill("SIGTERM");
  expect(await first.ended).toBe(0);
});

test("a second start keeps token and data", { timeout: 3 * PATIENCE_MS }, async () => {
  const before = await start(dataDir);
  const room = (await call(before, "POST", "/v1/rooms", { title: "kept" })).body.id;
  // A signal for the whole group, as Ctrl-C sends it.
  process.kill(-before.child.pid!, "SIGINT");
  expect(await before.ended).toBe(0);
  const after = await start(dataDir);
  expect(after.token).toBe(before.token);
  expect((await call(after, "GET", `/v1/rooms/${room}`)).status).toBe(200);
  after.child.kill("SIGTERM");
  expect(await after.ended).toBe(0);
});

test(
  "killed with -9 while many write, it has every acknowledged message after the next start, and the chain is whole",
  { timeout: 3 * PATIENCE_MS },
  async () => {
    const server = await start(dataDir);
    const room = (await call(server, "POST", "/v1/rooms", { title: "crash" })).body.id;
    const thread = (await call(server, "POST", `/v1/rooms/${room}/threads`, {})).body.id;
    const acknowledged = new Set<string>();
    const writers = Array.from({ length: 16 }, async (_, writer) => {
      for (let i = 0; ; i++) {
        try {
          const { status, body } = await call(server, "POST", `/v1/threads/${thread}/messages`, { content_md: `${writer}.${i}` });
          if (status === 201) acknowledged.add(body.id);
        } catch {
          return; // the connection died with the server
        }
      }
    });
    await expect.poll(() => acknowledged.size, { timeout: PATIENCE_MS }).toBeGreaterThan(1000);
    server.child.kill("SIGKILL");
    await Promise.all(writers);

    const next = await start(dataDir);
    const found = new Set<string>();
    for (let cursor = ""; ;) {
      const page = (await call(next, "GET", `/v1/threads/${thread}/messages?limit=200${cursor}`)).body as unknown as {
        items: { id: string }[];
        next_cursor: string | null;
      };
      for (const item of page.items) found.add(item.id);
      if (page.next_cursor === null) break;
      cursor = `&cursor=${page.next_cursor}`;
    }
    expect([...acknowledged].filter((id) => !found.has(id))).toEqual([]);
    expect((await call(next, "GET", `/v1/audit/verify?stream=room:${room}`)).body.valid).toBe(true);
    next.child.kill("SIGTERM");
    expect(await next.ended).toBe(0);
  },
);

test("a port in use is said with what to do, and nothing is left running", { timeout: 3 * PATIENCE_MS }, async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  const { port } = other.address() as { port: number };
  const ran = run(["--json", "--port", String(port), "--data-dir", dataDir]);
  expect(await ran.ended).toBe(2);
  expect(ran.stderr()).toContain(`Port ${port} is in use`);
  expect(ran.stderr()).toContain("--port 0");
  other.close();
  expect(readPostgresPid()).toBeNull();
});

test(
  "a data directory of a newer version is refused by name, and started again by that version unharmed",
  { timeout: 3 * PATIENCE_MS },
  async () => {
    const server = await start(dataDir);
    const client = new Client({ host: path.join(dataDir, "postgres/socket"), port: 5432, user: "postgres", database: "signalbox" });
    await client.connect();
    await client.query(
      "insert into sb_migrations (set, number, name, hash, breaking) values ('server', 9999, '9999-from-the-future', 'x', true)",
    );
    await client.end();
    server.child.kill("SIGTERM");
    await server.ended;
    const ran = run(["--json", "--port", "0", "--data-dir", dataDir]);
    expect(await ran.ended).toBe(2);
    expect(ran.stderr()).toContain("newer Signalbox");
    expect(ran.stderr()).toContain("9999-from-the-future");
    expect(readPostgresPid()).toBeNull();
  },
);

test("open feeds and sockets do not keep it from stopping; they are ended properly", { timeout: 3 * PATIENCE_MS }, async () => {
  const dir = path.join(home, "drain");
  const server = await start(dir);
  const room = (await call(server, "POST", "/v1/rooms", { title: "drain" })).body.id;
  const feed = await fetch(`${server.url}/v1/streams/rooms/${room}`, { headers: { authorization: `Bearer ${server.token}` } });
  const { token } = (await call(server, "POST", "/v1/sync/token", {})).body as unknown as { token: string };
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/sync?token=${token}`);
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  const closed = new Promise<number>((resolve) => socket.addEventListener("close", (event) => resolve(event.code)));
  const reader = feed.body!.pipeThrough(new TextDecoderStream()).getReader();
  let read = "";
  while (!read.includes("room.created")) read += (await reader.read()).value ?? "";
  const at = performance.now();
  server.child.kill("SIGTERM");
  // The body ends as a body, rather than with a broken connection.
  while (!(await reader.read()).done);
  expect(await closed).toBe(1001);
  expect(await server.ended).toBe(0);
  expect(performance.now() - at).toBeLessThan(8000);
});

test(
  "any Postgres does: started on DATABASE_URL, and refused when the pools are more than it allows",
  { timeout: 3 * PATIENCE_MS },
  async () => {
    const cluster = await startTestCluster({ template: false });
    try {
      const environment = { DATABASE_URL: `postgres://postgres@localhost/${TEMPLATE}?host=${encodeURIComponent(cluster.socketDir)}` };
      const elsewhere = path.join(home, "elsewhere");
      const server = await start(elsewhere, [], environment);
      expect((await call(server, "POST", "/v1/rooms", { title: "elsewhere" })).status).toBe(201);
      expect(existsSync(path.join(elsewhere, "postgres"))).toBe(false);
      server.child.kill("SIGTERM");
      expect(await server.ended).toBe(0);
      const greedy = run(["--json", "--port", "0", "--data-dir", elsewhere], { ...environment, SIGNALBOX_REQUEST_CONNECTIONS: "400" });
      expect(await greedy.ended).toBe(2);
      expect(greedy.stderr()).toMatch(/need \d+ database connections, and the database allows \d+/);
    } finally {
      await cluster.stop();
    }
  },
);

test("--help and mistakes do not need a data directory", async () => {
  const help = run(["--help"]);
  expect(await help.ended).toBe(0);
  expect(help.stdout()).toContain("--data-dir");
  const mistake = run(["--prot", "1"]);
  expect(await mistake.ended).toBe(2);
  expect(mistake.stderr()).toContain("There is no flag --prot");
});

function readPostgresPid(): number | null {
  try {
    return Number(readFileSync(path.join(dataDir, "postgres/data/postmaster.pid"), "utf8").split("\n")[0]);
  } catch {
    return null; // no file, no server
  }
}
