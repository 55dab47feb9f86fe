/* An installation that is split into processes, with a wire of the test's own in front of each door. */
import { spawn, type ChildProcess } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { createClient, type Client } from "@signalbox/client/client";
import type { TestDatabase } from "@signalbox/testkit/database";
import { processEnvironment } from "@signalbox/testkit/environment";
import { startTcpProxy, type TcpProxy } from "@signalbox/testkit/tcp-proxy";
import type { Role } from "./roles.ts";

const MAIN = path.join(import.meta.dirname, "../main.ts");

export interface Part {
  readonly name: string;
  readonly role: Role;
  readonly child: ChildProcess;
  readonly url: string;
  readonly port: number;
  readonly output: readonly string[];
  /** Resolves when it is gone, with its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface Split {
  readonly dataDir: string;
  /** What a person's browser calls: the apis behind it. */
  readonly api: TcpProxy;
  readonly gateway: TcpProxy;
  /** An owner's, of the api that started first. */
  token(): string;
  client(): Client;
  start(
    role: Exclude<Role, "all">,
    name?: string,
    options?: { readonly environment?: Record<string, string>; readonly databaseUrl?: string },
  ): Promise<Part>;
  call(method: string, url: string, body?: unknown): Promise<{ status: number; body: any; headers: Headers }>; // oxlint-disable-line typescript/no-explicit-any -- what tests look into
  close(): Promise<void>;
}

export function databaseUrlOf(database: Pick<TestDatabase, "connection">, host?: string): string {
  const { host: socketDir, database: name } = database.connection("admin");
  return `postgresql://postgres@localhost/${name}?host=${encodeURIComponent(host ?? String(socketDir))}`;
}

export async function startSplit(
  database: Pick<TestDatabase, "connection">,
  options: { readonly environment?: Record<string, string>; readonly onApiData?: (chunk: Buffer) => void } = {},
): Promise<Split> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "signalbox-split-"));
  // Sandboxes run as other users, who must be able to pass through.
  chmodSync(dataDir, 0o711);
  const api = await startTcpProxy([], options.onApiData === undefined ? {} : { onData: options.onApiData });
  const gateway = await startTcpProxy([]);
  const parts = new Set<Part>();
  let token = "";
  const behind = (role: Role): { port: number }[] => [...parts].filter((part) => part.role === role).map(({ port }) => ({ port }));

  const split: Split = {
    dataDir,
    api,
    gateway,
    token: () => token,
    client: () => createClient({ baseUrl: `http://127.0.0.1:${api.port}`, token }),
    async start(role, name = role, { environment = {}, databaseUrl = databaseUrlOf(database) } = {}) {
      const child = spawn(process.execPath, [MAIN, "--json", "--port", "0", "--data-dir", dataDir, "--role", role, "--node", name], {
        env: processEnvironment({
          LOG_LEVEL: "warn",
          DATABASE_URL: databaseUrl,
          SIGNALBOX_SHARED_DATA_DIR: "true",
          SIGNALBOX_PUBLIC_URL: `http://127.0.0.1:${api.port}`,
          SIGNALBOX_GATEWAY_URL: `http://127.0.0.1:${gateway.port}`,
          SIGNALBOX_NODE_LEASE_MS: "3000",
          SIGNALBOX_DRAIN_MS: "500",
          SIGNALBOX_REQUEST_CONNECTIONS: "4",
          ...options.environment,
          ...environment,
        }),
        stdio: ["ignore", "pipe", "pipe"],
      });
      const output: string[] = [];
      child.stderr.on("data", (chunk: Buffer) => output.push(chunk.toString()));
      const gone = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
      const ready = await new Promise<{ url: string; own_url?: string; token?: string }>((resolve, reject) => {
        void gone.then((code) => reject(new Error(`${name} ended with ${code}:\n${output.join("").slice(-3000)}`)));
        createInterface({ input: child.stdout }).on("line", (line) => {
          output.push(`${line}\n`);
          if (line.includes('"event":"ready"')) resolve(JSON.parse(line) as { url: string });
        });
      });
      token = ready.token ?? token;
      const url = ready.own_url ?? ready.url;
      const part: Part = {
        name,
        role,
        child,
        url,
        port: Number(new URL(url).port),
        output,
        async stop(signal = "SIGTERM") {
          child.kill(signal);
          const code = await gone;
          parts.delete(part);
          api.targets(behind("api"));
          gateway.targets(behind("gateway"));
          return code;
        },
      };
      parts.add(part);
      api.targets(behind("api"));
      gateway.targets(behind("gateway"));
      return part;
    },
    async call(method, url, body) {
      const response = await fetch(`http://127.0.0.1:${api.port}${url}`, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: text.startsWith("{") ? JSON.parse(text) : text };
    },
    async close() {
      // Gateways end their sandboxes when they stop alone: one after the other, so that the last one does.
      for (const part of parts) await part.stop("SIGTERM");
      await api.close();
      await gateway.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
  return split;
}
