import { useEffect, useRef, useState } from "react";

/** How often the present is read while it changes. */
export const NOW_MS = 2_000;

/** Follows a value, but changes at most every `ms`; the last one is always reached. */
export function useSlowly<T>(value: T, ms: number): T {
  const [slow, setSlow] = useState(value);
  const changedAt = useRef(-Infinity);
  useEffect(() => {
    const wait = Math.max(0, changedAt.current + ms - performance.now());
    const timer = setTimeout(() => {
      changedAt.current = performance.now();
      setSlow(value);
    }, wait);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return slow;
}
