/*
 * The `local` sandbox provider: bubblewrap on this machine.
 *
 * Start, in order, each phase timed: uid lease and folders, cgroup, control socket, bubblewrap (the inner pid is known
 * from --info-fd), sandboxd's greeting. `specs/sandbox.md` has the measured figures.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, rmSync } from "node:fs";
import { chown, readFile, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { ptyAddon } from "@signalbox/sandboxd/image";
import { INSIDE } from "@signalbox/sandboxd/wire";
import type { ProviderCheck, Sandbox, SandboxProvider, SandboxRecord, SandboxSpec } from "../port.ts";
import { startArguments, type Plan } from "./arguments.ts";
import { cgroupFiles, findCgroupBase, hurryMoves, makeCgroup, removeCgroup, type Cgroup, type CgroupBase } from "./cgroup.ts";
import { checkBubblewrap } from "./check.ts";
import { inheritedDescriptors } from "./descriptors.ts";
import { DiskWatchdog } from "./disk.ts";
import { isAlive, killExactly, startTimeOf, type ProcessIdentity } from "./identity.ts";
import {
  blockedAt,
  daemonDirectory,
  etcDirectory,
  makePlaces,
  makeRoots,
  placesOf,
  reachable,
  rootEntries,
  seccompFile,
  type Places,
} from "./layout.ts";
import { DATA_PER_MEMORY, MemoryWatchdog } from "./memory.ts";
import { endLeftover, forgetTheDead, recordsIn, writeRecord } from "./records.ts";
import { closeServer, listenForDaemon, LocalSandbox, untilGone, type LocalRecord } from "./sandbox.ts";
import { exitOf, innerProcess, insideEnvironment, startOuter } from "./start.ts";
import { DEFAULT_RANGE, leaseUid, releaseUid, type UidRange } from "./uids.ts";

export type LocalOptions = {
  dataDir: string;
  /** The Node 24 that sandboxd and the agent's tools run on; default the server's own. */
  node?: string | undefined;
  uidRange?: UidRange | undefined;
  /** Shared by every server of the machine. */
  uidLeases?: string | undefined;
  /** False does without, as on a machine where none can be made. */
  cgroups?: boolean | undefined;
  /** Where the time of a start went, in milliseconds since `create` was called. */
  onTimings?: ((id: string, timings: StartTimings) => void) | undefined;
};

export type StartTimings = { prepared: number; spawned: number; inside: number; connected: number };

/** Both are a fraction of a second on an idle machine; a machine on which everything starts at once is not idle. */
const START_WITHIN_MS = 30_000;
const ADOPT_WITHIN_MS = 15_000;
const TMPFS_MOST_BYTES = 2 * 1024 ** 3;

type Prepared = {
  etc: string;
  daemon: string;
  pty: string | null;
  node: string;
  seccomp: string | null;
  inherited: number[];
  cgroups: CgroupBase | null;
};

