/*
 * Wake-ups for lists: the socket says that something changed, the list is then read over HTTP.
 * Many changes at once cost one read. Followed are the inbox, where the server publishes it, and the
 * rooms of the sessions at work.
 */
import type { SyncUpdate } from "@signalbox/contract/sync";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { isEnded } from "../sessions/state.ts";
import { queries, sync } from "./api.ts";
import { pollApprovals, sessionsQuery } from "./queries.ts";

const COALESCE_MS = 200;
/** Sessions whose rooms are followed: more are not at work at once, and what is asked anywhere comes by `inbox` or by asking. */
const ROOMS = 50;

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

const due = new Set<string>();
let timer: ReturnType<typeof setTimeout> | undefined;

function wake(...keys: readonly string[]): void {
  for (const key of keys) due.add(key);
  timer ??= setTimeout(() => {
    timer = undefined;
    for (const key of due) void queries.invalidateQueries({ queryKey: [key] });
    due.clear();
  }, COALESCE_MS);
}

/** Follows what keeps lists fresh, for as long as someone is signed in. */
export function useWakeUps(signedIn: boolean): void {
  useEffect(() => {
    if (!signedIn) return;
    let patience: ReturnType<typeof setTimeout> | undefined;
    const onStatus = (status: "connecting" | "live" | "retrying"): void => {
      clearTimeout(patience);
      if (status === "live") {
        // What happened in between is not replayed to a list; read it once.
        if (lostSince !== null) wake("approvals", "sessions", "session");
        lostSince = null;
        setShown(false);
      } else {
        lostSince ??= Date.now();
        patience = setTimeout(() => setShown(true), PATIENCE_MS - (Date.now() - lostSince));
      }
    };
    const onInbox = (): void => wake("approvals", "sessions");
    const end = sync.subscribe("inbox", { onUpdate: onInbox, onStale: onInbox, onStatus, onRefused: () => pollApprovals() });
    return () => {
      clearTimeout(patience);
      end();
    };
  }, [signedIn]);

  const { data: sessions } = useInfiniteQuery({ ...sessionsQuery("", false), enabled: signedIn });
  const rooms = (sessions ?? [])
    .filter(({ status }) => !isEnded(status))
    .slice(0, ROOMS)
    .map(({ room_id }) => room_id)
    .join(" ");
  useEffect(() => {
    if (rooms === "") return;
    const onUpdate = ({ payload }: SyncUpdate): void => {
      const { type } = payload as { type: string };
      if (/^(approval|invocation)\./.test(type)) wake("approvals", "sessions");
      else if (/^(session|run|tool)\./.test(type)) wake("sessions");
    };
    const ends = rooms.split(" ").map((room) => sync.subscribe(`room:${room}`, { onUpdate, onStale: () => wake("approvals", "sessions") }));
    return () => {
      for (const end of ends) end();
    };
  }, [rooms]);
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
