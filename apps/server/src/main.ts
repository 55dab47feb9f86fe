/*
 * `signalbox up`: from nothing to a printed address, and back down in order.
 *
 *   config ─► logging ─► Postgres (embedded or DATABASE_URL) ─► compose ─► listen ─► print
 *      SIGINT, SIGTERM, SIGHUP ─► http and modules drain ─► Postgres stops ─► exit 0
 *      (a role of a split installation hands over what it holds first; Postgres is not its own)
 *      a second signal ─► exit 1 at once; Postgres is adopted by the next start
 *
 * Postgres runs in a session of its own, so a Ctrl-C for the whole process group does not reach it.
 * Exit codes: 0 stopped, 1 fault, 2 not started and the message says what to do.
 */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { enableCompileCache } from "node:module";
import { SCOPES } from "@signalbox/contract/identity";
import { connectionsOf, type ConnectionFor } from "@signalbox/eventlog/roles";
import { Client } from "pg";
import type { Logger } from "pino";
import type { Signalbox } from "./compose.ts";
import { isHalfRestored } from "./backup/mark.ts";
import { helpText, secretValues } from "./config/printed.ts";
import { connectionsNeeded, nodeIdOf, nodeNameOf } from "./config/process.ts";
import { readConfig } from "./config/read.ts";
import { type Config, ConfigError } from "./config/settings.ts";
import { createLogger } from "./logging.ts";
import { DataDirInUse, lockDataDir } from "./postgres/data-dir-lock.ts";
import { startEmbeddedPostgres } from "./postgres/embedded.ts";
import { LOCAL } from "./local.ts";
import { readServerFile, writeServerFile } from "./server-file.ts";
import { startTelemetry, type Telemetry } from "./telemetry.ts";

/** Superuser connections that Postgres keeps for itself, and some room for people who look in. */
const SPARE_CONNECTIONS = 10;

interface Postgres {
  readonly connection: ConnectionFor;
  stop(): Promise<void>;
}

