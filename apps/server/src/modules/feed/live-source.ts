/*
 * Where the feed gets the live deltas of a session from. The sessions module implements it.
 *
 * A watermark is `epoch.n`; both are non-negative integers, compared number by number. Within an
 * epoch `n` grows by one per delta; a takeover opens a greater epoch, whose first deltas are
 * `snapshot`s of every open part. `0.0` is before everything.
 *
 * How the feed uses it, once per session however many clients follow it:
 *
 *   subscribe ──► head            deltas after `head` now reach the listener
 *   history(after cursor) …       in pages, until `head` is reached; then what was buffered
 *
 * so nothing is lost or repeated if (1) `subscribe` reads `head` and adds the listener in one
 * synchronous step and (2) `history` also serves deltas that are only in memory so far.
 */
import type { SessionDelta } from "@signalbox/contract/sync";

export interface LiveUpdate {
  readonly watermark: string;
  readonly delta: SessionDelta;
}

export interface LiveSource {
  /** The session's room, or null when the organization has no such session. Access to the room is access to the session. */
  roomOf(organizationId: string, sessionId: string): Promise<string | null>;
  /** Ascending, without gaps, from right after `head`. The listener must not throw and is called synchronously. */
  subscribe(sessionId: string, listener: (updates: readonly LiveUpdate[]) => void): { readonly head: string; close(): void };
  /** The newest watermark, whichever process speaks. */
  head(sessionId: string): Promise<string>;
  /** Ascending after `after` (exclusive), at most `limit`; `stale` when what follows `after` is no longer kept, or `after` never was. */
  history(sessionId: string, after: string, limit: number): Promise<readonly LiveUpdate[] | "stale">;
}

/** Negative when `a` is before `b`. */
export function compareWatermarks(a: string, b: string): number {
  const [epochA = 0, nA = 0] = a.split(".").map(Number);
  const [epochB = 0, nB = 0] = b.split(".").map(Number);
  return epochA - epochB || nA - nB;
}
