/*
 * The processes that sandboxd started, and what they printed.
 *
 *   spawn ──► running ──► exited ──► forgotten      (ephemeral: forgotten with its channel)
 *               │  ▲
 *     connection│  │attach by name, from an offset
 *          lost ▼  │
 *            running, unattached
 *
 * Output is addressed by absolute offset per stream. The last `RETAIN_BYTES` that were sent are kept, so a host
 * that was killed may attach from the offset it had stored and loses nothing that is still retained. Unsent
 * output is never dropped: when `UNSENT_BYTES` wait, the pipe is not read any more and the process blocks in
 * write(2), exactly as it would with a slow terminal. Dropping was rejected because an agent that speaks
 * JSON-RPC on its stdout is broken by one missing byte.
 */
import { writeFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import type { Channel } from "./mux.ts";
import { openTerminal, sessionOf } from "./pty.ts";
import {
  STDERR,
  STDIN,
  STDOUT,
  type AttachRequest,
  type Exit,
  type FromSandbox,
  type ProcessState,
  type SpawnRequest,
  type TerminalSize,
  type ToSandbox,
} from "./wire.ts";

const RETAIN_BYTES = 1024 * 1024;
const UNSENT_BYTES = 1024 * 1024;
const EXITED_KEPT = 64;
/** A background child may hold the pipes open for ever; after the process itself is gone they are read this much longer. */
const LINGER_MS = 250;

export class Processes {
  readonly #running = new Map<string, Running>();
  readonly #baseEnv: { [name: string]: string };

  constructor(baseEnv: { [name: string]: string }) {
    this.#baseEnv = baseEnv;
  }

  list(): ProcessState[] {
    return [...this.#running.values()].map((running) => running.state());
  }

  /** By pid. */
  names(): Map<number, string> {
    return new Map(this.list().map(({ pid, process }) => [pid, process]));
  }

  spawn(channel: Channel, request: SpawnRequest): void {
    if (this.#running.has(request.process)) {
      return fail(channel, "process_exists", `a process named ${request.process} exists already`);
    }
    if (request.argv.length === 0) return fail(channel, "bad_request", "argv is empty");
    const child = request.pty ? this.#onTerminal(channel, request, request.pty) : this.#onPipes(channel, request);
    if (child === null) return;
    preferAsOomVictim(child.pid);
    const running = new Running(request, child, () => this.#running.delete(request.process));
    this.#running.set(request.process, running);
    running.attach(channel, null, null);
    child.onExit(() => this.#dropOldExited());
  }

  #onPipes(channel: Channel, { argv, cwd, env }: SpawnRequest): Child | null {
    const [command = "", ...rest] = argv;
    // Loaded by the first command, not before the greeting.
    const { spawn } = process.getBuiltinModule("node:child_process");
    // A group of its own, so that a signal reaches what it started; setsid'd children end with the sandbox.
    const child = spawn(command, rest, { cwd, env: { ...this.#baseEnv, ...env }, detached: true, stdio: ["pipe", "pipe", "pipe"] });
    const { pid } = child;
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (pid === undefined) fail(channel, error.code ?? "spawn_failed", error.message);
    });
    if (pid === undefined) return null;
    const { stdin, stdout, stderr } = child;
    return { pid, stdin, stdout, stderr, onExit: (listener) => void child.once("exit", listener) };
  }

  #onTerminal(channel: Channel, { argv, cwd, env }: SpawnRequest, size: TerminalSize): Child | null {
    try {
      return openTerminal({ argv, cwd, env: { ...this.#baseEnv, ...env }, ...size });
    } catch (error) {
      fail(channel, "pty_unavailable", (error as Error).message);
      return null;
    }
  }

  attach(channel: Channel, request: AttachRequest): void {
    const running = this.#running.get(request.process);
    if (!running) return fail(channel, "process_not_found", `no process named ${request.process}`);
    running.attach(channel, request.stdoutFrom, request.stderrFrom);
  }

  #dropOldExited(): void {
    const exited = [...this.#running.entries()].filter(([, running]) => running.state().exit && !running.attached);
    for (const [name] of exited.slice(0, Math.max(0, exited.length - EXITED_KEPT))) this.#running.delete(name);
  }
}

/** A child process, whether it runs on pipes or on a terminal. */
type Child = {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  onExit(listener: (code: number | null, signal: string | null) => void): void;
  resize?(cols: number, rows: number): void;
};

class Running {
  readonly #request: SpawnRequest;
  readonly #child: Child;
  readonly #forget: () => void;
  readonly #stdout: Output;
  readonly #stderr: Output;
  #channel: Channel | null = null;
  #exit: Exit | null = null;
  #timedOut = false;
  #size: TerminalSize | undefined;

  constructor(request: SpawnRequest, child: Child, forget: () => void) {
    this.#request = request;
    this.#size = request.pty;
    this.#child = child;
    this.#forget = forget;
    this.#stdout = new Output(child.stdout);
    this.#stderr = new Output(child.stderr);
    // EPIPE when the process closed its stdin; its exit tells the story.
    child.stdin.on("error", () => undefined);
    const timer =
      request.timeoutMs === null
        ? null
        : setTimeout(() => {
            this.#timedOut = true;
            this.signal("SIGKILL");
          }, request.timeoutMs);
    child.onExit((code, signal) => {
      if (timer) clearTimeout(timer);
      const linger = setTimeout(() => {
        this.#stdout.cut();
        this.#stderr.cut();
      }, LINGER_MS);
      void Promise.all([this.#stdout.ended, this.#stderr.ended]).then(() => {
        clearTimeout(linger);
        this.#exit = { code, signal, timedOut: this.#timedOut };
        this.#tellExit();
      });
    });
  }

  get attached(): boolean {
    return this.#channel !== null;
  }

  state(): ProcessState {
    return { process: this.#request.process, pid: this.#child.pid, exit: this.#exit };
  }

  signal(signal: string): void {
    const { pid } = this.#child;
    const isKill = this.#size !== undefined && signal === "SIGKILL";
    // A process that was forked onto a terminal a moment ago has not made its group yet: then it is meant alone.
    const targets = isKill ? [...sessionOf(pid), pid] : this.#size && !this.#exit ? [-pid, pid] : [-pid];
    for (const target of targets) {
      try {
        process.kill(target, signal);
        if (!isKill) return;
      } catch (error) {
        // ESRCH: it is gone already, which is what a signal is for. Anything else is a bad signal name.
        if ((error as NodeJS.ErrnoException).code === "ESRCH") continue;
        if (this.#channel) fail(this.#channel, "bad_signal", `cannot send ${signal}`);
        return;
      }
    }
  }

  attach(channel: Channel, stdoutFrom: number | null, stderrFrom: number | null): void {
    // The newer attachment wins: the older one belongs to a host that is gone or has lost interest.
    this.#channel?.close();
    this.#channel = channel;
    tell(channel, {
      type: "started",
      pid: this.#child.pid,
      stdoutFrom: this.#stdout.rewind(stdoutFrom),
      stderrFrom: this.#stderr.rewind(stderrFrom),
      ...(this.#size && { pty: this.#size }),
    });
    channel.readable(STDIN).pipe(this.#child.stdin, { end: false });
    // Only the host's own word ends it: a channel that closes, by `detach` or a newer attachment, leaves the process as it is.
    channel.readable(STDIN).once("end", () => {
      if (this.#channel === channel) this.#child.stdin.end();
    });
    channel.onMessage((raw) => {
      const message = raw as ToSandbox;
      if (message.type === "signal") this.signal(message.signal);
      else if (message.type === "resize") this.#resize(message.cols, message.rows);
    });
    channel.onGone((error) => {
      if (this.#channel !== channel) return;
      this.#channel = null;
      // An orderly close after the exit was told: the host knows all there is to know.
      if (!error && this.#exit) this.#forget();
      if (!this.#request.ephemeral) return;
      this.signal("SIGKILL");
      this.#stdout.discard();
      this.#stderr.discard();
      this.#forget();
    });
    void this.#stdout.sendTo(channel, STDOUT);
    void this.#stderr.sendTo(channel, STDERR);
    this.#tellExit();
  }

  #resize(cols: number, rows: number): void {
    if (!this.#size || this.#exit) return;
    this.#size = { cols, rows };
    this.#child.resize?.(cols, rows);
  }

  #tellExit(): void {
    if (!this.#exit || !this.#channel) return;
    tell(this.#channel, { type: "exit", exit: this.#exit });
  }
}

/** One output stream: read from the pipe, addressed by offset, sent to whichever channel is attached. */
class Output {
  readonly ended: Promise<void>;
  readonly #pipe: Readable;
  #chunks: Buffer[] = [];
  /** Offset of the first retained byte, of the next byte to send, and of the end. */
  #start = 0;
  #sent = 0;
  #end = 0;
  #finished = false;
  #discarding = false;
  #wake: (() => void) | null = null;
  #generation = 0;

  constructor(pipe: Readable) {
    this.#pipe = pipe;
    this.ended = new Promise((resolve) => {
      const finish = (): void => {
        this.#finished = true;
        this.#wakeSender();
        resolve();
      };
      pipe.on("data", (chunk: Buffer) => {
        if (this.#discarding) return;
        this.#chunks.push(chunk);
        this.#end += chunk.length;
        if (this.#end - this.#sent >= UNSENT_BYTES) pipe.pause();
        this.#wakeSender();
      });
      pipe.once("end", finish);
      pipe.once("close", finish);
      pipe.on("error", finish);
    });
  }

  cut(): void {
    // Paused by back-pressure is not held open by a background child: what the process said must still come out.
    if (this.#pipe.isPaused()) this.#pipe.once("resume", () => setTimeout(() => this.cut(), LINGER_MS));
    else this.#pipe.destroy();
  }

  discard(): void {
    this.#discarding = true;
    this.#chunks = [];
    this.#generation++;
    this.#pipe.resume();
  }

  /** Moves the sending position back to `from`, or to the first retained byte, and says where it is now. */
  rewind(from: number | null): number {
    this.#sent = Math.min(Math.max(from ?? this.#start, this.#start), this.#end);
    return this.#sent;
  }

  async sendTo(channel: Channel, stream: number): Promise<void> {
    const mine = ++this.#generation;
    this.#wakeSender();
    const out = channel.writable(stream);
    while (mine === this.#generation) {
      const bytes = this.#next();
      if (bytes) {
        const failed = await new Promise<boolean>((resolve) => out.write(bytes, (error) => resolve(Boolean(error))));
        if (failed || mine !== this.#generation) return;
        this.#sent += bytes.length;
        this.#trim();
      } else if (this.#finished) {
        out.end();
        return;
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }

  /** Takes the waiter away before it runs: by then a newer sender may be the one that waits. */
  #wakeSender(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  #next(): Buffer | null {
    let at = this.#start;
    for (const chunk of this.#chunks) {
      if (this.#sent < at + chunk.length) return chunk.subarray(this.#sent - at);
      at += chunk.length;
    }
    return null;
  }

  #trim(): void {
    while (this.#chunks.length > 0 && this.#sent - this.#start - this.#chunks[0]!.length >= RETAIN_BYTES) {
      this.#start += this.#chunks.shift()!.length;
    }
    if (this.#end - this.#sent < UNSENT_BYTES && this.#pipe.isPaused()) this.#pipe.resume();
  }
}

export function tell(channel: Channel, message: FromSandbox): void {
  channel.send(message);
}

export function fail(channel: Channel, code: string, message: string): void {
  tell(channel, { type: "failed", code, message });
  channel.close();
}

/** When memory runs out the kernel should take the tool, not the daemon that reports it. Raising needs no privilege. */
function preferAsOomVictim(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, "600");
  } catch (error) {
    // The process may be gone already; where /proc is read-only the limit still holds, only the victim is less well chosen.
    void error;
  }
}
