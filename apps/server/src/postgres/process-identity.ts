import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/**
 * A pid alone names nobody: it is reused after a reboot or a long day. Together with the start
 * time it names one process for ever.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal for the same process only. */
  readonly startTime: string;
}

/** Null when no such process runs. */
export function startTimeOf(pid: number): string | null {
  if (process.platform === "linux") {
    let stat: string;
    try {
      stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT" || (error as NodeJS.ErrnoException).code === "ESRCH") return null;
      throw error;
    }
    // The command name may hold spaces and parentheses; fields are counted after its last ")".
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie holds nothing any more: whoever waits for it merely has not been told.
    if (fields[0] === "Z" || fields[0] === "X") return null;
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${bootId}:${fields[19]}`;
  }
  try {
    const started = execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
    return started === "" ? null : started;
  } catch {
    // `ps` exits 1 when there is no such process; that is the answer, not a failure.
    return null;
  }
}

export function ownIdentity(): ProcessIdentity {
  const startTime = startTimeOf(process.pid);
  if (startTime === null) throw new Error("cannot read the start time of this very process");
  return { pid: process.pid, startTime };
}

export const isAlive = (identity: ProcessIdentity): boolean => startTimeOf(identity.pid) === identity.startTime;
