/*
 * What this browser keeps of a session: files looked through, comments not sent yet. One value for every reader of a
 * key, also in another tab. What was kept in a shape that is not ours any more is as good as nothing.
 */
import { useCallback, useSyncExternalStore } from "react";

const values = new Map<string, unknown>();
const listeners = new Set<() => void>();
const tell = (): void => {
  for (const listener of listeners) listener();
};

function read<T>(key: string, valid: (value: unknown) => value is T, empty: T): T {
  if (values.has(key)) return values.get(key) as T;
  let kept = empty;
  try {
    const value: unknown = JSON.parse(localStorage.getItem(key) ?? "null");
    if (valid(value)) kept = value;
  } catch {
    kept = empty; // Storage may be forbidden or hold what is no JSON; one then starts anew.
  }
  values.set(key, kept);
  return kept;
}

function onStorage({ key }: StorageEvent): void {
  if (key === null) values.clear();
  else values.delete(key);
  tell();
}
function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) window.addEventListener("storage", onStorage);
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) window.removeEventListener("storage", onStorage);
  };
}

/** `valid` and `empty` must be the same at each call: they are what the key means. */
export function useKeptJson<T>(key: string, valid: (value: unknown) => value is T, empty: T): [T, (change: (before: T) => T) => void] {
  const value = useSyncExternalStore(subscribe, () => read(key, valid, empty));
  const change = useCallback(
    (make: (before: T) => T) => {
      const next = make(read(key, valid, empty));
      values.set(key, next);
      try {
        localStorage.setItem(key, JSON.stringify(next));
      } catch {
        // Storage may be forbidden or full; it then holds until the page is left.
      }
      tell();
    },
    [key, valid, empty],
  );
  return [value, change];
}
