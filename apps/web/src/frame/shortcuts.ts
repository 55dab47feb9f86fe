/*
 * The keyboard. A page says which keys it answers while it is on screen; the newest answer to a key
 * wins. Keys do nothing while someone types or a dialog is open, so a letter never decides by accident.
 */
import { useEffect, useLayoutEffect, useRef, useSyncExternalStore } from "react";

export interface Shortcut {
  /** As shown: `j`, `?`, `Enter`, or a sequence like `g s`. */
  readonly keys: string;
  readonly label: string;
  run(): void;
}

let layers: readonly { readonly current: readonly Shortcut[] }[] = [];
const listeners = new Set<() => void>();
/** First key of a sequence, waiting for its second. */
let prefix = "";
let prefixTimer: ReturnType<typeof setTimeout> | undefined;
const PREFIX_MS = 1_200;

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function onKeyDown(event: KeyboardEvent): void {
  if (
    event.defaultPrevented ||
    event.metaKey ||
    event.ctrlKey ||
    event.altKey ||
    isTyping(event.target) ||
    document.querySelector("dialog[open]") !== null
  )
    return;
  // Enter on a focused button or link is that button's.
  if (event.key === "Enter" && event.target instanceof HTMLElement && event.target.closest("a, button, summary") !== null) return;
  const pressed = prefix === "" ? event.key : `${prefix} ${event.key}`;
  const all = layers.flatMap((layer) => layer.current).reverse();
  const hit = all.find((shortcut) => shortcut.keys === pressed);
  clearTimeout(prefixTimer);
  prefix = "";
  if (hit !== undefined) {
    event.preventDefault();
    hit.run();
  } else if (all.some((shortcut) => shortcut.keys.startsWith(`${event.key} `))) {
    prefix = event.key;
    prefixTimer = setTimeout(() => (prefix = ""), PREFIX_MS);
  }
}

/** Answers `shortcuts` while the component is mounted. The newest handlers are always the ones that run. */
export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  const layer = useRef(shortcuts);
  useLayoutEffect(() => {
    layer.current = shortcuts;
  });
  useEffect(() => {
    if (layers.length === 0) window.addEventListener("keydown", onKeyDown);
    layers = [...layers, layer];
    for (const listener of listeners) listener();
    return () => {
      layers = layers.filter((each) => each !== layer);
      if (layers.length === 0) window.removeEventListener("keydown", onKeyDown);
      for (const listener of listeners) listener();
    };
  }, []);
}

/** What the keyboard does here and now, for the help. */
export function useAllShortcuts(): readonly Shortcut[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => layers,
  ).flatMap((layer) => layer.current);
}
