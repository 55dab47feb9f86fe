/*
 * Memory, pids and cpu by cgroup, v1 or v2, found at run time; without a writable hierarchy there is none, and
 * `arguments.ts` sets rlimits while the watchdog adds up memory instead.
 *
 * v1: a folder under our own cgroup of each controller.
 * v2: controllers can be handed down only from a cgroup without processes of its own, so the folder is made beside
 *     ours when the parent is writable (a delegated scope), else under the root.
 */
import { accessSync, constants, mkdirSync, readFileSync, rmdirSync, writeFile, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { SandboxLimits } from "../port.ts";

export type CgroupBase =
  | { version: 1; memory: string; pids: string; cpu: string | null; cpuacct: string | null }
  | { version: 2; directory: string };
export type Cgroup = { version: 1 | 2; directories: { memory: string; pids: string; cpu: string | null; cpuacct: string | null } };

const FOLDER = "signalbox";

/** Where sandboxes' cgroups can be made, or null. Proves it by making one. */
export function findCgroupBase(
  mounts = readFileSync("/proc/self/mounts", "utf8"),
  own = readFileSync("/proc/self/cgroup", "utf8"),
): CgroupBase | null {
  const base = v1Base(mounts, own);
  if (base && writable([base.memory, base.pids])) {
    return {
      ...base,
      cpu: base.cpu && writable([base.cpu]) ? base.cpu : null,
      cpuacct: base.cpuacct && writable([base.cpuacct]) ? base.cpuacct : null,
    };
  }
  for (const directory of v2Candidates(mounts, own)) {
    if (writable([directory]) && enableControllers(directory)) return { version: 2, directory };
  }
  return null;
}

function v1Base(mounts: string, own: string): Extract<CgroupBase, { version: 1 }> | null {
  const path = (controller: string): string | null => {
    const mount = mounts
      .split("\n")
      .map((line) => line.split(" "))
      .find((f) => f[2] === "cgroup" && f[3]?.split(",").includes(controller))?.[1];
    const group = own
      .split("\n")
      .map((line) => line.split(":"))
      .find((f) => f[1]?.split(",").includes(controller))
      ?.slice(2)
      .join(":");
    return mount && group ? join(mount, group, FOLDER) : null;
  };
  const [memory, pids] = [path("memory"), path("pids")];
  return memory && pids ? { version: 1, memory, pids, cpu: path("cpu"), cpuacct: path("cpuacct") } : null;
}

function v2Candidates(mounts: string, own: string): string[] {
  const mount = mounts
    .split("\n")
    .map((line) => line.split(" "))
    .find((f) => f[2] === "cgroup2")?.[1];
  const group = own
    .split("\n")
    .find((line) => line.startsWith("0::"))
    ?.slice(3);
  if (!mount || group === undefined) return [];
  return [...new Set([join(mount, dirname(group), FOLDER), join(mount, FOLDER)])];
}

function writable(directories: string[]): boolean {
  try {
    for (const directory of directories) {
      mkdirSync(directory, { recursive: true });
      // It may be there already, made by another user's server.
      accessSync(directory, constants.W_OK);
    }
    return true;
  } catch {
    // EACCES, EROFS: no cgroups for us here, which the caller answers with rlimits.
    return false;
  }
}

function enableControllers(directory: string): boolean {
  try {
    for (const level of [dirname(directory), directory]) {
      const enabled = readFileSync(join(level, "cgroup.subtree_control"), "utf8").split(/\s/);
      const missing = ["memory", "pids", "cpu"].filter((controller) => !enabled.includes(controller));
      if (missing.length > 0) writeFileSync(join(level, "cgroup.subtree_control"), missing.map((controller) => `+${controller}`).join(" "));
    }
    return true;
  } catch {
    // The controllers are not ours to hand down (EBUSY, ENOENT, EACCES).
    return false;
  }
}

/**
 * With v2 only whole processes move, and the kernel's first such move waits about 9 ms for an RCU grace period; those
 * right after it take 0.1 ms (measured). Moving ourselves to where we are, while the sandbox is being prepared, takes
 * that wait out of its start. Nothing depends on it, so a failure is not one.
 */
export function hurryMoves(base: CgroupBase): void {
  if (base.version === 1) return;
  writeFile(join(dirname(base.directory), "cgroup.procs"), String(process.pid), () => undefined);
}

export function makeCgroup(base: CgroupBase, id: string, limits: SandboxLimits): Cgroup {
  if (base.version === 2) {
    const directory = join(base.directory, id);
    mkdirSync(directory, { recursive: true });
    set(directory, "memory.max", limits.memoryBytes);
    trySet(directory, "memory.swap.max", 0);
    set(directory, "pids.max", limits.pids);
    trySet(directory, "cpu.max", `${Math.round(limits.cpu * 100_000)} 100000`);
    return { version: 2, directories: { memory: directory, pids: directory, cpu: directory, cpuacct: directory } };
  }
  const at = (parent: string | null): string | null => parent && join(parent, id);
  const directories = { memory: join(base.memory, id), pids: join(base.pids, id), cpu: at(base.cpu), cpuacct: at(base.cpuacct) };
  for (const directory of Object.values(directories)) if (directory) mkdirSync(directory, { recursive: true });
  set(directories.memory, "memory.limit_in_bytes", limits.memoryBytes);
  // Without swap accounting the file is missing, and there is no swap to hide in either.
  trySet(directories.memory, "memory.memsw.limit_in_bytes", limits.memoryBytes);
  set(directories.pids, "pids.max", limits.pids);
  if (directories.cpu) {
    set(directories.cpu, "cpu.cfs_period_us", 100_000);
    set(directories.cpu, "cpu.cfs_quota_us", Math.round(limits.cpu * 100_000));
  }
  return { version: 1, directories };
}

/**
 * Where a program with one thread writes 0 to move itself. In v1 as a thread, because the kernel does that without the
 * lock, and so without the grace period, that the move of a whole process costs it and every fork of the machine
 * meanwhile: sandboxes started 7 ms later (measured).
 */
export function cgroupFiles(cgroup: Cgroup): string[] {
  return [...new Set(Object.values(cgroup.directories).filter((directory) => directory !== null))].map((directory) =>
    join(directory, cgroup.version === 1 ? "tasks" : "cgroup.procs"),
  );
}

export function cgroupPids(cgroup: Cgroup): number[] {
  const text = read(cgroup.directories.pids, "cgroup.procs");
  return text === null ? [] : text.split("\n").filter(Boolean).map(Number);
}

/** False while something inside is still ending. */
export function removeCgroup(cgroup: Cgroup): boolean {
  for (const directory of new Set(Object.values(cgroup.directories))) {
    if (directory === null) continue;
    try {
      rmdirSync(directory);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EBUSY") return false;
      if (code !== "ENOENT") throw error;
    }
  }
  return true;
}

export function cgroupUsage(cgroup: Cgroup): { memoryBytes: number; pids: number; cpuMs: number; oomKills: number } {
  const { memory, pids, cpuacct } = cgroup.directories;
  const number = (directory: string | null, file: string): number => Number((directory && read(directory, file)) ?? 0);
  const field = (directory: string | null, file: string, name: string): number =>
    Number(
      ((directory && read(directory, file)) ?? "")
        .split("\n")
        .find((line) => line.startsWith(`${name} `))
        ?.split(" ")[1] ?? 0,
    );
  if (cgroup.version === 2) {
    return {
      memoryBytes: number(memory, "memory.current"),
      pids: number(pids, "pids.current"),
      cpuMs: field(cpuacct, "cpu.stat", "usage_usec") / 1000,
      oomKills: field(memory, "memory.events", "oom_kill"),
    };
  }
  return {
    memoryBytes: number(memory, "memory.usage_in_bytes"),
    pids: number(pids, "pids.current"),
    cpuMs: number(cpuacct, "cpuacct.usage") / 1e6,
    oomKills: field(memory, "memory.oom_control", "oom_kill"),
  };
}

function set(directory: string, file: string, value: string | number): void {
  writeFileSync(join(directory, file), String(value));
}

function trySet(directory: string, file: string, value: string | number): void {
  try {
    set(directory, file, value);
  } catch (error) {
    // An optional file of this kernel; the limits that matter are set with `set`.
    void error;
  }
}

function read(directory: string, file: string): string | null {
  try {
    return readFileSync(join(directory, file), "utf8");
  } catch {
    // The sandbox ended meanwhile and its cgroup with it.
    return null;
  }
}
