import { expect, test } from "vitest";
import { parseDiff } from "./diff.ts";

const lines = (patch: string): string[] =>
  parseDiff(patch).flatMap((file) =>
    file.hunks.flatMap((hunk) => hunk.lines.map((line) => `${line.before ?? "·"}/${line.after ?? "·"} ${line.kind} ${line.text}`)),
  );

test("lines carry their numbers before and after the change", () => {
  const patch = `diff --git a/a.js b/a.js\nindex 1..2 100644\n--- a/a.js\n+++ b/a.js\n@@ -3,3 +3,4 @@ function f() {\n one\n-two\n+2\n+2b\n three\n`;
  expect(lines(patch)).toEqual(["3/3 context one", "4/· removed two", "·/4 added 2", "·/5 added 2b", "5/6 context three"]);
  expect(parseDiff(patch)[0]).toMatchObject({ path: "a.js", renamedFrom: null, isBinary: false, hunks: [{ header: "function f() {" }] });
});

test("a removed line that looks like a file header stays a line", () => {
  const patch = `diff --git a/a.sql b/a.sql\n--- a/a.sql\n+++ b/a.sql\n@@ -1,2 +1,1 @@\n--- a comment in SQL\n keep\n`;
  expect(lines(patch)).toEqual(["1/· removed -- a comment in SQL", "2/1 context keep"]);
});

test("a context line that looks like a hunk header stays a line", () => {
  const patch = `diff --git a/p.diff b/p.diff\n--- a/p.diff\n+++ b/p.diff\n@@ -1,2 +1,3 @@\n @@ -1 +1 @@\n+@@ -2 +2 @@\n end\n`;
  expect(lines(patch)).toEqual(["1/1 context @@ -1 +1 @@", "·/2 added @@ -2 +2 @@", "2/3 context end"]);
});

test.each([
  ["a new file", "diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n", { path: "n" }],
  ["a deleted file", "diff --git a/o b/o\ndeleted file mode 100644\n--- a/o\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n", { path: "o" }],
  [
    "a rename without changes",
    "diff --git a/old name b/new name\nsimilarity index 100%\nrename from old name\nrename to new name\n",
    { path: "new name", renamedFrom: "old name", hunks: [] },
  ],
  [
    "a binary file",
    "diff --git a/i.png b/i.png\nindex 1..2 100644\nBinary files a/i.png and b/i.png differ\n",
    { path: "i.png", isBinary: true },
  ],
  ["a mode change", "diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n", { path: "run.sh", hunks: [] }],
  [
    "a name that git quotes",
    'diff --git "a/\\303\\244 \\"x\\".txt" "b/\\303\\244 \\"x\\".txt"\n--- "a/\\303\\244 \\"x\\".txt"\n+++ "b/\\303\\244 \\"x\\".txt"\n@@ -1 +1 @@\n-a\n+b\n',
    { path: 'ä "x".txt' },
  ],
])("%s is named by its path", (_, patch, expected) => {
  expect(parseDiff(patch)).toEqual([expect.objectContaining(expected)]);
});

test("the missing newline at the end is a note, and shifts no number", () => {
  expect(
    lines("diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n\\ No newline at end of file\n"),
  ).toEqual(["1/· removed x", "·/· note No newline at end of file", "·/1 added y", "·/· note No newline at end of file"]);
});

test("text that is no diff is no file, and does not throw", () => {
  expect(parseDiff("")).toEqual([]);
  expect(parseDiff("fatal: not a git repository")).toEqual([]);
  expect(() => parseDiff("diff --git a/x b/x\n@@ -1 +1 @@")).not.toThrow();
});
