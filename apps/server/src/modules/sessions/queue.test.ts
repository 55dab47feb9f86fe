import { expect, test } from "vitest";
import { inOrder, type Move } from "./queue.ts";

const turns = (...ids: string[]) => ids.map((runId, i) => ({ runId, seq: (i + 1) * 10 }));
const move = (seq: number, runId: string, beforeRunId: string | null): Move => ({ seq, runId, beforeRunId });
const order = (ids: readonly string[], ...moves: Move[]) =>
  inOrder(turns(...ids), moves)
    .map(({ runId }) => runId)
    .join("");

test("without a move prompts run as they were asked for", () => expect(order(["a", "b", "c"])).toBe("abc"));

test.each([
  ["before the first", [move(41, "c", "a")], "cab"],
  ["before its neighbour", [move(41, "a", "b")], "abc"],
  ["last", [move(41, "a", null)], "bca"],
  ["last, and then something else before it", [move(41, "a", null), move(42, "c", "a")], "bca"],
  ["there and back", [move(41, "c", "a"), move(42, "c", null)], "abc"],
  ["before itself", [move(41, "b", "b")], "abc"],
  ["before one that is not known", [move(41, "c", "x")], "abc"],
])("moved %s", (_what, moves, expected) => expect(order(["a", "b", "c"], ...moves)).toBe(expected));

test("what was moved last stays before what was asked for afterwards", () => {
  expect(order(["a", "b", "c"], move(25, "a", null))).toBe("bac");
});

test("the order does not depend on the order in which moves are read", () => {
  const moves = [move(41, "a", null), move(42, "c", "b"), move(43, "b", "c")];
  expect(order(["a", "b", "c"], ...moves.toReversed())).toBe(order(["a", "b", "c"], ...moves));
});
