/* A session's files, looked at through the API from a real sandbox in which an agent may have done anything. */
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startWorkbench, type Workbench } from "../terminals/workbench.fixture.ts";

const database = databaseTest();
let at: Workbench;
let session: Awaited<ReturnType<Workbench["session"]>>;

beforeAll(async () => {
  at = await startWorkbench(database);
  session = await at.session();
}, 60_000);
afterAll(() => at.close());

const get = async (what: string, query: Record<string, string>, token = at.owner, id = session.id) => {
  const { status, body } = await at.call("GET", `/v1/sessions/${id}/files${what}?${new URLSearchParams(query)}`, { token });
  return { status, body, code: body.error?.code as string | undefined };
};
const list = (path = "") => get("", { path });
const read = (path: string) => get("/content", { path });
const search = async (q: string): Promise<string[]> => (await get("/search", { q })).body.items.map(({ path }: { path: string }) => path);

test("a directory: directories first, in natural order, and each path leads back to its entry", async () => {
  await session.sh("mkdir -p d/sub d/10 d/9 && echo hello > d/f2 && echo hi > d/f10 && ln -s f2 d/link");
  const { body } = await list("./d//");
  expect(body).toMatchObject({ path: "d", truncated: false });
  expect(body.entries.map((e: { path: string; type: string }) => [e.path, e.type])).toEqual([
    ["d/9", "directory"],
    ["d/10", "directory"],
    ["d/sub", "directory"],
    ["d/f2", "file"],
    ["d/f10", "file"],
    ["d/link", "symlink"],
  ]);
  expect(body.entries[3]).toMatchObject({ name: "f2", size_bytes: 6 });
  expect(Math.abs(Date.now() - Date.parse(body.entries[3].modified_at))).toBeLessThan(60_000);
  expect((await read("d/link")).body).toMatchObject({ content: "hello\n", encoding: "utf8", binary: false });
});

test("hostile names are data, and every one of them can be opened", async () => {
  const odd = ["new\nline.", 'qu"ote.', "rtl\u202etxt.exe.", " space .", "<img src=x>.", "%2e%2e.", "back\\slash."].map((name) =>
    Buffer.from(name),
  );
  odd.push(Buffer.from("bad\xff\xc3.", "latin1"));
  await session.sh(`mkdir odd && base64 -d <<END | xargs -0 -I@ sh -c 'printf x > "odd/$1"' _ @
${Buffer.concat(odd.flatMap((name) => [name, Buffer.from([0])])).toString("base64")}
END`);
  const { body } = await list("odd");
  const names: string[] = body.entries.map(({ name }: { name: string }) => name);
  expect(names).toHaveLength(8);
  expect(names).toEqual(
    expect.arrayContaining(["new\nline.", 'qu"ote.', "rtl\u202etxt.exe.", "bad\uefff\uefc3.", " space .", "<img src=x>.", "%2e%2e."]),
  );
  for (const { path } of body.entries) expect((await read(path)).body, path).toMatchObject({ path, content: "x" });
  await session.sh("git init -q . 2>/dev/null; true");
  expect(await search("BAD")).toEqual(["odd/bad\uefff\uefc3."]);
});

test.each([
  ["../etc/passwd", 400, "path_outside_workspace"],
  ["a/../../home", 400, "path_outside_workspace"],
  ["/etc/passwd", 400, "path_outside_workspace"],
  ["to-etc/passwd", 400, "path_outside_workspace"],
  ["to-passwd", 400, "path_outside_workspace"],
  ["to-root/etc/passwd", 400, "path_outside_workspace"],
  ["to-self/cwd/../etc/passwd", 404, "file_not_found"],
  ["to-self/environ", 400, "path_outside_workspace"],
  ["to-nothing", 404, "file_not_found"],
  ["circle", 404, "file_not_found"],
  ["nowhere", 404, "file_not_found"],
  ["x".repeat(300), 404, "file_not_found"],
  ["fifo", 409, "not_a_file"],
  ["dir", 409, "not_a_file"],
  ["locked", 409, "permission_denied"],
  ["with\0nul", 400, "invalid_request"],
])("reading %s is %d %s", async (path, status, code) => {
  await session.sh(`mkdir -p dir; [ -p fifo ] || mkfifo fifo; [ -e locked ] || { echo x > locked; chmod 000 locked; }
    ln -sfn /etc to-etc; ln -sfn /etc/passwd to-passwd; ln -sfn / to-root; ln -sfn /proc/self to-self; ln -sfn /no/such to-nothing; ln -sfn circle circle`);
  expect(await read(path)).toMatchObject({ status, code });
});

