import { git, gitText } from "@signalbox/providers/forge/git/run";
import { plainGit } from "@signalbox/providers/forge/git/plain-git";
import { ZERO_COMMIT } from "@signalbox/providers/forge/port";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { gitProxy } from "./git-proxy.ts";
import { ingestPack, isConnected, quarantine, release, summarise } from "./mirror.ts";
import type { RefCommand, RefReport } from "./pkt-line.ts";
import { executePush, reconcilePush } from "./push.ts";

const AUTHOR = { GIT_AUTHOR_NAME: "A", GIT_AUTHOR_EMAIL: "a@example.com", GIT_COMMITTER_NAME: "A", GIT_COMMITTER_EMAIL: "a@example.com" };

let scratch: string;
let remote: string;
let mirror: string;
let server: Server;
let url: string;
let asked: RefCommand[] = [];
let verdict: (command: RefCommand) => Promise<RefReport> = (command) => Promise.resolve({ ref: command.ref, ok: true });

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "signalbox-git-proxy-"));
  remote = join(scratch, "remote.git");
  mirror = join(scratch, "mirror.git");
  const seed = join(scratch, "seed");
  await gitText(["init", "--quiet", "--bare", "--initial-branch=main", remote]);
  await gitText(["clone", "--quiet", remote, seed]);
  await commit(seed, "First");
  await gitText(["-C", seed, "push", "--quiet", "origin", "HEAD:main"]);
  const source = await plainGit().check({ url: remote });
  if (!source.ok) throw new Error(source.message);
  await plainGit().mirror({ directory: mirror, source });
  const handle = gitProxy({
    mirrorOf: (sessionId) => Promise.resolve(sessionId === "ses_mine" ? mirror : null),
    push: (_session, _directory, command, { progress }) => {
      asked.push(command);
      progress("asked the gate");
      return verdict(command);
    },
  });
  server = createServer(
    (request, response) => void handle(request, response, { sessionId: String(request.headers["x-session"] ?? "ses_mine") }),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/repo.git`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(scratch, { recursive: true, force: true });
});

async function commit(directory: string, message: string): Promise<string> {
  await writeFile(join(directory, "a.txt"), `${message}\n`);
  await gitText(["-C", directory, "add", "-A"]);
  await gitText(["-C", directory, "commit", "--quiet", "-m", message], { env: AUTHOR });
  return gitText(["-C", directory, "rev-parse", "HEAD"]);
}

async function clone(): Promise<string> {
  const directory = await mkdtemp(join(scratch, "clone-"));
  await gitText(["clone", "--quiet", url, directory]);
  return directory;
}

test("a real git clones through the proxy", async () => {
  const directory = await clone();
  expect(await gitText(["-C", directory, "log", "--format=%s"])).toBe("First");
});

test("a push goes to the gate as the exact ref update, with its objects in the mirror and no ref moved", async () => {
  asked = [];
  verdict = async (command) => {
    expect(await isConnected(mirror, command.new)).toBe(true);
    return { ref: command.ref, ok: false, reason: "awaits approval" };
  };
  const directory = await clone();
  const head = await commit(directory, "Second");
  const pushed = await git(["-C", directory, "push", "origin", "HEAD:refs/heads/feature"]);
  expect(pushed.exitCode).not.toBe(0);
  expect(pushed.stderr).toContain("remote: asked the gate");
  expect(pushed.stderr).toContain("awaits approval");
  expect(asked).toEqual([{ old: ZERO_COMMIT, new: head, ref: "refs/heads/feature" }]);
  expect((await git(["-C", mirror, "rev-parse", "--verify", "--quiet", "refs/heads/feature"])).exitCode).not.toBe(0);
});

test("an allowed push is told to git as done", async () => {
  verdict = (command) => Promise.resolve({ ref: command.ref, ok: true });
  const directory = await clone();
  await commit(directory, "Third");
  const pushed = await git(["-C", directory, "push", "origin", "HEAD:refs/heads/third"]);
  expect(pushed.stderr).toContain("[new branch]");
  expect(pushed.exitCode).toBe(0);
});

test("refs other than branches and tags are refused before the gate", async () => {
  asked = [];
  const directory = await clone();
  await commit(directory, "Fourth");
  const pushed = await git(["-C", directory, "push", "origin", "HEAD:refs/quarantine/evil"]);
  expect(pushed.exitCode).not.toBe(0);
  expect(asked).toEqual([]);
});

test("what lies in quarantine is neither advertised nor cloned", async () => {
  const directory = await clone();
  const hidden = await commit(directory, "Hidden");
  await gitText(["-C", mirror, "fetch", "--quiet", directory, `+HEAD:refs/quarantine/act_x`]);
  expect(await gitText(["ls-remote", url])).not.toContain("quarantine");
  const other = await clone();
  expect((await git(["-C", other, "cat-file", "-e", hidden])).exitCode).not.toBe(0);
});

test("a session without a repository gets 404, whatever it asks for", async () => {
  const answer = await fetch(`${url}/info/refs?service=git-upload-pack`, { headers: { "x-session": "ses_other" } });
  expect(answer.status).toBe(404);
});

test("a body that is no push is answered with 400", async () => {
  const answer = await fetch(`${url}/git-receive-pack`, { method: "POST", body: "hello, this is not git" });
  expect(answer.status).toBe(400);
});

test("a pack with garbage is refused, and nothing of it reaches the gate", async () => {
  asked = [];
  const line = `${ZERO_COMMIT} ${"a".repeat(40)} refs/heads/x\0report-status`;
  const body = Buffer.concat([Buffer.from((line.length + 4).toString(16).padStart(4, "0") + line), Buffer.from("0000PACKgarbage")]);
  const answer = await fetch(`${url}/git-receive-pack`, { method: "POST", body });
  expect(await answer.text()).toContain("unpacker error");
  expect(asked).toEqual([]);
});

test("an approved push is executed once, and a repeat finds it done", async () => {
  const directory = await clone();
  const head = await commit(directory, "Approved");
  await gitText(["-C", mirror, "fetch", "--quiet", directory, "+HEAD:refs/quarantine/act_1"]);
  await quarantine(mirror, head);
  const call = { remote, ref: "refs/heads/approved", old: ZERO_COMMIT, new: head };
  const context = { forge: plainGit(), directory: mirror, signal: AbortSignal.timeout(20_000) };
  expect(await executePush(call, context)).toMatchObject({ status: "completed" });
  expect(await gitText(["-C", remote, "rev-parse", "refs/heads/approved"])).toBe(head);
  expect(await reconcilePush(call, context)).toMatchObject({ status: "completed" });
});

test("an unknown outcome is settled by what the remote has", async () => {
  const directory = await clone();
  const head = await commit(directory, "Unknown");
  const context = { forge: plainGit(), directory: mirror, signal: AbortSignal.timeout(20_000) };
  const call = { remote, ref: "refs/heads/unknown", old: ZERO_COMMIT, new: head };
  expect(await reconcilePush(call, context)).toMatchObject({ status: "failed", code: "not_pushed" });
  await gitText(["-C", remote, "update-ref", "refs/heads/unknown", "refs/heads/main"]);
  expect(await reconcilePush(call, context)).toMatchObject({ status: "unknown" });
});

test("a person sees which commits a push brings, and whether it would lose some", async () => {
  const directory = await clone();
  const first = await gitText(["-C", directory, "rev-parse", "HEAD"]);
  const head = await commit(directory, "Described");
  await gitText(["-C", mirror, "fetch", "--quiet", directory, "+HEAD:refs/quarantine/act_3"]);
  expect(await summarise(mirror, first, head)).toMatchObject({
    commits: 1,
    log: [expect.stringContaining("Described")],
    forced: false,
    stat: expect.stringContaining("1 file changed"),
  });
  expect(await summarise(mirror, head, first)).toMatchObject({ forced: true });
});

test("a person is asked about all refs of one push at once", async () => {
  asked = [];
  let both = (): void => undefined;
  const met = new Promise<void>((resolve) => (both = resolve));
  verdict = async (command) => {
    if (asked.length === 2) both();
    await met;
    return { ref: command.ref, ok: true };
  };
  const directory = await clone();
  await commit(directory, "Two refs");
  const pushed = await git(["-C", directory, "push", "origin", "HEAD:refs/heads/one", "HEAD:refs/heads/two"], { timeoutMs: 10_000 });
  expect(pushed.exitCode).toBe(0);
});

test("a fault with one ref is told of that ref alone", async () => {
  verdict = (command) =>
    command.ref.endsWith("bad") ? Promise.reject(new Error("the remote did not answer")) : Promise.resolve({ ref: command.ref, ok: true });
  const directory = await clone();
  await commit(directory, "One bad");
  const pushed = await git(["-C", directory, "push", "origin", "HEAD:refs/heads/good", "HEAD:refs/heads/bad"]);
  expect(pushed.stderr).toContain("HEAD -> good");
  expect(pushed.stderr).toMatch(/HEAD -> bad \(the remote did not answer\)/);
  expect(pushed.stderr).not.toContain("unpacker error");
});

test("what a session may leave on the host is limited, and what an interrupted push left is cleared", async () => {
  const own = join(scratch, "limited.git");
  await gitText(["clone", "--quiet", "--bare", remote, own]);
  const directory = await clone();
  const packOf = async (text: string): Promise<Readable> => {
    const head = await commit(directory, text);
    const packed = await git(["-C", directory, "pack-objects", "--stdout", "--revs", "--thin"], { stdin: `${head}\n^${head}~1\n` });
    return Readable.from([packed.stdout]);
  };
  const signal = AbortSignal.timeout(20_000);
  await writeFile(join(own, "objects/pack/tmp_pack_left"), "half a pack");
  await ingestPack(own, await packOf("Limited 1"), signal, { bytes: 100_000, packs: 1 });
  expect((await readdir(join(own, "objects/pack"))).filter((name) => name.startsWith("tmp_"))).toEqual([]);
  await expect(ingestPack(own, await packOf("Limited 2"), signal, { bytes: 100_000, packs: 1 })).rejects.toThrow("as much as it may");
  await expect(ingestPack(own, await packOf("Limited 3"), signal, { bytes: 300, packs: 9 })).rejects.toThrow(
    /as much as it may|exceeds maximum/,
  );
});

test("requests that are cut in the middle of a compressed body are over, and more than a few at once are refused", async () => {
  const begin = () => {
    const sent = request(`${url}/git-receive-pack`, { method: "POST", headers: { "content-encoding": "gzip" } });
    sent.on("error", () => undefined); // Cut by ourselves.
    sent.write(Buffer.of(0x1f, 0x8b));
    return sent;
  };
  const held = Array.from({ length: 8 }, begin);
  const status = async (): Promise<number> => (await fetch(`${url}/info/refs?service=git-upload-pack`)).status;
  await expect.poll(status).toBe(503);
  held.forEach((sent) => sent.destroy());
  await expect.poll(status).toBe(200);
});

test("a push that the remote took stays done when the mirror cannot follow", async () => {
  await release(join(scratch, "gone.git"), "refs/heads/x", "a".repeat(40));
});
