/* How the play head runs: along the reel, so real time with its pauses shortened. Pure. */
import { indexOfPlace, totalOf, type Reel } from "./reel.ts";

export const SPEEDS = [1, 2, 4, 8, 16, 32] as const;
export type Speed = (typeof SPEEDS)[number];

/** A frame that comes later than this (a tab that was away) does not make up for it. */
const LONGEST_FRAME_MS = 250;

export function played(reel: Reel, place: number, elapsedMs: number, speed: Speed): { place: number; index: number; isOver: boolean } {
  const end = totalOf(reel);
  const next = Math.min(end, place + Math.min(LONGEST_FRAME_MS, Math.max(0, elapsedMs)) * speed);
  return { place: next, index: indexOfPlace(reel, next), isOver: next >= end };
}

/** The moments that the play head will be at in the next so many steps of `everyMs`. */
export function upcoming(reel: Reel, place: number, speed: Speed, everyMs: number, steps: number): number[] {
  const seqs = new Set<number>();
  for (let step = 1; step <= steps; step++) {
    const i = indexOfPlace(reel, place + step * everyMs * speed);
    if (i >= 0) seqs.add(reel.seq[i]!);
  }
  return [...seqs];
}
