/*
 * What the frames mean: requests that open a channel, and the messages on it. See `specs/sandboxd.md`.
 *
 * Version history (additive only; the host refuses a sandboxd of another major):
 *   1  2026-11-21  spawn, attach, processes, connect, read, write
 *      2026-11-21  + list, open, ports; `pty` of spawn and `resize`. Named in the greeting's `features`, because a
 *                  sandbox that a server before this one started goes on with the sandboxd that it has
 */
export const WIRE_VERSION = 1;

/** Where things are inside every sandbox, whatever made it. */
export const INSIDE = {
  workspace: "/workspace",
  home: "/home/sbx",
  tools: "/opt/sbx/bin",
  daemon: "/opt/sbx/sandboxd",
  /** node-pty's native addon; absent where this host has none. */
  pty: "/opt/sbx/pty.node",
  control: "/run/sbx/control/control.sock",
  egress: "/run/sbx/egress/egress.sock",
  proxyPort: 3128,
} as const;

/** What this sandboxd knows beyond the first requests of its version. */
export const FEATURES = ["list", "ports", "pty"];

export type Hello = { version: number; sandbox: string; boot: string; pid: number; features: string[] };

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
  /** On a terminal of its own: stdout is its output, stdin what is typed, and there is no stderr. */
  pty?: TerminalSize | undefined;
};
export type TerminalSize = { cols: number; rows: number };
export type AttachRequest = { kind: "attach"; process: string; stdoutFrom: number | null; stderrFrom: number | null };
export type ProcessesRequest = { kind: "processes" };
export type ConnectRequest = { kind: "connect"; port: number };
export type ReadRequest = { kind: "read"; path: string };
export type WriteRequest = { kind: "write"; path: string; mode: number };
/** `path`: relative to `root`, base64 of its bytes. What it leads to must lie in `root` (`outside` otherwise). */
export type ListRequest = { kind: "list"; root: string; path: string; limit: number };
/** The first `maxBytes` of an ordinary file. */
export type OpenRequest = { kind: "open"; root: string; path: string; maxBytes: number };
export type PortsRequest = { kind: "ports" };
export type Request =
  | SpawnRequest
  | AttachRequest
  | ProcessesRequest
  | ConnectRequest
  | ReadRequest
  | WriteRequest
  | ListRequest
  | OpenRequest
  | PortsRequest;

export type Exit = { code: number | null; signal: string | null; timedOut: boolean };
export type ProcessState = { process: string; pid: number; exit: Exit | null };

/** On stream 0 in answer to `list`, as one JSON text. `name` is base64. */
export type Listing = {
  entries: { name: string; type: "file" | "directory" | "symlink" | "other"; size: number; modifiedMs: number }[];
  truncated: boolean;
};
/** `spawned`: the name of the process that the host started, when it is that one itself that listens. */
export type PortState = { port: number; loopback: boolean; process: string | null; spawned: string | null };

export type FromSandbox =
  | { type: "started"; pid: number; stdoutFrom: number; stderrFrom: number; pty?: TerminalSize | undefined }
  | { type: "file"; size: number; modifiedMs: number }
  | { type: "ports"; ports: PortState[] }
  | { type: "exit"; exit: Exit }
  | { type: "processes"; processes: ProcessState[] }
  | { type: "ready" }
  | { type: "done" }
  | { type: "failed"; code: string; message: string };
export type ToSandbox = { type: "signal"; signal: string } | ({ type: "resize" } & TerminalSize);

/** Streams of a process channel. */
export const STDIN = 0;
export const STDOUT = 1;
export const STDERR = 2;
