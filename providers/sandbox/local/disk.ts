/*
 * How much a sandbox has written, and the watchdog that ends it beyond its quota.
 *
 * Three things are counted: blocks; files, at 4 KiB each at least, because a file system runs out of inodes too; and
 * files that were deleted while somebody holds them open, which no walk of the tree sees.
 *
 * GNU du walks with openat and O_NOFOLLOW, so a folder that is swapped for a link while it looks does not lead it
 * out; it runs as the server because a folder the sandbox made unreadable must be counted too. Walking costs about
 * 1 ms per 1,000 files, so it is done only when the file system as a whole has grown by half of what the sandbox
 * had left, and every 15 s in any case (others may free what this one fills). A single file is held by RLIMIT_FSIZE.
 * All of it happens in other processes: a sandbox with a million descriptors must not keep the server's thread.
 */
import { execFile } from "node:child_process";
import { statfs } from "node:fs/promises";

const LOOK_EVERY_MS = 1000;
const WALK_AT_LEAST_EVERY_MS = 15_000;
const COUNT_WITHIN_MS = 20_000;
const FILE_BYTES = 4096;

export type Watched = {
  directories: string[];
  limitBytes: number;
  /** The processes inside, for what they hold open. */
  pids: () => number[];
  exceeded: (usedBytes: number) => void;
};

export async function diskBytes(directories: string[], pids: number[]): Promise<number> {
  const [blocks, files, unlinked] = await Promise.all([
    total(["-B1", ...directories]),
    total(["--inodes", ...directories]),
    unlinkedBytes(pids),
  ]);
  return Math.max(blocks, files * FILE_BYTES) + unlinked;
}

async function total(argv: string[]): Promise<number> {
  const { stdout, error } = await run("/usr/bin/du", ["-s", "-x", "-c", ...argv]);
  const found = /^(\d+)\ttotal$/m.exec(stdout)?.[1];
  // Files vanish while it walks, for which du exits with 1 and a total that is right nevertheless.
  if (found === undefined) throw new Error("du gave no total", { cause: error });
  return Number(found);
}

/** Regular files without a name that are open inside, each once. Those of a tmpfs count too, which errs on the safe side. */
async function unlinkedBytes(pids: number[]): Promise<number> {
  if (pids.length === 0) return 0;
  const folders = pids.map((pid) => `/proc/${pid}/fd`);
  // Processes end while it looks; what it printed until then counts.
  const { stdout } = await run("/usr/bin/find", ["-L", ...folders, "-maxdepth", "1", "-type", "f", "-links", "0", "-printf", "%D:%i %b\\n"]);
  const blocks = new Map(stdout.split("\n").filter(Boolean).map((line) => line.split(" ") as [string, string]));
  return [...blocks.values()].reduce((sum, count) => sum + Number(count) * 512, 0);
}

function run(program: string, argv: string[]): Promise<{ stdout: string; error: Error | null }> {
  return new Promise((resolve) => {
    execFile(program, argv, { env: { LC_ALL: "C" }, timeout: COUNT_WITHIN_MS, maxBuffer: 64 * 1024 * 1024 }, (error, stdout) => resolve({ stdout, error }));
  });
}

type Entry = Watched & { walkedAt: number; leftBytes: number; freeAtWalk: { bytes: number; files: number } };

export class DiskWatchdog {
  readonly #watched = new Map<string, Entry>();
  #timer: NodeJS.Timeout | null = null;
  #looking = false;

  watch(id: string, watched: Watched): void {
    this.#watched.set(id, { ...watched, walkedAt: 0, leftBytes: 0, freeAtWalk: { bytes: 0, files: 0 } });
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
      if (Date.now() - entry.walkedAt < WALK_AT_LEAST_EVERY_MS && grown <= entry.leftBytes / 2) return;
      const used = await diskBytes(entry.directories, entry.pids());
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
