import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
let c: Composed;
let place: string;
let home: string;
let repository: string;

const git = (cwd: string, ...args: string[]) =>
  execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.com", ...args], { cwd, stdio: ["ignore", "pipe", "ignore"] });

beforeAll(async () => {
  place = mkdtempSync(path.join(tmpdir(), "signalbox-repositories-"));
  home = mkdtempSync(path.join(homedir(), "signalbox-browse-"));
  repository = path.join(place, "project");
  mkdirSync(repository);
  git(repository, "init", "-q", "-b", "main");
  writeFileSync(path.join(repository, "a.txt"), "a\n");
  git(repository, "add", ".");
  git(repository, "commit", "-qm", "First");
  for (let i = 0; i < 3; i++) git(repository, "branch", `topic-${i}`);
  c = await startComposed(database);
}, 60_000);
afterAll(async () => {
  await c.close();
  rmSync(place, { recursive: true, force: true });
  rmSync(home, { recursive: true, force: true });
});

const check = (url: string) => c.call("POST", "/v1/repositories/check", { token: c.owner, body: { url } });
const browse = (of: string) => c.call("GET", `/v1/repositories/browse?path=${encodeURIComponent(of)}`, { token: c.owner });

test("a local repository says its branches, its head, and what is not committed", async () => {
  expect((await check(repository)).body).toMatchObject({
    ok: true,
    kind: "local",
    name: "project",
    default_branch: "main",
    dirty_files: 0,
    suggestion: null,
  });
  writeFileSync(path.join(repository, "b.txt"), "b\n");
  const dirty = (await check(`file://${repository}`)).body;
  expect(dirty).toMatchObject({ kind: "file", dirty_files: 1, suggestion: expect.stringMatching(/1 file has uncommitted changes/) });
  expect(dirty.branches).toEqual(["main", "topic-0", "topic-1", "topic-2"]);
  expect(dirty.head_commit).toBe(git(repository, "rev-parse", "HEAD").toString().trim());
  rmSync(path.join(repository, "b.txt"));
});

test("looking runs nothing that the repository asks for", async () => {
  const trap = path.join(place, "ran");
  git(repository, "config", "core.fsmonitor", `touch ${trap}`);
  writeFileSync(path.join(repository, ".git/hooks/post-index-change"), `#!/bin/sh\ntouch ${trap}\n`, { mode: 0o755 });
  await check(repository);
  expect(() => execFileSync("test", ["-e", trap])).toThrow();
});

test("each refusal says what is wrong and what to do", async () => {
  const empty = path.join(place, "empty");
  mkdirSync(empty);
  const plain = path.join(place, "plain");
  mkdirSync(plain);
  git(empty, "init", "-q");
  const refusal = async (url: string) => {
    const { status, body } = await check(url);
    expect(status).toBe(422);
    expect(body.error.fix).toBeTruthy();
    return body.error.code as string;
  };
  expect(await refusal("relative/path")).toBe("repository_url_invalid");
  expect(await refusal("git@github.com:owner/name.git")).toBe("repository_url_invalid");
  expect((await check("git@github.com:owner/name.git")).body.error.fix).toContain("https://github.com/owner/name.git");
  expect(await refusal("https://me:pw@example.com/a.git")).toBe("repository_url_has_credentials");
  expect(await refusal(path.join(place, "nothing"))).toBe("repository_not_found");
  expect(await refusal(plain)).toBe("not_a_repository");
  expect(await refusal(empty)).toBe("repository_empty");
  expect(await refusal("http://127.0.0.1:9/a.git")).toBe("repository_unreachable");
  mkdirSync(path.join(c.dataDir, "forge"), { recursive: true });
  git(c.dataDir, "clone", "-q", "--bare", repository, "forge/inside.git");
  expect(await refusal(path.join(c.dataDir, "forge/inside.git"))).toBe("repository_not_allowed");
  symlinkSync(path.join(c.dataDir, "forge/inside.git"), path.join(place, "led-inside"));
  expect(await refusal(path.join(place, "led-inside"))).toBe("repository_not_allowed");
});

test("directories below home can be looked through, repositories first, and nothing outside", async () => {
  mkdirSync(path.join(home, "a-directory"));
  mkdirSync(path.join(home, ".hidden"));
  git(home, "clone", "-q", repository, "z-repository");
  symlinkSync("/etc", path.join(home, "out"));
  const { body } = await browse(home);
  expect(body.items.map((one: { name: string; is_repository: boolean }) => [one.name, one.is_repository])).toEqual([
    ["z-repository", true],
    ["a-directory", false],
  ]);
  expect((await browse("")).body.parent).toBe(null);
  for (const outside of ["/etc", "../..", path.join(home, "out")]) expect((await browse(outside)).body.error.code).toBe("path_not_allowed");
  expect((await browse(path.join(home, "nothing"))).status).toBe(404);
});

test("on a server that is reached over the network nobody looks through its directories", async () => {
  const far = await startComposed(database, { flags: ["--public-url", "https://signalbox.example.com"], dataDir: c.dataDir });
  try {
    const answer = await far.call("GET", "/v1/repositories/browse", { token: far.owner, headers: { host: "signalbox.example.com" } });
    expect(answer.body.error.code).toBe("browsing_not_allowed");
  } finally {
    await far.close();
  }
});

test("what sessions worked on is there to be chosen again", async () => {
  const body = { source: { type: "repository", url: repository }, sandbox: "deferred" };
  await c.call("POST", "/v1/sessions", { token: c.owner, body });
  await c.call("POST", "/v1/sessions", { token: c.owner, body });
  const { items } = (await c.call("GET", "/v1/repositories/recent", { token: c.owner })).body;
  expect(items).toMatchObject([{ url: repository, name: "project", sessions: 2 }]);
  const stranger = await c.person("viewer");
  expect((await c.call("GET", "/v1/repositories/recent", { token: stranger.token })).body.items).toEqual([]);
});
