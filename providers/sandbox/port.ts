/*
 * The sandbox port: an isolated environment with a workspace, made by some backend.
 *
 *   check ──► create ──► Sandbox ──► stop            files stay, under the same id `create` finds them again
 *                          │  ▲        └──► remove   files go
 *       server is killed   │  │ adopt(record)
 *                          └──┘
 *
 * What every provider promises, and `conformance.ts` tests: nothing inside can reach the host's files, network or
 * processes, nor another sandbox's; the only way out is the egress socket; limits hold; after `stop` nothing is
 * left alive; what the sandbox says about itself is never trusted further than the sandbox.
 */
import type { Duplex, Readable } from "node:stream";
import type {
  AttachOptions,
  DirectoryEntry,
  DirectoryListing,
  ExecRequest,
  ExecResult,
  Exit,
  FilePlace,
  FileStart,
  PortState,
  ProcessState,
  SandboxProcess,
  SpawnOptions,
} from "@signalbox/sandboxd/host";

export type {
  AttachOptions,
  DirectoryEntry,
  DirectoryListing,
  ExecRequest,
  ExecResult,
  Exit,
  FilePlace,
  FileStart,
  PortState,
  ProcessState,
  SandboxProcess,
  SpawnOptions,
};

export type SandboxLimits = {
  memoryBytes: number;
  pids: number;
  /** Workspace and home together. */
  diskBytes: number;
  /** In cores; 0.5 is half of one. */
  cpu: number;
};

export const DEFAULT_LIMITS: SandboxLimits = { memoryBytes: 4 * 1024 ** 3, pids: 1024, diskBytes: 10 * 1024 ** 3, cpu: 2 };

export type SandboxSpec = {
  /** `[A-Za-z0-9_-]{1,64}`, unique on this provider. Reusing the id of a stopped sandbox brings its files back. */
  id: string;
  organizationId: string;
  limits: SandboxLimits;
  /** Environment of everything inside. Never a credential: the agent can read all of it. */
  env: { [name: string]: string };
  /** Read-only executables, on the PATH inside as `name`. Node is there always. */
  tools: { name: string; source: string }[];
};

/** Plain JSON, enough for `adopt` after the server was killed. Only the provider that made it reads it. */
export type SandboxRecord = { provider: string; id: string; [key: string]: unknown };

export type SandboxUsage = {
  memoryBytes: number;
  pids: number;
  cpuMs: number;
  diskBytes: number;
  /** How often the kernel killed something inside for want of memory. */
  oomKills: number;
};

/** Why a sandbox is not there any more. */
export type SandboxEnd =
  | { reason: "stopped" }
  | { reason: "disk_quota"; usedBytes: number; limitBytes: number }
  | { reason: "out_of_memory" }
  | { reason: "exited"; detail: string };

export type Sandbox = {
  readonly id: string;
  readonly record: SandboxRecord;
  /** Host-owned directory in which the egress proxy listens as `egress.sock`; the sandbox sees it read-only. */
  readonly egressDirectory: string;
  exec(request: ExecRequest): Promise<ExecResult>;
  /** With `pty` on a terminal of its own; rejects with `pty_unavailable` where the sandbox has none. */
  spawn(options: SpawnOptions): Promise<SandboxProcess>;
  /** After a restart of the server: the same process again, its output from an offset. */
  attach(processId: string, options?: AttachOptions): Promise<SandboxProcess>;
  processes(): Promise<ProcessState[]>;
  /** A socket to `port` of 127.0.0.1 (else ::1) inside, good for `createConnection` of an HTTP client. */
  connect(port: number): Promise<Duplex>;
  /** Rejects with code `too_large` beyond `maxBytes` (default 16 MiB). */
  readFile(path: string, maxBytes?: number): Promise<Buffer>;
  writeFile(path: string, content: string | Buffer | Readable, mode?: number): Promise<void>;
  /** A directory's entries, directories first, in natural order, at most `limit`. Rejects with `ENOENT`, `ENOTDIR`, `EACCES`, `outside`. */
  list(place: FilePlace, limit: number): Promise<DirectoryListing>;
  /** The beginning of an ordinary file; rejects as `list` does, and with `not_a_file`. */
  open(place: FilePlace, maxBytes: number): Promise<FileStart>;
  /** What listens on TCP inside, without the sandbox's own parts. */
  ports(): Promise<PortState[]>;
  /** An uncompressed tar of a directory inside. The stream fails when tar does. */
  tarOut(directory: string): Promise<Readable>;
  tarIn(directory: string, tar: Readable): Promise<void>;
  usage(): Promise<SandboxUsage>;
  alive(): boolean;
  /** Resolves when nothing inside is alive any more. Again is harmless. */
  stop(): Promise<void>;
  /** Called once; at once if it is over already. */
  onEnd(listener: (end: SandboxEnd) => void): void;
};

export type ProviderCheck = { ok: true } | { ok: false; reason: string; fix: string };

export type SandboxProvider = {
  readonly name: string;
  /** Whether sandboxes can be made here; what is wrong and the one command that mends it otherwise. */
  check(): Promise<ProviderCheck>;
  create(spec: SandboxSpec): Promise<Sandbox>;
  /** The sandbox of a record if it is alive and is the same one, else null with everything of it ended. */
  adopt(record: SandboxRecord): Promise<Sandbox | null>;
  /** Lets go of it, as a killed server would: it lives on, for whichever process adopts it. Harmless when it is not ours. */
  release(id: string): Promise<void>;
  /** Every sandbox of this provider's that is alive, adopted or not: what nobody claims is an orphan to adopt and stop. */
  list(): Promise<SandboxRecord[]>;
  /** Ends the sandbox if it is alive, then deletes its files. Again is harmless. */
  remove(id: string): Promise<void>;
  /** Lets go of all sandboxes without ending them, as a killed server would. */
  close(): Promise<void>;
};
