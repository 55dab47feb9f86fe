/*
 * How much a sandbox has written, and the watchdog that ends it beyond its quota.
 *
 * Three things are counted: blocks; files, at 4 KiB each at least, because a file system runs out of inodes too; and
 * files that were deleted while somebody holds them open, which no walk of the tree sees.
 *
 * GNU du walks with openat and O_NOFOLLOW, so a folder that is swapped for a link while it looks does not lead it
 * out; it runs as the server because a folder the sandbox made unreadable must be counted too. Walking costs about
 * 1 ms per 1,000 files, so it is done only when the file system as a whole has grown by half of what the sandbox
 * had left, and every 3 to 30 s in any case. A single file is held by RLIMIT_FSIZE.
 * All of it happens in other processes: a sandbox with a million descriptors must not keep the server's thread.
 */
import { execFile } from "node:child_process";
import { statfs } from "node:fs/promises";

const LOOK_EVERY_MS = 1000;
/**
 * What others free on the same file system hides what a sandbox takes, so walking must not wait for growth for long:
 * a walk takes at most a hundredth of the time (a small tree 10 ms, so every 3 s), and comes every 30 s at the latest.
 */
const WALKING_SHARE = 0.01;
const WALK_AT_MOST_EVERY_MS = 3_000;
const WALK_AT_LEAST_EVERY_MS = 30_000;
const COUNT_WITHIN_MS = 20_000;
const FILE_BYTES = 4096;

export type Watched = {
  directories: string[];
  limitBytes: number;
  /** The processes inside, for what they hold open. */
  pids: () => number[];
  exceeded: (usedBytes: number) => void;
};

/**
 * All three counts in one child: starting a process from a server of 200 MB costs it some milliseconds.
 * Files vanish and processes end while it looks, for which du and find exit with 1 and are right nevertheless.
 */
export function diskBytes(directories: string[], pids: number[]): Promise<number> {
  const folders = directories.map(quoted).join(" ");
  // Regular files without a name that are open inside, each once; those of a tmpfs too, which errs on the safe side.
  const script =
    `du -s -x -c -B1 -- ${folders}; du -s -x -c --inodes -- ${folders}; ` +
    `[ $# -eq 0 ] || find -L "$@" -maxdepth 1 -type f -links 0 -printf 'open %D:%i %b\\n'`;
  const argv = ["-c", script, "count", ...pids.map((pid) => `/proc/${pid}/fd`)];
  return new Promise((resolve, reject) => {
    const options = { env: { LC_ALL: "C", PATH: "/usr/bin:/bin" }, timeout: COUNT_WITHIN_MS, maxBuffer: 64 * 1024 * 1024 };
    execFile("/bin/sh", argv, options, (error, stdout) => {
      const [blocks, files] = [...stdout.matchAll(/^(\d+)\ttotal$/gm)].map((match) => Number(match[1]));
      if (blocks === undefined || files === undefined) return reject(new Error("du gave no total", { cause: error }));
      const open = new Map([...stdout.matchAll(/^open (\S+) (\d+)$/gm)].map((match) => [match[1], Number(match[2]) * 512]));
      resolve(Math.max(blocks, files * FILE_BYTES) + [...open.values()].reduce((sum, bytes) => sum + bytes, 0));
    });
  });
}

/** For the shell; the paths are the server's own. */
const quoted = (path: string): string => `'${path.replaceAll("'", "'\\''")}'`;

type Entry = Watched & { walkedAt: number; againAfterMs: number; leftBytes: number; freeAtWalk: { bytes: number; files: number } };

export class DiskWatchdog {
  readonly #watched = new Map<string, Entry>();
  #timer: NodeJS.Timeout | null = null;
  #looking = false;

  watch(id: string, watched: Watched): void {
    this.#watched.set(id, { ...watched, walkedAt: 0, againAfterMs: 0, leftBytes: 0, freeAtWalk: { bytes: 0, files: 0 } });
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

  async #lookAt(id: string, entry: Entry): Promise<void> {
    const first = entry.directories[0];
    if (first === undefined) return;
    try {
      const fs = await statfs(first);
      const free = { bytes: fs.bfree * fs.bsize, files: fs.ffree };
      const grown = Math.max(entry.freeAtWalk.bytes - free.bytes, (entry.freeAtWalk.files - free.files) * FILE_BYTES);
      if (performance.now() - entry.walkedAt < entry.againAfterMs && grown <= entry.leftBytes / 2) return;
      const began = performance.now();
      const used = await diskBytes(entry.directories, entry.pids());
      entry.walkedAt = performance.now();
      entry.againAfterMs = Math.min(Math.max((entry.walkedAt - began) / WALKING_SHARE, WALK_AT_MOST_EVERY_MS), WALK_AT_LEAST_EVERY_MS);
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
