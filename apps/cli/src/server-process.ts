/* The server as a child process: what `up` becomes and what `demo` starts for itself. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { UserError } from "./user-error.ts";

const SERVER = join(import.meta.dirname, "../../server/src/main.ts");
/** A first start makes a database; on a slow disk that takes its time. */
const READY_MS = 120_000;

const Ready = z.object({ event: z.literal("ready"), url: z.string(), token: z.string() });

export function serverProgram(): string {
  if (!existsSync(SERVER))
    throw new UserError("The server's program is not here.", `${SERVER} does not exist.`, "Run this from a whole checkout.");
  return SERVER;
}

/** What `backup` and `restore` run, on this machine. */
export const backupProgram = (): string => join(serverProgram(), "../backup/main.ts");

export interface RunningServer {
  readonly url: string;
  readonly token: string;
  stop(): Promise<void>;
}

/** Starts a server of its own on any port; its log goes to stderr only when it fails. */
export async function startServer(dataDir: string): Promise<RunningServer> {
  const child = spawn(process.execPath, [serverProgram(), "--json", "--port", "0", "--data-dir", dataDir, "--no-open", "--no-sample"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => {
    said.push(chunk.toString());
    if (said.length > 200) said.shift();
  });
  const ready = await new Promise<z.infer<typeof Ready>>((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(new UserError("The server did not start.", `${why}\n${said.join("").slice(-4000)}`, "Run `signalbox doctor`."));
    };
    const timer = setTimeout(() => fail(`It was not ready after ${READY_MS / 1000} s.`), READY_MS);
    child.once("exit", (code) => fail(`It ended with exit code ${code}.`));
    child.once("error", (error) => fail(error.message));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const parsed = Ready.safeParse(json(line));
      if (!parsed.success) return;
      clearTimeout(timer);
      resolve(parsed.data);
    });
  }).catch(async (error: unknown) => {
    await stop(child);
    throw error;
  });
  return { url: ready.url, token: ready.token, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const patience = setTimeout(() => child.kill("SIGKILL"), 30_000);
  await ended;
  clearTimeout(patience);
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null; // A log line that got onto stdout; the ready line is JSON.
  }
}
