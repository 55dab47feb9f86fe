/* Any git repository reached by path, file:// or http(s)://, without the API of a hosting service. */
import { stat } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { ZERO_COMMIT, type CheckedSource, type Forge, type ForgeFailure, type PushOutcome } from "../port.ts";
import { git, gitText, withoutCredentials } from "./run.ts";

export interface PlainGitOptions {
  /** git-credentials(5) file for http(s) remotes; only host-side git reads it. */
  readonly credentialsFile?: string | undefined;
}

export function plainGit(options: PlainGitOptions = {}): Forge {
  const credentials = { credentialsFile: options.credentialsFile };

  return {
    name: "git",

    async check(source, signal) {
      const where = await locate(source.url);
      if (!where.ok) return where;
      const listed = await git(["ls-remote", "--symref", "--", where.remoteUrl], { ...credentials, signal, timeoutMs: 30_000 });
      if (listed.exitCode !== 0) return unreadable(source.url, listed.stderr);
      const refs = new Map<string, string>();
      let head: string | null = null;
      for (const line of listed.stdout.toString().split("\n")) {
        const [value = "", name = ""] = line.split("\t");
        if (name === "HEAD" && value.startsWith("ref: ")) head = value.slice("ref: ".length);
        else if (name !== "") refs.set(name, value);
      }
      const wanted = source.ref;
      if (wanted === undefined) {
        const commit = refs.get("HEAD");
        if (commit === undefined)
          return { ok: false, code: "empty_repository", message: `${source.url} has no commit yet: make one, then start again.` };
        return { ...where, branch: head?.replace(/^refs\/heads\//, "") ?? null, commit };
      }
      for (const name of [`refs/heads/${wanted}`, `refs/tags/${wanted}^{}`, `refs/tags/${wanted}`]) {
        const commit = refs.get(name);
        if (commit !== undefined) return { ...where, branch: name.startsWith("refs/heads/") ? wanted : null, commit };
      }
      // A bare commit is served only if some ref reaches it; the clone will tell.
      if (/^[0-9a-f]{40}$/.test(wanted)) return { ...where, branch: null, commit: wanted };
      return { ok: false, code: "ref_not_found", message: `${source.url} has no branch or tag "${wanted}".` };
    },

    async mirror({ directory, source, signal }) {
      const made = await git(["init", "--quiet", "--bare", "--initial-branch=signalbox-unborn", directory], { signal });
      if (made.exitCode !== 0) throw new Error(`git init --bare failed: ${made.stderr}`);
      // One that is not set would serve what is quarantined.
      for (const [key, value] of MIRROR_CONFIG) await gitText(["-C", directory, "config", key, value], { signal });
      const fetched = await git(
        [
          "-C",
          directory,
          "fetch",
          "--quiet",
          "--prune",
          "--no-write-fetch-head",
          "--",
          source.remoteUrl,
          "+refs/heads/*:refs/heads/*",
          "+refs/tags/*:refs/tags/*",
        ],
        { ...credentials, signal, timeoutMs: 600_000 },
      );
      if (fetched.exitCode !== 0) return unreadable(source.remoteUrl, fetched.stderr);
      const present = await git(["-C", directory, "cat-file", "-e", `${source.commit}^{commit}`], { signal });
      if (present.exitCode !== 0)
        return { ok: false, code: "ref_not_found", message: `No branch or tag of ${source.remoteUrl} reaches commit ${source.commit}.` };
      if (source.branch !== null) await git(["-C", directory, "symbolic-ref", "HEAD", `refs/heads/${source.branch}`], { signal });
      else await git(["-C", directory, "update-ref", "--no-deref", "HEAD", source.commit], { signal });
      return { ok: true };
    },

    async push(request) {
      const expected = request.old === ZERO_COMMIT ? "" : request.old;
      const refspec = request.new === ZERO_COMMIT ? `:${request.ref}` : `${request.new}:${request.ref}`;
      const result = await git(
        [
          "-C",
          request.directory,
          "push",
          "--porcelain",
          ...(await receivePack(request.remoteUrl)),
          `--force-with-lease=${request.ref}:${expected}`,
          "--",
          request.remoteUrl,
          refspec,
        ],
        { ...credentials, signal: request.signal, timeoutMs: 300_000 },
      );
      return pushOutcome(result.exitCode, result.stdout.toString(), result.stderr);
    },

    async remoteRef(remoteUrl, ref, signal) {
      const listed = await git(["ls-remote", "--", remoteUrl, ref], { ...credentials, signal, timeoutMs: 30_000 });
      if (listed.exitCode !== 0) throw new Error(`the remote did not answer: ${withoutCredentials(listed.stderr.trim())}`);
      const line = listed.stdout
        .toString()
        .split("\n")
        .find((candidate) => candidate.endsWith(`\t${ref}`));
      return line?.split("\t")[0] ?? null;
    },
  };
}

/**
 * A local repository's own hooks are its owner's guards, so a push runs them as any push would; but
 * only when its owner is the user we run as, or they would run another user's program as us.
 */
async function receivePack(remoteUrl: string): Promise<readonly string[]> {
  if (!isAbsolute(remoteUrl)) return [];
  const owner = await stat(remoteUrl).catch(() => null); // Gone: the push itself will say so.
  return owner !== null && owner.uid === process.getuid?.() ? ["--receive-pack=env -u GIT_CONFIG_COUNT git-receive-pack"] : [];
}

/** What a session may fetch, and that nothing quarantined is ever served or advertised. */
const MIRROR_CONFIG = [
  ["uploadpack.hideRefs", "refs/quarantine"],
  ["receive.hideRefs", "refs/quarantine"],
  ["uploadpack.allowAnySHA1InWant", "false"],
  ["receive.advertiseAtomic", "false"],
  ["receive.advertisePushOptions", "false"],
  ["transfer.fsckObjects", "true"],
  ["http.receivepack", "false"],
] as const;

type Located = Pick<CheckedSource, "ok" | "remoteUrl" | "hasWorkingTree">;

async function locate(url: string): Promise<Located | ForgeFailure> {
  if (/^https?:\/\//i.test(url)) {
    if (!URL.canParse(url)) return { ok: false, code: "source_not_found", message: `${withoutCredentials(url)} is not a URL.` };
    const parsed = new URL(url);
    if (parsed.username !== "" || parsed.password !== "") {
      return {
        ok: false,
        code: "source_not_allowed",
        message:
          "The URL carries a user name or password. Put them into the file git-credentials in the server's data directory instead; agents never see it.",
      };
    }
    return { ok: true, remoteUrl: url, hasWorkingTree: false };
  }
  let path = url;
  if (url.startsWith("file://")) {
    try {
      path = fileURLToPath(url);
    } catch {
      return { ok: false, code: "source_not_found", message: `${url} is not a local file URL.` };
    }
  }
  if (!isAbsolute(path)) {
    return {
      ok: false,
      code: "source_not_allowed",
      message: `"${url}" is neither an absolute path nor a file://, http:// or https:// URL.`,
    };
  }
  const exists = await stat(path).catch(() => null); // Absent or unreadable: the same to whoever asked.
  if (!exists?.isDirectory())
    return { ok: false, code: "source_not_found", message: `There is no directory ${path} on the server's machine.` };
  const bare = await git(["-C", path, "rev-parse", "--is-bare-repository", "--show-prefix"], {});
  if (bare.exitCode !== 0)
    return { ok: false, code: "source_not_found", message: `${path} is not a git repository: run \`git init\` and commit there first.` };
  return { ok: true, remoteUrl: path, hasWorkingTree: !bare.stdout.toString().startsWith("true") };
}

function unreadable(url: string, stderr: string): ForgeFailure {
  const shown = withoutCredentials(url);
  if (/authentication failed|could not read username|403|401/i.test(stderr)) {
    return {
      ok: false,
      code: "auth_failed",
      message: `${shown} asks for a login. Add one to the file git-credentials in the server's data directory.`,
    };
  }
  if (/not found|does not appear to be a git repository|does not exist|404/i.test(stderr)) {
    return { ok: false, code: "source_not_found", message: `There is no git repository at ${shown}.` };
  }
  return {
    ok: false,
    code: "unreachable",
    message: `${shown} could not be read: ${withoutCredentials(stderr.trim().split("\n").at(-1) ?? "git said nothing")}`,
  };
}

/** Reads `git push --porcelain` (git-push(1), "OUTPUT"). Exported for its test. */
export function pushOutcome(exitCode: number, stdout: string, stderr: string): PushOutcome {
  const line = stdout.split("\n").find((candidate) => /^[ +\-*!=]\t/.test(candidate));
  if (exitCode === 0 && line !== undefined && !line.startsWith("!")) return { ok: true };
  const message = withoutCredentials(
    (line?.split("\t").slice(2).join(" ") || stderr.trim().split("\n").at(-1) || "git said nothing").slice(0, 500),
  );
  if (line?.startsWith("!")) {
    const stale = /stale info|fetch first|non-fast-forward|already exists|remote ref .*changed|cannot lock ref/i.test(line);
    if (/remote failure|remote end hung up/i.test(line)) return { ok: false, code: "unknown", message };
    return { ok: false, code: stale ? "stale" : "rejected", message };
  }
  if (/authentication failed|could not read username|\b40[13]\b/i.test(stderr)) return { ok: false, code: "auth_failed", message };
  if (/not found|does not appear to be a git repository|does not exist/i.test(stderr)) return { ok: false, code: "no_remote", message };
  return { ok: false, code: "unknown", message };
}
