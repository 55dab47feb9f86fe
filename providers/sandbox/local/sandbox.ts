/*
 * One local sandbox, from the host's side.
 *
 *   starting ──► alive ──► ending ──► ended
 *                  │  inner pid 1 gone, stop(), disk quota
 *
 * Two processes matter. The *outer* bubblewrap is our child (or was, before a restart); the *inner* one is pid 1 of
 * the sandbox's pid namespace, and its death is the kernel's kill of everything inside, setsid'd children
 * included. Killing sandboxd or the outer one is not enough: the inner one then waits for its other children, and
 * the agent lived on when that was tried. So `stop` kills the inner one, and the end of either is the end of the
 * sandbox.
 */
import { createServer, type Server } from "node:net";
import { rm } from "node:fs/promises";
import { PassThrough, type Duplex, type Readable } from "node:stream";
import { SandboxLink, SandboxLinkError } from "@signalbox/sandboxd/host";
import type {
  AttachOptions,
  DirectoryListing,
  ExecRequest,
  ExecResult,
  FilePlace,
  FileStart,
  PortState,
  ProcessState,
  Sandbox,
  SandboxEnd,
  SandboxLimits,
  SandboxProcess,
  SandboxRecord,
  SandboxUsage,
  SpawnOptions,
} from "../port.ts";
import { listenInFolder } from "../socket.ts";
import { cgroupUsage, cgroupPids, removeCgroup, type Cgroup } from "./cgroup.ts";
import { diskBytes } from "./disk.ts";
import { isAlive, killExactly, startTimeOf, type ProcessIdentity } from "./identity.ts";
import { CONTROL_SOCKET, type Places } from "./layout.ts";
import { processesIn, usageOf } from "./memory.ts";

const DEFAULT_READ_BYTES = 16 * 1024 * 1024;
const LIVENESS_EVERY_MS = 500;
/** sandboxd redials within a second, on a machine that is overloaded within some; after this nobody inside can be reached any more. */
const LOST_LINK_MS = 20_000;
const GONE_WITHIN_MS = 20_000;
const WHOLE_TREE_MS = 10 * 60_000;

export type LocalRecord = SandboxRecord & {
  version: 1;
  organizationId: string;
  directory: string;
  uid: number | null;
  inner: ProcessIdentity;
  outer: { pid: number; startTime: string };
  cgroup: Cgroup | null;
  limits: SandboxLimits;
  startedAt: string;
};

export class LocalSandbox implements Sandbox {
  readonly id: string;
  readonly record: LocalRecord;
  readonly egressDirectory: string;
  readonly #places: Places;
  readonly #link: SandboxLink;
  readonly #server: Server;
  readonly #watch: NodeJS.Timeout;
  readonly #listeners: ((end: SandboxEnd) => void)[] = [];
  #end: SandboxEnd | null = null;
  #ending: Promise<void> | null = null;
  #lostSince: number | null = null;
  #watchdogKills = 0;
  #isReleased = false;

  constructor(record: LocalRecord, places: Places, control: Control) {
    this.id = record.id;
    this.record = record;
    this.#places = places;
    this.#link = control.link;
    this.#server = control.server;
    this.egressDirectory = places.egress;
    this.#watch = setInterval(() => this.#checkAlive(), LIVENESS_EVERY_MS);
    this.#watch.unref();
  }

  alive(): boolean {
    return this.#end === null && isAlive(this.record.inner);
  }

  exec(request: ExecRequest): Promise<ExecResult> {
    return this.#link.exec(request);
  }

  spawn(options: SpawnOptions): Promise<SandboxProcess> {
    return this.#link.spawn(options);
  }

  attach(processId: string, options?: AttachOptions): Promise<SandboxProcess> {
    return this.#link.attach(processId, options);
  }

  processes(): Promise<ProcessState[]> {
    return this.#link.processes();
  }

  connect(port: number): Promise<Duplex> {
    return this.#link.connect(port);
  }

  readFile(path: string, maxBytes = DEFAULT_READ_BYTES): Promise<Buffer> {
    return this.#link.readFile(path, maxBytes);
  }

  writeFile(path: string, content: string | Buffer | Readable, mode?: number): Promise<void> {
    return this.#link.writeFile(path, content, mode);
  }

  list(place: FilePlace, limit: number): Promise<DirectoryListing> {
    return this.#link.list(place, limit);
  }

  open(place: FilePlace, maxBytes: number): Promise<FileStart> {
    return this.#link.open(place, maxBytes);
  }

  ports(): Promise<PortState[]> {
    return this.#link.ports();
  }

  async tarOut(directory: string): Promise<Readable> {
    const tar = await this.#link.spawn({ argv: ["tar", "-C", directory, "-cf", "-", "."] });
    tar.stdin.end();
    const errors = text(tar.stderr);
    const out = new PassThrough();
    tar.stdout.on("error", (error) => out.destroy(error));
    tar.stdout.pipe(out, { end: false });
    const read = new Promise((resolve) => tar.stdout.once("end", resolve));
    // A half-read tree must not look like a whole one: the end comes only after tar said that it is.
    Promise.all([tar.exited, read]).then(
      async ([exit]) =>
        exit.code === 0
          ? out.end()
          : out.destroy(new SandboxLinkError("tar_failed", (await errors).trim() || `tar ended with ${exit.code}`)),
      (error: Error) => out.destroy(error),
    );
    // Also when nothing inside answers any more, for whoever waits for the end of the stream.
    const late = setTimeout(() => out.destroy(new SandboxLinkError("link_timeout", "the tree took too long")), WHOLE_TREE_MS);
    out.once("close", () => {
      clearTimeout(late);
      tar.kill("SIGKILL");
    });
    return out;
  }

