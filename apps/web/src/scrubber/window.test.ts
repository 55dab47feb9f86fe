import { expect, test } from "vitest";
import { densityOf, under } from "./density.ts";
import { EMPTY_REEL, extended, totalOf, type Reel } from "./reel.ts";
import { timelineOf, type Happened } from "./timeline.fixture.ts";
import { grownTo, isWhole, panned, placeOf, showing, ticksOf, wholeOf, xOf, zoomed } from "./window.ts";

const FRAME = { left: 50, width: 1_000 };
const NONE: ReadonlySet<never> = new Set();
const reelOf = (happened: readonly Happened[]): Reel => extended(EMPTY_REEL, timelineOf(happened));
const every = (n: number, ms: number, kind = "tool"): Happened[] => Array.from({ length: n }, (_, i) => ({ kind, atMs: i * ms }));

test("what is under the pointer stays there while one comes closer, and the window never leaves the reel", () => {
  const reel = reelOf(every(101, 100));
  const whole = wholeOf(reel);
  const closer = zoomed(whole, reel, 0.25, 4_000);
  expect(closer.to - closer.from).toBeCloseTo(2_500);
  expect(xOf(4_000, closer, FRAME)).toBeCloseTo(xOf(4_000, whole, FRAME));
  expect(placeOf(xOf(1_234, closer, FRAME), closer, FRAME)).toBeCloseTo(1_234);
  expect(panned(closer, reel, -1e9).from).toBe(0);
  expect(panned(closer, reel, 1e9).to).toBe(totalOf(reel));
  expect(isWhole(zoomed(closer, reel, 1e9, 0), reel)).toBe(true);
});

test("a growing reel stays in sight: all of it, its end, or what one looks at", () => {
  const [before, after] = [reelOf(every(101, 100)), reelOf(every(201, 100))];
  expect(isWhole(grownTo(wholeOf(before), before, after), after)).toBe(true);
  expect(grownTo({ from: 9_000, to: 10_000 }, before, after)).toEqual({ from: 19_000, to: 20_000 });
  expect(grownTo({ from: 2_000, to: 3_000 }, before, after)).toEqual({ from: 2_000, to: 3_000 });
  expect(showing({ from: 2_000, to: 3_000 }, after, 3_001).from).toBeCloseTo(2_901);
  expect(showing({ from: 2_000, to: 3_000 }, after, 2_500)).toEqual({ from: 2_000, to: 3_000 });
});

test("times along the strip ascend and none is written twice", () => {
  const ticks = ticksOf(
    reelOf([...every(5, 100), ...every(5, 100).map(({ kind, atMs }) => ({ kind, atMs: atMs + 86_400_000 }))]),
    { from: 0, to: 1_800 },
    FRAME,
  );
  for (let i = 1; i < ticks.length; i++) {
    expect(ticks[i]!.x).toBeGreaterThan(ticks[i - 1]!.x);
    expect(ticks[i]!.text).not.toBe(ticks[i - 1]!.text);
  }
  // The next day is named where it begins.
  expect(ticks.some(({ text }) => /22|Nov/.test(text) && text.length > 8)).toBe(true);
});

test("marks with room stand for themselves; where they would touch they are one bar, and a failure under many is counted", () => {
  const lone = reelOf([
    { kind: "prompt", atMs: 0 },
    { kind: "prompt", atMs: 500 },
    { kind: "prompt", atMs: 1_000 },
  ]);
  expect(densityOf(lone, wholeOf(lone), FRAME, NONE)[0]!.map(({ isAlone, count }) => [isAlone, count])).toEqual([
    [true, 1],
    [true, 1],
    [true, 1],
  ]);
  const crowd = reelOf([
    ...every(5_000, 16),
    { kind: "tool", atMs: 80_000, outcome: "failed" },
    ...every(5_000, 16).map((each) => ({ ...each, atMs: each.atMs + 80_016 })),
  ]);
  const bins = densityOf(crowd, wholeOf(crowd), FRAME, NONE)[1]!;
  expect(bins.length).toBeLessThan(340);
  expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(10_001);
  expect(bins.reduce((sum, { failures }) => sum + failures, 0)).toBe(1);
  expect(densityOf(crowd, wholeOf(crowd), FRAME, new Set(["tool"] as const))[1]!.reduce((sum, { count }) => sum + count, 0)).toBe(1);
});

test("under the pointer what tells most comes first", () => {
  const reel = reelOf([
    { kind: "tool", atMs: 0 },
    { kind: "approval", atMs: 10, outcome: "pending" },
    { kind: "tool", atMs: 20, outcome: "failed" },
    ...every(50, 400).map(({ kind, atMs }) => ({ kind, atMs: atMs + 400 })),
  ]);
  expect(under(reel, wholeOf(reel), FRAME, 50, NONE)).toEqual([2, 1, 0]);
  expect(under(reel, wholeOf(reel), FRAME, 50, new Set(["failure"] as const))).toEqual([1, 0]);
});

test("100,000 events are binned within a frame or two", () => {
  const reel = reelOf(every(100_000, 16));
  const took = Array.from({ length: 5 }, () => {
    const from = performance.now();
    densityOf(reel, wholeOf(reel), FRAME, NONE);
    return performance.now() - from;
  });
  expect(Math.min(...took)).toBeLessThan(50);
});
