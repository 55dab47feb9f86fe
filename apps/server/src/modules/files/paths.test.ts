import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesOf, normalised, textOf } from "./paths.ts";

test("every name has one text, and every text leads back to its name", () => {
  const anyBytes = fc.uint8Array({ maxLength: 60 });
  const likely = fc
    .array(fc.constantFrom("a", "é", "漢", "🙂", "\uef80", "\uefff", "\u202e", "\n", '"', "\xff", "\xc3", "\xed\xa0\x80"), {
      maxLength: 12,
    })
    .map((parts) => Buffer.concat(parts.map((part) => Buffer.from(part, /[\x80-\xff]/.test(part) && part !== "é" ? "latin1" : "utf8"))));
  fc.assert(
    fc.property(fc.oneof(anyBytes, likely), (bytes) => {
      const name = Buffer.from(bytes);
      expect(bytesOf(textOf(name)).equals(name)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test("what is UTF-8 stays as it is, whatever it would do to a screen", () => {
  for (const name of ["src/main.ts", "a\nb", 'q"x', "rtl\u202etxt.exe", "🙂", "\ufeffbom"]) expect(textOf(Buffer.from(name))).toBe(name);
});

test("bytes that are not UTF-8 are told apart", () => {
  expect(textOf(Buffer.from("bad\xff", "latin1"))).toBe("bad\uefff");
  expect(textOf(Buffer.from("bad\xfe", "latin1"))).toBe("bad\ueffe");
});

test.each([
  ["", ""],
  [".", ""],
  ["./src//a/", "src/a"],
  ["src/../lib", "lib"],
  ["..", null],
  ["a/../..", null],
  ["/etc/passwd", null],
  ["...", "..."],
])("%s is %s", (path, expected) => expect(normalised(path)).toBe(expected));
