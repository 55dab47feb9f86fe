/* A server process on a database of its own, as a person would start it, for the benches that talk to it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

export interface BenchServer {
  readonly pid: number;
  readonly port: number;
  readonly token: string;
  /** One JSON call over a kept connection, with the owner's token unless another is given; "" is none. */
  call(method: string, route: string, body?: unknown, bearer?: string): Promise<{ status: number; body: Record<string, string> }>;
  stop(): Promise<void>;
}

/** `env`: on top of this process's own. */
export async function startServer(env: Readonly<Record<string, string>> = {}): Promise<BenchServer> {
  const place = await mkdtemp(path.join(tmpdir(), "signalbox-bench-"));
  await chmod(place, 0o711);
  const argv = [
    path.join(import.meta.dirname, "../apps/server/src/main.ts"),
    "--json",
    "--port",
    "0",
    "--log-level",
    "warn",
    "--no-sample",
    "--data-dir",
    path.join(place, "data"),
  ];
  const server = await startProcess(argv, env);
  return {
    ...server,
    async stop() {
      await server.stop();
      await rm(place, { recursive: true, force: true });
    },
  };
}

/** Any program that says on a line of JSON where it is ready. */
export async function startProcess(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<BenchServer> {
  const child: ChildProcess = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...env } });
  let ready: { url: string; token: string } | undefined;
  for await (const line of createInterface({ input: child.stdout! })) {
    if (!line.startsWith('{"event":"ready"')) continue;
    ready = JSON.parse(line) as { url: string; token: string };
    break;
  }
  if (ready === undefined) throw new Error("the server ended before it was ready");
  const { token } = ready;
  const port = Number(new URL(ready.url).port);
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });

  return {
    pid: child.pid!,
    port,
    token,
    call: (method, route, body, bearer = token) =>
      new Promise((resolve, reject) => {
        const text = body === undefined ? undefined : JSON.stringify(body);
        const headers = {
          ...(bearer === "" ? {} : { authorization: `Bearer ${bearer}` }),
          ...(text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
        };
        const asked = request({ host: "127.0.0.1", port, method, path: route, agent, headers }, (response) => {
          let answer = "";
          response.setEncoding("utf8");
          response.on("data", (part: string) => (answer += part));
          response.on("end", () => resolve({ status: response.statusCode!, body: JSON.parse(answer) as Record<string, string> }));
        });
        asked.on("error", reject);
        asked.end(text);
      }),
    async stop() {
      agent.destroy();
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
    },
  };
}

export const quantile = (values: readonly number[], q: number): number =>
  Number(values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))]!.toFixed(2));
export const median = (values: readonly number[]): number => quantile(values, 0.5);
