/*
 * The embedded Postgres: one cluster per data directory, driven with its own `pg_ctl`.
 *
 *   <data-dir>/server.lock          who may touch the rest (data-dir-lock.ts)
 *   <data-dir>/postgres/data        the cluster (0700)
 *   <data-dir>/postgres/socket      its Unix socket (0700); there is no TCP listener
 *   <data-dir>/postgres/log         what the server says
 *   <data-dir>/postgres/engine-*    the binaries, only where they cannot run in place
 *
 *   lock ─► check version ─► running? ─ yes ─► adopt (our predecessor was killed)
 *                               │ no
 *                               └─► initdb if empty ─► pg_ctl start ─► ready
 *
 * `pg_ctl` puts the server in a session of its own, so a Ctrl-C for our process group does not
 * reach it: it outlives us until `stop()` says otherwise, which is what lets us drain first.
 * Whoever can enter the socket directory is trusted with every role; nobody but the server's
 * user (and root) can.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import type { ConnectionFor } from "@signalbox/eventlog/roles";
import type pg from "pg";
import { Client, escapeIdentifier } from "pg";
import { findBinaries, type Binaries } from "./binaries.ts";
import { lockDataDir } from "./data-dir-lock.ts";
import { postgresOsUser, type OsUser } from "./os-user.ts";
import { startTimeOf } from "./process-identity.ts";

export interface EmbeddedOptions {
  readonly dataDir: string;
  /** Default `signalbox`; created when missing. */
  readonly database?: string | undefined;
  /** Default 100. */
  readonly maxConnections?: number | undefined;
  /** For throw-away test clusters only: trades durability for speed. Default true. */
  readonly durable?: boolean | undefined;
}

export interface EmbeddedPostgres {
  /** True when a Postgres that a killed server left behind was taken over. */
  readonly adopted: boolean;
  /** e.g. `18.4`. */
  readonly version: string;
  readonly socketDir: string;
  /** How to connect as a role; `admin` is the cluster's superuser and only for migrations. */
  readonly connection: ConnectionFor;
  /**
   * Starts Postgres again whenever it is found dead (out of memory, disk full, an operator's kill).
   * Returns the function that ends the watch; `stop` and `pause` end it too.
   */
  keepAlive(onEvent: (event: { readonly what: "restarted" | "restart_failed"; readonly error?: unknown }) => void): () => void;
  /** Stops Postgres (open transactions are rolled back), then gives the data directory free. */
  stop(): Promise<void>;
  /** The two halves that faults are made of; `stop` is what a server calls. */
  pause(mode?: "fast" | "immediate"): Promise<void>;
  resume(): Promise<void>;
}

/** Root's Postgres runs as another user, who cannot look into root's home. */
export function defaultDataDir(): string {
  return process.getuid?.() === 0 ? "/var/lib/signalbox" : path.join(homedir(), ".local/share/signalbox");
}

const WATCH_MS = 1000;
const PORT = 5432; // names the socket file only
/** Longest path that fits into `sockaddr_un` everywhere (104 bytes on macOS), the file name included. */
const MAX_SOCKET_PATH = 100;

