/*
 * What the frames mean: requests that open a channel, and the messages on it. See `specs/sandboxd.md`.
 *
 * Version history (additive only; the host refuses a sandboxd of another major):
 *   1  2026-11-21  spawn, attach, processes, connect, read, write
 */
export const WIRE_VERSION = 1;

/** Where things are inside every sandbox, whatever made it. */
export const INSIDE = {
  workspace: "/workspace",
  home: "/home/sbx",
  tools: "/opt/sbx/bin",
  daemon: "/opt/sbx/sandboxd",
  control: "/run/sbx/control/control.sock",
  egress: "/run/sbx/egress/egress.sock",
  proxyPort: 3128,
} as const;

export type Hello = { version: number; sandbox: string; boot: string; pid: number };

export type SpawnRequest = {
  kind: "spawn";
  /** Chosen by the host; the name under which the process is found again after a restart of the host. */
  process: string;
  argv: string[];
  cwd: string;
  env: { [name: string]: string };
  /** Killed with its whole process group after this, also when no host is connected. */
  timeoutMs: number | null;
  /** Dropped as soon as its channel closes or is lost (a one-shot exec), instead of kept for re-attaching. */
  ephemeral: boolean;
};
export type AttachRequest = { kind: "attach"; process: string; stdoutFrom: number | null; stderrFrom: number | null };
export type ProcessesRequest = { kind: "processes" };
export type ConnectRequest = { kind: "connect"; port: number };
export type ReadRequest = { kind: "read"; path: string };
export type WriteRequest = { kind: "write"; path: string; mode: number };
export type Request = SpawnRequest | AttachRequest | ProcessesRequest | ConnectRequest | ReadRequest | WriteRequest;

export type Exit = { code: number | null; signal: string | null; timedOut: boolean };
export type ProcessState = { process: string; pid: number; exit: Exit | null };

export type FromSandbox =
  | { type: "started"; pid: number; stdoutFrom: number; stderrFrom: number }
  | { type: "exit"; exit: Exit }
  | { type: "processes"; processes: ProcessState[] }
  | { type: "ready" }
  | { type: "done" }
  | { type: "failed"; code: string; message: string };
export type ToSandbox = { type: "signal"; signal: string };

/** Streams of a process channel. */
export const STDIN = 0;
export const STDOUT = 1;
export const STDERR = 2;
