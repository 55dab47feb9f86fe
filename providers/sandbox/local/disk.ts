/*
 * How much a sandbox has written, and the watchdog that ends it beyond its quota.
 *
 * GNU du walks with openat and O_NOFOLLOW, so a folder that is swapped for a link while it looks does not lead it
 * out; it runs as the server because a folder the sandbox made unreadable must be counted too. Walking costs about
 * 1 ms per 1,000 files, so it is done only when the file system as a whole has grown by half of what the sandbox
 * had left, and every 15 s in any case (others may free what this one fills). A single file is held by RLIMIT_FSIZE.
 */
import { execFile } from "node:child_process";
import { statfs } from "node:fs/promises";

const LOOK_EVERY_MS = 1000;
const WALK_AT_LEAST_EVERY_MS = 15_000;

export type Watched = { directories: string[]; limitBytes: number; exceeded: (usedBytes: number) => void };

export function diskBytes(directories: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    execFile("/usr/bin/du", ["-s", "-x", "-c", "-B1", "--", ...directories], { env: { LC_ALL: "C" } }, (error, stdout) => {
      const total = /^(\d+)\ttotal$/m.exec(stdout)?.[1];
      // Files vanish while it walks, for which du exits with 1 and a total that is right nevertheless.
      if (total !== undefined) resolve(Number(total));
      else reject(new Error("du gave no total", { cause: error }));
    });
  });
}

export class DiskWatchdog {
  readonly #watched = new Map<string, Watched & { walkedAt: number; freeAtWalk: number; leftBytes: number }>();
  #timer: NodeJS.Timeout | null = null;
  #looking = false;

  watch(id: string, watched: Watched): void {
    this.#watched.set(id, { ...watched, walkedAt: 0, freeAtWalk: 0, leftBytes: 0 });
    this.#timer ??= setInterval(() => void this.#look(), LOOK_EVERY_MS).unref();
  }

  forget(id: string): void {
    this.#watched.delete(id);
    if (this.#watched.size > 0 || !this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      for (const [id, entry] of this.#watched) await this.#lookAt(id, entry);
    } finally {
      this.#looking = false;
    }
  }

  async #lookAt(id: string, entry: Watched & { walkedAt: number; freeAtWalk: number; leftBytes: number }): Promise<void> {
    const first = entry.directories[0];
    if (first === undefined) return;
    try {
      const fs = await statfs(first);
      const free = fs.bfree * fs.bsize;
      const due = Date.now() - entry.walkedAt >= WALK_AT_LEAST_EVERY_MS || entry.freeAtWalk - free > entry.leftBytes / 2;
      if (!due) return;
      const used = await diskBytes(entry.directories);
      entry.walkedAt = Date.now();
      entry.freeAtWalk = free;
      entry.leftBytes = Math.max(0, entry.limitBytes - used);
      if (used <= entry.limitBytes || !this.#watched.has(id)) return;
      this.forget(id);
      entry.exceeded(used);
    } catch (error) {
      // The sandbox was removed while we looked. Anything else shows up again at the next look.
      void error;
    }
  }
}
