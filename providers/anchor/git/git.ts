/*
 * A branch of a git repository elsewhere: one commit a checkpoint, pushed without force.
 *
 *   fetch tip ─► is it there? ─► commit on it (author and dates are the checkpoint's, so a repeat is the same commit) ─► push
 *                                     ▲                                                        │ somebody else pushed
 *                                     └────────────────────────────────────────────────────────┘
 *
 *   checkpoints/<organization>/<position>.note        the bare signed note
 *
 * The repository beside us is only a cache: what counts is what the remote says.
 */
import { mkdir } from "node:fs/promises";
import { git, gitText, withoutCredentials } from "../../forge/git/run.ts";
import { type Anchor, AnchorFailed, AnchorOccupied, placeName } from "../port.ts";
import { type SshAccess, sshEnvironment } from "./ssh.ts";

export interface GitAnchorOptions {
  /** A path, file://, http(s):// or, with `ssh`, what `isSsh` knows. */
  readonly remote: string;
  readonly branch: string;
  /** Of ours, made when needed. */
  readonly directory: string;
  /** git-credentials(5). */
  readonly credentialsFile?: string | undefined;
  readonly ssh?: SshAccess | undefined;
  readonly timeoutMs?: number | undefined;
}

const TRIES = 5;
const TIP = "refs/anchor/tip";

export function gitAnchor(options: GitAnchorOptions): Anchor {
  const { remote, branch, directory, credentialsFile, ssh, timeoutMs = 60_000 } = options;
  const where = withoutCredentials(remote).replace(ssh === undefined ? /^$/ : /^(ssh:\/\/)?[^/@]+@/, "$1");
  const here = ["-C", directory];
  /** What speaks with the remote; ssh is a program, so git runs it for nobody else. */
  const away = (argv: readonly string[]) =>
    git([...(ssh === undefined ? [] : ["-c", "protocol.ssh.allow=always"]), ...argv], {
      credentialsFile,
      timeoutMs,
      ...(ssh === undefined ? {} : { env: sshEnvironment(ssh) }),
    });
  let made: Promise<unknown> | undefined;
  // One at a time: index and tip are of the directory.
  let last: Promise<unknown> = Promise.resolve();
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work, work);
    last = mine.catch(() => undefined);
    return mine;
  };

  async function ready(): Promise<void> {
    made ??= (async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await gitText(["init", "--quiet", "--bare", directory]);
    })();
    try {
      await made;
    } catch (error) {
      made = undefined;
      throw failed(error);
    }
  }

  /** The remote's own tip; null while the branch is not there. */
  async function tip(): Promise<string | null> {
    await ready();
    const listed = await away(["ls-remote", "--", remote, `refs/heads/${branch}`]);
    if (listed.exitCode !== 0) throw failed(listed.stderr);
    const found = /^([0-9a-f]{40,64})\t/.exec(listed.stdout.toString())?.[1];
    if (found === undefined) return null;
    const fetched = await away([
      ...here,
      "fetch",
      "--quiet",
      "--no-tags",
      "--no-write-fetch-head",
      "--",
      remote,
      `+refs/heads/${branch}:${TIP}`,
    ]);
    if (fetched.exitCode !== 0) throw failed(fetched.stderr);
    return gitText([...here, "rev-parse", "--verify", TIP]);
  }
  async function noteIn(commit: string, path: string): Promise<string | null> {
    const shown = await git([...here, "cat-file", "blob", `${commit}:${path}`]);
    return shown.exitCode === 0 ? shown.stdout.toString() : null;
  }
  const pathOf = (organizationId: string, position: number): string => `checkpoints/${placeName(organizationId, position)}.note`;

  async function commit(parent: string | null, path: string, note: string, signedAt: string): Promise<string> {
    const blob = await gitText([...here, "hash-object", "-w", "--stdin"], { stdin: note });
    const env = { GIT_INDEX_FILE: `${directory}/anchor.index` };
    await gitText([...here, "read-tree", ...(parent === null ? ["--empty"] : [parent])], { env });
    await gitText([...here, "update-index", "--add", "--cacheinfo", `100644,${blob},${path}`], { env });
    const tree = await gitText([...here, "write-tree"], { env });
    const who = { NAME: "Signalbox", EMAIL: "signalbox@localhost", DATE: signedAt };
    const by = Object.fromEntries(
      Object.entries(who).flatMap(([key, value]) => [
        [`GIT_AUTHOR_${key}`, value],
        [`GIT_COMMITTER_${key}`, value],
      ]),
    );
    const parents = parent === null ? [] : ["-p", parent];
    return gitText([...here, "commit-tree", tree, ...parents, "-m", `Checkpoint ${path}`], { env: by });
  }

  return {
    where: `${where} (${branch})`,
    leave: ({ organizationId, position, note, signedAt }) =>
      alone(async () => {
        const path = pathOf(organizationId, position);
        for (let attempt = 1; ; attempt++) {
          const parent = await tip();
          const there = parent === null ? null : await noteIn(parent, path);
          if (there === note) return gitText([...here, "log", "-1", "--format=%H", parent!, "--", path]);
          if (there !== null) throw new AnchorOccupied(`Another checkpoint is at ${path} in ${where} (${branch}).`);
          const made = await commit(parent, path, note, signedAt);
          const pushed = await away([...here, "push", "--quiet", "--porcelain", "--", remote, `${made}:refs/heads/${branch}`]);
          if (pushed.exitCode === 0) return made;
          const isBehind = /fetch first|non-fast-forward|cannot lock ref|incorrect old value|reference already exists/.test(
            pushed.stderr + pushed.stdout.toString(),
          );
          if (!isBehind || attempt === TRIES) throw failed(pushed.stderr);
        }
      }),
    read: ({ organizationId, position }) =>
      alone(async () => {
        const now = await tip();
        return now === null ? null : noteIn(now, pathOf(organizationId, position));
      }),
    close: () => last.then(() => undefined),
  };

  function failed(error: unknown): AnchorFailed {
    const text = error instanceof Error ? error.message : String(error);
    const lines = withoutCredentials(text).split("\n");
    // Of ssh git only says that it could not read.
    const said =
      lines.find((one) => /Host key verification failed|Permission denied|UNPROTECTED PRIVATE KEY|^ssh: |^Load key/.test(one)) ??
      lines.find((one) => /fatal|error|rejected|longer than/.test(one)) ??
      "git gave no reason";
    return new AnchorFailed(`${where} did not take it: ${said.slice(0, 300)}`);
  }
}
