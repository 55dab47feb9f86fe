/*
 * Descriptors that this process inherited and would pass on. Node closes its own in a child, and the first sixteen of
 * those it was given, but not what a parent (a supervisor, a shell, npm) left open above them: that went straight through bubblewrap into the
 * sandbox when it was looked at. Nothing in the chain of programs that start a sandbox can close them, so each is
 * covered with /dev/null.
 */
import { openSync, readdirSync, readFileSync } from "node:fs";
import type { StdioOptions } from "node:child_process";

const O_CLOEXEC = 0o2000000;
/** A descriptor above this is not covered; the array that covers it would be as long. */
const HIGHEST = 4096;

export function inheritedDescriptors(): number[] {
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((fd) => {
      if (fd <= 2 || fd > HIGHEST) return false;
      try {
        const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];
        return flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
      } catch (error) {
        // The descriptor of the listing itself, closed by now.
        void error;
        return false;
      }
    });
}

/** `stdio` with every inherited descriptor that it does not set itself covered. */
export function covering(stdio: (number | "ignore" | "pipe")[], inherited: number[]): StdioOptions {
  const over = inherited.filter((fd) => fd >= stdio.length || (fd > 2 && stdio[fd] === "ignore"));
  if (over.length === 0) return stdio;
  const nothing = nullDescriptor();
  const covered = [...stdio, ...Array.from({ length: Math.max(0, Math.max(...over) + 1 - stdio.length) }, (): "ignore" => "ignore")];
  for (const fd of over) covered[fd] = nothing;
  return covered;
}

let shared: number | null = null;

function nullDescriptor(): number {
  return (shared ??= openSync("/dev/null", "r+"));
}
