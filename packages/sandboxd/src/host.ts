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
import {
  STDERR,
  STDIN,
  STDOUT,
  WIRE_VERSION,
  type Exit,
  type FromSandbox,
  type Hello,
  type Listing,
  type PortState,
  type ProcessState,
  type Request,
  type TerminalSize,
} from "./wire.ts";

export type { Exit, PortState, ProcessState, TerminalSize } from "./wire.ts";

const DEFAULT_OUTPUT_BYTES = 1024 * 1024;
/**
 * Inside, times are kept by sandboxd; but whoever has taken its place may answer nothing at all, and nothing on the
 * host may wait for that. So each wait has an end here too, this much later.
 */
const GRACE_MS = 30_000;
const GREETING_MS = 10_000;
const WHOLE_FILE_MS = 120_000;
const LISTING_BYTES = 4 * 1024 * 1024;

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
  /** On a terminal of that size: `stdout` is all that it shows, `stdin` what is typed. Rejects with `pty_unavailable` where there are none. */
  pty?: TerminalSize | undefined;
};

/** Paths and names are bytes: not all of them are UTF-8. `path` is relative to `root`, and must not lead out of it (`outside`). */
export type FilePlace = { root: string; path: Buffer };
export type DirectoryEntry = { name: Buffer; type: "file" | "directory" | "symlink" | "other"; sizeBytes: number; modifiedMs: number };
export type DirectoryListing = { entries: DirectoryEntry[]; truncated: boolean };
export type FileStart = { sizeBytes: number; modifiedMs: number; content: Buffer };

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
  /** Of its terminal; null when it has none. */
  readonly size: TerminalSize | null;
  resize(cols: number, rows: number): void;
  /** Let go of it: it runs on inside, and may be attached again. */
  detach(): void;
};

export type AttachOptions = { stdoutFrom?: number | undefined; stderrFrom?: number | undefined };

/** `code` is sandboxd's or the system's (`ENOENT`, `ECONNREFUSED`, `process_not_found`) or one of `link_lost`, `link_timeout`, `too_large`, `unsupported`. */
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

  /** Directories first, in natural order. */
  async list({ root, path }: FilePlace, limit: number): Promise<DirectoryListing> {
    const channel = this.#open({ kind: "list", root, path: path.toString("base64"), limit }, "list");
    await firstMessage(channel);
    try {
      const text = await within(GRACE_MS, "a listing", collect(channel.readable(0), LISTING_BYTES, true));
      return listingOf(text.bytes.toString("utf8"), limit);
    } finally {
      channel.close();
    }
  }

  async open({ root, path }: FilePlace, maxBytes: number): Promise<FileStart> {
    const channel = this.#open({ kind: "open", root, path: path.toString("base64"), maxBytes }, "list");
    const file = await firstMessage(channel);
    if (file.type !== "file") throw new SandboxLinkError("protocol", `${file.type} in answer to an open`);
    try {
      const start = await within(WHOLE_FILE_MS, "a file", collect(channel.readable(0), maxBytes, true));
      return { sizeBytes: wholeNumber(file.size), modifiedMs: wholeNumber(file.modifiedMs), content: start.bytes };
    } finally {
      channel.close();
    }
  }

  /** What listens inside, without sandboxd's own. */
  async ports(): Promise<PortState[]> {
    const answer = await firstMessage(this.#open({ kind: "ports" }, "ports"));
    if (answer.type !== "ports" || !Array.isArray(answer.ports)) throw new SandboxLinkError("protocol", "no ports in answer to ports");
    return answer.ports
      .filter(({ port }) => Number.isInteger(port) && port > 0 && port < 65_536)
      .map((one) => ({
        port: one.port,
        loopback: one.loopback,
        process: typeof one.process === "string" ? one.process.slice(0, 100) : null,
        spawned: typeof one.spawned === "string" ? one.spawned : null,
      }));
  }

  close(): void {
    this.#closed = true;
    this.#mux?.close(null);
  }

  #greet(mux: Mux, body: Json): void {
    if (this.#mux !== mux || this.#hello) return;
    if (body["version"] !== WIRE_VERSION) return mux.close(new SandboxLinkError("version", "sandboxd speaks another version"));
    this.#hello = {
      version: WIRE_VERSION,
      sandbox: String(body["sandbox"]),
      boot: String(body["boot"]),
      pid: Number(body["pid"]),
      features: featuresOf(body),
    };
    for (const wake of this.#waiting) wake(this.#hello);
    this.#waiting.clear();
  }

  #open(request: Request, feature?: string): Channel {
    if (!this.#mux || !this.#hello) throw new SandboxLinkError("link_lost", "the sandbox is not connected");
    if (feature !== undefined && !this.#hello.features.includes(feature))
      throw new SandboxLinkError("unsupported", "the sandbox was started by an earlier version, which cannot do that");
    return this.#mux.open(request);
  }

  async #start(options: SpawnOptions, ephemeral: boolean): Promise<SandboxProcess> {
    const id = options.id ?? randomUUID();
    const request = {
      kind: "spawn" as const,
      process: id,
      argv: options.argv,
      cwd: options.cwd ?? "/workspace",
      env: options.env ?? {},
      timeoutMs: options.timeoutMs ?? null,
      ephemeral,
    };
    const channel = options.pty ? this.#open({ ...request, pty: options.pty }, "pty") : this.#open(request);
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
    size: started.pty ?? null,
    resize: (cols, rows) => channel.send({ type: "resize", cols, rows }),
    kill: (signal = "SIGTERM") => channel.send({ type: "signal", signal }),
    detach: () => channel.close(),
  };
}

const featuresOf = (hello: Json): string[] =>
  Array.isArray(hello["features"]) ? hello["features"].filter((feature) => typeof feature === "string") : [];

const wholeNumber = (value: unknown): number => (Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : 0);
const ENTRY_TYPES = ["file", "directory", "symlink", "other"] as const;

/** The sandbox's word: what is not a listing is refused, and no more than was asked for is taken. */
function listingOf(text: string, limit: number): DirectoryListing {
  let listing: Listing;
  try {
    listing = JSON.parse(text) as Listing;
    return {
      entries: listing.entries.slice(0, limit).map(({ name, type, size, modifiedMs }) => ({
        name: Buffer.from(name, "base64"),
        type: ENTRY_TYPES.find((known) => known === type) ?? "other",
        sizeBytes: wholeNumber(size),
        modifiedMs: wholeNumber(modifiedMs),
      })),
      truncated: listing.truncated || listing.entries.length > limit,
    };
  } catch (cause) {
    throw new SandboxLinkError("protocol", "the listing cannot be understood", { cause });
  }
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
