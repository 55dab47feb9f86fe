/*
 * The session's working copy, inside its sandbox. Everything runs there, through the sandbox port;
 * what comes back is the agent's word and is treated as data.
 */
import type { FileChange } from "@signalbox/contract/events/sessions";
import type { ExecResult } from "@signalbox/providers/sandbox/port";
import { randomUUID } from "node:crypto";
import type { z } from "zod";

export type Change = z.infer<typeof FileChange>;

/** The part of the sandbox port that is needed here. */
export interface Workspace {
  exec(request: {
    argv: string[];
    cwd?: string;
    timeoutMs: number;
    maxOutputBytes?: number;
    env?: Record<string, string>;
  }): Promise<ExecResult>;
  writeFile(path: string, content: string | Buffer, mode?: number): Promise<void>;
}

export interface Person {
  readonly name: string;
  readonly email: string;
}

export const REMOTE = "http://git.signalbox.invalid/repo.git";
const HOME = "/home/sbx";
const HOOKS = `${HOME}/.signalbox/hooks`;
const CO_AUTHOR = `${HOME}/.signalbox/co-author`;

/** Adds whoever prompted as co-author to each commit (git-interpret-trailers(1)), once. */
const PREPARE_COMMIT_MSG = `#!/bin/sh
[ -s ${CO_AUTHOR} ] || exit 0
exec git interpret-trailers --in-place --if-exists addIfDifferent --trailer "Co-authored-by: $(cat ${CO_AUTHOR})" "$1"
`;

export interface CheckoutPlan {
  /** Null: a scratch session begins with an empty repository. */
  readonly base: { readonly commit: string } | null;
  readonly workBranch: string;
  readonly agent: Person;
}

/** There while a checkout is under way: a workspace that has it was never an agent's, and is begun anew. */
const HALF_DONE = `${HOME}/.signalbox/checkout-under-way`;

/** Clones through the git proxy and stands on the work branch. Again on the same workspace: only refreshes identity and hooks. */
export async function checkOut(workspace: Workspace, plan: CheckoutPlan): Promise<void> {
  await workspace.writeFile(`${HOOKS}/prepare-commit-msg`, PREPARE_COMMIT_MSG, 0o755);
  for (const [key, value] of [
    ["user.name", plan.agent.name],
    ["user.email", plan.agent.email],
    ["core.hooksPath", HOOKS],
    ["init.defaultBranch", "main"],
    ["push.default", "current"],
    ["push.autoSetupRemote", "true"],
    ["advice.detachedHead", "false"],
  ] as const) {
    await must(workspace, ["git", "config", "--global", key, value]);
  }
  const halfDone = await workspace.exec({ argv: ["test", "-e", HALF_DONE], cwd: "/workspace", timeoutMs: 30_000 });
  if (halfDone.exitCode === 0) {
    await must(workspace, ["find", ".", "-mindepth", "1", "-delete"], 300_000);
  } else {
    const present = await workspace.exec({ argv: ["git", "rev-parse", "--git-dir"], cwd: "/workspace", timeoutMs: 30_000 });
    if (present.exitCode === 0) return;
    await workspace.writeFile(HALF_DONE, "");
  }
  if (plan.base === null) {
    await must(workspace, ["git", "init", "--quiet", "."]);
  } else {
    await must(workspace, ["git", "clone", "--quiet", "--no-checkout", REMOTE, "."], 600_000);
    await must(workspace, ["git", "checkout", "--quiet", "-b", plan.workBranch, plan.base.commit], 300_000);
  }
  await must(workspace, ["rm", "-f", HALF_DONE]);
}

export async function setCoAuthor(workspace: Workspace, person: Person): Promise<void> {
  // A trailer is one line; a name must not be able to add another.
  const oneLine = `${person.name} <${person.email}>`.replaceAll(/[\r\n]/g, " ");
  await workspace.writeFile(CO_AUTHOR, oneLine, 0o644);
}

export interface WorkspaceDiff {
  readonly files: Change[];
  readonly patch: string;
  readonly truncated: boolean;
  readonly headCommit: string | null;
}