export function localSandboxes(options: LocalOptions): SandboxProvider {
  const dataDir = resolve(options.dataDir);
  const uidLeases = options.uidLeases ?? "/run/signalbox/uids";
  const uidRange = options.uidRange ?? DEFAULT_RANGE;
  const asRoot = process.getuid?.() === 0;
  const diskWatchdog = new DiskWatchdog();
  const memoryWatchdog = new MemoryWatchdog();
  const live = new Map<string, LocalSandbox>();
  const starting = new Set<string>();
  let prepared: Promise<Prepared> | null = null;

  async function prepare(): Promise<Prepared> {
    await makeRoots(dataDir);
    const blocked = asRoot ? blockedAt(join(dataDir, "sandboxes", "any")) : null;
    if (blocked !== null) throw new Error(`no other user may pass through ${blocked}, and a sandbox runs as another user`);
    forgetTheDead(recordsIn(join(dataDir, "sandboxes")), dataDir);
    const addon = ptyAddon();
    const [etc, daemon, pty, node, seccomp] = await Promise.all([
      etcDirectory(dataDir),
      daemonDirectory(dataDir),
      addon === null ? null : open(addon),
      open(options.node ?? process.execPath),
      seccompFile(dataDir),
    ]);
    return {
      etc,
      daemon,
      pty,
      node,
      seccomp,
      inherited: inheritedDescriptors(),
      cgroups: options.cgroups === false ? null : findCgroupBase(),
    };
  }

  /** Once per provider; a failure is tried again the next time, since its cause may have been mended. */
  function ready(): Promise<Prepared> {
    prepared ??= prepare();
    prepared.catch(() => (prepared = null));
    return prepared;
  }

  const open = (source: string): Promise<string> => (asRoot ? reachable(dataDir, source) : Promise.resolve(source));

  function forget(id: string): void {
    diskWatchdog.forget(id);
    memoryWatchdog.forget(id);
  }

  function adoptLive(sandbox: LocalSandbox, places: Places): LocalSandbox {
    live.set(sandbox.id, sandbox);
    const { diskBytes: limitBytes } = sandbox.record.limits;
    diskWatchdog.watch(sandbox.id, {
      directories: [places.home, places.workspace, places.log],
      limitBytes,
      pids: () => sandbox.pids(),
      exceeded: (usedBytes) => sandbox.endSoon({ reason: "disk_quota", usedBytes, limitBytes }),
    });
    if (sandbox.record.cgroup === null) {
      memoryWatchdog.watch({
        record: sandbox.record,
        killed: () => sandbox.countMemoryKill(),
        hopeless: () => sandbox.endSoon({ reason: "out_of_memory" }),
      });
    }
    sandbox.onEnd(() => {
      live.delete(sandbox.id);
      forget(sandbox.id);
    });
    return sandbox;
  }

  async function create(spec: SandboxSpec): Promise<Sandbox> {
    const started = performance.now();
    const since = (): number => performance.now() - started;
    const places = placesOf(dataDir, spec.id);
    if (live.get(spec.id)?.alive() || starting.has(spec.id)) throw new Error(`sandbox ${spec.id} is running already`);
    starting.add(spec.id);
    try {
      return await startIn(places, spec, since);
    } finally {
      starting.delete(spec.id);
    }
  }

  async function startIn(places: Places, spec: SandboxSpec, since: () => number): Promise<Sandbox> {
    const { etc, daemon, pty, node, seccomp, cgroups, inherited } = await ready();
    const tools = await Promise.all(
      spec.tools.map(async (tool) => ({ source: await open(tool.source), target: `${INSIDE.tools}/${basename(tool.name)}` })),
    );

    if (cgroups) hurryMoves(cgroups);
    await endLeftover(places);
    const owner = asRoot ? ownerOf(places.workspace) : null;
    const uid = asRoot ? leaseUid(uidLeases, uidRange, places.directory, owner) : null;
    makePlaces(places, uid);
    if (owner !== null && owner !== uid) await giveTo(uid!, [places.home, places.workspace]);
    const cgroup = cgroups && makeCgroup(cgroups, cgroupName(places), spec.limits);
    const control = await listenForDaemon(places);
    const plan: Plan = {
      id: spec.id,
      hostUid: uid,
      hostname: "sandbox",
      etc,
      daemon,
      pty,
      node,
      tools,
      controlDirectory: places.control,
      egressDirectory: places.egress,
      home: places.home,
      workspace: places.workspace,
      env: { ...insideEnvironment(), ...spec.env },
      limits: {
        pids: spec.limits.pids,
        fileBytes: spec.limits.diskBytes,
        dataBytes: cgroup ? null : spec.limits.memoryBytes * DATA_PER_MEMORY,
        // In a cgroup temporary files count as memory; without one nobody counts them, so there may be fewer.
        tmpfsBytes: Math.min(TMPFS_MOST_BYTES, Math.floor(spec.limits.memoryBytes / (cgroup ? 2 : 8))),
      },
      rootEntries: rootEntries(),
      seccomp: seccomp !== null,
      cgroupFiles: cgroup ? cgroupFiles(cgroup) : [],
    };
    const timings: StartTimings = { prepared: since(), spawned: 0, inside: 0, connected: 0 };

    let inner: ProcessIdentity | null = null;
    const outer = startOuter(startArguments(plan), places.log, seccomp, inherited);
    try {
      timings.spawned = since();
      inner = await innerProcess(outer);
      timings.inside = since();
      const outerStart = outer.pid === undefined ? null : startTimeOf(outer.pid);
      if (outer.pid === undefined || outerStart === null) throw new Error("bubblewrap ended at once");
      const record: LocalRecord = {
        provider: "local",
        version: 1,
        id: spec.id,
        organizationId: spec.organizationId,
        directory: places.directory,
        uid,
        inner,
        outer: { pid: outer.pid, startTime: outerStart },
        cgroup,
        limits: spec.limits,
        startedAt: new Date().toISOString(),
      };
      // Before anybody else knows of it: a server killed from here on finds it again, by its own record or by this.
      writeRecord(places, record);
      await Promise.race([control.link.ready(START_WITHIN_MS), exitOf(outer)]);
      timings.connected = since();
      const sandbox = adoptLive(new LocalSandbox(record, places, control), places);
      outer.once("exit", (code) => sandbox.endSoon({ reason: "exited", detail: `sandboxd ended with ${code}` }));
      outer.unref();
      options.onTimings?.(spec.id, timings);
      return sandbox;
    } catch (cause) {
      if (inner) killExactly(inner);
      outer.kill("SIGKILL");
      control.link.close();
      await closeServer(control.server);
      if (cgroup) removeSoon(cgroup);
      const said = (await readFile(places.log, "utf8").catch(() => "")).trim().split("\n").slice(-3).join(" · ");
      throw new Error(`the sandbox did not start${said ? `: ${said}` : ""}`, { cause });
    }
  }

  async function adopt(given: SandboxRecord): Promise<Sandbox | null> {
    const record = given as LocalRecord;
    if (record.provider !== "local" || record.version !== 1) return null;
    const places = placesOf(dataDir, record.id);
    const known = live.get(record.id);
    if (known) return known.alive() ? known : null;
    if (!isAlive(record.inner)) {
      // Killed with the machine or by the kernel; the kernel ended what was inside with it.
      const { cgroup } = record;
      if (cgroup) await untilGone(() => !removeCgroup(cgroup));
      rmSync(places.record, { force: true });
      return null;
    }
    const control = await listenForDaemon(places);
    const sandbox = adoptLive(new LocalSandbox(record, places, control), places);
    try {
      await control.link.ready(ADOPT_WITHIN_MS);
      return sandbox;
    } catch (error) {
      // Nothing inside answers: when null is returned there must be nothing left of it.
      await sandbox.endBecause({ reason: "exited", detail: error instanceof Error ? error.message : String(error) });
      return null;
    }
  }

  return {
    name: "local",
    check: (): Promise<ProviderCheck> => checkBubblewrap({ asRoot, prepare: ready }),
    create,
    adopt,
    list: async () => recordsIn(join(dataDir, "sandboxes")).filter((record) => isAlive(record.inner)),
    async remove(id) {
      const places = placesOf(dataDir, id);
      await live.get(id)?.stop();
      await endLeftover(places);
      const uid = asRoot ? ownerOf(places.workspace) : null;
      // Nothing inside is alive, so nothing can swap a folder for a link meanwhile; rm itself follows none.
      await rm(places.directory, { recursive: true, force: true });
      if (uid !== null) releaseUid(uidLeases, uid, places.directory);
    },
    async release(id) {
      const sandbox = live.get(id);
      live.delete(id);
      forget(id);
      await sandbox?.release();
    },
    async close() {
      for (const [id, sandbox] of live) {
        forget(id);
        await sandbox.release();
      }
      live.clear();
    },
  };
}

/** Ids are unique per data directory only; two servers of one machine must not share a cgroup. */
function cgroupName(places: Places): string {
  return `${basename(places.directory)}-${createHash("sha256").update(places.directory).digest("hex").slice(0, 8)}`;
}

function ownerOf(path: string): number | null {
  try {
    return lstatSync(path).uid;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Only when a lease was lost (the machine restarted and somebody else has the uid). chown -h follows no link. */
async function giveTo(uid: number, directories: string[]): Promise<void> {
  for (const directory of directories) await chown(directory, uid, uid);
  await new Promise<void>((resolve, reject) => {
    const child = spawn("/usr/bin/chown", ["-hR", `${uid}:${uid}`, "--", ...directories], { stdio: "ignore" });
    child.once("error", reject);
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`chown ended with ${code}`))));
  });
}

function removeSoon(cgroup: Cgroup, tries = 20): void {
  if (removeCgroup(cgroup) || tries === 0) return;
  setTimeout(removeSoon, 50, cgroup, tries - 1).unref();
}
