/*
 * Is that process still the one we started? A pid alone is reused; a pid with its start time and its pid namespace
 * is not. All of it is read from the host's /proc, which nothing inside can write.
 */
import { readFileSync, readlinkSync } from "node:fs";

export type ProcessIdentity = { pid: number; startTime: string; pidNamespace: string };

/** Null when there is no such process (any more), zombies included: they hold nothing and run nothing. */
export function startTimeOf(pid: number): string | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
  // The command name is in parentheses and may contain both blanks and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? null : (fields[19] ?? null);
}

export function identify(pid: number): ProcessIdentity | null {
  const startTime = startTimeOf(pid);
  if (startTime === null) return null;
  try {
    return { pid, startTime, pidNamespace: readlinkSync(`/proc/${pid}/ns/pid`) };
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

export function isAlive(identity: ProcessIdentity): boolean {
  return startTimeOf(identity.pid) === identity.startTime;
}

/** Kills only the very process; false when it is not there any more. */
export function killExactly(identity: ProcessIdentity): boolean {
  const found = identify(identity.pid);
  if (!found || found.startTime !== identity.startTime || found.pidNamespace !== identity.pidNamespace) return false;
  try {
    process.kill(identity.pid, "SIGKILL");
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ESRCH";
}
