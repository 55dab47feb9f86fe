/*
 * Into the archive and out of it again. The session leaves the list at once, before the server has answered.
 *
 *   hidden ──▶ archived ──▶ undone: brought back, shown again
 *        └──▶ refused: shown again, and said why
 */
import type { SessionId } from "@signalbox/contract/primitives";
import { archiveSession, unarchiveSession, type SessionView } from "@signalbox/contract/sessions";
import { count } from "@signalbox/ui/format";
import { toast } from "@signalbox/ui/toasts";
import { useSyncExternalStore } from "react";
import { client, queries } from "../../data/api.ts";
import { putSession } from "../../data/queries.ts";

let hidden: ReadonlySet<SessionId> = new Set();
const listeners = new Set<() => void>();

function setHidden(ids: readonly SessionId[], isHidden: boolean): void {
  const next = new Set(hidden);
  for (const id of ids) {
    if (isHidden) next.add(id);
    else next.delete(id);
  }
  hidden = next;
  for (const listener of listeners) listener();
}

/** Sessions that are on their way to the other list, though the server may not know yet. */
export const useHidden = (): ReadonlySet<SessionId> =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => hidden,
  );

export const archive = (sessions: readonly SessionView[]): Promise<void> => move(sessions, archiveSession, "archived", unarchive);
export const unarchive = (sessions: readonly SessionView[]): Promise<void> => move(sessions, unarchiveSession, "brought back", archive);

async function move(
  sessions: readonly SessionView[],
  to: typeof archiveSession | typeof unarchiveSession,
  done: string,
  back: (sessions: readonly SessionView[]) => Promise<void>,
): Promise<void> {
  const ids = sessions.map(({ id }) => id);
  setHidden(ids, true);
  const outcomes = await Promise.allSettled(ids.map((id) => client.call(to, { params: { id }, body: {} })));
  const moved: SessionView[] = [];
  for (const outcome of outcomes) {
    if (outcome.status === "rejected")
      toast(outcome.reason instanceof Error ? outcome.reason.message : "The server does not answer.", "danger");
    else {
      putSession(outcome.value);
      moved.push(outcome.value);
    }
  }
  if (moved.length > 0)
    toast(`${moved.length === 1 ? `“${moved[0]!.title}”` : count(moved.length, "session")} ${done}`, {
      action: { label: "Undo", run: () => void back(moved) },
    });
  // Shown where they are by now, once the lists know.
  await queries.invalidateQueries({ queryKey: ["sessions"] });
  setHidden(ids, false);
}
