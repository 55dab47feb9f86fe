import { expect, test } from "vitest";
import { ansiRuns } from "./ansi.ts";

const text = (input: string): string =>
  ansiRuns(input)
    .map((run) => run.text)
    .join("");
const ESC = "\u001b";

test("colours and weights become classes", () => {
  expect(ansiRuns(`${ESC}[1;31mno${ESC}[0m yes`)).toEqual([
    { text: "no", className: "ansi-red ansi-bold" },
    { text: " yes", className: "" },
  ]);
});

test("256 and true colours become the nearest of the sixteen, so that they can be read on both grounds", () => {
  expect(ansiRuns(`${ESC}[38;5;196mx`)[0]?.className).toBe("ansi-red-bright");
  expect(ansiRuns(`${ESC}[38;2;10;200;10mx`)[0]?.className).toBe("ansi-green");
  expect(ansiRuns(`${ESC}[48;2;0;0;180mx`)[0]?.className).toBe("ansi-on-blue");
});

test("a progress bar shows its last state", () => {
  expect(text("10 %\r50 %\r100 %\ndone")).toBe("100 %\ndone");
  expect(text(`loading${ESC}[2K\rok`)).toBe("ok");
  expect(text("ab\b\bcd\r\n")).toBe("cd\n");
});

test.each([
  ["a title", `${ESC}]0;pwned\u0007`],
  ["the clipboard", `${ESC}]52;c;cm0gLXJm${ESC}\\`],
  ["a cursor move", `${ESC}[2J${ESC}[1;1H`],
  ["device control", `${ESC}P1$r q${ESC}\\`],
  ["a bell and other controls", "\u0007\u0000\u009b31m"],
  ["a string that never ends", `${ESC}]0;${"x".repeat(100)}`],
  ["a lone escape", ESC],
])("%s does nothing and shows nothing", (_, sequence) => {
  expect(text(`before${sequence.endsWith("x") ? "" : sequence}`)).toBe("before");
  expect(text(`before${sequence}`).startsWith("before")).toBe(true);
  expect(text(`before${sequence}`)).not.toMatch(/pwned|cm0g/);
});

test("a link leads to http and https only", () => {
  const linked = (url: string): unknown => ansiRuns(`${ESC}]8;;${url}${ESC}\\here${ESC}]8;;${ESC}\\`)[0];
  expect(linked("https://example.com/a")).toEqual({ text: "here", className: "", href: "https://example.com/a" });
  for (const url of ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "nonsense"])
    expect(linked(url)).toEqual({ text: "here", className: "" });
});

test("a line of 5 MB is read in well under two seconds", () => {
  const line = `${ESC}[32m${"x".repeat(49)}`.repeat(100_000);
  const from = performance.now();
  expect(text(line)).toHaveLength(4_900_000);
  expect(performance.now() - from).toBeLessThan(2_000);
});