export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const dataDir = path.resolve(options.dataDir);
  const user = postgresOsUser();
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  // Postgres' user must be able to pass through what root owns; it still cannot list it.
  if (user !== null) chmodSync(dataDir, statSync(dataDir).mode | 0o011);
  const unlock = lockDataDir(dataDir);
  try {
    const cluster = await openCluster(dataDir, user, options);
    return {
      ...cluster,
      async stop() {
        await cluster.pause();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

async function openCluster(dataDir: string, user: OsUser | null, options: EmbeddedOptions): Promise<Omit<EmbeddedPostgres, "stop">> {
  const home = path.join(dataDir, "postgres");
  ownedDirectory(home, user);
  await refuseUnreachable(home, user);
  const binaries = findBinaries(user, home);
  const data = path.join(home, "data");
  refuseOtherVersion(data, binaries);
  const socketDir = socketDirectory(home, user);
  const run = (program: string, args: string[]) => runAs(user, home, program, args);

  if (!existsSync(path.join(data, "PG_VERSION"))) {
    ownedDirectory(data, user);
    await run(binaries.initdb, [
      "--pgdata",
      data,
      "--username",
      "postgres",
      "--auth",
      "trust",
      "--encoding",
      "UTF8",
      "--locale",
      "C",
      ...(options.durable === false ? ["--no-sync"] : []),
    ]);
  }
  // Written at every boot, so that a changed option takes effect; the include is appended once.
  writeConfig(data, socketDir, user, options);

  const isRunning = async () => (await exitCodeAs(user, home, binaries.pgCtl, ["status", "--pgdata", data])) === 0;
  const start = () =>
    run(binaries.pgCtl, ["start", "--pgdata", data, "--log", path.join(home, "log"), "--wait", "--timeout", "120", "--silent"]);

  const adopted = await isRunning();
  if (!adopted) await start();
  const database = options.database ?? "signalbox";
  const connection: ConnectionFor = (role, name = database) => ({
    host: socketDir,
    port: PORT,
    user: role === "admin" ? "postgres" : role,
    database: name,
  });
  await createDatabase(connection("admin", "postgres"), database);
  let watch: NodeJS.Timeout | undefined;
  return {
    adopted,
    version: binaries.version,
    socketDir,
    connection,
    keepAlive(onEvent) {
      const look = async () => {
        if (postmasterIsAlive(data)) return;
        try {
          await start();
          onEvent({ what: "restarted" });
        } catch (error) {
          onEvent({ what: "restart_failed", error });
        }
      };
      const plan = () => {
        watch = setTimeout(() => {
          const mine = watch;
          // Only the watch that is still on may plan the next look.
          void look().finally(() => mine === watch && plan());
        }, WATCH_MS);
      };
      plan();
      return () => {
        clearTimeout(watch);
        watch = undefined;
      };
    },
    async pause(mode = "fast") {
      clearTimeout(watch);
      watch = undefined;
      if (await isRunning()) await run(binaries.pgCtl, ["stop", "--pgdata", data, "--mode", mode, "--wait", "--timeout", "60", "--silent"]);
    },
    async resume() {
      if (!(await isRunning())) await start();
    },
  };
}

/** How to connect to the one that a server of this directory runs just now. */
export function runningEmbedded(dataDir: string): ConnectionFor {
  const socketDir = socketDirectory(path.join(path.resolve(dataDir), "postgres"), postgresOsUser());
  return (role, database = "signalbox") => ({ host: socketDir, port: PORT, user: role === "admin" ? "postgres" : role, database });
}

async function refuseUnreachable(home: string, user: OsUser | null): Promise<void> {
  if (user === null || (await exitCodeAs(user, "/", "/bin/sh", ["-c", 'cd "$1"', "sh", home])) === 0) return;
  throw new Error(
    `Postgres runs as the user "${user.name}", who cannot enter ${home}: a directory above it is closed to others. ` +
      `Choose a --data-dir elsewhere (the default for root is /var/lib/signalbox).`,
  );
}

/** Cheap enough for every second; `pg_ctl status` is a process each time. */
function postmasterIsAlive(data: string): boolean {
  try {
    return startTimeOf(Number.parseInt(readFileSync(path.join(data, "postmaster.pid"), "utf8"), 10)) !== null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false; // it removes the file when it ends
    throw error;
  }
}

function refuseOtherVersion(data: string, binaries: Binaries): void {
  const file = path.join(data, "PG_VERSION");
  if (!existsSync(file)) return;
  const found = Number.parseInt(readFileSync(file, "utf8"), 10);
  const ours = Number.parseInt(binaries.version, 10);
  if (found === ours) return;
  throw new Error(
    found > ours
      ? `The data directory ${data} belongs to Postgres ${found}, this Signalbox brings Postgres ${ours}. ` +
          `Start the newer Signalbox that made it, or choose another --data-dir.`
      : `The data directory ${data} belongs to Postgres ${found}, this Signalbox brings Postgres ${ours}. ` +
          `Export the log with the older Signalbox (signalbox log export) and import it into a new --data-dir.`,
  );
}

/** Made by us for `user`, closed to everybody else. */
function ownedDirectory(dir: string, user: OsUser | null): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (lstatSync(dir).isSymbolicLink()) throw new Error(`${dir} is a symbolic link; Postgres' own directories must not be.`);
  if (user !== null) chownSync(dir, user.uid, user.gid);
  chmodSync(dir, 0o700);
}

function socketDirectory(home: string, user: OsUser | null): string {
  const beside = path.join(home, "socket");
  const fits = Buffer.byteLength(path.join(beside, `.s.PGSQL.${PORT}`)) <= MAX_SOCKET_PATH;
  // A deep data directory gets a short one elsewhere, by a name that the next start finds again.
  const dir = fits ? beside : path.join(tmpdir(), `signalbox-${createHash("sha256").update(home).digest("hex").slice(0, 16)}`);
  const found = lstatSync(dir, { throwIfNoEntry: false });
  const owner = user?.uid ?? process.getuid?.();
  if (found !== undefined && (!found.isDirectory() || found.uid !== owner)) {
    throw new Error(`${dir}, where Postgres' socket belongs, was made by somebody else. Remove it and start again.`);
  }
  ownedDirectory(dir, user);
  return dir;
}

function writeConfig(data: string, socketDir: string, user: OsUser | null, options: EmbeddedOptions): void {
  const quoted = (value: string) => `'${value.replaceAll("'", "''")}'`;
  const lines = [
    "# Written by Signalbox at every start; your own settings belong into postgresql.auto.conf.",
    `listen_addresses = ''`,
    `port = ${PORT}`,
    `unix_socket_directories = ${quoted(socketDir)}`,
    `unix_socket_permissions = 0700`,
    `max_connections = ${options.maxConnections ?? 100}`,
    `shared_buffers = '128MB'`,
    `max_wal_size = '1GB'`,
    `wal_compression = on`,
    `log_timezone = 'UTC'`,
    `timezone = 'UTC'`,
    `log_line_prefix = '%m [%p] %q%u@%d '`,
    // A statement that fails may carry what people typed; the log is the wrong place for it.
    `log_min_error_statement = panic`,
    `log_error_verbosity = terse`,
    ...(options.durable === false ? ["fsync = off", "synchronous_commit = off", "full_page_writes = off", "autovacuum = off"] : []),
  ];
  const file = path.join(data, "signalbox.conf");
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  if (user !== null) chownSync(file, user.uid, user.gid);
  const main = path.join(data, "postgresql.conf");
  const include = "include = 'signalbox.conf'\n";
  if (!readFileSync(main, "utf8").includes(include)) writeFileSync(main, include, { flag: "a" });
}

async function createDatabase(admin: pg.ClientConfig, database: string): Promise<void> {
  const client = new Client(admin);
  await client.connect();
  try {
    const { rowCount } = await client.query("select 1 from pg_database where datname = $1", [database]);
    if (rowCount === 0) await client.query(`create database ${escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}

async function runAs(user: OsUser | null, cwd: string, program: string, args: string[]): Promise<void> {
  const { code, output } = await spawned(user, cwd, program, args);
  if (code !== 0) throw new Error(`${path.basename(program)} failed (exit code ${code}): ${output.trim().slice(-2000)}`);
}

const exitCodeAs = async (user: OsUser | null, cwd: string, program: string, args: string[]) =>
  (await spawned(user, cwd, program, args)).code;

function spawned(user: OsUser | null, cwd: string, program: string, args: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      // Nothing of our environment: PGDATA, PGOPTIONS or a locale would change what happens, and secrets are none of its business.
      env: { LC_ALL: "C", PATH: "/usr/bin:/bin", TZ: "UTC" },
      stdio: ["ignore", "pipe", "pipe"],
      ...(user === null ? {} : { uid: user.uid, gid: user.gid }),
    });
    let output = "";
    const collect = (chunk: Buffer) => (output += chunk.toString());
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", reject);
    // Not "close": a started Postgres inherits the pipes and keeps them open for its whole life.
    child.on("exit", (code) => {
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ code, output });
    });
  });
}