  async tarIn(directory: string, tar: Readable): Promise<void> {
    const result = await this.#link.exec({
      argv: ["/bin/sh", "-c", 'mkdir -p "$1" && exec tar -C "$1" -xf -', "tar-in", directory],
      cwd: "/",
      stdin: tar,
      timeoutMs: WHOLE_TREE_MS,
    });
    if (result.exitCode !== 0)
      throw new SandboxLinkError("tar_failed", result.stderr.toString("utf8").trim() || `tar ended with ${result.exitCode}`);
  }

  async usage(): Promise<SandboxUsage> {
    const disk = await diskBytes([this.#places.home, this.#places.workspace, this.#places.log], this.pids());
    const { cgroup, inner } = this.record;
    if (cgroup) return { ...cgroupUsage(cgroup), diskBytes: disk };
    return { ...usageOf(processesIn(inner.pidNamespace)), oomKills: this.#watchdogKills, diskBytes: disk };
  }

  /** Of this machine, for the watchdogs. */
  pids(): number[] {
    const { cgroup, inner } = this.record;
    return cgroup ? cgroupPids(cgroup) : processesIn(inner.pidNamespace).map((process) => process.pid);
  }

  onEnd(listener: (end: SandboxEnd) => void): void {
    if (this.#end) listener(this.#end);
    else this.#listeners.push(listener);
  }

  stop(): Promise<void> {
    return this.endBecause({ reason: "stopped" });
  }

  /** For the provider: the outer bubblewrap was seen to exit, or the quota to be exceeded. The first reason stays. */
  endBecause(end: SandboxEnd): Promise<void> {
    if (this.#isReleased) return Promise.resolve();
    return (this.#ending ??= this.#endNow(end));
  }

  /** The same for those who wait for nothing: whoever listens is told, and whoever calls `stop` hears of a failure. */
  endSoon(end: SandboxEnd): void {
    this.endBecause(end).catch(() => undefined);
  }

  /** For the memory watchdog, where there is no cgroup that counts. */
  countMemoryKill(): void {
    this.#watchdogKills++;
  }

  /** Lets go, as a killed server would: what happens to it is for whoever adopts it to see. */
  async release(): Promise<void> {
    this.#isReleased = true;
    clearInterval(this.#watch);
    this.#link.close();
    await closeServer(this.#server);
  }

  async #endNow(end: SandboxEnd): Promise<void> {
    clearInterval(this.#watch);
    const reason: SandboxEnd = end.reason === "exited" && this.#wasOutOfMemory() ? { reason: "out_of_memory" } : end;
    const { inner, outer, cgroup } = this.record;
    try {
      killExactly(inner);
      await untilGone(() => isAlive(inner) || (cgroup !== null && cgroupPids(cgroup).some((pid) => startTimeOf(pid) !== null)));
      await untilGone(() => startTimeOf(outer.pid) === outer.startTime);
      this.#link.close();
      await closeServer(this.#server);
      if (cgroup) await untilGone(() => !removeCgroup(cgroup));
      await rm(this.#places.record, { force: true });
    } finally {
      // Also when the kernel would not let go of something (a process in uninterruptible sleep): it is no use any more.
      this.#end = reason;
      for (const listener of this.#listeners.splice(0)) listener(reason);
    }
  }

  #wasOutOfMemory(): boolean {
    return this.record.cgroup === null ? this.#watchdogKills > 0 : cgroupUsage(this.record.cgroup).oomKills > 0;
  }

  #checkAlive(): void {
    if (!isAlive(this.record.inner)) {
      this.endSoon({ reason: "exited", detail: "the sandbox's first process is gone" });
    } else if (startTimeOf(this.record.outer.pid) !== this.record.outer.startTime) {
      this.endSoon({ reason: "exited", detail: "sandboxd ended" });
    } else if (this.#link.connected) {
      this.#lostSince = null;
    } else {
      this.#lostSince ??= Date.now();
      if (Date.now() - this.#lostSince > LOST_LINK_MS) this.endSoon({ reason: "exited", detail: "sandboxd does not answer" });
    }
  }
}

export type Control = { link: SandboxLink; server: Server };

/** Listens where sandboxd dials. */
export async function listenForDaemon(places: Places): Promise<Control> {
  const link = new SandboxLink();
  const server = createServer((socket) => link.accept(socket));
  await listenInFolder(server, places.control, CONTROL_SOCKET);
  return { link, server };
}

export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

export async function untilGone(there: () => boolean): Promise<void> {
  const deadline = Date.now() + GONE_WITHIN_MS;
  for (let wait = 1; there(); wait = Math.min(wait * 2, 20)) {
    if (Date.now() > deadline) throw new Error(`the sandbox did not end within ${GONE_WITHIN_MS} ms of SIGKILL`);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function text(stream: Readable): Promise<string> {
  let all = "";
  for await (const chunk of stream as AsyncIterable<Buffer>) if (all.length < 10_000) all += chunk.toString("utf8");
  return all;
}
