import { plainGit } from "@signalbox/providers/forge/git/plain-git";
import { gitText } from "@signalbox/providers/forge/git/run";
import { mkdtemp, mkdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createForge, type ForgeModule } from "./public.ts";
import { checkOut, diffWorkspace, REMOTE, type Workspace } from "./workspace.ts";

const AUTHOR = { GIT_AUTHOR_NAME: "A", GIT_AUTHOR_EMAIL: "a@example.com", GIT_COMMITTER_NAME: "A", GIT_COMMITTER_EMAIL: "a@example.com" };

let scratch: string;
let remote: string;
let seed: string;
let forge: ForgeModule;
let server: Server;
let url: string;
let requested: unknown[] = [];

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "signalbox-forge-"));
  remote = join(scratch, "remote.git");
  seed = join(scratch, "seed");
  await gitText(["init", "--quiet", "--bare", "--initial-branch=main", remote]);
  await gitText(["clone", "--quiet", remote, seed]);
  await commit(seed, "First");
  await gitText(["-C", seed, "push", "--quiet", "origin", "HEAD:main"]);
  forge = createForge({
    logger: pino({ level: "silent" }),
    forge: plainGit(),
    directory: join(scratch, "forge"),
    session: () =>
      Promise.resolve({
        organizationId: "ws_dev",
        roomId: "room_a",
        title: "T",
        agentId: "agt_a",
        runId: null,
        onBehalfOf: null,
        correlationId: null,
      }),
    // Stands for the gate: notes what it was asked and lets it wait.
    actions: {
      register: () => undefined,
      request: (asked) => {
        requested.push(asked);
        return Promise.resolve({ ok: true, invocationId: "act_1", status: "pending", approvalId: "appr_1" } as never);
      },
      waitForEnd: () => Promise.resolve(null as never),
    },
  });
  server = createServer((request, response) => void forge.gitHandler(request, response, { sessionId: "ses_mine" }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/repo.git`;
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(scratch, { recursive: true, force: true });
});

async function commit(directory: string, message: string): Promise<string> {
  await writeFile(join(directory, "a.txt"), `${message}\n`);
  await gitText(["-C", directory, "add", "-A"]);
  await gitText(["-C", directory, "commit", "--quiet", "-m", message], { env: AUTHOR });
  return gitText(["-C", directory, "rev-parse", "HEAD"]);
}

test("a mirror that was being made when the server was killed is made anew", async () => {
  const half = join(scratch, "forge/ses_mine/repo.git");
  await mkdir(join(half, "objects"), { recursive: true });
  // What a git leaves that is killed while it writes its configuration.
  await writeFile(join(half, "config.lock"), "");
  expect(await forge.open({ organizationId: "ws_dev", sessionId: "ses_mine", source: { url: remote } })).toMatchObject({
    ok: true,
    baseBranch: "main",
  });
  expect(await gitText(["-C", half, "config", "uploadpack.hideRefs"])).toBe("refs/quarantine");
});

test("an agent that is told to fetch first finds there what to fetch", async () => {
  await forge.open({ organizationId: "ws_dev", sessionId: "ses_mine", source: { url: remote } });
  const mine = join(scratch, "mine");
  await gitText(["clone", "--quiet", url, mine]);
  const theirs = await commit(seed, "Somebody else's");
  await gitText(["-C", seed, "push", "--quiet", "origin", "HEAD:main"]);
  await commit(mine, "Mine");
  await expect(gitText(["-C", mine, "push", "origin", "HEAD:main"])).rejects.toThrow(/fetch first/);
  await gitText(["-C", mine, "fetch", "--quiet", "origin"]);
  expect(await gitText(["-C", mine, "rev-parse", "origin/main"])).toBe(theirs);
  requested = [];
  await gitText(["-C", mine, "rebase", "--quiet", "-Xtheirs", "origin/main"], { env: AUTHOR });
  await expect(gitText(["-C", mine, "push", "origin", "HEAD:main"])).rejects.toThrow(/awaits approval/);
  expect(requested).toMatchObject([{ params: { ref: "refs/heads/main", old: theirs }, context: { forced: false } }]);
});

test("what loses commits at the remote is put before the gate as that, not as a push", async () => {
  await forge.open({ organizationId: "ws_dev", sessionId: "ses_mine", source: { url: remote } });
  const mine = join(scratch, "forcing");
  await gitText(["clone", "--quiet", url, mine]);
  await gitText(["-C", mine, "commit", "--quiet", "--amend", "-m", "Another history"], { env: AUTHOR });
  requested = [];
  await expect(gitText(["-C", mine, "push", "--force", "origin", "HEAD:main"])).rejects.toThrow();
  await expect(gitText(["-C", mine, "push", "origin", ":main"])).rejects.toThrow();
  await expect(gitText(["-C", mine, "push", "origin", "HEAD:refs/heads/new"])).rejects.toThrow();
  expect(requested.map((asked) => (asked as { action: string }).action)).toEqual(["git.push.force", "git.branch.delete", "git.push"]);
});

/** A workspace on this machine, in folders of its own, whose one remote is `remote`. */
async function localWorkspace(): Promise<Workspace & { readonly folder: string }> {
  const place = await mkdtemp(join(scratch, "workspace-"));
  const [home, folder] = [join(place, "home"), join(place, "work")];
  await mkdir(home);
  await mkdir(folder);
  const here = (text: string): string => text.replace("/home/sbx", home);
  return {
    folder,
    exec: ({ argv, env }) =>
      new Promise((resolve, reject) => {
        const child = spawn(argv[0]!, argv.slice(1).map(here), {
          cwd: folder,
          env: {
            PATH: process.env["PATH"],
            HOME: home,
            GIT_CONFIG_COUNT: "1",
            GIT_CONFIG_KEY_0: `url.${remote}.insteadOf`,
            GIT_CONFIG_VALUE_0: REMOTE,
            ...env,
          },
        });
        const [out, err]: [Buffer[], Buffer[]] = [[], []];
        child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
        child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
        child.on("error", reject);
        child.on("close", (code) =>
          resolve({ exitCode: code, stdout: Buffer.concat(out), stderr: Buffer.concat(err), truncated: false } as never),
        );
      }),
    async writeFile(path, content, mode) {
      await mkdir(join(here(path), ".."), { recursive: true });
      await writeFile(here(path), content, { mode });
    },
  };
}

test("a checkout that was interrupted is begun anew, and one that was finished is left alone", async () => {
  const workspace = await localWorkspace();
  const base = await gitText(["-C", remote, "rev-parse", "main"]);
  const plan = { base: { commit: base }, workBranch: "signalbox/x", agent: { name: "A", email: "a@example.com" } };
  // Killed after the clone and before the branch was checked out.
  await expect(
    checkOut(
      { ...workspace, exec: (request) => (request.argv[1] === "checkout" ? Promise.reject(new Error("killed")) : workspace.exec(request)) },
      plan,
    ),
  ).rejects.toThrow("killed");
  await checkOut(workspace, plan);
  expect(await gitText(["-C", workspace.folder, "rev-parse", "--abbrev-ref", "HEAD"])).toBe("signalbox/x");
  expect((await stat(join(workspace.folder, "a.txt"))).isFile()).toBe(true);
  await writeFile(join(workspace.folder, "new.txt"), "mine\n");
  await checkOut(workspace, plan);
  expect((await stat(join(workspace.folder, "new.txt"))).isFile()).toBe(true);
});

test("several who look at what changed at once all see all of it, also after one was killed", async () => {
  const workspace = await localWorkspace();
  await checkOut(workspace, { base: null, workBranch: "main", agent: { name: "A", email: "a@example.com" } });
  for (let i = 0; i < 200; i++) await writeFile(join(workspace.folder, `f${i}.txt`), `${i}\n`);
  await writeFile("/tmp/.signalbox-index.lock", "");
  try {
    const seen = await Promise.all([1, 2, 3].map(() => diffWorkspace(workspace, null)));
    expect(seen.map(({ files }) => files.length)).toEqual([200, 200, 200]);
  } finally {
    await rm("/tmp/.signalbox-index.lock", { force: true });
  }
});
