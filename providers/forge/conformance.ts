/* What every forge must do, tried on a real repository. Call it inside a test file. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gitText } from "./git/run.ts";
import { ZERO_COMMIT, type Forge } from "./port.ts";

export interface ForgeUnderTest {
  readonly forge: Forge;
  /** A URL of a fresh repository whose branch `main` has the commits of the bare repository at `directory`. */
  serve(directory: string): Promise<{ url: string; close(): Promise<void> }>;
}

export async function commitIn(worktree: string, file: string, text: string, message: string): Promise<string> {
  await writeFile(join(worktree, file), text);
  const author = { GIT_AUTHOR_NAME: "A", GIT_AUTHOR_EMAIL: "a@example.com", GIT_COMMITTER_NAME: "A", GIT_COMMITTER_EMAIL: "a@example.com" };
  await gitText(["-C", worktree, "add", "-A"]);
  await gitText(["-C", worktree, "commit", "--quiet", "-m", message], { env: author });
  return gitText(["-C", worktree, "rev-parse", "HEAD"]);
}

export function forgeConformance(name: string, make: () => ForgeUnderTest): void {
  describe(`${name} keeps the forge port`, () => {
    const { forge, serve } = make();
    let scratch: string;
    let remote: string;
    let work: string;
    let url: string;
    let close: () => Promise<void>;
    let first: string;

    beforeAll(async () => {
      scratch = await mkdtemp(join(tmpdir(), "signalbox-forge-"));
      remote = join(scratch, "remote.git");
      work = join(scratch, "work");
      await gitText(["init", "--quiet", "--bare", "--initial-branch=main", remote]);
      await gitText(["clone", "--quiet", remote, work]);
      first = await commitIn(work, "a.txt", "one\n", "First");
      await gitText(["-C", work, "push", "--quiet", "origin", "HEAD:refs/heads/main"]);
      ({ url, close } = await serve(remote));
    });
    afterAll(async () => {
      await close();
      await rm(scratch, { recursive: true, force: true });
    });

    const mirrored = async (directory: string) => {
      const source = await forge.check({ url });
      if (!source.ok) throw new Error(source.message);
      expect(await forge.mirror({ directory, source })).toEqual({ ok: true });
      return source;
    };
    const next = async (mirror: string, text: string): Promise<string> => {
      const clone = await mkdtemp(join(scratch, "clone-"));
      await gitText(["clone", "--quiet", mirror, clone]);
      const commit = await commitIn(clone, "a.txt", text, "Next");
      await gitText(["-C", mirror, "fetch", "--quiet", clone, `+HEAD:refs/quarantine/${commit}`]);
      return commit;
    };

    test("checking names the branch and commit where work would begin", async () => {
      expect(await forge.check({ url })).toMatchObject({ ok: true, branch: "main", commit: first });
    });

    test("a branch that is not there is refused by name", async () => {
      expect(await forge.check({ url, ref: "nowhere" })).toMatchObject({ ok: false, code: "ref_not_found" });
    });

    test("a push moves the ref from exactly the old to exactly the new commit", async () => {
      const mirror = join(scratch, "push.git");
      const { remoteUrl } = await mirrored(mirror);
      const commit = await next(mirror, "two\n");
      expect(await forge.push({ directory: mirror, remoteUrl, ref: "refs/heads/feature", old: ZERO_COMMIT, new: commit })).toEqual({
        ok: true,
      });
      expect(await forge.remoteRef(remoteUrl, "refs/heads/feature")).toBe(commit);
    });

    test("a push onto a ref that moved meanwhile is refused and changes nothing", async () => {
      const mirror = join(scratch, "stale.git");
      const { remoteUrl } = await mirrored(mirror);
      const mine = await next(mirror, "mine\n");
      const theirs = await next(mirror, "theirs\n");
      await gitText(["-C", mirror, "push", "--quiet", remote, `${theirs}:refs/heads/contested`]);
      expect(await forge.push({ directory: mirror, remoteUrl, ref: "refs/heads/contested", old: ZERO_COMMIT, new: mine })).toMatchObject({
        ok: false,
        code: "stale",
      });
      expect(await forge.push({ directory: mirror, remoteUrl, ref: "refs/heads/contested", old: first, new: mine })).toMatchObject({
        ok: false,
        code: "stale",
      });
      expect(await forge.remoteRef(remoteUrl, "refs/heads/contested")).toBe(theirs);
    });

    test("a push that the remote's own hook rejects is reported as rejected", async () => {
      const hook = join(remote, "hooks", "pre-receive");
      await writeFile(hook, "#!/bin/sh\necho 'not today' >&2\nexit 1\n", { mode: 0o755 });
      const mirror = join(scratch, "rejected.git");
      const { remoteUrl } = await mirrored(mirror);
      const commit = await next(mirror, "rejected\n");
      const outcome = await forge.push({ directory: mirror, remoteUrl, ref: "refs/heads/rejected", old: ZERO_COMMIT, new: commit });
      await rm(hook);
      expect(outcome).toMatchObject({ ok: false, code: "rejected" });
      expect(await forge.remoteRef(remoteUrl, "refs/heads/rejected")).toBeNull();
    });

    test("pushing to a repository that is gone says so", async () => {
      const mirror = join(scratch, "gone.git");
      await mirrored(mirror);
      const commit = await next(mirror, "gone\n");
      expect(
        await forge.push({ directory: mirror, remoteUrl: `${url}-gone`, ref: "refs/heads/x", old: ZERO_COMMIT, new: commit }),
      ).toMatchObject({ ok: false, code: "no_remote" });
    });
  });
}
