import { expect, test } from "vitest";
import { treeRows } from "./tree.ts";

const shown = (paths: string[], folded: string[] = []): string[] =>
  treeRows(
    paths.map((path) => ({ path })),
    new Set(folded),
  ).map((row) => `${"  ".repeat(row.depth)}${row.name}${row.kind === "folder" ? `/ ${row.files}` : ""}`);

test("folders come with their files, and a chain of them is one row", () => {
  expect(shown(["apps/web/src/a.ts", "apps/web/src/b/c.ts", "readme.md"])).toEqual([
    "apps/web/src/ 2",
    "  b/ 1",
    "    c.ts",
    "  a.ts",
    "readme.md",
  ]);
});

test("a folded folder says how many are in it", () => {
  expect(shown(["a/x/1", "a/y/2", "b"], ["a"])).toEqual(["a/ 2", "b"]);
});
