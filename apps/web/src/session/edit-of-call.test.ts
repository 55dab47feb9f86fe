import { expect, test } from "vitest";
import { editOfCall } from "./edit-of-call.ts";

const lines = (args: unknown, limit = 100): string[] => (editOfCall(args, limit)?.lines ?? []).map(({ kind, text }) => `${kind} ${text}`);

test("an edit is the lines that change, with a little of what is around them", () => {
  const oldString = "a\nb\nc\nreturn 1;\nd\ne\nf";
  expect(lines({ filePath: "x.js", oldString, newString: oldString.replace("1", "2") })).toEqual([
    "context b",
    "context c",
    "removed return 1;",
    "added return 2;",
    "context d",
    "context e",
  ]);
});
test.each([
  ["a new file", { filePath: "n", content: "x\ny\n" }, ["added x", "added y"]],
  ["what ACP agents send", { file_path: "n", old_string: "x", new_string: "" }, ["removed x"]],
  ["a patch", { patchText: "*** Begin Patch\n@@\n-a\n+b\n c\n*** End Patch" }, ["context @@", "removed a", "added b", "context c"]],
])("%s is read", (_, args, expected) => expect(lines(args)).toEqual(expected));
test("of a long edit only so much shows, and how much is missing is said", () => {
  expect(editOfCall({ filePath: "n", content: "x\n".repeat(50) }, 6)).toMatchObject({ more: 44 });
});
test("arguments of something else are no edit", () => {
  expect(editOfCall({ command: "ls" }, 5)).toBeNull();
  expect(editOfCall(null, 5)).toBeNull();
  expect(editOfCall({ content: "said" }, 5)).toBeNull();
});
