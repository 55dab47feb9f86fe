/*
 * OpenCode over its HTTP API: `opencode serve` on a loopback port inside, a password of its own, one process per
 * session.
 *
 *   spawn ──► "listening on" in its output ──► health answers ──► POST /session | GET /session/:id ──► open
 *
 * The first request near `listen` can hang for ever, so every early request is short and repeated, each time with more
 * patience: on a machine that is busy with twenty other things a request that was given up each time is none.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { SandboxProcess } from "@signalbox/sandboxd/host";
import { AgentStartError, type AgentHost, type AgentRecord, type AgentSession, type Harness, type StartOptions } from "../port.ts";
import { exitBeforeStart, patiently } from "../process.ts";
import { agentHttp, AgentHttpError, type AgentHttp } from "./http.ts";
import { OpenCodeSession, type OpenCodeRecord } from "./session.ts";
import { openCodeEnv, openCodePaths, writeOpenCodeFiles } from "./settings.ts";
import { Session } from "./wire.ts";

const START_MS = 180_000;
const HEALTH_MS = 700;
const EARLY_REQUEST_MS = 5_000;

export type OpenCodeOptions = {
  /** The executable as the host knows it; default `opencode` on its PATH. */
  command?: string | undefined;
};

export function openCodeHarness(harness: OpenCodeOptions = {}): Harness {
  return {
    name: "opencode",
    choosesModel: true,
    async start(host, options) {
      const timeout = AbortSignal.timeout(options.startTimeoutMs ?? START_MS);
      const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
      try {
        return (
          (await takeOver(host, options, signal)) ??
          (await patiently(signal, (limited) => boot(host, options, harness.command ?? "opencode", signal, limited)))
        );
      } catch (error) {
        throw startError(error, timeout.aborted, options.signal?.aborted === true);
      }
    },
  };
}

/** The process of the record, if it is there and answers. One that is there and does not is ended. */
async function takeOver(host: AgentHost, options: StartOptions, signal: AbortSignal): Promise<AgentSession | null> {
  const record = options.resume?.record;
  if (!record || !isOpenCodeRecord(record)) return null;
  const state = (await host.processes()).find((one) => one.process === record.processId);
  if (!state || state.exit) return null;
  const process = await host.attach(record.processId);
  const http = agentHttp(host, record.port, record.password);
  try {
    await healthy(http, process, AbortSignal.any([signal, AbortSignal.timeout(10_000)]));
    return await opened(host, http, process, record, options, true, signal);
  } catch (error) {
    await http.close();
    process.kill("SIGKILL");
    if (signal.aborted) throw error;
    return null;
  }
}

async function boot(
  host: AgentHost,
  options: StartOptions,
  command: string,
  overall: AbortSignal,
  limited: () => AbortSignal,
): Promise<AgentSession> {
  const paths = openCodePaths(host);
  await writeOpenCodeFiles(host, options, paths, { questions: true });
  const password = randomBytes(24).toString("base64url");
  const processId = `opencode-${randomUUID()}`;
  const process = await host.spawn({
    id: processId,
    argv: [command, "serve", "--hostname", "127.0.0.1", "--port", "0"],
    cwd: host.workspace,
    env: openCodeEnv(options, paths, password),
  });
  let http: AgentHttp | undefined;
  try {
    const port = await listeningPort(process, overall);
    const signal = limited();
    http = agentHttp(host, port, password);
    await healthy(http, process, signal);
    const agentSessionId = await conversation(http, options, signal);
    const record: OpenCodeRecord = {
      harness: "opencode",
      agentSessionId,
      processId,
      port,
      password,
      models: [options.model, ...(options.otherModels ?? [])].map(({ modelId }) => modelId),
    };
    return await opened(host, http, process, record, options, false, signal);
  } catch (error) {
    process.kill("SIGKILL");
    await http?.close();
    throw error;
  }
}

