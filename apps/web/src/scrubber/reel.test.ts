import { expect, test } from "vitest";
import { phraseOf, valueText } from "./phrase.ts";
import { played, upcoming } from "./play.ts";
import {
  costOfPlace,
  EMPTY_REEL,
  extended,
  indexOfPlace,
  indexOfSeq,
  LONGEST_MS,
  nearest,
  nextOf,
  pauseAfter,
  SHORTEST_MS,
  timeOfPlace,
  totalOf,
  type Reel,
} from "./reel.ts";
import { timelineOf, type Happened } from "./timeline.fixture.ts";

const reelOf = (...of: Parameters<typeof timelineOf>): Reel => extended(EMPTY_REEL, timelineOf(...of));
const at = (...ms: number[]): Happened[] => ms.map((atMs) => ({ kind: "other", atMs }));

test("a pause is as long as it was up to a second, what happened at once can be told apart", () => {
  const reel = reelOf(at(0, 0, 400, 3_600_000));
  expect([...reel.place]).toEqual([0, SHORTEST_MS, SHORTEST_MS + 400, SHORTEST_MS + 400 + LONGEST_MS]);
  expect(pauseAfter(reel, 1)).toBeNull();
  expect(pauseAfter(reel, 2)).toBe(3_599_600);
  expect(pauseAfter(reel, 3)).toBeNull();
});

test("a clock that went backwards makes neither the reel nor the times along it run backwards", () => {
  const reel = reelOf(at(0, 5_000, 200, 300, 9_000));
  for (let i = 1; i < reel.length; i++) expect(reel.place[i]!).toBeGreaterThan(reel.place[i - 1]!);
  // Between two events time only goes on, even where the next one says that it was earlier.
  for (let i = 0; i + 1 < reel.length; i++) {
    const middle = (reel.place[i]! + reel.place[i + 1]!) / 2;
    expect(timeOfPlace(reel, middle)).toBeGreaterThanOrEqual(timeOfPlace(reel, reel.place[i]!));
  }
});

test("an increment makes the same reel as everything at once, and telling something twice changes nothing", () => {
  const events: Happened[] = [
    { kind: "prompt", atMs: 0, label: "Fix it", ref: "m1" },
    { kind: "tool", atMs: 50, label: "npm test", ref: "tc1", outcome: "started" },
    { kind: "approval", atMs: 90, label: "Push", ref: "a1", outcome: "pending" },
    { kind: "tool", atMs: 120, label: "exit 1", ref: "tc1", outcome: "failed" },
    { kind: "approval", atMs: 900, label: "Approved", ref: "a1", outcome: "approved" },
  ];
  const whole = reelOf(events, { cost: [[4, 70]], turns: [["run", "Fix it", 1, 5]], tools: [["tc1", "npm test", 2, 4]] });
  const first = timelineOf(events.slice(0, 3), { turns: [["run", "Fix it", 1, -1]], tools: [["tc1", "npm test", 2, -1]] });
  const rest = timelineOf(events.slice(3), {
    after: 3,
    cost: [[4, 70]],
    turns: [["run", "Fix it", 1, 5]],
    tools: [["tc1", "npm test", 2, 4]],
  });
  expect(extended(extended(EMPTY_REEL, first), rest)).toEqual(whole);
  expect(extended(extended(extended(EMPTY_REEL, first), rest), rest)).toEqual(whole);
  expect(whole.waits).toEqual([{ ref: "a1", label: "Push", start: 3, end: 5, status: "approved" }]);
  expect(whole.counts).toEqual([1, 0, 1, 2, 0, 1, 0]);
});

test("events are found by seq, by place and by kind", () => {
  const reel = reelOf([
    { kind: "prompt", atMs: 0 },
    { kind: "tool", atMs: 100 },
    { kind: "tool", atMs: 200, outcome: "failed" },
    { kind: "prompt", atMs: 300 },
  ]);
  expect([0, 1, 4, 99].map((seq) => indexOfSeq(reel, seq))).toEqual([-1, 0, 3, 3]);
  expect([-1, 0, 99, 100, 1e9].map((place) => indexOfPlace(reel, place))).toEqual([-1, 0, 0, 1, 3]);
  expect([40, 60, -5, 1e9].map((place) => nearest(reel, place))).toEqual([0, 1, 0, 3]);
  expect([nextOf(reel, 0, 1, "prompt"), nextOf(reel, 3, -1, "failure"), nextOf(reel, 0, 1, "approval")]).toEqual([3, 2, -1]);
});

test("what had been spent at a place is what had been settled by then", () => {
  const reel = reelOf(at(0, 100, 200, 300), {
    cost: [
      [2, 10],
      [4, 35],
    ],
  });
  expect([0, 99, 100, 250, 300].map((place) => costOfPlace(reel, place))).toEqual([0, 0, 10, 10, 35]);
});

test("an event is read out with its time, its number and what it was", () => {
  const reel = reelOf(
    [
      { kind: "tool", atMs: 0, label: "npm test", ref: "tc1", outcome: "started" },
      { kind: "tool", atMs: 2_000, label: "exit code 1", ref: "tc1", outcome: "failed" },
      { kind: "approval", atMs: 3_000, label: "Push to main", ref: "a1", outcome: "pending" },
      { kind: "approval", atMs: 4_000, label: "Denied", ref: "a1", outcome: "denied" },
      { kind: "message", atMs: 5_000 },
    ],
    { tools: [["tc1", "npm test", 1, 2]] },
  );
  expect(valueText(reel, 1)).toMatch(/^\d\d:\d\d:02, event 2 of 5: tool call npm test failed: exit code 1$/);
  expect([0, 2, 3, 4].map((i) => phraseOf(reel, i))).toEqual([
    "tool call npm test",
    "approval asked for: Push to main",
    "denied: Push to main",
    "message, without words",
  ]);
});

test("a reel without any event has nothing on it, and nothing fails", () => {
  const reel = reelOf([]);
  expect([totalOf(reel), indexOfSeq(reel, 5), indexOfPlace(reel, 5), nearest(reel, 5), timeOfPlace(reel, 5)]).toEqual([
    0,
    -1,
    -1,
    -1,
    Date.parse("2026-11-21T14:00:00Z"),
  ]);
  expect(played(reel, 0, 16, 1).isOver).toBe(true);
});

test("playing takes as long as it took, divided by the speed, and stops at the end", () => {
  const reel = reelOf(at(0, 500, 1_000, 60_000));
  expect(played(reel, 0, 100, 1)).toEqual({ place: 100, index: 0, isOver: false });
  expect(played(reel, 450, 100, 1)).toEqual({ place: 550, index: 1, isOver: false });
  expect(played(reel, 0, 100, 8)).toEqual({ place: 800, index: 1, isOver: false });
  expect(played(reel, 1_900, 200, 32)).toEqual({ place: 2_000, index: 3, isOver: true });
  // A tab that was away goes on from where it was.
  expect(played(reel, 0, 60_000, 1).place).toBe(250);
  expect(upcoming(reel, 0, 4, 120, 3)).toEqual(
    [1, 2, 3].map((n) => indexOfPlace(reel, n * 480) + 1).filter((seq, i, all) => all.indexOf(seq) === i),
  );
});
