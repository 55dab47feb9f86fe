/*
 * One host uid per sandbox, so that the kernel keeps them apart even where a mount would be wrong.
 *
 * A lease is a file named after the uid, made with O_EXCL and holding the sandbox's directory. It lives as long as
 * that directory: files of a stopped sandbox keep their owner, and a uid is never given to another while they exist.
 * The lease directory belongs to the machine, not to a data directory: two servers never hand out the same uid.
 * Synchronous, because a few calls of 20 µs on tmpfs are quicker than their way through the thread pool.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type UidRange = { first: number; count: number };

/** Above the ordinary users, below the ranges that subuid hands out by default on Debian (100000 on). */
export const DEFAULT_RANGE: UidRange = { first: 61500, count: 3500 };

export function leaseUid(leases: string, range: UidRange, directory: string, wanted: number | null): number {
  mkdirSync(leases, { recursive: true, mode: 0o700 });
  const inRange = wanted !== null && wanted >= range.first && wanted < range.first + range.count;
  if (inRange && claim(leases, wanted, directory)) return wanted;
  // Begin somewhere else each time: with many sandboxes the first uids are taken, and each miss is a system call.
  const offset = hash(directory) % range.count;
  for (let i = 0; i < range.count; i++) {
    const uid = range.first + ((offset + i) % range.count);
    if (claim(leases, uid, directory)) return uid;
  }
  throw new Error(`all ${range.count} sandbox uids from ${range.first} are in use; remove old sandboxes or widen the range`);
}

export function releaseUid(leases: string, uid: number, directory: string): void {
  if (holder(leases, uid) === directory) rmSync(join(leases, String(uid)), { force: true });
}

function claim(leases: string, uid: number, directory: string): boolean {
  const file = join(leases, String(uid));
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(file, directory, { flag: "wx", mode: 0o600 });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const held = holder(leases, uid);
    if (held === directory) return true;
    // Empty: another server is between create and write. Its directory gone: a sandbox that was removed without us,
    // whose processes may nevertheless be there.
    if (held === null || held === "" || existsSync(held) || hasProcess(uid)) return false;
    // `force`: somebody else may have reclaimed it first.
    rmSync(file, { force: true });
  }
  return false;
}

function hasProcess(uid: number): boolean {
  return readdirSync("/proc").some((name) => /^\d+$/.test(name) && statSync(`/proc/${name}`, { throwIfNoEntry: false })?.uid === uid);
}

function holder(leases: string, uid: number): string | null {
  try {
    return readFileSync(join(leases, String(uid)), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return null;
  }
}

function hash(text: string): number {
  let value = 2166136261;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619) >>> 0;
  return value;
}
