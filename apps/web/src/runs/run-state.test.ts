import { RunStatus } from "@signalbox/contract/runs";
import { expect, test } from "vitest";
import { hasRunEnded, isResolvable, RUN_STATUSES, runLamp, spanLamp } from "./run-state.ts";

test("every status of the contract has a word and a lamp", () => {
  expect([...RUN_STATUSES].sort()).toEqual([...RunStatus.options].sort());
});

test("only what waits for a person is lit", () => {
  expect(RUN_STATUSES.filter((status) => runLamp(status) === "wants")).toEqual(["needs_human"]);
});

test("what can be resolved has ended", () => {
  for (const status of RUN_STATUSES.filter(isResolvable)) expect(hasRunEnded(status)).toBe(true);
});

test.each([
  ["denied", "danger"],
  ["pending", "wants"],
  ["invoked", "moving"],
  ["completed", "clear"],
  ["something new", "dark"],
] as const)("a span that is %s shows %s", (status, lamp) => expect(spanLamp(status)).toBe(lamp));
