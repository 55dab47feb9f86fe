import { expect, test } from "vitest";
import { createMeasures, p95Limits, quantile, verdict } from "./measures.ts";

test("quantiles are of the nearest rank, also of few values", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  expect([quantile(hundred, 0.5), quantile(hundred, 0.95), quantile(hundred, 0.99)]).toEqual([50, 95, 99]);
  expect([quantile([7], 0.5), quantile([7], 0.99), quantile([], 0.5)]).toEqual([7, 7, 0]);
});

test("what failed is counted by what it said, and takes no part in the times", async () => {
  const measures = createMeasures();
  await measures.timed("message.create", async () => 1);
  expect(await measures.timed("message.create", () => Promise.reject(Object.assign(new Error("x"), { code: "unavailable" })))).toBe(null);
  expect(measures.errors).toBe(1);
  expect(measures.failures()).toEqual({ "message.create: unavailable": 1 });
  expect(measures.figures()["message.create"]?.count).toBe(1);
});

test("a gate fails on a slow operation and on errors, and says which", () => {
  const took = (p95: number) => ({ count: 1, p50_ms: 1, p95_ms: p95, p99_ms: 90, max_ms: 90 });
  const figures = { update: took(20), "session.first_delta": took(80) };
  const gate = (limits: string | null, errors = 0, maxErrors = 0) =>
    verdict(figures, errors, { maxP95Ms: limits === null ? undefined : p95Limits(limits)!, maxErrors });
  expect(gate("20")).toEqual([]);
  expect(gate("10", 2, 1)).toEqual(["update: p95 20 ms, over 10 ms", "2 errors, over 1"]);
  expect(gate(null, 1)).toEqual(["1 error, over 0"]);
  // One may be allowed more, or less; and what is named must have been measured.
  expect(gate("10, update=30")).toEqual([]);
  expect(gate("session.first_delta=70")).toEqual(["session.first_delta: p95 80 ms, over 70 ms"]);
  expect(gate("updates=30")).toEqual(["updates: was not measured"]);
});

test("limits that are none are not read as some", () => {
  for (const text of ["", "fast", "update=", "=3", "10,", "-1"]) expect(p95Limits(text), text).toBeNull();
  expect(p95Limits("250,update=12.5")).toEqual({ all: 250, of: { update: 12.5 } });
});
