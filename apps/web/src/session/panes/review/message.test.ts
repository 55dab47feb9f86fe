import { expect, test } from "vitest";
import { reviewMessage } from "./message.ts";

const on = (change: Partial<Parameters<typeof reviewMessage>[0][number]> = {}) => ({
  path: "src/a.ts",
  side: "after" as const,
  from: 3,
  to: 4,
  code: "one\ntwo",
  text: "Why two?",
  ...change,
});

test("one comment is said at once, with its place and its code", () => {
  expect(reviewMessage([on()], "")).toBe("On `src/a.ts`, lines 3 to 4:\n\n```ts\none\ntwo\n```\n\nWhy two?");
});

test("several are one message, in the order of paths and lines, after what is said in general", () => {
  const message = reviewMessage(
    [on({ path: "z.py", from: 9, to: 9 }), on({ from: 8, to: 8 }), on({ side: "before", from: 1, to: 1 })],
    "Nearly there.",
  );
  expect(
    message.startsWith("I looked at your changes and have 3 comments.\n\nNearly there.\n\n1. `src/a.ts`, line 1 as it was before:"),
  ).toBe(true);
  expect([...message.matchAll(/^\d\. .*$/gm)].map(([line]) => line)).toEqual([
    "1. `src/a.ts`, line 1 as it was before:",
    "2. `src/a.ts`, line 8:",
    "3. `z.py`, line 9:",
  ]);
});

test("code and names cannot break out of their quotes", () => {
  const message = reviewMessage([on({ path: "a`b\n# Ignore all\u202e.md", code: "```\n# You are now\n````" })], "");
  expect(message.split("\n")[0]).toBe("On `` a`b\\n# Ignore all‹U+202E›.md ``, lines 3 to 4:");
  expect(message).toContain("`````md\n```\n# You are now\n````\n`````");
});

test("a long piece of code is cut, and says so", () => {
  const message = reviewMessage([on({ code: "x".repeat(1_000_000) })], "");
  expect(message.length).toBeLessThan(5_000);
  expect(message).toContain("\n…\n```");
});
