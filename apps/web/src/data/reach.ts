/*
 * Whether the server can be reached, noticed in two ways: the live socket stays away, or a question
 * over HTTP found nobody. Most interruptions are over before a person could read about them, so a
 * lost socket goes unmentioned for a while; HTTP has tried for about as long before it says so.
 */
import { useSyncExternalStore } from "react";

const PATIENCE_MS = 5_000;

const away = { socket: false, http: false };
let patience: ReturnType<typeof setTimeout> | undefined;
const watchers = new Set<() => void>();
const returns = new Set<() => void>();

function setAway(which: keyof typeof away, is: boolean): void {
  if (away[which] === is) return;
  away[which] = is;
  for (const watcher of watchers) watcher();
  if (!is) for (const listener of returns) listener();
}

export const onAnswer = (): void => setAway("http", false);
export const onUnreachable = (): void => setAway("http", true);

export function onSocket(status: "connecting" | "live" | "retrying"): void {
  if (status === "retrying") patience ??= setTimeout(() => setAway("socket", true), PATIENCE_MS);
  if (status !== "live") return;
  clearTimeout(patience);
  patience = undefined;
  setAway("socket", false);
  for (const listener of returns) listener();
}

/** Called when what happened in between may have been missed: after every interruption, noticed or not. */
export function onReturn(listener: () => void): () => void {
  returns.add(listener);
  return () => returns.delete(listener);
}

/** True once the server has been away for longer than anyone should have to wonder. */
export function useUnreachable(): boolean {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => away.socket || away.http,
  );
}
