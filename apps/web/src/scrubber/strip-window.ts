/* Which part of the reel is in sight, for the strip and for the buttons beside it. */
import { EMPTY_REEL, type Reel } from "./reel.ts";
import { grownTo, isWhole, panned, showing, wholeOf, zoomed, type Window } from "./window.ts";

export interface StripWindow {
  get(): Window;
  isWhole(): boolean;
  subscribe(listener: () => void): () => void;
  /** `around` is a place; absent: the middle. */
  zoom(factor: number, around?: number): void;
  pan(by: number): void;
  whole(): void;
  show(place: number): void;
  setReel(reel: Reel): void;
}

export function createStripWindow(): StripWindow {
  const listeners = new Set<() => void>();
  let reel = EMPTY_REEL;
  let window = wholeOf(reel);
  function set(next: Window): void {
    if (next.from === window.from && next.to === window.to) return;
    window = next;
    for (const listener of listeners) listener();
  }
  return {
    get: () => window,
    isWhole: () => isWhole(window, reel),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    zoom: (factor, around = (window.from + window.to) / 2) => set(zoomed(window, reel, factor, around)),
    pan: (by) => set(panned(window, reel, by)),
    whole: () => set(wholeOf(reel)),
    show: (place) => set(showing(window, reel, place)),
    setReel(next) {
      const before = reel;
      reel = next;
      set(grownTo(window, before, next));
    },
  };
}
