import { expect, test } from "vitest";
import { toolLine } from "./follow.ts";
import { ago, dollars, printable, table } from "./terminal.ts";

test("what an agent prints cannot move the cursor, set the title or hide text", () => {
  expect(printable("a\u001B[2Jb\u001B]0;title\u0007c\u0008d\re\u009Bf")).toBe("ab0;titlecdef".replace("0;", "0;"));
  expect(printable("two\nlines\tand a tab")).toBe("two\nlines\tand a tab");
});

test("columns line up, and the last one is not padded", () => {
  expect(table(["id", "title"], [["a", "one"], ["long", "two"]])).toBe("ID    TITLE\na     one\nlong  two");
});

test("small amounts show what they are, large ones are round", () => {
  expect([dollars(0), dollars(41), dollars(41_093), dollars(5_000_000)]).toEqual(["$0.00", "$0.0000", "$0.04", "$5.00"]);
});

test("times are told in the unit that says most", () => {
  const now = Date.parse("2030-01-01T12:00:00.000Z");
  expect(ago("2030-01-01T11:59:30.000Z", now)).toBe("30 s ago");
  expect(ago("2030-01-01T11:00:00.000Z", now)).toBe("1 h ago");
  expect(ago("2029-12-30T12:00:00.000Z", now)).toBe("2 d ago");
});

test("a tool call is told by its command or file, on one line", () => {
  expect(toolLine({ name: "bash", title: "bash", arguments: { command: "npm test\necho done" } })).toBe("bash  npm test ⏎ echo done");
  expect(toolLine({ name: "read", title: null, arguments: { filePath: "/workspace/a.js" } })).toBe("read  /workspace/a.js");
  expect(toolLine({ name: "plan", title: "Plan", arguments: null })).toBe("plan  Plan");
});
