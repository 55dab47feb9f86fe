/*
 * The keyboard. A page says which keys it answers while it is on screen; the newest answer to a key wins. Single
 * keys and sequences do nothing while someone types or a dialog is open, so a letter never decides by accident, and
 * they can be switched off altogether (WCAG 2.1.4). Chords with `Mod` (Ctrl, ⌘ on a Mac) always work.
 *
 * A key that opens a dialog takes the ones after it too: a dialog is a chunk that may have to be fetched, and who types
 * at once types into it. Were those letters the page's, "deploy" after the palette's key would deny and open things.
 */
import { useEffect, useLayoutEffect, useRef, useSyncExternalStore } from "react";

export interface Shortcut {
  /** As shown: `j`, `?`, `Enter`, `Shift+ArrowLeft`, a sequence like `g s`, or a chord like `Mod+k`. */
  readonly keys: string;
  readonly label: string;
  /** Under which heading the keyboard map lists it; absent: what the page in front does. */
  readonly group?: "Go to" | "Anywhere" | undefined;
  /** It opens a dialog, whose `KeysArrived` says that it is there. */
  readonly opens?: boolean;
  run(): void;
}

let layers: readonly { readonly current: readonly Shortcut[] }[] = [];
const listeners = new Set<() => void>();
/** First key of a sequence, waiting for its second. */
let prefix = "";
let prefixTimer: ReturnType<typeof setTimeout> | undefined;
const PREFIX_MS = 1_200;
/** What was typed since a dialog was asked for that is not there yet; null: none is awaited. */
let ahead: string | null = null;
let aheadTimer: ReturnType<typeof setTimeout> | undefined;
/** A dialog that never comes, because its chunk does not, gives the keys back. */
const AHEAD_MS = 30_000;

function awaitDialog(): void {
  ahead = "";
  clearTimeout(aheadTimer);
  aheadTimer = setTimeout(takeTypedAhead, AHEAD_MS);
}

/** What was typed before the dialog could take it; from now on keys are what they are. */
export function takeTypedAhead(): string {
  const typed = ahead ?? "";
  ahead = null;
  clearTimeout(aheadTimer);
  return typed;
}

/** Stands beside a dialog that a shortcut `opens`. */
export function KeysArrived(): null {
  useLayoutEffect(() => void takeTypedAhead(), []);
  return null;
}

const SINGLE_KEYS = "signalbox.single-keys";
let singleKeys = read();

function read(): boolean {
  try {
    return localStorage.getItem(SINGLE_KEYS) !== "off";
  } catch {
    return true; // Storage may be forbidden; the default then holds.
  }
}

export function setSingleKeys(on: boolean): void {
  singleKeys = on;
  try {
    if (on) localStorage.removeItem(SINGLE_KEYS);
    else localStorage.setItem(SINGLE_KEYS, "off");
  } catch {
    // Storage may be forbidden; the choice then holds until the page is left.
  }
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
export const useSingleKeys = (): boolean => useSyncExternalStore(subscribe, () => singleKeys);

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      /^(TEXTAREA|SELECT)$/.test(target.tagName) ||
      (target instanceof HTMLInputElement && !/^(checkbox|radio|button|submit|range)$/.test(target.type)) ||
      // A terminal, a menu, a list of options: letters mean something there.
      target.closest("[role=menu], [role=listbox], [role=textbox], [data-takes-keys]") !== null)
  );
}

/** `Mod+k` for what was pressed, null when it is no chord. */
function chordOf(event: KeyboardEvent): string | null {
  const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);
  const mod = isMac ? event.metaKey : event.ctrlKey;
  if (!mod || event.altKey || (isMac ? event.ctrlKey : event.metaKey)) return null;
  return `Mod+${event.shiftKey ? "Shift+" : ""}${event.key.toLowerCase()}`;
}

function act({ opens = false, run }: Shortcut): void {
  if (opens) awaitDialog();
  run();
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  if (ahead !== null) {
    event.preventDefault();
    if (event.key === "Escape") takeTypedAhead();
    else if (event.key === "Backspace") ahead = ahead.slice(0, -1);
    else if (event.key.length === 1 && !event.metaKey && !event.ctrlKey && !event.altKey) ahead += event.key;
    return;
  }
  const all = layers.flatMap((layer) => layer.current).reverse();
  const chord = chordOf(event);
  if (chord !== null) {
    const hit = all.find((shortcut) => shortcut.keys === chord);
    // A terminal has its own use for Ctrl K.
    if (hit === undefined || (event.target instanceof HTMLElement && event.target.closest(".xterm, [data-takes-keys]") !== null)) return;
    event.preventDefault();
    act(hit);
    return;
  }
  if (event.metaKey || event.ctrlKey || event.altKey) return;
  if (isTyping(event.target) || document.querySelector("dialog[open]") !== null) return;
  const isCharacter = event.key.length === 1;
  if (isCharacter && !singleKeys) return;
  // Enter and Space on a focused button or link are that button's; arrows in a group move inside it.
  if (event.target instanceof HTMLElement) {
    if (/^(Enter| )$/.test(event.key) && event.target.closest("a, button, summary, [role=button]") !== null) return;
    if (
      /^(Arrow|Home|End|Page)/.test(event.key) &&
      event.target.closest("[role=separator], [role=slider], [role=tablist], [role=radiogroup], [role=group], [role=toolbar], input") !==
        null
    )
      return;
  }
  const pressed = prefix === "" ? event.key : `${prefix} ${event.key}`;
  // A letter says by itself that Shift was held; an arrow does not.
  const shifted = event.shiftKey && !isCharacter ? all.find((shortcut) => shortcut.keys === `Shift+${event.key}`) : undefined;
  const hit = shifted ?? all.find((shortcut) => shortcut.keys === pressed);
  clearTimeout(prefixTimer);
  prefix = "";
  if (hit !== undefined) {
    event.preventDefault();
    act(hit);
  } else if (isCharacter && all.some((shortcut) => shortcut.keys.startsWith(`${event.key} `))) {
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

/** What the keyboard does here and now, for the help and the palette. */
export function useAllShortcuts(): readonly Shortcut[] {
  const seen = new Set<string>();
  // A page's own answer to a key comes after the frame's, and is the one that holds.
  return useSyncExternalStore(subscribe, () => layers)
    .flatMap((layer) => layer.current)
    .reverse()
    .filter(({ keys }) => !seen.has(keys) && seen.add(keys) !== undefined)
    .reverse();
}
