/*
 * The host-side bare repository of one session: what its sandbox fetches from and pushes into.
 * Pushed objects land here under `refs/quarantine/<invocation>`, which is never served, until the
 * gate lets a worker push them on.
 */
import { git, gitText } from "@signalbox/providers/forge/git/run";
import { ZERO_COMMIT } from "@signalbox/providers/forge/port";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";

/** Bytes of one pushed pack; beyond it git stops reading. */
const MAX_PACK_BYTES = 512 * 1024 * 1024;
/** What one session may leave on the host's disk, pushed on or not. */
export const PUSHED_LIMITS = { bytes: 2 * 1024 ** 3, packs: 1000 } as const;

/** One pack at a time a mirror: what was taken in before must count, and leftovers must be nobody's. */
const ingesting = new Map<string, Promise<void>>();

/** Takes in a pack. Rejects with git's words when it is broken, too large or lacks objects. */
export async function ingestPack(
  directory: string,
  pack: Readable,
  signal: AbortSignal,
  limits: { bytes: number; packs: number } = PUSHED_LIMITS,
): Promise<void> {
  const before = ingesting.get(directory) ?? Promise.resolve();
  const mine = before.catch(() => undefined).then(() => ingest(directory, pack, signal, limits));
  ingesting.set(directory, mine);
  try {
    await mine;
  } finally {
    if (ingesting.get(directory) === mine) ingesting.delete(directory);
  }
}

async function ingest(directory: string, pack: Readable, signal: AbortSignal, limits: { bytes: number; packs: number }): Promise<void> {
  signal.throwIfAborted();
  const pushed = await pushedBefore(join(directory, "objects/pack"));
  const left = limits.bytes - pushed.bytes;
  if (left <= 0 || pushed.packs >= limits.packs) throw new Error("this session has pushed as much as it may");
  // A `.keep` file beside the pack tells what was pushed from what was mirrored.
  const indexed = await git(
    [
      "-C",
      directory,
      "index-pack",
      "--stdin",
      "--fix-thin",
      "--strict",
      "--keep=pushed",
      `--max-input-size=${Math.min(MAX_PACK_BYTES, left)}`,
    ],
    { stdin: pack, signal, timeoutMs: 600_000 },
  );
  if (indexed.exitCode !== 0) throw new Error(indexed.stderr.trim().split("\n").at(-1) ?? "index-pack failed");
}

/** Also clears what an interrupted push left half written. */
async function pushedBefore(folder: string): Promise<{ bytes: number; packs: number }> {
  const names = await readdir(folder);
  await Promise.all(names.filter((name) => name.startsWith("tmp_")).map((name) => rm(join(folder, name), { force: true })));
  const packs = names.filter((name) => name.endsWith(".keep")).map((name) => join(folder, name.replace(/\.keep$/, ".pack")));
  // A pack without its `.keep`, or the other way round, is a crash between the two.
  const sizes = await Promise.all(
    packs.map((path) =>
      stat(path).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return { packs: packs.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** Whether everything that `commit` needs is here, so that a push of it cannot break the remote. */
export async function isConnected(directory: string, commit: string): Promise<boolean> {
  const walked = await git(["-C", directory, "rev-list", "--objects", "--quiet", commit, "--not", "--all"]);
  return walked.exitCode === 0;
}

const quarantineRef = (commit: string): string => `refs/quarantine/${commit}`;

/** Pins a pushed commit against garbage collection until it was pushed on. */
export async function quarantine(directory: string, commit: string): Promise<void> {
  if (commit !== ZERO_COMMIT) await gitText(["-C", directory, "update-ref", quarantineRef(commit), commit]);
}

/**
 * After the remote took it: the mirror's own ref follows, so the next fetch in the sandbox sees it.
 * What the mirror cannot follow (it still has a ref in the way, or is gone with its session) does not undo the push.
 */
export async function release(directory: string, ref: string, commit: string): Promise<void> {
  if (commit === ZERO_COMMIT) {
    await git(["-C", directory, "update-ref", "-d", ref]);
    return;
  }
  const moved = await git(["-C", directory, "update-ref", ref, commit]);
  if (moved.exitCode === 0) await git(["-C", directory, "update-ref", "-d", quarantineRef(commit)]);
}

export interface PushSummary {
  readonly commits: number;
  /** `abc1234 Subject`, newest first, at most 20. */
  readonly log: readonly string[];
  /** ` 3 files changed, 10 insertions(+)`. */
  readonly stat: string;
  /** The remote's commits would be lost. */
  readonly forced: boolean;
}

/** What a person sees before deciding about a push. */
export async function summarise(directory: string, old: string, next: string): Promise<PushSummary> {
  if (next === ZERO_COMMIT) return { commits: 0, log: [], stat: "deletes the branch", forced: true };
  // A new branch is described by what no known branch has yet.
  const range = old === ZERO_COMMIT ? [next, "--not", "--branches", "--tags"] : [`${old}..${next}`];
  const log = (await gitText(["-C", directory, "log", "--format=%h %s", "--max-count=200", ...range])).split("\n").filter(Boolean);
  const base = old === ZERO_COMMIT ? await mergeBase(directory, next) : old;
  const stat =
    base === null ? "" : (await gitText(["-C", directory, "diff", "--no-ext-diff", "--no-textconv", "--shortstat", base, next])).trim();
  const ancestor = old === ZERO_COMMIT ? 0 : (await git(["-C", directory, "merge-base", "--is-ancestor", old, next])).exitCode;
  return { commits: log.length, log: log.slice(0, 20), stat, forced: ancestor !== 0 };
}

async function mergeBase(directory: string, commit: string): Promise<string | null> {
  const found = await git(["-C", directory, "merge-base", "HEAD", commit]);
  return found.exitCode === 0 ? found.stdout.toString().trim() : null;
}

export const hasCommit = async (directory: string, commit: string): Promise<boolean> =>
  /^[0-9a-f]{40}$/.test(commit) && (await git(["-C", directory, "cat-file", "-e", `${commit}^{commit}`])).exitCode === 0;
