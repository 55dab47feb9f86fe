import { describe, expect, test } from "vitest";
import { isLongPaste, mentionAt, messageOf, quoted } from "./draft.ts";

describe("a message", () => {
  test("is its words and then what was pasted, in a fence that the paste does not contain", () => {
    expect(messageOf({ text: " Look: ", pasted: ["a ``` b\n"] })).toBe("Look:\n\n````\na ``` b\n````");
  });
  test("of nothing is nothing", () => expect(messageOf({ text: "  \n", pasted: [] })).toBe(""));
});

test("a paste is long by its characters or by its lines", () => {
  expect([isLongPaste("x".repeat(2_001)), isLongPaste("x\n".repeat(26)), isLongPaste("x\n".repeat(10))]).toEqual([true, true, false]);
});

test("a quotation leaves room to answer", () => expect(quoted("one\ntwo\n")).toBe("> one\n> two\n\n"));

test.each([
  ["fix @src/in", 11, { from: 4, query: "src/in" }],
  ["@", 1, { from: 0, query: "" }],
  ["a@b.c", 5, null],
  ["@done and", 9, null],
  ["see @x later", 6, { from: 4, query: "x" }],
])("a mention is read right before the caret: %s", (text, caret, expected) => expect(mentionAt(text, caret)).toEqual(expected));