async function opened(
  host: AgentHost,
  http: AgentHttp,
  process: SandboxProcess,
  record: OpenCodeRecord,
  options: StartOptions,
  reattached: boolean,
  signal: AbortSignal,
): Promise<AgentSession> {
  const session = new OpenCodeSession(host, http, process, record, options.model.modelId, reattached);
  await session.open(options.resume !== undefined, signal);
  // It loads its providers when first asked for them, a third of the first prompt's time: asked for now, it is done by then.
  if (!reattached) http.json("GET", "/config/providers").catch(() => undefined); // Only a head start: nothing depends on it.
  return session;
}

/** It prints where it listens, once; standard error is kept for the case that it ends instead. */
async function listeningPort(process: SandboxProcess, signal: AbortSignal): Promise<number> {
  let printed = "";
  let complained = "";
  let found: (port: number) => void;
  const port = new Promise<number>((resolve) => (found = resolve));
  const onOut = (chunk: Buffer): void => {
    printed = (printed + chunk.toString("utf8")).slice(-4096);
    const match = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(printed);
    if (match) found(Number(match[1]));
  };
  const onErr = (chunk: Buffer): void => {
    complained = (complained + chunk.toString("utf8")).slice(-2000);
  };
  process.stdout.on("data", onOut);
  process.stderr.on("data", onErr);
  try {
    return await Promise.race([
      port,
      exitBeforeStart(process, "OpenCode ended before it listened", () => complained),
      rejectOnAbort(signal),
    ]);
  } finally {
    process.stdout.off("data", onOut);
    process.stderr.off("data", onErr);
    process.stdout.resume();
    process.stderr.resume();
  }
}

async function healthy(http: AgentHttp, process: SandboxProcess, signal: AbortSignal): Promise<void> {
  let over = false;
  process.exited.then(
    () => (over = true),
    () => undefined,
  ); // A lost line is not an end; the requests fail by themselves.
  for (let timeoutMs = HEALTH_MS; ; timeoutMs = Math.min(timeoutMs * 2, EARLY_REQUEST_MS)) {
    signal.throwIfAborted();
    if (over) throw new AgentStartError("agent_exited", "OpenCode ended before it answered");
    try {
      await http.json("GET", "/global/health", { timeoutMs, signal });
      return;
    } catch {
      await sleep(25, undefined, { signal }); // Not listening yet, or the request that hangs.
    }
  }
}

/** The conversation to resume, or a new one. A request that timed out may leave an empty one behind, which harms nobody. */
async function conversation(http: AgentHttp, options: StartOptions, signal: AbortSignal): Promise<string> {
  for (let timeoutMs = EARLY_REQUEST_MS; ; timeoutMs *= 2) {
    try {
      const answer = options.resume
        ? await http.json("GET", `/session/${options.resume.agentSessionId}`, { timeoutMs, signal })
        : await http.json("POST", "/session", { body: {}, timeoutMs, signal });
      return Session.parse(answer).id;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AgentHttpError && error.status === 404) {
        throw new AgentStartError("session_unknown", "OpenCode does not know this conversation: its files are gone", { cause: error });
      }
      if (error instanceof AgentHttpError && error.status < 500) throw error;
    }
  }
}

function isOpenCodeRecord(record: AgentRecord): record is OpenCodeRecord {
  return (
    record.harness === "opencode" &&
    typeof record["processId"] === "string" &&
    typeof record["port"] === "number" &&
    typeof record["password"] === "string"
  );
}

function startError(error: unknown, timedOut: boolean, wasAborted: boolean): Error {
  if (error instanceof AgentStartError) return error;
  if (wasAborted) return new AgentStartError("aborted", "the start was called off", { cause: error });
  if (timedOut) return new AgentStartError("start_timeout", "OpenCode was not ready in time", { cause: error });
  const code = error instanceof Error && "code" in error && error.code === "ENOENT" ? "agent_missing" : "protocol";
  return new AgentStartError(code, error instanceof Error ? error.message : "OpenCode could not be started", { cause: error });
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
