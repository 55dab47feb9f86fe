/*
 * Wake-ups for lists: the socket says that something changed, the list is then read over HTTP.
 * Many changes at once cost one read.
 */
import type { Topic } from "@signalbox/contract/sync";
import { useEffect, useSyncExternalStore } from "react";
import { queries, sync } from "./api.ts";

const COALESCE_MS = 150;
const WAKES: readonly (readonly [Topic, readonly string[]])[] = [
  ["inbox", ["approvals", "sessions"]],
  ["runtime.run_summaries", ["sessions"]],
];

/** How long a lost connection goes unmentioned: most reconnects are over before a person could read about them. */
const PATIENCE_MS = 5_000;

let lostSince: number | null = null;
let shown = false;
const listeners = new Set<() => void>();

function setShown(next: boolean): void {
  if (shown === next) return;
  shown = next;
  for (const listener of listeners) listener();
}

/** Follows the topics that keep lists fresh, for as long as someone is signed in. */
export function useWakeUps(signedIn: boolean): void {
  useEffect(() => {
    if (!signedIn) return;
    const due = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let patience: ReturnType<typeof setTimeout> | undefined;
    const wake = (keys: readonly string[]): void => {
      for (const key of keys) due.add(key);
      timer ??= setTimeout(() => {
        timer = undefined;
        for (const key of due) void queries.invalidateQueries({ queryKey: [key] });
        due.clear();
      }, COALESCE_MS);
    };
    const onStatus = (status: "connecting" | "live" | "retrying"): void => {
      clearTimeout(patience);
      if (status === "live") {
        // What happened in between is not replayed to a list; read it once.
        if (lostSince !== null) wake(["approvals", "sessions", "session"]);
        lostSince = null;
        setShown(false);
      } else {
        lostSince ??= Date.now();
        patience = setTimeout(() => setShown(true), PATIENCE_MS - (Date.now() - lostSince));
      }
    };
    const ends = WAKES.map(([topic, keys], i) =>
      sync.subscribe(topic, { onUpdate: () => wake(keys), onStale: () => wake(keys), ...(i === 0 ? { onStatus } : {}) }),
    );
    return () => {
      clearTimeout(timer);
      clearTimeout(patience);
      for (const end of ends) end();
    };
  }, [signedIn]);
}

/** True once the live connection has been away for longer than anyone should have to wonder. */
export function useConnectionLost(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => shown,
  );
}
