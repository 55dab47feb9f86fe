/*
 * The host's half of a sandboxd connection: exec, spawn, connect, files over whichever connection the sandbox
 * has dialled. One `SandboxLink` lives as long as the host knows the sandbox; connections come and go under it.
 *
 * One connection at a time: while one is up, others are refused, so a process inside cannot push sandboxd aside.
 * Everything that arrives is the sandbox's word and nothing more.
 */
import { randomUUID } from "node:crypto";
import type { Duplex, Readable, Writable } from "node:stream";
import { ChannelSocket } from "./channel-socket.ts";
import { Mux, type Channel, type Json } from "./mux.ts";
import { STDERR, STDIN, STDOUT, WIRE_VERSION, type Exit, type FromSandbox, type Hello, type ProcessState, type Request } from "./wire.ts";

export type { Exit, ProcessState } from "./wire.ts";

const DEFAULT_OUTPUT_BYTES = 1024 * 1024;
/**
 * Inside, times are kept by sandboxd; but whoever has taken its place may answer nothing at all, and nothing on the
 * host may wait for that. So each wait has an end here too, this much later.
 */
const GRACE_MS = 30_000;
const GREETING_MS = 10_000;
const WHOLE_FILE_MS = 120_000;

export type ExecRequest = {
  argv: string[];
  /** Default `/workspace`. */
  cwd?: string | undefined;
  env?: { [name: string]: string } | undefined;
  stdin?: string | Buffer | Readable | undefined;
  timeoutMs: number;
  /** For each of stdout and stderr, default 1 MiB. What is beyond is read and dropped, so the tool is not stopped by it. */
  maxOutputBytes?: number | undefined;
};

/** Output is bytes: a tool may print what is not UTF-8. `exitCode` is null after a signal. */
export type ExecResult = {
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
  stdout: Buffer;
  stderr: Buffer;
  truncated: boolean;
  durationMs: number;
};

export type SpawnOptions = {
  argv: string[];
  cwd?: string | undefined;
  env?: { [name: string]: string } | undefined;
  /** Name under which `attach` finds it after a restart of the host; default a random one. */
  id?: string | undefined;
  timeoutMs?: number | undefined;
};

export type SandboxProcess = {
  readonly id: string;
  readonly pid: number;
  /** Absolute offset of the first byte that `stdout`/`stderr` will give; above what was asked for when older bytes are gone. */
  readonly stdoutFrom: number;
  readonly stderrFrom: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the process ended (its last output may still be on the way); rejects with `SandboxLinkError` when the connection is lost first. */
  readonly exited: Promise<Exit>;
  kill(signal?: NodeJS.Signals): void;
  /** Let go of it: it runs on inside, and may be attached again. */
  detach(): void;
};

export type AttachOptions = { stdoutFrom?: number | undefined; stderrFrom?: number | undefined };

