/*
 * An AgentHost for tests: the agent runs on this machine, unsandboxed, in a temporary directory. It keeps processes
 * by id beyond the life of a harness object, as sandboxd does, so that taking over can be tested without one.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import type { Exit, SandboxProcess } from "@signalbox/sandboxd/host";
import type { AgentHost } from "./port.ts";

export type TestHost = AgentHost & {
  /** Kills one without warning, as the kernel would. */
  killAll(signal: NodeJS.Signals): void;
  dispose(): Promise<void>;
};

class Output {
  readonly #kept: Buffer[] = [];
  #dropped = 0;
  #size = 0;
  #ended = false;
  readonly #readers = new Set<PassThrough>();

  constructor(source: Readable) {
    source.on("data", (chunk: Buffer) => {
      this.#kept.push(chunk);
      this.#size += chunk.length;
      while (this.#size - this.#dropped > 4 * 1024 * 1024 && this.#kept.length > 1) this.#dropped += this.#kept.shift()!.length;
      for (const reader of this.#readers) reader.write(chunk);
    });
    source.on("close", () => {
      this.#ended = true;
      for (const reader of this.#readers) reader.end();
    });
  }

  read(from: number): { stream: Readable; from: number } {
    const start = Math.max(from, this.#dropped);
    const stream = new PassThrough({ highWaterMark: 16 * 1024 * 1024 });
    stream.write(Buffer.concat(this.#kept).subarray(start - this.#dropped));
    if (this.#ended) stream.end();
    else this.#readers.add(stream);
    stream.on("close", () => this.#readers.delete(stream));
    return { stream, from: start };
  }
}

type Running = { child: ChildProcess; stdout: Output; stderr: Output; exited: Promise<Exit>; exit: Exit | null };

export async function unsandboxedHost(env: Record<string, string> = {}): Promise<TestHost> {
  const root = await mkdtemp(join(tmpdir(), "signalbox-agent-"));
  const home = join(root, "home");
  const workspace = join(root, "workspace");
  await mkdir(home);
  await mkdir(workspace);
  const running = new Map<string, Running>();
  const base = {
    PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
    HOME: home,
    TMPDIR: root,
    LANG: "C.UTF-8",
    GIT_CONFIG_GLOBAL: "/dev/null",
    ...env,
  };

  const hold = (id: string, from: { stdout: number; stderr: number }): SandboxProcess => {
    const one = running.get(id);
    if (!one) throw Object.assign(new Error(`no process ${id}`), { code: "process_not_found" });
    const out = one.stdout.read(from.stdout);
    const err = one.stderr.read(from.stderr);
    return {
      id,
      pid: one.child.pid!,
      stdoutFrom: out.from,
      stderrFrom: err.from,
      stdin: one.child.stdin!,
      stdout: out.stream,
      stderr: err.stream,
      exited: one.exited,
      size: null,
      resize: () => undefined,
      kill: (signal = "SIGTERM") => killGroup(one.child, signal),
      detach: () => {
        out.stream.destroy();
        err.stream.destroy();
      },
    };
  };

  return {
    home,
    workspace,
    spawn(options) {
      const id = options.id ?? `p${running.size}`;
      const [command, ...args] = options.argv as [string, ...string[]];
      // A group of its own: an agent's tools must die with it.
      const child = spawn(command, args, {
        cwd: options.cwd ?? workspace,
        env: { ...base, ...options.env },
        detached: true,
        stdio: "pipe",
      });
      child.stdin.on("error", () => undefined); // The agent closed its input; its exit says more.
      const one: Running = {
        child,
        stdout: new Output(child.stdout),
        stderr: new Output(child.stderr),
        exited: Promise.resolve({ code: null, signal: null, timedOut: false }),
        exit: null,
      };
      running.set(id, one);
      return new Promise((resolve, reject) => {
        child.once("error", (error) => {
          if (child.pid === undefined) running.delete(id);
          reject(error);
        });
        one.exited = new Promise((done) => {
          child.once("exit", (code, signal) => {
            one.exit = { code, signal, timedOut: false };
            done(one.exit);
          });
        });
        child.once("spawn", () => resolve(hold(id, { stdout: 0, stderr: 0 })));
      });
    },
    attach: (id, options) => Promise.resolve().then(() => hold(id, { stdout: options?.stdoutFrom ?? 0, stderr: options?.stderrFrom ?? 0 })),
    processes: () => Promise.resolve([...running].map(([process, one]) => ({ process, pid: one.child.pid ?? 0, exit: one.exit }))),
    connect: (port) =>
      new Promise((resolve, reject) => {
        const socket = connect(port, "127.0.0.1", () => resolve(socket));
        socket.once("error", reject);
      }),
    async writeFile(path, content, mode) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content, mode === undefined ? {} : { mode });
    },
    killAll: (signal) => {
      for (const one of running.values()) if (!one.exit) killGroup(one.child, signal);
    },
    async dispose() {
      for (const one of running.values()) if (!one.exit) killGroup(one.child, "SIGKILL");
      await Promise.all([...running.values()].map((one) => one.exited));
      await rm(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // Gone already: as wished.
  }
}
