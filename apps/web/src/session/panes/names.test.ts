import { expect, test } from "vitest";
import { extensionOf, shownName } from "./names.ts";

test.each([
  ["two\nlines", "two\\nlines"],
  ["gpj.\u202efdp.exe", "gpj.‹U+202E›fdp.exe"],
  ["\u001b[31mred", "\\x1b[31mred"],
  ["latin\uefe9.txt", "latin\\xe9.txt"],
  ["<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"],
  ["ordinary ü 名.txt", "ordinary ü 名.txt"],
])("%j reads as %s", (name, shown) => {
  expect(shownName(name)).toBe(shown);
});

test("a language is known by the end of the name, where there is one", () => {
  expect(["a/b.TS", "x/Dockerfile", "LICENSE", ".gitignore", "a.b/c"].map(extensionOf)).toEqual([
    "ts",
    "dockerfile",
    undefined,
    "gitignore",
    undefined,
  ]);
});
