/*
 * The one voice of the page for a screen reader. What is announced within a second is said in one go, the same
 * words are not said twice in ten seconds, and nothing is said while nothing changed: a control room that chatters
 * is switched off. Mount <LiveRegion> once; call `announce` from anywhere.
 */
import { useSyncExternalStore } from "react";

const GATHER_MS = 1_000;
const FORGET_MS = 10_000;

let said = "";
let waiting: string[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;
const lately = new Map<string, number>();
const listeners = new Set<() => void>();

function speak(): void {
  timer = undefined;
  said = waiting.join(" ");
  waiting = [];
  for (const listener of listeners) listener();
}

export function announce(text: string, now: number = Date.now()): void {
  for (const [words, at] of lately) if (now - at > FORGET_MS) lately.delete(words);
  if (lately.has(text)) return;
  lately.set(text, now);
  waiting.push(/[.!?…]$/.test(text) ? text : `${text}.`);
  timer ??= setTimeout(speak, GATHER_MS);
}

export function LiveRegion() {
  const text = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => said,
  );
  return (
    <div role="status" aria-live="polite" aria-atomic="true" className="sr-only">
      {text}
    </div>
  );
}