test("listing what is no directory, or outside, is refused alike", async () => {
  await session.sh("echo x > plain; ln -sfn /home/sbx home");
  expect((await list("plain")).code).toBe("not_a_directory");
  expect((await list("home")).code).toBe("path_outside_workspace");
  expect((await list("..")).code).toBe("path_outside_workspace");
  expect((await list("no")).code).toBe("file_not_found");
});

test("of thousands of entries the first 2,000 come, of a 5 MB line its first 2 MiB, whole characters", async () => {
  await session.sh("mkdir many && cd many && seq -f f%g 1 2500 | xargs touch && mkdir zz");
  const { body } = await list("many");
  expect([body.entries.length, body.truncated, body.entries[0].name, body.entries[1999].name]).toEqual([2000, true, "zz", "f1999"]);
  await session.sh(
    `node -e 'require("fs").writeFileSync("line", "é".repeat(2500000)+"x"); require("fs").writeFileSync("odd-line", "x"+"é".repeat(2500000))'`,
  );
  for (const path of ["line", "odd-line"]) {
    const long = (await read(path)).body;
    expect(long).toMatchObject({ size_bytes: 5_000_001, truncated: true, binary: false, encoding: "utf8", media_type: "text/plain" });
    expect(long.content.replaceAll("é", "")).toBe(path === "line" ? "" : "x");
    expect(Buffer.byteLength(long.content)).toBeGreaterThan(2 * 1024 ** 2 - 4);
  }
});

test("what is no text comes as base64", async () => {
  await session.sh("printf 'a\\000b' > nul.bin; printf '\\377\\376' > latin.txt; : > empty; printf '<svg/>' > x.svg");
  expect((await read("nul.bin")).body).toMatchObject({ binary: true, encoding: "base64", content: Buffer.from("a\0b").toString("base64") });
  expect((await read("latin.txt")).body).toMatchObject({ binary: true, encoding: "base64", content: "//4=" });
  expect((await read("empty")).body).toMatchObject({ binary: false, content: "", size_bytes: 0 });
  expect((await read("x.svg")).body).toMatchObject({ media_type: "image/svg+xml", encoding: "utf8" });
});

test("search finds tracked and new files by their names, best first, without what git ignores or what is gone", async () => {
  await session.sh(
    `rm -rf .git locked; git init -q . && git config user.email a@b.c && git config user.name a && mkdir -p s/deep && echo '*.log' > .gitignore && touch s/needle.ts s/deep/a-needle.ts s/needle.log s/gone-needle needle-dir-not && mkdir -p needle-dir && touch needle-dir/zz && git add -A . && git commit -qm x && rm s/gone-needle && touch s/new-Needle.md`,
  );
  expect(await search("needle")).toEqual(["s/needle.ts", "needle-dir-not", "s/new-Needle.md", "s/deep/a-needle.ts", "needle-dir/zz"]);
  expect(await search("no such thing")).toEqual([]);
  await session.sh("rm -rf .git");
  expect(await search("s/needle.")).toEqual(expect.arrayContaining(["s/needle.ts", "s/needle.log"]));
  expect((await get("/search", { q: "f1" })).body).toMatchObject({ truncated: true });
  expect((await get("/search", { q: "f1" })).body.items).toHaveLength(200);
});

test("another organization and an outsider find no session; without a sandbox there are no files", async () => {
  const other = await at.organization();
  const outsider = await at.person("member");
  for (const { token } of [other, outsider]) {
    for (const answer of [await get("", {}, token), await get("/content", { path: "x" }, token), await get("/search", { q: "x" }, token)])
      expect([answer.status, answer.code]).toEqual([404, "session_not_found"]);
  }
  const { body } = await at.call("POST", "/v1/sessions", { token: at.owner, body: { source: { type: "scratch" }, sandbox: "deferred" } });
  for (const answer of [
    await get("", {}, at.owner, body.id),
    await get("/content", { path: "x" }, at.owner, body.id),
    await get("/search", { q: "x" }, at.owner, body.id),
  ])
    expect([answer.status, answer.code]).toEqual([409, "sandbox_not_running"]);
});
