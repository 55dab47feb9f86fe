/*
 * The real server as a process of its own, on a data directory of its own; both are gone afterwards. Its database is the
 * test file's in the run's own Postgres, where the file has one: a first start then costs a third of the processor, for
 * initdb, every migration and the end of a Postgres are not done again. That a server brings its own is seen in
 * first-run.e2e.test.ts.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestDatabase } from "@signalbox/testkit/database";
import { databaseUrlOf } from "../../server/src/cluster/split.fixture.ts";

const ROOT = join(import.meta.dirname, "../../..");
const READY_WITHIN_MS = 90_000;
const STOPPED_WITHIN_MS = 30_000;

export interface ServerProcess {
  readonly url: string;
  /** An owner's API token. */
  readonly token: string;
  /** What it wrote to stderr so far: its console. */
  console(): string;
  stop(): Promise<void>;
}

/** `withSample`: the finished session that a fresh installation shows is imported, a moment after the server is ready. */
export async function startServer({
  database,
  withSample = false,
  port = 0,
  environment = {},
}: {
  /** Default: a Postgres that the server brings itself, as `npm start` does. */
  database?: Pick<TestDatabase, "connection">;
  withSample?: boolean;
  port?: number;
  environment?: Readonly<Record<string, string>>;
} = {}): Promise<ServerProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), "signalbox-web-e2e-"));
  // Sandboxes run as other users, who must be able to pass through.
  await chmod(dataDir, 0o711);
  const child = spawn(
    process.execPath,
    [
      join(ROOT, "apps/server/src/main.ts"),
      "--json",
      "--port",
      String(port),
      "--data-dir",
      dataDir,
      ...(withSample ? [] : ["--no-sample"]),
    ],
    {
      cwd: ROOT,
      env: { ...process.env, ...(database === undefined ? {} : { DATABASE_URL: databaseUrlOf(database) }), ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const said: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  const stop = async (): Promise<void> => {
    await ended(child);
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const { url, token } = await ready(child, said);
    return { url, token, console: () => said.join(""), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function ready(child: ChildProcess, said: readonly string[]): Promise<{ url: string; token: string }> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`the server was not ready within ${READY_WITHIN_MS} ms\n${said.join("").slice(-4_000)}`)),
      READY_WITHIN_MS,
    );
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const parsed: unknown = line.startsWith("{") ? JSON.parse(line) : null;
      if (typeof parsed !== "object" || parsed === null || !("event" in parsed) || parsed.event !== "ready") return;
      clearTimeout(timer);
      resolve(parsed as unknown as { url: string; token: string });
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`the server ended with ${code} before it was ready\n${said.join("").slice(-4_000)}`));
    });
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOPPED_WITHIN_MS);
  await gone;
  clearTimeout(timer);
}
