/* Where npm put OpenCode's executable for this machine: its platform package, since install scripts never run. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Absolute path of the executable, to be mounted into a sandbox as `opencode`. Null when npm has none for this machine. */
export function openCodeBinary(): string | null {
  const require = createRequire(import.meta.url);
  const base = `opencode-${process.platform}-${process.arch}`;
  for (const name of hasAvx2() ? [base, `${base}-baseline`] : [`${base}-baseline`, base]) {
    try {
      return join(dirname(require.resolve(`${name}/package.json`)), "bin", "opencode");
    } catch {
      continue; // Not installed for this machine: the next variant may be.
    }
  }
  return null;
}

/** The usual build dies with SIGILL on an x64 without AVX2. */
function hasAvx2(): boolean {
  if (process.arch !== "x64" || process.platform !== "linux") return true;
  try {
    return readFileSync("/proc/cpuinfo", "utf8").includes("avx2");
  } catch {
    return true; // No /proc: nothing to be learnt, the usual build is the better guess.
  }
}
