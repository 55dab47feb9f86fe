/*
 * Crashes of real processes. A scenario is a script that names the places where it may die:
 *
 *   import { crashPoint } from "@signalbox/testkit/crash";
 *   await effect();
 *   crashPoint("after effect");      // SIGKILL here when the test asked for it
 *
 * and a test that starts it (`startScript`) with the point to die at, then looks at what is left.
 * SIGKILL runs no handler, flushes nothing and says no goodbye: what survives it was durable.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Dies here, as kill -9 would, when the script was started with `crashAt` naming this point. */
export function crashPoint(name: string): void {
  // oxlint-disable-next-line node/no-process-env -- a test script has no other configuration
  if (process.env["SIGNALBOX_CRASH_AT"] === name) process.kill(process.pid, "SIGKILL");
}

export interface Script {
  readonly pid: number;
  /** Lines of stdout so far; scripts report JSON, one value a line. */
  readonly lines: readonly string[];
  /** Resolves with the first line (past or future) that `matches`. Rejects when the script ends without one. */
  line(matches: (line: string) => boolean): Promise<string>;
  kill(signal?: NodeJS.Signals): void;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly stderr: () => string;
}

/** Runs a TypeScript file in a process of its own. */
export function startScript(file: string, options: { args?: readonly unknown[]; crashAt?: string } = {}): Script {
  const child = spawn(process.execPath, ["--no-warnings", file, ...(options.args ?? []).map((arg) => JSON.stringify(arg))], {
    // oxlint-disable-next-line node/no-process-env -- the child needs PATH and HOME as we have them
    env: { ...process.env, ...(options.crashAt === undefined ? {} : { SIGNALBOX_CRASH_AT: options.crashAt }) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const waiting = new Set<(line: string | null) => void>();
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    for (const wake of waiting) wake(line);
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.on("error", reject);
    // "close", not "exit": the last lines may still be in the pipe.
    child.on("close", (code, signal) => {
      resolve(signal ?? code ?? 0);
      for (const wake of waiting) wake(null);
    });
  });
  return {
    pid: child.pid ?? 0,
    lines,
    ended,
    stderr: () => stderr,
    kill: (signal = "SIGKILL") => void child.kill(signal),
    async line(matches) {
      const past = lines.find(matches);
      if (past !== undefined) return past;
      return new Promise((resolve, reject) => {
        const wake = (line: string | null) => {
          if (line !== null && !matches(line)) return;
          waiting.delete(wake);
          if (line === null) reject(new Error(`the script ended without saying it: ${stderr.slice(-2000)}`));
          else resolve(line);
        };
        waiting.add(wake);
      });
    },
  };
}
