/* What a person wants to know of a repository before an agent works on it. Reads refs, and of a local one which files wait to be committed. */
import type { RepositoryCheck } from "@signalbox/contract/repositories";
import { git, withoutCredentials } from "@signalbox/providers/forge/git/run";
import type { Forge, ForgeFailure } from "@signalbox/providers/forge/port";
import { realpath, stat } from "node:fs/promises";
import path from "node:path";

export type RepositoryProblem = {
  readonly code:
    | "repository_url_invalid"
    | "repository_url_has_credentials"
    | "repository_not_found"
    | "not_a_repository"
    | "repository_empty"
    | "repository_unreachable"
    | "repository_needs_login"
    | "repository_not_allowed";
  readonly message: string;
  readonly fix: string;
};

export interface LookDeps {
  readonly forge: Pick<Forge, "check">;
  readonly credentialsFile: string;
  readonly dataDir: string;
}

const MAX_BRANCHES = 200;

export async function lookAt(
  { forge, credentialsFile, dataDir }: LookDeps,
  url: string,
  signal: AbortSignal,
): Promise<RepositoryCheck | RepositoryProblem> {
  if (/^https?:\/\/[^/]*@/i.test(url)) {
    return {
      code: "repository_url_has_credentials",
      message: "The address carries a user name or password.",
      fix: `Leave them out, and put the login as one line into ${credentialsFile}; no agent sees it.`,
    };
  }
  if (/^(ssh:\/\/|git:\/\/|[\w.-]+@[\w.-]+:)/i.test(url)) {
    return {
      code: "repository_url_invalid",
      message: "Repositories are reached by path, http or https; not by ssh.",
      fix: `Use the https address${httpsOf(url) === null ? "" : `: ${httpsOf(url)}`}.`,
    };
  }
  const checked = await forge.check({ url }, signal);
  if (!checked.ok) return problemOf(url, checked);
  const isLocal = path.isAbsolute(checked.remoteUrl);
  if (isLocal && (await isBelow(dataDir, checked.remoteUrl)) && !(await isBelow(path.join(dataDir, "samples"), checked.remoteUrl))) {
    return {
      code: "repository_not_allowed",
      message: "That is inside Signalbox's own data directory.",
      fix: "Choose a repository of yours.",
    };
  }
  const [branches, dirty] = await Promise.all([
    branchesOf(checked.remoteUrl, credentialsFile, signal),
    isLocal && checked.hasWorkingTree ? dirtyFiles(checked.remoteUrl, signal) : null,
  ]);
  const sorted = [...branches].toSorted((a, b) => Number(b === checked.branch) - Number(a === checked.branch) || a.localeCompare(b));
  return {
    ok: true,
    url,
    name: path.basename(checked.remoteUrl.replace(/\/+$/, "")).replace(/\.git$/, "") || checked.remoteUrl,
    kind: !isLocal ? "http" : url.startsWith("file://") ? "file" : "local",
    default_branch: checked.branch,
    branches: sorted.slice(0, MAX_BRANCHES),
    branches_truncated: sorted.length > MAX_BRANCHES,
    head_commit: checked.commit,
    dirty_files: dirty,
    suggestion: suggestionOf(dirty, checked.branch),
  };
}

function suggestionOf(dirty: number | null, branch: string | null): string | null {
  if (dirty !== null && dirty > 0)
    return `${dirty} file${dirty === 1 ? " has" : "s have"} uncommitted changes, which the agent will not see. Commit them first if it should.`;
  return branch === null ? "No branch is checked out; the agent starts from that commit." : null;
}

function problemOf(url: string, { code, message }: ForgeFailure): RepositoryProblem {
  switch (code) {
    case "source_not_allowed":
      return {
        code: "repository_url_invalid",
        message: `"${withoutCredentials(url)}" is neither an absolute path nor an http or https address.`,
        fix: "Give a path like /home/me/project, or an address like https://github.com/owner/name.",
      };
    case "source_not_found":
    case "ref_not_found":
      return /is not a git repository/.test(message)
        ? {
            code: "not_a_repository",
            message: "That directory is not a git repository.",
            fix: "Run `git init` there and commit, then try again.",
          }
        : { code: "repository_not_found", message, fix: "Check the path or address, and that the server may read it." };
    case "empty_repository":
      return { code: "repository_empty", message: "The repository has no commit yet.", fix: "Commit something there, then try again." };
    case "auth_failed":
      return { code: "repository_needs_login", message, fix: "Add the login there, then try again; no agent sees it." };
    case "unreachable":
      return { code: "repository_unreachable", message, fix: "Check the address, and that this machine may reach it." };
  }
}

const httpsOf = (url: string): string | null => {
  const match = /^(?:ssh:\/\/)?(?:[\w.-]+@)?([\w.-]+)(?::\d+)?[:/](.+)$/.exec(url.replace(/^git:\/\//, ""));
  return match === null ? null : `https://${match[1]}/${match[2]}`;
};

async function branchesOf(remoteUrl: string, credentialsFile: string, signal: AbortSignal): Promise<string[]> {
  const listed = await git(["ls-remote", "--heads", "--", remoteUrl], {
    credentialsFile,
    signal,
    timeoutMs: 15_000,
    maxOutputBytes: 8 * 1024 * 1024,
  });
  // HEAD could be read a moment ago; a list that cannot is no reason to refuse the repository.
  if (listed.exitCode !== 0) return [];
  return listed.stdout
    .toString()
    .split("\n")
    .flatMap((line) => /\trefs\/heads\/(.+)$/.exec(line)?.[1] ?? []);
}

/**
 * Null when it cannot be told. Only of a repository of the server's own user: `git status` may run the
 * filters that a repository configures, and those of others are not ours to run.
 */
async function dirtyFiles(directory: string, signal: AbortSignal): Promise<number | null> {
  const owner = await stat(directory);
  if (owner.uid !== process.getuid?.()) return null;
  const status = await git(
    ["--no-optional-locks", "-C", directory, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal"],
    {
      signal,
      timeoutMs: 5000,
      maxOutputBytes: 8 * 1024 * 1024,
    },
  );
  if (status.exitCode !== 0) return null;
  return status.stdout
    .toString()
    .split("\0")
    .filter((entry) => entry !== "").length;
}

/** By what the paths really are: a symlink leads nowhere else. */
export async function isBelow(directory: string, inside: string): Promise<boolean> {
  const [parent, child] = await Promise.all([realpath(directory).catch(() => path.resolve(directory)), realpath(inside)]);
  const relative = path.relative(parent, child);
  return relative === "" || (!relative.startsWith("..") && !path.isAbsolute(relative));
}
