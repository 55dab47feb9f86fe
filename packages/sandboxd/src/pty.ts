/*
 * A process on a terminal of its own: the native half of node-pty, without its JavaScript, shaped like a child process.
 *
 * The addon is mounted beside this file, and loaded when the first terminal is opened: no sandbox's start waits for it.
 * It has no dependency but Node's own interface, so it needs no folder of modules.
 */
import { readdirSync, readFileSync, writeSync } from "node:fs";
import { Readable, Writable } from "node:stream";
import { INSIDE } from "./wire.ts";

type Addon = {
  fork(
    file: string,
    argv: string[],
    env: string[],
    cwd: string,
    cols: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helper: string,
    onExit: (code: number, signal: number) => void,
  ): { fd: number; pid: number };
  resize(fd: number, cols: number, rows: number): void;
};

export type Terminal = {
  pid: number;
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  onExit(listener: (code: number | null, signal: string | null) => void): void;
  resize(cols: number, rows: number): void;
};

/** What a terminal device takes for the end of input when it stands at the start of a line. */
const END_OF_TRANSMISSION = Buffer.from("\u0004");
const WRITE_AGAIN_MS = 10;

let addon: Addon | null = null;

function load(): Addon {
  if (addon) return addon;
  const module = { exports: {} };
  process.dlopen(module, INSIDE.pty);
  addon = module.exports as Addon;
  return addon;
}

/** Everything that was started in a terminal and has not left it with `setsid`: a shell gives each job a group of its own. */
export function sessionOf(leader: number): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const [, , , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(session) === leader ? [Number(name)] : [];
    } catch {
      return []; // gone
    }
  });
}

export function openTerminal(of: { argv: string[]; cwd: string; env: { [name: string]: string }; cols: number; rows: number }): Terminal {
  const native = load();
  const { ReadStream } = process.getBuiltinModule("node:tty");
  const { signals } = process.getBuiltinModule("node:os").constants;
  const [file = "", ...rest] = of.argv;
  const env = Object.entries(of.env).map(([name, value]) => `${name}=${value}`);
  let exit: { code: number | null; signal: string | null } | null = null;
  const listeners: ((code: number | null, signal: string | null) => void)[] = [];
  const { fd, pid } = native.fork(file, rest, env, of.cwd, of.cols, of.rows, -1, -1, true, "", (code, number) => {
    const signal = Object.entries(signals).find(([, value]) => value === number)?.[0] ?? null;
    exit = { code: signal === null ? code : null, signal };
    for (const listener of listeners) listener(exit.code, exit.signal);
  });
  const device = new ReadStream(fd);
  let open = true;
  device.once("close", () => (open = false));
  // EIO: nobody inside has the terminal open any more. That is its end, and no fault.
  device.on("error", () => device.destroy());
  // Not through the stream: libuv writes to the master of a terminal with the whole process waiting, and so did
  // sandboxd for a program that did not read what was pasted. The descriptor itself does not block.
  const type = (bytes: Buffer, done: () => void): void => {
    if (!open || device.destroyed) return done();
    let wrote = 0;
    try {
      wrote = writeSync(fd, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return done();
    }
    if (wrote === bytes.length) done();
    else setTimeout(() => type(bytes.subarray(wrote), done), wrote === 0 ? WRITE_AGAIN_MS : 0);
  };
  return {
    pid,
    stdin: new Writable({
      write: (chunk: Buffer, _encoding, done) => type(chunk, done),
      final: (done) => type(END_OF_TRANSMISSION, done),
    }),
    stdout: device,
    stderr: Readable.from([]),
    onExit(listener) {
      if (exit) listener(exit.code, exit.signal);
      else listeners.push(listener);
    },
    resize(cols, rows) {
      if (open) native.resize(fd, cols, rows);
    },
  };
}