/** `code` is sandboxd's or the system's (`ENOENT`, `ECONNREFUSED`, `process_not_found`) or one of `link_lost`, `link_timeout`, `too_large`. */
export class SandboxLinkError extends Error {
  override name = "SandboxLinkError";
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export class SandboxLink {
  #mux: Mux | null = null;
  #hello: Hello | null = null;
  #closed = false;
  readonly #waiting = new Set<(hello: Hello) => void>();
  readonly #onLost: ((error: Error | null) => void) | undefined;

  constructor(onLost?: (error: Error | null) => void) {
    this.#onLost = onLost;
  }

  get connected(): boolean {
    return this.#hello !== null;
  }

  accept(socket: Duplex): void {
    if (this.#closed || this.#mux) {
      socket.on("error", () => undefined);
      socket.destroy();
      return;
    }
    const mux: Mux = new Mux(socket, {
      onHello: (body) => this.#greet(mux, body),
      onClose: (error) => {
        if (this.#mux !== mux) return;
        this.#mux = null;
        const wasUp = this.#hello !== null;
        this.#hello = null;
        if (wasUp && !this.#closed) this.#onLost?.(error);
      },
    });
    this.#mux = mux;
    // Somebody who dials and says nothing must not keep sandboxd out.
    setTimeout(() => {
      if (this.#mux === mux && !this.#hello) mux.close(new SandboxLinkError("link_timeout", "no greeting in time"));
    }, GREETING_MS).unref();
  }

  /** The greeting of the present connection, or of the next one if it comes in time. */
  ready(timeoutMs: number): Promise<Hello> {
    if (this.#hello) return Promise.resolve(this.#hello);
    return new Promise((resolve, reject) => {
      const done = (hello: Hello): void => {
        clearTimeout(timer);
        resolve(hello);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(done);
        reject(new SandboxLinkError("link_timeout", `sandboxd did not connect within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.add(done);
    });
  }

  async exec(request: ExecRequest): Promise<ExecResult> {
    const started = performance.now();
    const limit = request.maxOutputBytes ?? DEFAULT_OUTPUT_BYTES;
    const child = await this.#start({ argv: request.argv, cwd: request.cwd, env: request.env, timeoutMs: request.timeoutMs }, true);
    const [stdout, stderr] = [collect(child.stdout, limit), collect(child.stderr, limit)];
    // When the connection is lost the exit rejects first, and these with it.
    for (const output of [stdout, stderr]) output.catch(() => undefined);
    feed(child.stdin, request.stdin);
    try {
      const [exit, out, err] = await within(request.timeoutMs + GRACE_MS, "the command", Promise.all([child.exited, stdout, stderr]));
      return {
        exitCode: exit.code,
        signal: exit.signal,
        timedOut: exit.timedOut,
        stdout: out.bytes,
        stderr: err.bytes,
        truncated: out.truncated || err.truncated,
        durationMs: performance.now() - started,
      };
    } finally {
      child.detach();
    }
  }

  spawn(options: SpawnOptions): Promise<SandboxProcess> {
    return this.#start(options, false);
  }

  async attach(id: string, options: AttachOptions = {}): Promise<SandboxProcess> {
    const channel = this.#open({
      kind: "attach",
      process: id,
      stdoutFrom: options.stdoutFrom ?? null,
      stderrFrom: options.stderrFrom ?? null,
    });
    return processOn(channel, id);
  }

  async processes(): Promise<ProcessState[]> {
    const answer = await firstMessage(this.#open({ kind: "processes" }));
    return answer.type === "processes" && Array.isArray(answer.processes) ? answer.processes : [];
  }

  /** A socket to 127.0.0.1:`port` inside. Resolves when it is connected. */
  async connect(port: number): Promise<Duplex> {
    const channel = this.#open({ kind: "connect", port });
    await firstMessage(channel);
    return new ChannelSocket(channel);
  }

  async readFile(path: string, maxBytes: number): Promise<Buffer> {
    const channel = this.#open({ kind: "read", path });
    await firstMessage(channel);
    try {
      const file = await within(WHOLE_FILE_MS, `reading ${path}`, collect(channel.readable(0), maxBytes, true));
      if (file.truncated) throw new SandboxLinkError("too_large", `${path} is larger than ${maxBytes} bytes`);
      return file.bytes;
    } finally {
      channel.close();
    }
  }

  async writeFile(path: string, content: string | Buffer | Readable, mode = 0o644): Promise<void> {
    const channel = this.#open({ kind: "write", path, mode });
    const done = firstMessage(channel, { timeoutMs: WHOLE_FILE_MS });
    feed(channel.writable(0), content);
    await done;
  }

  close(): void {
    this.#closed = true;
    this.#mux?.close(null);
  }

  #greet(mux: Mux, body: Json): void {
    if (this.#mux !== mux || this.#hello) return;
    if (body["version"] !== WIRE_VERSION) return mux.close(new SandboxLinkError("version", "sandboxd speaks another version"));
    this.#hello = { version: WIRE_VERSION, sandbox: String(body["sandbox"]), boot: String(body["boot"]), pid: Number(body["pid"]) };
    for (const wake of this.#waiting) wake(this.#hello);
    this.#waiting.clear();
  }

  #open(request: Request): Channel {
    if (!this.#mux || !this.#hello) throw new SandboxLinkError("link_lost", "the sandbox is not connected");
    return this.#mux.open(request);
  }

  async #start(options: SpawnOptions, ephemeral: boolean): Promise<SandboxProcess> {
    const id = options.id ?? randomUUID();
    const channel = this.#open({
      kind: "spawn",
      process: id,
      argv: options.argv,
      cwd: options.cwd ?? "/workspace",
      env: options.env ?? {},
      timeoutMs: options.timeoutMs ?? null,
      ephemeral,
    });
    return processOn(channel, id);
  }
}

async function processOn(channel: Channel, id: string): Promise<SandboxProcess> {
  let settle: { resolve: (exit: Exit) => void; reject: (error: Error) => void } | undefined;
  const exited = new Promise<Exit>((resolve, reject) => (settle = { resolve, reject }));
  // Whoever waits for the exit sees the rejection; a process that nobody waits for must not end the server.
  exited.catch(() => undefined);
  const started = await firstMessage(channel, {
    onLater: (message) => {
      if (message.type === "exit") settle?.resolve(message.exit);
    },
    onGone: (error) => settle?.reject(error),
  });
  if (started.type !== "started") throw new SandboxLinkError("protocol", `${started.type} in answer to a start`);
  // Once the exit and all output are here there is nothing left to attach to.
  const ended = (stream: Readable): Promise<unknown> => new Promise((resolve) => stream.once("close", resolve));
  void Promise.allSettled([exited, ended(channel.readable(STDOUT)), ended(channel.readable(STDERR))]).then(() => channel.close());
  return {
    id,
    pid: started.pid,
    stdoutFrom: started.stdoutFrom,
    stderrFrom: started.stderrFrom,
    stdin: channel.writable(STDIN),
    stdout: channel.readable(STDOUT),
    stderr: channel.readable(STDERR),
    exited,
    kill: (signal = "SIGTERM") => channel.send({ type: "signal", signal }),
    detach: () => channel.close(),
  };
}

type FirstMessageOptions = { timeoutMs?: number; onLater?: (message: FromSandbox) => void; onGone?: (error: Error) => void };

/** The first message of a channel, with `failed` turned into a rejection; later ones go to `onLater`. */
function firstMessage(channel: Channel, options: FirstMessageOptions = {}): Promise<FromSandbox> {
  const answer = new Promise<FromSandbox>((resolve, reject) => {
    let first = true;
    channel.onMessage((raw) => {
      const message = raw as FromSandbox;
      if (!first) return options.onLater?.(message);
      first = false;
      if (message.type === "failed") reject(new SandboxLinkError(message.code, message.message));
      else resolve(message);
    });
    channel.onGone((cause) => {
      const error = new SandboxLinkError("link_lost", "the connection to the sandbox was lost", cause ? { cause } : undefined);
      reject(error);
      options.onGone?.(error);
    });
  });
  return within(options.timeoutMs ?? GRACE_MS, "an answer", answer).catch((error: unknown) => {
    channel.close();
    throw error;
  });
}

async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new SandboxLinkError("link_timeout", `the sandbox took more than ${ms} ms for ${what}`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function collect(stream: Readable, limit: number, stopAtLimit = false): Promise<{ bytes: Buffer; truncated: boolean }> {
  const chunks: Buffer[] = [];
  let held = 0;
  let truncated = false;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const room = limit - held;
    if (chunk.length > room) truncated = true;
    if (room > 0) chunks.push(chunk.subarray(0, room));
    held += Math.min(chunk.length, room);
    if (truncated && stopAtLimit) break;
  }
  return { bytes: Buffer.concat(chunks, held), truncated };
}

function feed(into: Writable, content: string | Buffer | Readable | undefined): void {
  if (content === undefined) into.end();
  else if (typeof content === "string" || Buffer.isBuffer(content)) into.end(content);
  else {
    content.once("error", (error) => into.destroy(error));
    content.pipe(into);
  }
}
