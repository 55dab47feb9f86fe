/*
 * Whether the server can be reached, noticed in three ways: the live socket stays away, a question over HTTP found
 * nobody, or the browser says that it has no network. Most interruptions are over before a person could read about
 * them, so for a while they go unmentioned; HTTP has tried for about as long before it says so.
 */
import { useSyncExternalStore } from "react";

const PATIENCE_MS = 5_000;

type Sign = "socket" | "http" | "network";
const away: Record<Sign, boolean> = { socket: false, http: false, network: false };
const patience = new Map<Sign, ReturnType<typeof setTimeout>>();
const watchers = new Set<() => void>();
const returns = new Set<() => void>();
/** When the server was last heard of; what is shown is as old as this. */
let heardAt = Date.now();

function setAway(which: Sign, is: boolean): void {
  clearTimeout(patience.get(which));
  patience.delete(which);
  if (!is && !isLost()) heardAt = Date.now();
  if (away[which] === is) return;
  away[which] = is;
  if (!isLost()) heardAt = Date.now();
  for (const watcher of watchers) watcher();
  if (!is) for (const listener of returns) listener();
}
function awayAfterAWhile(which: Sign): void {
  if (patience.has(which) || away[which]) return;
  patience.set(
    which,
    setTimeout(() => setAway(which, true), PATIENCE_MS),
  );
}
const isLost = (): boolean => away.socket || away.http || away.network;

export const onAnswer = (): void => setAway("http", false);
export const onUnreachable = (): void => setAway("http", true);

export function onSocket(status: "connecting" | "live" | "retrying"): void {
  if (status === "retrying") awayAfterAWhile("socket");
  if (status !== "live") return;
  setAway("socket", false);
  for (const listener of returns) listener();
}

if (typeof window !== "undefined") {
  window.addEventListener("offline", () => awayAfterAWhile("network"));
  window.addEventListener("online", () => setAway("network", false));
  if (!navigator.onLine) awayAfterAWhile("network");
}

/** What is shown was kept since then (offline/last-known.ts), and nobody has answered yet. */
export function knownSince(at: number): void {
  heardAt = at;
  setAway("http", true);
}

/** Called when what happened in between may have been missed: after every interruption, noticed or not. */
export function onReturn(listener: () => void): () => void {
  returns.add(listener);
  return () => returns.delete(listener);
}

const watch = (watcher: () => void): (() => void) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};

/** While it is away: when it was last heard of, in ms; null while it answers. */
export const useLastHeard = (): number | null => useSyncExternalStore(watch, () => (isLost() ? heardAt : null));
