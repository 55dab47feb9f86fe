import { expect, test } from "vitest";
import { parseDiff } from "./diff.ts";
import { fits, HUGE_LINES, rowsOf, textOf, type ChangedFile, type FileLook, type Row } from "./rows.ts";

const fileOf = (body: string, change: Partial<ChangedFile> = {}): ChangedFile => ({
  path: "a.ts",
  renamedFrom: null,
  status: "modified",
  additions: 1,
  deletions: 1,
  isBinary: false,
  patch: parseDiff(`diff --git a/a.ts b/a.ts\n--- a/a.ts\n+++ b/a.ts\n${body}`)[0]!,
  ...change,
});
const look = (file: ChangedFile, change: Partial<FileLook> = {}): FileLook => ({
  file,
  isFolded: false,
  isShown: false,
  isSplit: false,
  opened: new Map(),
  content: null,
  canOpen: true,
  comments: [],
  draft: null,
  ...change,
});
const said = (row: Row): string => {
  switch (row.kind) {
    case "line":
      return `${row.line.before ?? ""}/${row.line.after ?? ""} ${row.line.text}${row.startsChange ? " !" : ""}`;
    case "pair":
      return `${row.left?.text ?? "·"} | ${row.right?.text ?? "·"}${row.startsChange ? " !" : ""}`;
    case "gap":
      return `gap ${row.hidden ?? "?"}`;
    case "notice":
      return row.what;
    case "comment":
      return `said: ${row.comment.text}`;
    default:
      return row.kind;
  }
};
const BODY = "@@ -5,3 +5,4 @@ f\n e\n-old\n+new\n+more\n g\n@@ -20,2 +21,1 @@\n t\n-u\n";
const CONTENT = "a b c d e new more g h i j k l m n o p q r s t v w".split(" ");

test("hunks stand between gaps; the first line of every change is marked", () => {
  expect(rowsOf(look(fileOf(BODY))).map(said)).toEqual([
    "file", "gap 4", "5/5 e", "6/ old !", "/6 new", "/7 more", "7/8 g", "gap 12", "20/21 t", "21/ u !", "gap ?",
  ]); // prettier-ignore
});

test("side by side, what was taken out stands beside what came in its place", () => {
  expect(rowsOf(look(fileOf(BODY), { isSplit: true })).map(said)).toEqual([
    "file", "gap 4", "e | e", "old | new !", "· | more", "g | g", "gap 12", "t | t", "u | · !", "gap ?",
  ]); // prettier-ignore
});

test("opened gaps show the file's own lines, numbered on both sides, and close when nothing is left", () => {
  const opened = new Map([
    [0, { top: 4, bottom: 0 }],
    [1, { top: 1, bottom: 2 }],
    [2, { top: 20, bottom: 0 }],
  ]);
  const rows = rowsOf(look(fileOf(BODY), { opened, content: CONTENT })).map(said);
  expect(rows.slice(0, 5)).toEqual(["file", "1/1 a", "2/2 b", "3/3 c", "4/4 d"]);
  expect(rows.slice(-8)).toEqual(["8/9 h", "gap 9", "18/19 r", "19/20 s", "20/21 t", "21/ u !", "22/22 v", "23/23 w"]);
});

test("a comment stands under its last line, on its own side", () => {
  const comment = { id: "1", path: "a.ts", side: "before" as const, from: 5, to: 6, code: "", text: "why" };
  const rows = rowsOf(look(fileOf(BODY), { comments: [comment, { ...comment, id: "2", side: "after", to: 8, text: "ok" }] })).map(said);
  expect(rows[rows.indexOf("said: why") - 1]).toBe("6/ old !");
  expect(rows[rows.indexOf("said: ok") - 1]).toBe("7/8 g");
});

test("what is folded, binary, unknown, empty or huge is one row below its head at most", () => {
  const many = `@@ -1 +1,${HUGE_LINES + 1} @@\n${"+x\n".repeat(HUGE_LINES + 1)}`;
  expect(rowsOf(look(fileOf(BODY), { isFolded: true })).map(said)).toEqual(["file"]);
  expect(rowsOf(look(fileOf(BODY, { isBinary: true }))).map(said)).toEqual(["file", "binary"]);
  expect(rowsOf(look(fileOf(BODY, { patch: null }))).map(said)).toEqual(["file", "unknown"]);
  expect(rowsOf(look(fileOf(""))).map(said)).toEqual(["file", "empty"]);
  expect(rowsOf(look(fileOf(many))).map(said)).toEqual(["file", "huge"]);
  expect(rowsOf(look(fileOf(many), { isShown: true })).length).toBeGreaterThan(HUGE_LINES);
});

test("no two rows of a file have the same key", () => {
  for (const isSplit of [false, true]) {
    const keys = rowsOf(look(fileOf(`${BODY}\\ No newline at end of file\n`), { isSplit })).map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  }
});

test("a file that the agent has changed since does not fit its diff", () => {
  const { patch } = fileOf(BODY);
  expect(fits(patch!, CONTENT)).toBe(true);
  expect(fits(patch!, ["inserted", ...CONTENT])).toBe(false);
});

test("the lines of a comment are quoted from the diff, and from the file between the hunks", () => {
  expect(textOf(fileOf(BODY), null, "before", 5, 6)).toBe("e\nold");
  expect(textOf(fileOf(BODY), CONTENT, "after", 8, 10)).toBe("g\nh\ni");
});
