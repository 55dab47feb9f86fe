/*
 * Archiving with a way back. There is no way out of the archive on the server, so nothing is sent while one may still
 * think better of it: the session is hidden at once, and archived when the time is over or the page is left.
 *
 *   hidden ──▶ undone: shown again, nothing was sent
 *        └──▶ sent ──▶ refused: shown again, and said why
 */
import type { SessionId } from "@signalbox/contract/primitives";
import { archiveSession, type SessionView } from "@signalbox/contract/sessions";
import { count } from "@signalbox/ui/format";
import { toast } from "@signalbox/ui/toasts";
import { useSyncExternalStore } from "react";
import { client } from "../../data/api.ts";
import { putSession } from "../../data/queries.ts";

const THINK_MS = 8_000;

let hidden: ReadonlySet<SessionId> = new Set();
const due = new Map<readonly SessionId[], ReturnType<typeof setTimeout>>();
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

/** Sessions that are archived for whoever looks at this page, though the server may not know yet. */
export const useHidden = (): ReadonlySet<SessionId> =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => hidden,
  );

export function archiveSoon(sessions: readonly SessionView[]): void {
  const ids = sessions.map(({ id }) => id);
  setHidden(ids, true);
  due.set(
    ids,
    setTimeout(() => void send(ids), THINK_MS),
  );
  toast(sessions.length === 1 ? `Archived: ${sessions[0]!.title}` : `${count(ids.length, "session")} archived`, {
    lastsMs: THINK_MS,
    action: {
      label: "Undo",
      run: () => {
        clearTimeout(due.get(ids));
        if (due.delete(ids)) setHidden(ids, false);
      },
    },
  });
}

async function send(ids: readonly SessionId[]): Promise<void> {
  if (!due.delete(ids)) return;
  const done = await Promise.allSettled(ids.map((id) => client.call(archiveSession, { params: { id }, body: {} })));
  for (const [i, outcome] of done.entries()) {
    if (outcome.status === "fulfilled") putSession(outcome.value);
    else {
      setHidden([ids[i]!], false);
      toast(outcome.reason instanceof Error ? outcome.reason.message : "The server does not answer.", "danger");
    }
  }
}

window.addEventListener("pagehide", () => {
  for (const [ids, timer] of due) {
    clearTimeout(timer);
    // The client's own call would be cut off with the page.
    for (const id of ids)
      void fetch(`/v1/sessions/${id}/archive`, {
        method: "POST",
        keepalive: true,
        headers: { "content-type": "application/json" },
        body: "{}",
      });
  }
  due.clear();
});
