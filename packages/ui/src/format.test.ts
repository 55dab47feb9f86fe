import { expect, test } from "vitest";
import { ago, bytes, duration, money, oneLine, remaining, repositoryName, visible } from "./format.ts";

const NOON = Date.parse("2030-06-15T12:00:00.000Z");
const before = (ms: number): string => new Date(NOON - ms).toISOString();

test.each([
  [0, "$0.00"],
  [12, "<$0.0001"],
  [4_200, "$0.0042"],
  [12_400, "$0.01"],
  [2_000_000, "$2.00"],
])("%d micro-dollars read as %s", (micro, text) => expect(money(micro)).toBe(text));

test.each([
  [40, "40 ms"],
  [1_240, "1.2 s"],
  [42_000, "42 s"],
  [61_000, "1 min 1 s"],
  [7_260_000, "2 h 1 min"],
])("%d ms read as %s", (ms, text) => expect(duration(ms)).toBe(text));

test.each([
  [-59_000, "59 s"],
  [-240_000, "4 min"],
  [-86_400_000, "24 h"],
  [0, null],
  [1, null],
  [-6 * 86_400_000, "6 days"],
])("what expires %d ms ago has %s left", (ms, text) => expect(remaining(before(ms), NOON)).toBe(text));

test("a moment is just now, then minutes, then a time of day", () => {
  expect(ago(before(3_000), NOON)).toBe("just now");
  expect(ago(before(240_000), NOON)).toBe("4 min ago");
  expect(ago(before(5 * 3_600_000), NOON)).toMatch(/^\d\d:\d\d$/);
});

test("what is to come is in a moment, in minutes, then a time of day, then tomorrow, then a day", () => {
  expect(ago(before(-3_000), NOON)).toBe("just now");
  expect(ago(before(-20_000), NOON)).toBe("in a moment");
  expect(ago(before(-240_000), NOON)).toBe("in 4 min");
  expect(ago(before(-86_400_000), NOON)).toMatch(/^tomorrow \d\d:\d\d$/);
  expect(ago(before(-6 * 86_400_000), NOON)).not.toMatch(/ago|now|\d:\d/);
});

test.each([
  ["/home/ada/ledger", "ledger"],
  ["/home/ada/ledger.git/", "ledger"],
  ["https://github.com/acme/exports.git", "exports"],
  ["/", "/"],
])("%s is called %s", (url, name) => expect(repositoryName(url)).toBe(name));

test.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [999, "999 bytes"],
  [1000, "1.0 KB"],
  [123_456, "123 KB"],
  [5_300_000_000, "5.3 GB"],
])("%d bytes read as %s", (size, text) => expect(bytes(size)).toBe(text));

test("characters that turn text around are written out, and an emoji or a Hebrew name stays what it is", () => {
  expect(visible("invoice\u202Egnp.exe")).toBe("invoice‹U+202E›gnp.exe");
  expect(visible("a\u200bb")).toBe("a‹U+200B›b");
  expect(visible("שלום 👩‍🚀")).toBe("שלום 👩‍🚀");
});

test.each([
  ["The discount is **taken off**, and `npm test` passes.", "The discount is taken off, and npm test passes."],
  ["# Done\n\n- one\n- two [here](https://example.com)", "Done one two here"],
  ["2 * 3 * 4 and snake_case_name stay", "2 * 3 * 4 and snake_case_name stay"],
])("%s is one line", (markdown, line) => {
  expect(oneLine(markdown)).toBe(line);
});
