import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { blocksOf, NO_BLOCKS, type Blocks } from "./blocks.ts";

const split = (text: string): string[] => {
  const { done, from } = blocksOf(text);
  return [...done, text.slice(from)];
};

describe("what is arriving falls into blocks", () => {
  test("at empty lines", () => expect(split("one\n\ntwo\n\nthr")).toEqual(["one\n\n", "two\n\n", "thr"]));
  test("but not inside code", () => expect(split("```js\na\n\nb\n```\n\nend")).toEqual(["```js\na\n\nb\n```\n\n", "end"]));
  test("nor inside code that shows a fence", () =>
    expect(split("````\n```\n\nx\n```\n````\n\nend")).toEqual(["````\n```\n\nx\n```\n````\n\n", "end"]));
  test("nor where a list goes on", () => expect(split("1. a\n\n2. b\n\n   more\n\nend")).toEqual(["1. a\n\n2. b\n\n   more\n\n", "end"]));
  test("nor before it is known what follows", () => expect(split("one\n\n")).toEqual(["one\n\n"]));
});

test("however the text is cut while it arrives, its blocks are those of the whole, and nothing is lost", () => {
  const piece = fc.constantFrom("word ", "\n", "\n\n", "```\n", "- item\n", "1. item\n", "  code\n", "> quote\n", "# head\n");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.nat(5), (pieces, step) => {
      const text = pieces.join("");
      let carry: Blocks = NO_BLOCKS;
      for (let end = 0; end < text.length; end += 1 + step) carry = blocksOf(text.slice(0, end), carry);
      carry = blocksOf(text, carry);
      expect(carry.done.join("").length).toBeLessThanOrEqual(carry.from);
      expect(text.slice(0, carry.from).replaceAll(/\s/g, "")).toBe(carry.done.join("").replaceAll(/\s/g, ""));
      expect(carry).toEqual(blocksOf(text));
    }),
    { numRuns: 300 },
  );
});

test("words within a block leave the finished ones the very same, so that nothing of them is drawn again", () => {
  const two = blocksOf("one\n\ntwo\n\nthree");
  let carry = two;
  let text = "one\n\ntwo\n\nthree";
  for (const word of [" and", " more", "\nof", " it"]) carry = blocksOf((text += word), carry);
  expect(carry).toBe(two);
  expect(blocksOf(`${text}\n\nfour`, carry).done).toHaveLength(3);
});
