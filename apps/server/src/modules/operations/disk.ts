/* How much the data directory holds. Adding it up reads every name in it, so it is done now and then, and never twice at once. */
import { opendir, lstat, statfs } from "node:fs/promises";
import path from "node:path";

const REMEMBER_MS = 5 * 60_000;
/** A tree this large is said to be at least so large. */
const MAX_ENTRIES = 500_000;

export interface DiskUse {
  readonly bytes: number;
  readonly measuredAt: string | null;
  readonly freeBytes: number | null;
}

export function diskWatch(directory: string, now: () => string): () => Promise<DiskUse> {
  let known: { bytes: number; measuredAt: string; atMs: number } | undefined;
  let measuring: Promise<void> | undefined;
  async function measure(): Promise<void> {
    const bytes = await sizeOf(directory);
    known = { bytes, measuredAt: now(), atMs: performance.now() };
  }
  return async () => {
    if (known === undefined || performance.now() - known.atMs > REMEMBER_MS) measuring ??= measure().finally(() => (measuring = undefined));
    // The first time a moment is given; what takes longer shows at the next look.
    if (known === undefined) await Promise.race([measuring, new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
    const free = await statfs(directory).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => null, // a file system that does not say
    );
    return { bytes: known?.bytes ?? 0, measuredAt: known?.measuredAt ?? null, freeBytes: free };
  };
}

async function sizeOf(top: string): Promise<number> {
  let bytes = 0;
  let seen = 0;
  const waiting = [top];
  for (let directory = waiting.pop(); directory !== undefined && seen < MAX_ENTRIES; directory = waiting.pop()) {
    // Not ours to read, or gone since it was listed: not counted.
    const entries = await opendir(directory).catch(() => null);
    if (entries === null) continue;
    for await (const entry of entries) {
      seen++;
      const file = path.join(directory, entry.name);
      if (entry.isDirectory()) waiting.push(file);
      else if (entry.isFile()) bytes += (await lstat(file).catch(() => null))?.blocks ?? 0;
    }
  }
  return bytes * 512;
}
