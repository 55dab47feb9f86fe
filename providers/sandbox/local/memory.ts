/*
 * Memory, pids and cpu of a sandbox where there is no cgroup to ask: added up over the processes of its pid
 * namespace, which nothing inside can leave.
 *
 * The watchdog does what the kernel's OOM killer would do in a cgroup: it kills the largest of what sandboxd started
 * (those carry a raised oom_score_adj, which they cannot hide without giving up: then the sandbox is ended). Every
 * half second is late for something that allocates 2 GB/s; RLIMIT_DATA stops that, at four times the limit, because
 * OpenCode alone reserves 3 to 5 GB of data while 0.3 GB of it are resident (measured).
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { LocalRecord } from "./sandbox.ts";

export const DATA_PER_MEMORY = 4;
const LOOK_EVERY_MS = 500;
const CLOCK_TICK_MS = 10;

export type InsideProcess = { pid: number; residentBytes: number; threads: number; cpuMs: number; isVictim: boolean };

export function processesIn(pidNamespace: string): InsideProcess[] {
  const found: InsideProcess[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (readlinkSync(`/proc/${name}/ns/pid`) !== pidNamespace) continue;
      const status = readFileSync(`/proc/${name}/status`, "latin1");
      // Dead but not reaped by its parent: it holds nothing and runs nothing.
      if (/^State:\s+[ZX]/m.test(status)) continue;
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const kilobytes = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
      found.push({
        pid: Number(name),
        residentBytes: kilobytes("VmRSS") * 1024,
        threads: kilobytes("Threads"),
        cpuMs: (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS,
        isVictim: Number(readFileSync(`/proc/${name}/oom_score_adj`, "latin1")) > 0,
      });
    } catch (error) {
      // It ended while we looked, or belongs to somebody whose namespaces we may not see: not one of ours.
      void error;
    }
  }
  return found;
}

export function usageOf(processes: InsideProcess[]): { memoryBytes: number; pids: number; cpuMs: number } {
  const sum = (of: (process: InsideProcess) => number): number => processes.reduce((total, process) => total + of(process), 0);
  return { memoryBytes: sum((p) => p.residentBytes), pids: sum((p) => p.threads), cpuMs: sum((p) => p.cpuMs) };
}

export type MemoryWatched = { record: LocalRecord; killed: () => void; hopeless: () => void };

export class MemoryWatchdog {
  readonly #watched = new Map<string, MemoryWatched>();
  #timer: NodeJS.Timeout | null = null;

  watch(watched: MemoryWatched): void {
    this.#watched.set(watched.record.id, watched);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  forget(id: string): void {
    this.#watched.delete(id);
    if (this.#watched.size > 0 || !this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    for (const { record, killed, hopeless } of this.#watched.values()) {
      const processes = processesIn(record.inner.pidNamespace);
      if (usageOf(processes).memoryBytes <= record.limits.memoryBytes) continue;
      const victim = processes.filter((process) => process.isVictim).sort((a, b) => b.residentBytes - a.residentBytes)[0];
      if (!victim) hopeless();
      else if (kill(victim.pid)) killed();
    }
  }
}

function kill(pid: number): boolean {
  try {
    process.kill(pid, "SIGKILL");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