async function main(argv: readonly string[]): Promise<void> {
  const config = readConfig(argv);
  if (config === "help") return void process.stdout.write(helpText());
  const logger = createLogger({ level: config.logLevel, pretty: !config.json, secrets: secretValues(config) });
  const stopping = listenForSignals(logger);

  const dataDir = path.resolve(config.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  // Most of a start is reading our own modules: what was compiled once is kept, where only we may write.
  enableCompileCache(path.join(dataDir, "cache", "compiled"));
  // Meanwhile Postgres starts. Should it fail, that is what is told; the modules' own failure waits for its await.
  const modules = import("./compose.ts");
  modules.catch(() => undefined);
  if (isHalfRestored(dataDir))
    throw new ConfigError(
      `A restore into ${dataDir} did not end, so what is there is half of a backup.`,
      "Remove that directory and restore again.",
    );
  const postgres = await openPostgres(config, dataDir, logger);
  let telemetry: Telemetry | undefined;
  let server: Signalbox | undefined;
  try {
    await refuseTooManyConnections(config, postgres.connection);
    telemetry = config.otlpEndpoint === undefined ? undefined : await startTelemetry(config.otlpEndpoint);
    server = await (await modules).compose({ config, connection: postgres.connection, logger, telemetry });
    await server.listen();
    await announce(config, server);
    // After it is ready: nobody waits for it, and without it everything works.
    if (config.sampleSession && config.role === "all")
      server.importFirstSession().catch((error: unknown) => logger.warn({ err: error }, "the sample session was not imported"));
    await stopping;
  } finally {
    await server?.stop().catch((error: unknown) => logger.error({ err: error }, "the server did not stop cleanly"));
    await telemetry?.stop().catch((error: unknown) => logger.warn({ err: error }, "the last traces were not sent"));
    await postgres.stop();
  }
}

async function openPostgres(config: Config, dataDir: string, logger: Logger): Promise<Postgres> {
  if (config.databaseUrl === undefined) {
    const embedded = await startEmbeddedPostgres({ dataDir, maxConnections: connectionsNeeded(config) + SPARE_CONNECTIONS });
    embedded.keepAlive(({ what, error }) => {
      if (what === "restarted") logger.warn("Postgres was found dead and was started again");
      else logger.error({ err: error }, "Postgres is dead and could not be started; trying again");
    });
    return embedded;
  }
  const unlock = lockDataDir(dataDir, config.role === "all" ? "server" : nodeNameOf(config));
  return { connection: connectionsOf(config.databaseUrl), stop: async () => unlock() };
}

async function refuseTooManyConnections(config: Config, connection: ConnectionFor): Promise<void> {
  const client = new Client(connection("admin"));
  await client.connect();
  try {
    const { rows } = await client.query<{ free: number }>(
      "select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as free",
    );
    const free = rows[0]?.free ?? 0;
    const needed = connectionsNeeded(config);
    const others = await connectionsOfOthers(client, config);
    if (needed + others > free) {
      throw new ConfigError(
        `The configured pools need ${needed} database connections${others === 0 ? "" : `, the other processes ${others}`}, and the database allows ${free}.`,
        "Lower SIGNALBOX_REQUEST_CONNECTIONS, SIGNALBOX_LOG_READ_CONNECTIONS or SIGNALBOX_JOB_CONNECTIONS, or raise max_connections.",
      );
    }
  } finally {
    await client.end();
  }
}

/** Of the same database, as far as they are there. */
async function connectionsOfOthers(client: Client, config: Config): Promise<number> {
  const { rows: there } = await client.query<{ there: boolean }>("select to_regclass('public.cluster_nodes') is not null as there");
  if (there[0]?.there !== true) return 0;
  const { rows } = await client.query<{ sum: string }>(
    "select coalesce(sum(connections), 0) as sum from cluster_nodes where expires_at > clock_timestamp() and node_id <> $1",
    [nodeIdOf(config)],
  );
  return Number(rows[0]?.sum ?? 0);
}

/** The token of the last start goes on when it still works, so that programs which hold it need not look again. */
async function ownerToken(config: Config, { identity }: Signalbox): Promise<string> {
  const before = readServerFile(config.dataDir);
  if (before !== null && (await identity.identify("token", before.token)) !== null) return before.token;
  const { secret } = await identity.issueToken({
    organizationId: LOCAL.organizationId,
    principalId: LOCAL.owner.id,
    name: "This machine's command line",
    scopes: SCOPES,
  });
  return secret;
}

async function announce(config: Config, server: Signalbox): Promise<void> {
  if (config.role !== "all" && config.role !== "api") return announcePart(config, server);
  const url = server.publicUrl();
  const token = await ownerToken(config, server);
  writeServerFile(config.dataDir, { url, token, pid: process.pid });
  const own = config.role === "all" ? {} : { role: config.role, own_url: server.ownUrl() };
  if (config.json) return void process.stdout.write(`${JSON.stringify({ event: "ready", url, token, ...own })}\n`);
  const login = await server.identity.issueLoginCode(LOCAL.organizationId, LOCAL.owner.id);
  process.stdout.write(`\nSignalbox is ready. Open this once, within 15 minutes:\n\n  ${login.url}\n\nStop it with Ctrl-C.\n`);
  if (config.open && process.stdout.isTTY) openBrowser(login.url);
}

function announcePart({ json, role }: Config, server: Signalbox): void {
  const url = server.ownUrl();
  process.stdout.write(
    json ? `${JSON.stringify({ event: "ready", role, url })}\n` : `\nSignalbox's ${role} is ready on ${url}. Stop it with Ctrl-C.\n`,
  );
}

/** Where there is no browser to open, the printed address is enough. */
function openBrowser(url: string): void {
  const child = spawn(process.platform === "darwin" ? "open" : "xdg-open", [url], { stdio: "ignore", detached: true });
  child.on("error", () => undefined);
  child.unref();
}

/** Resolves at the first signal. A fault that nobody caught stops the server too: its state is not to be trusted. */
function listenForSignals(logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (asked) process.exit(1);
      asked = true;
      logger.info({ signal }, "stopping");
      resolve();
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
    // The terminal was closed.
    process.on("SIGHUP", stop);
    const fault = (error: unknown): void => {
      logger.fatal({ err: error }, "a fault that nobody caught; stopping");
      process.exitCode = 1;
      if (asked) return;
      asked = true;
      resolve();
    };
    // Whoever reads the log may go, and the server does not go with them. Unheard, each line's error would be a fault, which
    // is logged, which is an error: for ever, on a whole processor.
    for (const out of [process.stdout, process.stderr]) out.on("error", () => undefined);
    process.on("uncaughtException", fault);
    process.on("unhandledRejection", fault);
  });
}

function explain(error: unknown): { readonly what: string; readonly fix: string | null } {
  if (error instanceof ConfigError) return { what: error.message, fix: error.fix };
  if (error instanceof DataDirInUse) return { what: error.message, fix: null };
  const { code, port, syscall } = error as { code?: string; port?: number; syscall?: string };
  if (code === "EADDRINUSE")
    return {
      what: `Port ${port} is in use by another program.`,
      fix: "Stop that program, or start with --port 0 (any free port) or another number.",
    };
  if (code === "EACCES" && syscall === "listen")
    return { what: `Port ${port} may not be used by this user.`, fix: "Choose one above 1023 with --port." };
  return { what: error instanceof Error ? error.message : String(error), fix: null };
}

try {
  await main(process.argv.slice(2));
  process.exit(process.exitCode ?? 0);
} catch (error) {
  const { what, fix } = explain(error);
  process.stderr.write(`signalbox: ${what}\n${fix === null ? "" : `  ${fix}\n`}`);
  process.exit(2);
}
