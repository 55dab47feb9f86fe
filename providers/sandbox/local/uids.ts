/*
 * One host uid per sandbox, so that the kernel keeps them apart even where a mount would be wrong.
 *
 * A lease is a file named after the uid, made with O_EXCL and holding the sandbox's directory. It lives as long as
 * that directory: files of a stopped sandbox keep their owner, and a uid is never given to another while they exist.
 * The lease directory belongs to the machine, not to a data directory: two servers never hand out the same uid.
 */
import { mkdir, readFile, unlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";

export type UidRange = { first: number; count: number };

/** Above the ordinary users, below the ranges that subuid hands out by default on Debian (100000 on). */
export const DEFAULT_RANGE: UidRange = { first: 61500, count: 3500 };

export async function leaseUid(leases: string, range: UidRange, directory: string, wanted: number | null): Promise<number> {
  await mkdir(leases, { recursive: true, mode: 0o700 });
  const inRange = wanted !== null && wanted >= range.first && wanted < range.first + range.count;
  if (inRange && (await claim(leases, wanted, directory))) return wanted;
  // Begin somewhere else each time: with many sandboxes the first uids are taken, and each miss is a system call.
  const offset = hash(directory) % range.count;
  for (let i = 0; i < range.count; i++) {
    const uid = range.first + ((offset + i) % range.count);
    if (await claim(leases, uid, directory)) return uid;
  }
  throw new Error(`all ${range.count} sandbox uids from ${range.first} are in use; remove old sandboxes or widen the range`);
}

export async function releaseUid(leases: string, uid: number, directory: string): Promise<void> {
  if ((await holder(leases, uid)) === directory) await unlink(join(leases, String(uid)));
}

async function claim(leases: string, uid: number, directory: string): Promise<boolean> {
  const file = join(leases, String(uid));
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await writeFile(file, directory, { flag: "wx", mode: 0o600 });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const held = await holder(leases, uid);
    if (held === directory) return true;
    // Empty: another server is between create and write. Its directory gone: a sandbox that was removed without us.
    if (held === null || held === "" || existsSync(held)) return false;
    await unlink(file).catch(ignoreMissing);
  }
  return false;
}

async function holder(leases: string, uid: number): Promise<string | null> {
  try {
    return await readFile(join(leases, String(uid)), "utf8");
  } catch (error) {
    ignoreMissing(error);
    return null;
  }
}

/** Somebody else reclaimed it first. */
function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}

function hash(text: string): number {
  let value = 2166136261;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619) >>> 0;
  return value;
}
