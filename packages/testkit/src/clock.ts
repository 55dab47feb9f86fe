import { plusMs, type Clock, type Timestamp } from "@signalbox/kernel/clock";

export interface TestClock extends Clock {
  set(at: Timestamp): void;
  advance(ms: number): void;
}

/** Stands still until the test moves it. */
export function testClock(start: Timestamp = "2030-01-01T12:00:00.000Z"): TestClock {
  let now = start;
  return {
    now: () => now,
    nowMs: () => Date.parse(now),
    set: (at) => void (now = at),
    advance: (ms) => void (now = plusMs(now, ms)),
  };
}
