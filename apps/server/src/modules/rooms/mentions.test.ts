import { expect, test } from "vitest";
import { mentionsIn } from "./mentions.ts";

const ANNA = { id: "usr_anna", displayName: "Anna" };
const ANNA_MARIA = { id: "usr_am", displayName: "Anna Maria Lang" };
const RENE = { id: "usr_rene", displayName: "René O'Neil" };
const ALL = [ANNA, ANNA_MARIA, RENE];

test.each([
  ["@Anna look at this", ["usr_anna"]],
  ["@anna, @ANNA!", ["usr_anna"]],
  ["thanks @Anna Maria Lang.", ["usr_am"]],
  ["thanks @Anna Mar", ["usr_anna"]],
  ["@anna-maria-lang and @annamarialang", ["usr_am"]],
  ["(@rené o'neil) @renéoneil", ["usr_rene"]],
  ["by id: @usr_am", ["usr_am"]],
  ["anna@example.com and me@anna", []],
  ["@annabel is somebody else", []],
  ["in code `@Anna` and\n```\n@Anna\n```", []],
  ["an open fence ```\n@Anna", []],
  ["@", []],
] as const)("%s", (text, ids) => {
  expect(mentionsIn(text, ALL)).toEqual([...ids]);
});

test("two who are called the same are both meant", () => {
  expect(mentionsIn("@Anna", [ANNA, { id: "usr_other", displayName: "anna" }])).toEqual(["usr_anna", "usr_other"]);
});

test("a long text of nothing but at signs takes no time", () => {
  const started = performance.now();
  mentionsIn("@".repeat(200_000), ALL);
  expect(performance.now() - started).toBeLessThan(2000);
});
