/* Which files there are, for finding one by name: git's own list where there is a repository, else a walk. */
import { WORKBENCH_LIMITS } from "@signalbox/contract/workbench";
import type { Sandbox } from "@signalbox/providers/sandbox/port";
import { textOf } from "./paths.ts";

const LIST_MS = 10_000;
const LIST_BYTES = 32 * 1024 * 1024;
/** Tracked and new, without what is ignored; then what is tracked and gone. One shell, since each command costs milliseconds. */
const WITH_GIT = `git rev-parse --is-inside-work-tree >/dev/null 2>&1 || exit 9
git ls-files -z --cached --others --exclude-standard --deduplicate && printf '\\0' && git ls-files -z --deleted`;
const WALK = [
  "find",
  ".",
  "-name",
  ".git",
  "-prune",
  "-o",
  "-name",
  "node_modules",
  "-prune",
  "-o",
  "(",
  "-type",
  "f",
  "-o",
  "-type",
  "l",
  ")",
  "-print0",
];

export interface FoundFile {
  readonly name: string;
  readonly path: string;
}

export async function searchFiles(sandbox: Sandbox, query: string): Promise<{ items: FoundFile[]; truncated: boolean }> {
  const { names, cut } = await filesOf(sandbox);
  const wanted = query.toLowerCase();
  const found = names
    .flatMap((bytes) => {
      const path = textOf(bytes);
      const lower = path.toLowerCase();
      if (!lower.includes(wanted)) return [];
      const name = path.slice(path.lastIndexOf("/") + 1);
      // A match in the name is what people mean more often, and at its start most of all.
      const inName = name.toLowerCase().indexOf(wanted);
      return [{ name, path, rank: inName === 0 ? 0 : inName > 0 ? 1 : 2 }];
    })
    .toSorted((a, b) => a.rank - b.rank || a.path.length - b.path.length || (a.path < b.path ? -1 : 1));
  return {
    items: found.slice(0, WORKBENCH_LIMITS.searchResults).map(({ name, path }) => ({ name, path })),
    truncated: cut || found.length > WORKBENCH_LIMITS.searchResults,
  };
}

async function filesOf(sandbox: Sandbox): Promise<{ names: Buffer[]; cut: boolean }> {
  const run = (argv: string[]) => sandbox.exec({ argv, cwd: "/workspace", timeoutMs: LIST_MS, maxOutputBytes: LIST_BYTES });
  const git = await run(["/bin/sh", "-c", WITH_GIT]);
  if (git.exitCode === 0) {
    const all = split(git.stdout);
    const end = all.findIndex((name) => name.length === 0);
    const gone = new Set((end < 0 ? [] : all.slice(end + 1)).map((name) => name.toString("latin1")));
    const there = (end < 0 ? all : all.slice(0, end)).filter((name) => !gone.has(name.toString("latin1")));
    return { names: there, cut: git.truncated };
  }
  const walked = await run(WALK);
  return { names: split(walked.stdout).map((name) => name.subarray("./".length)), cut: walked.truncated || walked.timedOut };
}

/** Between NULs; what is after the last one was cut off. */
function split(list: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let at = 0, end = list.indexOf(0); end >= 0; at = end + 1, end = list.indexOf(0, at)) names.push(list.subarray(at, end));
  return names;
}
