/* How an event of the timeline reads in a line, for the hover, the head of the strip and a screen reader. Pure. */
import { clockOf, type Mark, type Reel } from "./reel.ts";

export const MARK_WORDS: Readonly<Record<Mark, { readonly one: string; readonly many: string }>> = {
  prompt: { one: "prompt", many: "Prompts" },
  message: { one: "message", many: "Messages and thoughts" },
  tool: { one: "tool call", many: "Tool calls" },
  approval: { one: "approval or question", many: "Approvals and questions" },
  change: { one: "change", many: "Changes" },
  failure: { one: "failure", many: "Failures and refusals" },
  state: { one: "change of state", many: "Everything else" },
};

const ENDS: Readonly<Record<string, string>> = { succeeded: " succeeded", failed: " failed", canceled: " was canceled" };
const VERDICTS: Readonly<Record<string, string>> = {
  pending: "approval asked for",
  approved: "approved",
  denied: "denied",
  expired: "lapsed without an answer",
};

export function phraseOf(reel: Reel, i: number): string {
  const [kind, outcome, label, name] = [reel.kind[i]!, reel.outcome[i]!, reel.label[i]!, reel.names.get(reel.ref[i]!) ?? ""];
  const named = (what: string, words: string): string => (words === "" ? what : `${what}: ${words}`);
  switch (kind) {
    case "tool": {
      const what = `tool call ${outcome === "started" && label !== "" ? label : name}`.trimEnd() + (ENDS[outcome] ?? "");
      return outcome === "failed" ? named(what, label) : what;
    }
    case "approval":
      return named(VERDICTS[outcome] ?? "approval", outcome === "pending" || name === "" ? label : name);
    case "question":
      return named(
        outcome === "pending" ? "question" : `question ${outcome === "answered" ? "answered" : "dismissed"}`,
        label !== "" && outcome === "pending" ? label : name,
      );
    case "plan":
      return "plan updated";
    case "state":
      return label === "" ? "change of state" : lower(label);
    case "other":
      return outcome === "denied" ? named("refused", label) : label === "" ? "record" : lower(label);
    default:
      // Words that were erased from the log are gone from here too.
      return label === "" ? `${kind}, without words` : named(kind, label);
  }
}
const lower = (text: string): string => (/^[A-Z][a-z]/.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text);

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
export const timeText = (ms: number): string => TIME.format(ms);
export const dayText = (ms: number): string => DAY.format(ms);

/** `14:03:22, event 812 of 1,240: tool call npm test failed`. */
export function valueText(reel: Reel, i: number): string {
  if (i < 0) return "before the first event";
  return `${timeText(clockOf(reel, i))}, event ${reel.seq[i]!.toLocaleString()} of ${reel.lastSeq.toLocaleString()}: ${phraseOf(reel, i)}`;
}
