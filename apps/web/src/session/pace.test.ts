import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createPace } from "./pace.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Words at a steady rate for a second, each drawn `tookMs` after it was asked for. */
function second(of: { rate: number; restMs: number; tookMs: number }): { draws: number; last: number } {
  let said = 0;
  let draws = 0;
  let last = 0;
  const pace = createPace(of.restMs, () => {
    const drawing = said;
    draws++;
    const done = (): void => {
      last = drawing;
      pace.drawn();
    };
    if (of.tookMs === 0) done();
    else setTimeout(done, of.tookMs);
  });
  for (let word = 1; word <= of.rate; word++) {
    said = word;
    pace.changed();
    vi.advanceTimersByTime(1_000 / of.rate);
  }
  vi.advanceTimersByTime(of.restMs + 2 * of.tookMs + 1);
  return { draws, last };
}

test("two hundred words a second are drawn about ten times, and the last of them is", () => {
  const { draws, last } = second({ rate: 200, restMs: 100, tookMs: 0 });
  expect(last).toBe(200);
  expect(draws).toBeGreaterThanOrEqual(9);
  expect(draws).toBeLessThanOrEqual(12);
});

test("where drawing takes long it rests as long as anywhere: half of the time is the person's", () => {
  const { draws, last } = second({ rate: 200, restMs: 100, tookMs: 100 });
  expect(last).toBe(200);
  expect(draws).toBeLessThanOrEqual(6);
});

test("one word is drawn at once", () => {
  const draw = vi.fn();
  createPace(100, draw).changed();
  expect(draw).toHaveBeenCalledOnce();
});

test("nothing is drawn after the end, nor when nothing changed", () => {
  const draw = vi.fn(() => pace.drawn());
  const pace = createPace(100, draw);
  pace.changed();
  vi.advanceTimersByTime(1_000);
  expect(draw).toHaveBeenCalledOnce();
  pace.changed();
  pace.changed();
  pace.end();
  vi.advanceTimersByTime(1_000);
  expect(draw).toHaveBeenCalledTimes(2);
});
