/* Who may send on the one writing connection: one holder at a time, first come first served. */

export interface Slot {
  isTaken(): boolean;
  /** Only when free. Releasing twice is releasing once. */
  takeNow(): () => void;
  take(): Promise<() => void>;
}

export function createSlot(): Slot {
  let taken = false;
  const waiting: (() => void)[] = [];
  const takeNow = () => {
    taken = true;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      taken = false;
      waiting.shift()?.();
    };
  };
  return {
    isTaken: () => taken,
    takeNow,
    take: () => new Promise((resolve) => waiting.push(() => resolve(takeNow()))),
  };
}
