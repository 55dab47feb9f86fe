/* How a session's state reads, everywhere it shows. Pure. */
import type { SessionStatus, SessionView } from "@signalbox/contract/sessions";
import type { LampState } from "@signalbox/ui/lamp";

type Seen = Pick<SessionView, "status" | "status_reason" | "pending_approvals" | "current_run">;

export const isEnded = (status: SessionStatus): boolean => status === "completed" || status === "stopped" || status === "failed";

/** A deferred session: its sandbox is made with the first message. */
export const isDeferred = (session: Seen): boolean =>
  session.status === "creating" && session.status_reason === null && session.current_run === null;

export function lampOf(session: Seen): LampState {
  if (isEnded(session.status)) return session.status === "failed" ? "danger" : session.status === "completed" ? "clear" : "dark";
  if (session.pending_approvals > 0 || session.status === "waiting") return "wants";
  if (session.status === "paused" || isDeferred(session)) return "dark";
  return session.status === "running" && session.current_run === null ? "dark" : "moving";
}

export function stateWord(session: Seen): string {
  if (!isEnded(session.status) && session.pending_approvals > 0) return "Waiting for you";
  switch (session.status) {
    case "creating":
      return isDeferred(session) ? "Not started" : "Starting";
    case "running":
      return session.current_run === null ? "Ready" : "Working";
    case "waiting":
      return "Waiting for you";
    case "pausing":
      return "Pausing";
    case "paused":
      return "Paused";
    case "resuming":
      return "Resuming";
    case "migrating":
      return "Moving";
    case "completed":
      return "Completed";
    case "stopped":
      return "Stopped";
    case "failed":
      return "Failed";
  }
}

/** What is worth saying beside the word: the step while it works, the reason otherwise; null when the word says it all. */
export function detailOf(session: Seen & Pick<SessionView, "latest_step">): string | null {
  const { status_reason: reason, latest_step: step } = session;
  const detail = lampOf(session) === "moving" ? (step ?? reason) : reason;
  return detail?.replace(/\.$/, "") === stateWord(session) ? null : detail;
}

export function changedLines(files: SessionView["files_changed"]): { additions: number; deletions: number } {
  return files.reduce((sum, file) => ({ additions: sum.additions + file.additions, deletions: sum.deletions + file.deletions }), {
    additions: 0,
    deletions: 0,
  });
}
