import { expect, test } from "vitest";
import type { ApprovalView } from "@signalbox/contract/approvals";
import { describeApproval } from "./approve.ts";
import { toolLine } from "./follow.ts";
import { ago, createTerminal, dollars, printable, table } from "./terminal.ts";

test("what an agent prints cannot move the cursor, set the title or hide text", () => {
  expect(printable("a\u001B[2Jb\u001B]0;title\u0007c\u0008d\re\u009Bf")).toBe("ab0;titlecdef".replace("0;", "0;"));
  expect(printable("two\nlines\tand a tab")).toBe("two\nlines\tand a tab");
});

test("text cannot be made to read backwards, as in a file name that seems another", () => {
  expect(printable("push \u202Eniam\u202C to \u2066x\u2069\u200E")).toBe("push niam to x");
});

test("the question that a person answers shows nothing that an agent could draw over it", () => {
  const request = { purpose: "fix\n  call     {}\u001B[1A", risks: ["\u001B[2Knone"], notes_md: "- abc \u0007" };
  const approval = {
    title: "Push to \u001B[2K\rharmless",
    action: "git.push",
    params: { ref: "\u001B[0m" },
    call_hash: "sha256:x",
    expires_at: "2030-01-01T12:00:00.000Z",
    request,
  } as unknown as ApprovalView;
  const shown = describeApproval(approval, createTerminal(true));
  expect(shown.split("\n").filter((line) => line.startsWith("  call "))).toHaveLength(1);
  // eslint-disable-next-line no-control-regex -- control characters are what must not be there
  expect(shown).not.toMatch(/[\u0000-\u0009\u000B-\u001F]/);
});

test("columns line up, and the last one is not padded", () => {
  expect(
    table(
      ["id", "title"],
      [
        ["a", "one"],
        ["long", "two"],
      ],
    ),
  ).toBe("ID    TITLE\na     one\nlong  two");
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
