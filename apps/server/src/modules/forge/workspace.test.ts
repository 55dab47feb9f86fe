import { expect, test } from "vitest";
import { parseChanges } from "./workspace.ts";

test("added, changed, deleted, renamed and binary files are told apart", () => {
  const numstat = "3\t1\tsrc/a.js\x000\t9\told.txt\x001\t0\t\x00from name.txt\x00to name.txt\x00-\t-\tlogo.png\x00";
  const status = "M\x00src/a.js\x00D\x00old.txt\x00R096\x00from name.txt\x00to name.txt\x00A\x00logo.png\x00";
  expect(parseChanges(numstat, status)).toEqual([
    { path: "src/a.js", status: "modified", additions: 3, deletions: 1, binary: false },
    { path: "old.txt", status: "deleted", additions: 0, deletions: 9, binary: false },
    { path: "to name.txt", status: "renamed", additions: 1, deletions: 0, binary: false },
    { path: "logo.png", status: "added", additions: 0, deletions: 0, binary: true },
  ]);
});

test("a file name with a tab or a line break stays one file", () => {
  expect(parseChanges("1\t0\ta\tb\nc.txt\0", "A\0a\tb\nc.txt\0")).toEqual([
    { path: "a\tb\nc.txt", status: "added", additions: 1, deletions: 0, binary: false },
  ]);
});

test("no change is no file", () => {
  expect(parseChanges("", "")).toEqual([]);
});
