/* A yes or no that this browser remembers. */
import { useState } from "react";

export function useKept(key: string, fallback: boolean): [boolean, (next: boolean) => void] {
  const [value, setValue] = useState(() => {
    try {
      const kept = localStorage.getItem(key);
      return kept === null ? fallback : kept === "yes";
    } catch {
      return fallback; // Storage may be forbidden; the default then holds.
    }
  });
  return [
    value,
    (next) => {
      setValue(next);
      try {
        localStorage.setItem(key, next ? "yes" : "no");
      } catch {
        // Storage may be forbidden; the choice then holds until the page is left.
      }
    },
  ];
}
