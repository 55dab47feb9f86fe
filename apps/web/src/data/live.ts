/*
 * Wake-ups for lists: the socket says that something changed, the list is then read over HTTP.
 * Many changes at once cost one read. Followed are the inbox, what becomes of
 * runs and of the engines that hold them, and the rooms of the sessions at work.
 */
import type { SyncUpdate } from "@signalbox/contract/sync";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { isEnded } from "../sessions/state.ts";
import { queries, sync } from "./api.ts";
import { pollApprovals, sessionsQuery } from "./queries.ts";
import { onReturn, onSocket } from "./reach.ts";

const COALESCE_MS = 200;
/** Sessions whose rooms are followed: more are not at work at once, and what is asked anywhere comes by `inbox` or by asking. */
const ROOMS = 50;

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
    const onInbox = (): void => wake("approvals", "sessions");
    // What happened while nobody told us is not replayed to a list; read it once.
    const endReturns = onReturn(() => {
      wake("approvals", "sessions", "session");
      void queries.refetchQueries({ type: "active", predicate: ({ state }) => state.status === "error" });
    });
    const endInbox = sync.subscribe("inbox", { onUpdate: onInbox, onStale: onInbox, onStatus: onSocket, onRefused: () => pollApprovals() });
    const onRun = (): void => wake("sessions", "runs");
    const endRuns = sync.subscribe("runtime.run_summaries", { onUpdate: onRun, onStale: onRun });
    const onWorker = (): void => wake("workers");
    const endWorkers = sync.subscribe("runtime.worker_summaries", { onUpdate: onWorker, onStale: onWorker });
    return () => {
      endReturns();
      endInbox();
      endRuns();
      endWorkers();
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
    const ends = rooms
      .split(" ")
      .map((room) => sync.subscribe(`room:${room}`, { onUpdate, onStale: () => wake("approvals", "sessions"), onStatus: onSocket }));
    return () => {
      for (const end of ends) end();
    };
  }, [rooms]);
}
