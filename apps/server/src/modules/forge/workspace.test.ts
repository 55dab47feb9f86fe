import { expect, test } from "vitest";
import { parseChanges } from "./workspace.ts";

test("added, changed, deleted, renamed and binary files are told apart", () => {
  const numstat = "3\t1\tsrc/a.js\0" + "0\t9\told.txt\0" + "1\t0\t\0from name.txt\0to name.txt\0" + "-\t-\tlogo.png\0";
  const status = "M\0src/a.js\0" + "D\0old.txt\0" + "R096\0from name.txt\0to name.txt\0" + "A\0logo.png\0";
  expect(parseChanges(numstat, status)).toEqual([
    { path: "src/a.js", status: "modified", additions: 3, deletions: 1, binary: false },
    { path: "old.txt", status: "deleted", additions: 0, deletions: 9, binary: false },
    { path: "to name.txt", status: "renamed", additions: 1, deletions: 0, binary: false },
    { path: "logo.png", status: "added", additions: 0, deletions: 0, binary: true },
  ]);
});

test("a file name with a tab or a line break stays one file", () => {
  expect(parseChanges("1\t0\ta\tb\nc.txt\0", "A\0a\tb\nc.txt\0")).toEqual([{ path: "a\tb\nc.txt", status: "added", additions: 1, deletions: 0, binary: false }]);
});

test("no change is no file", () => {
  expect(parseChanges("", "")).toEqual([]);
});