/** The tree of no files (`git hash-object -t tree /dev/null`): the base of a scratch session. */
const EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
/** A larger patch is cut; its files are still all listed. */
const MAX_PATCH_BYTES = 4 * 1024 * 1024;

/**
 * Everything that differs from `base`, committed or not, untracked files included. Works on a copy
 * of the index, so that the agent's own staging is left as it is.
 */
export async function diffWorkspace(workspace: Workspace, base: string | null): Promise<WorkspaceDiff> {
  // One of its own: two readers at once would trip over each other, and one that was killed would leave its lock to all.
  const index = `/tmp/.signalbox-index-${randomUUID()}`;
  const env = { GIT_INDEX_FILE: index, GIT_OPTIONAL_LOCKS: "0" };
  const inWorkspace = { cwd: "/workspace", timeoutMs: 120_000 };
  // Starting from the agent's index, `add` only hashes what changed since.
  await workspace.exec({ ...inWorkspace, argv: ["sh", "-c", 'cp -f "$(git rev-parse --git-path index)" "$0" || rm -f "$0"', index] });
  // One file that cannot be read must not hide all the others.
  await workspace.exec({ ...inWorkspace, env, argv: ["git", "add", "-A", "--ignore-errors", "--", "."] });
  const options = ["--cached", "--no-ext-diff", "--no-textconv", "--no-color", "-M", base ?? EMPTY_TREE];
  const diff = (...flags: string[]) =>
    workspace.exec({ ...inWorkspace, env, argv: ["git", "diff", ...flags, ...options], maxOutputBytes: MAX_PATCH_BYTES });
  const [numstat, status, patch] = [await diff("--numstat", "-z"), await diff("--name-status", "-z"), await diff()];
  const head = await workspace.exec({ ...inWorkspace, argv: ["git", "rev-parse", "--verify", "--quiet", "HEAD"] });
  await workspace.exec({ ...inWorkspace, argv: ["rm", "-f", index, `${index}.lock`] });
  return {
    files: parseChanges(numstat.stdout.toString(), status.stdout.toString()),
    patch: patch.stdout.toString(),
    truncated: patch.truncated,
    headCommit: /^[0-9a-f]{40}$/.exec(head.stdout.toString().trim())?.[0] ?? null,
  };
}

/** Joins `git diff --numstat -z` with `--name-status -z` (git-diff(1), "RAW OUTPUT FORMAT"). */
export function parseChanges(numstat: string, nameStatus: string): Change[] {
  const kinds = new Map<string, Change["status"]>();
  const tokens = nameStatus.split("\0");
  for (let i = 0; i + 1 < tokens.length;) {
    const letter = tokens[i]![0];
    const renamed = letter === "R" || letter === "C";
    const path = tokens[i + (renamed ? 2 : 1)] ?? "";
    kinds.set(path, letter === "A" || letter === "C" ? "added" : letter === "D" ? "deleted" : renamed ? "renamed" : "modified");
    i += renamed ? 3 : 2;
  }
  const changes: Change[] = [];
  const counts = numstat.split("\0");
  for (let i = 0; i < counts.length; i++) {
    const match = /^(-|\d+)\t(-|\d+)\t(.*)$/s.exec(counts[i]!);
    if (match === null) continue;
    // A rename has an empty path here and the old and new one as the next two entries.
    const path = match[3] === "" ? (counts[i + 2] ?? "") : match[3]!;
    if (match[3] === "") i += 2;
    const binary = match[1] === "-";
    changes.push({
      path,
      status: kinds.get(path) ?? "modified",
      additions: binary ? 0 : Number(match[1]),
      deletions: binary ? 0 : Number(match[2]),
      binary,
    });
  }
  return changes;
}

async function must(workspace: Workspace, argv: string[], timeoutMs = 60_000): Promise<void> {
  const result = await workspace.exec({ argv, cwd: "/workspace", timeoutMs });
  if (result.exitCode !== 0)
    throw new Error(
      `${argv.slice(0, 3).join(" ")} failed in the sandbox (${result.exitCode}): ${result.stderr.toString().trim().slice(0, 500)}`,
    );
}
