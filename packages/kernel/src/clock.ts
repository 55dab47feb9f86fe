/** RFC 3339 UTC with exactly milliseconds, so that strings order as the instants they name. */
export type Timestamp = string;

/** Where time comes from; the shell passes `now()` into commands, nothing pure ever reads it. */
export interface Clock {
  now(): Timestamp;
  nowMs(): number;
}

let [saidMs, said] = [0, ""];

export const systemClock: Clock = {
  // Asked for every event, and most of a batch are of one millisecond.
  now() {
    const ms = Date.now();
    if (ms !== saidMs) [saidMs, said] = [ms, new Date(ms).toISOString()];
    return said;
  },
  nowMs: () => Date.now(),
};

export const plusMs = (at: Timestamp, ms: number): Timestamp => new Date(Date.parse(at) + ms).toISOString();
