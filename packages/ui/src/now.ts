/* One clock for everything on the page that counts, so that a hundred countdowns are one timer. */
import { useSyncExternalStore } from "react";

/** How far the clock that the times on the page come from is ahead of this one. */
let offsetMs = 0;
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function tick(): void {
  now = Date.now() + offsetMs;
  for (const each of listeners) each();
}

/** Times are told by a server whose clock is another: "4 min ago" and countdowns then follow that one. */
export function setClockOffset(ms: number): void {
  if (ms === offsetMs) return;
  offsetMs = ms;
  tick();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    tick();
  }, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Milliseconds, in steps of a second. */
export const useNow = (): number => useSyncExternalStore(subscribe, () => now);
