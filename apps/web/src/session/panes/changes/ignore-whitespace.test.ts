import { expect, test } from "vitest";
import { parseDiff } from "./diff.ts";
import { ignoringWhitespace } from "./ignore-whitespace.ts";

const of = (body: string): string[] =>
  ignoringWhitespace(parseDiff(`diff --git a/a b/a\n--- a/a\n+++ b/a\n${body}`)[0]!).hunks.flatMap(({ lines }) =>
    lines.map(({ kind, text, before, after }) => `${before ?? "·"}/${after ?? "·"} ${kind} ${text}`),
  );

test("lines that only moved to the right are context, what was put between them stays", () => {
  expect(of("@@ -1,2 +1,4 @@\n-one\n-two\n+if (x) {\n+  one\n+  two\n+}\n")).toEqual([
    "·/1 added if (x) {",
    "1/2 context   one",
    "2/3 context   two",
    "·/4 added }",
  ]);
});

test("a hunk of white space alone is gone, one with a change stays whole", () => {
  expect(of("@@ -1 +1 @@\n-a\n+ a\n@@ -9 +9 @@\n-b\n+c\n")).toEqual(["9/· removed b", "·/9 added c"]);
});

test("a file too long to compare every pair is compared line by line", () => {
  const body = Array.from({ length: 900 }, (_, i) => i);
  const before = body.map((i) => `-line ${i}`).join("\n");
  const after = body.map((i) => `+${i === 500 ? "other" : `  line ${i}`}`).join("\n");
  const left = of(`@@ -1,900 +1,900 @@\n${before}\n${after}\n`).filter((line) => !line.includes("context"));
  expect(left).toEqual(["501/· removed line 500", "·/501 added other"]);
});
