/* How a run's state reads, everywhere it shows. Pure. */
import type { RunStatus } from "@signalbox/contract/runs";
import type { LampState } from "@signalbox/ui/lamp";

const STATE: Record<RunStatus, { readonly lamp: LampState; readonly word: string }> = {
  queued: { lamp: "dark", word: "Queued" },
  claimed: { lamp: "moving", word: "Claimed" },
  running: { lamp: "moving", word: "Running" },
  succeeded: { lamp: "clear", word: "Succeeded" },
  failed: { lamp: "danger", word: "Failed" },
  needs_human: { lamp: "wants", word: "Needs a person" },
  timed_out: { lamp: "danger", word: "Timed out" },
  canceled: { lamp: "dark", word: "Canceled" },
  skipped: { lamp: "dark", word: "Skipped" },
};

export const RUN_STATUSES = Object.keys(STATE) as readonly RunStatus[];
export const runLamp = (status: RunStatus): LampState => STATE[status].lamp;
export const runWord = (status: RunStatus): string => STATE[status].word;
export const hasRunEnded = (status: RunStatus): boolean => status !== "queued" && status !== "claimed" && status !== "running";
/** What a person may say about it: the one exit from these. */
export const isResolvable = (status: RunStatus): boolean => status === "needs_human" || status === "failed" || status === "timed_out";

/** The lamp of anything on the waterfall, by the word its own kind uses. */
export function spanLamp(status: string): LampState {
  if (status in STATE) return STATE[status as RunStatus].lamp;
  if (/^(failed|denied|expired|unknown)$/.test(status)) return "danger";
  if (/^(pending|held)$/.test(status)) return "wants";
  if (/^(invoked|executing|approved)$/.test(status)) return "moving";
  return /^(succeeded|completed)$/.test(status) ? "clear" : "dark";
}
