/** RFC 3339 UTC with exactly milliseconds, so that strings order as the instants they name. */
export type Timestamp = string;

/** Where time comes from; the shell passes `now()` into commands, nothing pure ever reads it. */
export interface Clock {
  now(): Timestamp;
  nowMs(): number;
}

export const systemClock: Clock = {
  now: () => new Date().toISOString(),
  nowMs: () => Date.now(),
};

export const plusMs = (at: Timestamp, ms: number): Timestamp => new Date(Date.parse(at) + ms).toISOString();
