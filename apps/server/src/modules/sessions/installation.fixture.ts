/* A whole installation in a process of its own, to be killed and started again, with a scripted model behind its proxy. */
import { spawn, type ChildProcess } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { followDirectives } from "@signalbox/providers/agent/directives.fixture";
import { createDemoUpstream } from "@signalbox/providers/model/demo/upstream";
import { serveUpstream, type ServedUpstream } from "@signalbox/providers/model/serve.fixture";
import { processEnvironment } from "@signalbox/testkit/environment";
import { WebSocket } from "ws";

// oxlint-disable-next-line typescript/no-explicit-any -- what tests look into
type Body = any;
export interface Answer {
  readonly status: number;
  readonly body: Body;
}
export interface LiveUpdate {
  readonly watermark: string;
  readonly payload: Body;
}
export interface Follower {
  readonly updates: LiveUpdate[];
  close(): void;
}

export interface Installation {
  readonly model: ServedUpstream;
  readonly dataDir: string;
  /** What the server wrote to its log, for a test that fails. */
  readonly output: string[];
  /** Of the server that runs now: each start takes a port of its own. */
  url(): string;
  call(method: string, url: string, body?: unknown): Promise<Answer>;
  follow(sessionId: string, after?: string): Promise<Follower>;
  killServer(): Promise<void>;
  startServer(): Promise<void>;
  /** Ends every process of that sandbox on the host, as the kernel would. */
  killSandbox(sandboxId: string): number;
  /** Stops every process of that sandbox (`SIGSTOP`) or lets it go on. */
  signalSandbox(sandboxId: string, signal: NodeJS.Signals): number;
  close(): Promise<void>;
}

const MAIN = path.join(import.meta.dirname, "../../main.ts");

/** `delayMs`: between two pieces of what the model says. */
export async function startInstallation(options: { delayMs: number }): Promise<Installation> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "signalbox-sessions-"));
  // Sandboxes and Postgres run as other users, who must be able to pass through.
  chmodSync(dataDir, 0o711);
  const model = await serveUpstream(createDemoUpstream({ script: followDirectives, chunkDelayMs: options.delayMs }));
  const output: string[] = [];
  let child: ChildProcess | null = null;
  let url = "";
  let token = "";

  async function startServer(): Promise<void> {
    const server = spawn(process.execPath, [MAIN, "--json", "--port", "0", "--data-dir", dataDir], {
      env: processEnvironment({
        LOG_LEVEL: "info",
        OPENAI_COMPATIBLE_BASE_URL: model.baseUrl,
        SIGNALBOX_SESSION_BUDGET_MICRO_USD: "1000000000",
        SIGNALBOX_SANDBOX_DISK_MB: "1024",
      }),
      stdio: ["ignore", "pipe", "pipe"],
    });
    child = server;
    server.stderr.on("data", (chunk: Buffer) => output.push(chunk.toString()));
    const lines = createInterface({ input: server.stdout });
    await new Promise<void>((resolve, reject) => {
      server.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${output.join("").slice(-3000)}`)));
      lines.on("line", (line) => {
        output.push(`${line}\n`);
        if (!line.includes('"event":"ready"')) return;
        ({ url, token } = JSON.parse(line) as { url: string; token: string });
        resolve();
      });
    });
  }

  async function call(method: string, where: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${url}${where}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  }

  await startServer();
  return {
    model,
    dataDir,
    output,
    url: () => url,
    call,
    startServer,
    async follow(sessionId, after) {
      const { body } = await call("POST", "/v1/sync/token", {});
      const socket = new WebSocket(`${url.replace("http", "ws")}/v1/sync?token=${encodeURIComponent(body.token as string)}`);
      const updates: LiveUpdate[] = [];
      await new Promise((resolve, reject) => {
        socket.once("open", resolve);
        socket.once("error", reject);
      });
      socket.on("error", () => undefined); // the server is killed in some tests
      const topic = `session:${sessionId}`;
      socket.on("message", (text: Buffer) => {
        const frame = JSON.parse(text.toString()) as { type: string; updates?: LiveUpdate[] };
        if (frame.type === "error") output.push(`sync: ${text.toString()}\n`);
        if (frame.type === "update_batch") updates.push(...(frame.updates ?? []));
      });
      socket.send(
        JSON.stringify({ type: "subscribe", topics: [topic], ...(after === undefined ? {} : { resume_after: { [topic]: after } }) }),
      );
      return { updates, close: () => socket.close() };
    },
    async killServer() {
      const gone = new Promise((resolve) => child!.once("exit", resolve));
      child!.kill("SIGKILL");
      await gone;
    },
    killSandbox,
    signalSandbox,
    async close() {
      const server = child;
      if (server !== null && server.exitCode === null && server.signalCode === null) {
        const gone = new Promise((resolve) => server.once("exit", resolve));
        server.kill("SIGTERM");
        await gone;
      }
      await model.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Ends every process of that sandbox on the host, as the kernel would; how many there were. */
export const killSandbox = (sandboxId: string): number => signalSandbox(sandboxId, "SIGKILL");

function signalSandbox(sandboxId: string, signal: NodeJS.Signals): number {
  const children = new Map<number, number[]>();
  const roots: number[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
      const line = readFileSync(`/proc/${name}/cmdline`, "utf8");
      if (line.includes(sandboxId) && line.includes("bwrap")) roots.push(Number(name));
    } catch {
      continue; // It ended while we looked.
    }
  }
  const all = new Set<number>();
  const add = (pid: number): void => {
    if (all.has(pid)) return;
    all.add(pid);
    for (const one of children.get(pid) ?? []) add(one);
  };
  for (const root of roots) add(root);
  for (const pid of all) {
    try {
      process.kill(pid, signal);
    } catch {
      continue; // Its parent took it along.
    }
  }
  return all.size;
}

/** A real agent on a machine that does ten other things: a slow answer is no failure, and costs nothing when it is quick. */
const PATIENCE_MS = 120_000;

export async function until<T>(
  what: string,
  look: () => Promise<T | null | false | undefined> | T | null | false | undefined,
  withinMs = PATIENCE_MS,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== null && found !== false && found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`it did not happen within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export async function conversationOf(at: Pick<Installation, "call">, sessionId: string): Promise<Body[]> {
  const items: Body[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const { body } = await at.call("GET", `/v1/sessions/${sessionId}/conversation?limit=200${cursor === "" ? "" : `&cursor=${cursor}`}`);
    items.push(...(body.items as Body[]));
    cursor = body.next_cursor as string | null;
  }
  return items;
}

export async function ended(at: Pick<Installation, "call">, runId: string, withinMs = 2 * PATIENCE_MS): Promise<Body> {
  return until(
    `${runId} ends`,
    async () => {
      const { body } = await at.call("GET", `/v1/runs/${runId}`);
      return body.ended_at === null ? null : body;
    },
    withinMs,
  );
}
