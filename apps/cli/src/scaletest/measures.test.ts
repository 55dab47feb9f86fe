import { expect, test } from "vitest";
import { createMeasures, quantile, verdict } from "./measures.ts";

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
  const figures = { update: { count: 1, p50_ms: 1, p95_ms: 20, p99_ms: 30, max_ms: 30 } };
  expect(verdict(figures, 0, { maxP95Ms: 20, maxErrors: 0 })).toEqual([]);
  expect(verdict(figures, 2, { maxP95Ms: 10, maxErrors: 1 })).toEqual(["update: p95 20 ms, over 10 ms", "2 errors, over 1"]);
  expect(verdict(figures, 2, { maxErrors: 2 })).toEqual([]);
});
