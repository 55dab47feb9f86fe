/* What this installation signs with keys that rotate, and for how long a key of each must go on verifying. */
import type { RingOptions } from "./key-ring.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const RINGS = {
  /** Tokens live 15 minutes at most. */
  sync: { name: "sync", rotateMs: DAY_MS, keepMs: HOUR_MS },
  /** Requests between the roles are good for a minute. */
  service: { name: "service", rotateMs: DAY_MS, keepMs: HOUR_MS },
  /** Capabilities live a year at most (`MAX_CAPABILITY_DAYS`). */
  capability: { name: "capability", rotateMs: 90 * DAY_MS, keepMs: 366 * DAY_MS },
} as const satisfies Record<string, RingOptions>;

export type RingName = keyof typeof RINGS;
