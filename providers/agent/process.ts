/* The agent's process through broken lines: only its own end is an end. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type { Exit, SandboxProcess } from "@signalbox/sandboxd/host";
import { AgentStartError, type AgentHost } from "./port.ts";

/** How long a sandbox may be unreachable before its agent counts as gone. */
const UNREACHABLE_MS = 60_000;

/**
 * On a busy machine OpenCode can hang for a minute in the first request that it makes of itself (seen in 1 start of 8).
 * Each attempt has twice as long as the one before.
 */
const FIRST_ATTEMPT_MS = 20_000;

/** How long the stderr of a process that has ended is waited for. */
const LAST_WORDS_MS = 1_000;

/**
 * A start that hangs is begun again with a new process, until `signal` says that it is enough. `limited` starts the
 * attempt's time: what comes before it only computes, and would be no further on after another beginning (with ten
 * runnable programs on two cores a start that takes 3 s takes 40).
 */
export async function patiently<T>(signal: AbortSignal, start: (limited: () => AbortSignal) => Promise<T>): Promise<T> {
  for (let attemptMs = FIRST_ATTEMPT_MS; ; attemptMs *= 2) {
    let attempt: AbortSignal | undefined;
    try {
      return await start(() => AbortSignal.any([signal, (attempt = AbortSignal.timeout(attemptMs))]));
    } catch (error) {
      if (signal.aborted || attempt?.aborted !== true) throw error;
    }
  }
}

/** Rejects when the process ends, with its last words: for a start that has yet to see its agent ready. */
export async function exitBeforeStart(process: SandboxProcess, what: string, complaint: () => string): Promise<never> {
  const exit = await process.exited;
  // The exit may overtake what it wrote before. A child that it left behind may hold stderr open for ever.
  await Promise.race([finished(process.stderr).catch(() => undefined), sleep(LAST_WORDS_MS)]);
  throw new AgentStartError(
    exit.code === 127 ? "agent_missing" : "agent_exited",
    `${what} (${exit.signal ?? `code ${exit.code}`}): ${complaint().trim()}`,
  );
}

/**
 * Resolves when the process has ended, or is not to be found any more. A lost connection is waited out by attaching
 * again. Rejects when `signal` aborts. Output is read and dropped: a full pipe would stop the agent.
 */
export async function watchExit(host: AgentHost, first: SandboxProcess, signal: AbortSignal): Promise<Exit> {
  let process = first;
  for (;;) {
    drop(process.stdout);
    drop(process.stderr);
    try {
      return await Promise.race([process.exited, abortion(signal)]);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Error)) throw error;
    }
    const again = await attachAgain(host, first.id, signal);
    if ("exit" in again) return again.exit;
    process = again.process;
  }
}

async function attachAgain(host: AgentHost, id: string, signal: AbortSignal): Promise<{ exit: Exit } | { process: SandboxProcess }> {
  const gone: Exit = { code: null, signal: null, timedOut: false };
  const deadline = performance.now() + UNREACHABLE_MS;
  while (performance.now() < deadline) {
    signal.throwIfAborted();
    if (host.alive?.() === false) return { exit: gone };
    try {
      const state = (await host.processes()).find((one) => one.process === id);
      if (!state) return { exit: gone };
      if (state.exit) return { exit: state.exit };
      return { process: await host.attach(id) };
    } catch {
      await sleep(250, undefined, { signal }); // Not connected yet.
    }
  }
  return { exit: gone };
}

function drop(stream: Readable): void {
  stream.on("error", () => undefined); // The end of the process says it too.
  stream.resume();
}

function abortion(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
