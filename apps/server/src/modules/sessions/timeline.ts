/* Every moment of a room in columns: what the scrubber's strip draws. Pure; the shape is explained in the contract. */
import {
  TIMELINE_KINDS,
  TIMELINE_OUTCOMES,
  type Timeline,
  type TimelineKind,
  type TimelineOutcome,
} from "@signalbox/contract/session-history";
import type { BudgetEntry, Entry } from "./history.ts";
import { iso } from "./moment.ts";

type Data = { readonly [name: string]: unknown };
interface Look {
  readonly kind: TimelineKind;
  readonly label: string;
  readonly ref: string;
  readonly outcome: TimelineOutcome;
}

const KIND = new Map(TIMELINE_KINDS.map((kind, i) => [kind, i]));
const OUTCOME = new Map(TIMELINE_OUTCOMES.map((outcome, i) => [outcome, i]));
const LABEL_CHARS = 80;

export function timelineOf(
  of: { roomId: string; sessionId: string | null },
  entries: readonly Entry[],
  ledgers: readonly (readonly BudgetEntry[])[],
  afterSeq: number,
): Timeline {
  const labels = dictionary();
  const refs = dictionary();
  const startMs = entries[0]?.atMs ?? 0;
  const events: Timeline["events"] = { seq: [], at_ms: [], kind: [], label: [], ref: [], outcome: [] };
  const turns = spans(labels, refs);
  const tools = spans(labels, refs);
  const prompts = promptsOf(entries);
  for (const entry of entries) {
    const { event, seq, atMs, id } = entry;
    const data = event.data as Data;
    switch (event.type) {
      case "run.created":
        turns.begin(id, text(data["title"]), seq);
        break;
      case "run.edited":
        turns.rename(id, text(data["title"]));
        break;
      case "run.started":
        turns.to(id, "running");
        break;
      case "tool.invoked":
        tools.begin(text(data["tool_call_id"]), text(called(data)), seq);
        tools.to(text(data["tool_call_id"]), "running");
        break;
      case "tool.succeeded":
      case "tool.failed":
        tools.end(text(data["tool_call_id"]), event.type === "tool.failed" ? "failed" : "succeeded", seq);
        break;
      default:
        if (RUN_END[event.type] !== undefined) turns.end(id, RUN_END[event.type]!, seq);
    }
    if (seq <= afterSeq) continue;
    const look = lookOf(entry, prompts);
    events.seq.push(seq);
    events.at_ms.push(atMs - startMs);
    events.kind.push(KIND.get(look.kind)!);
    events.label.push(labels.of(look.label));
    events.ref.push(refs.of(look.ref));
    events.outcome.push(OUTCOME.get(look.outcome)!);
  }
  const cost = costOf(entries, ledgers, startMs);
  return {
    room_id: of.roomId as Timeline["room_id"],
    session_id: of.sessionId as Timeline["session_id"],
    started_at: entries.length === 0 ? null : iso(startMs),
    after_seq: afterSeq,
    last_seq: entries.length,
    kinds: [...TIMELINE_KINDS],
    outcomes: [...TIMELINE_OUTCOMES],
    events,
    cost,
    turns: turns.columns(afterSeq),
    tools: tools.columns(afterSeq),
    labels: labels.all,
    refs: refs.all,
  };
}

/** Messages that are what a turn was asked for. */
function promptsOf(entries: readonly Entry[]): ReadonlySet<string> {
  const prompts = new Set<string>();
  for (const { event } of entries) {
    if (event.type !== "run.created") continue;
    const message = (event.data as { input?: Data }).input?.["message_id"];
    if (typeof message === "string") prompts.add(message);
  }
  return prompts;
}

/** Where a harness says no more than the tool's name, what it was called with says what it was about. */
function called({ name, title, arguments: given }: Data): unknown {
  if (typeof title === "string" && title !== "" && title !== name) return title;
  const { command, filePath, path, pattern, url, query } = (typeof given === "object" && given !== null ? given : {}) as Data;
  const about = [command, filePath, path, pattern, url, query].find((each) => typeof each === "string");
  return about === undefined ? name : `${text(name)} ${text(about)}`;
}

const RUN_END: Readonly<Record<string, "succeeded" | "failed" | "canceled" | "needs_human" | "timed_out" | "skipped">> = {
  "run.completed": "succeeded",
  "run.failed": "failed",
  "run.needs_human": "needs_human",
  "run.timed_out": "timed_out",
  "run.canceled": "canceled",
  "run.skipped": "skipped",
};

const look = (kind: TimelineKind, label: unknown, ref: unknown, outcome: TimelineOutcome = "none"): Look => ({
  kind,
  label: text(label),
  ref: text(ref),
  outcome,
});

function lookOf({ event, id, runId }: Entry, prompts: ReadonlySet<string>): Look {
  const d = event.data as Data;
  const { type } = event;
  switch (type) {
    case "message.created":
      return look(prompts.has(id) ? "prompt" : "message", d["content_md"], id);
    case "message.edited":
      return look("prompt", d["content_md"], id);
    case "step.thought":
      return look("thought", d["text"], d["step_id"]);
    case "step.plan_updated":
      return look("plan", "Plan", d["step_id"]);
    case "tool.invoked":
      return look("tool", called(d), d["tool_call_id"], "started");
    case "tool.succeeded":
      return look("tool", "", d["tool_call_id"], "succeeded");
    case "tool.failed":
      return look("tool", d["error"], d["tool_call_id"], "failed");
    case "approval.requested":
      return look("approval", d["title"], id, "pending");
    case "approval.approved":
      return look("approval", "Approved", id, "approved");
    case "approval.denied":
      return look("approval", d["reason"] ?? "Denied", id, "denied");
    case "approval.expired":
      return look("approval", "Nobody answered in time", id, "expired");
    case "question.asked":
      return look("question", d["text"], id, "pending");
    case "question.answered":
      return look("question", "Answered", id, "answered");
    case "question.dismissed":
      return look("question", "Dismissed", id, "canceled");
    case "run.failed":
      return look("failure", d["message"], id, "failed");
    case "run.needs_human":
      return look("failure", d["reason"], id, "failed");
    case "run.timed_out":
      return look("failure", "Timed out", id, "failed");
    case "run.started":
      return look("state", "The turn begins", id, "started");
    case "run.completed":
      return look("state", "The turn is done", id, "succeeded");
    case "run.canceled":
      return look("state", d["reason"] ?? "Canceled", id, "canceled");
    case "invocation.failed":
    case "invocation.unknown":
      return look("failure", d["message"] ?? d["reason"], id, "failed");
    case "invocation.completed":
      return look("change", "Done outside the sandbox", id, "succeeded");
    case "session.failed":
      return look("failure", d["message"], id, "failed");
    case "session.changes_recorded":
      return look("change", count((d["files"] as unknown[] | undefined)?.length ?? 0, "file"), d["patch_artifact_id"] ?? id);
    case "session.committed":
      return look("change", d["message"], text(d["commit"]));
    case "artifact.created":
      return look("change", d["name"], d["artifact_id"]);
    case "egress.blocked":
      return look("other", d["host"], runId, "denied");
    case "policy.denied":
      return look("other", d["action"], runId, "denied");
    default:
      return type.startsWith("session.") && type !== "session.prompt_moved"
        ? look("state", d["reason"] ?? SAID[type] ?? "", id)
        : look("other", SAID[type] ?? type.replaceAll(/[._]/g, " "), runId ?? id);
  }
}

const SAID: Readonly<Record<string, string>> = {
  "session.created": "Created",
  "session.starting": "Starting",
  "session.started": "Started",
  "session.continued": "Goes on",
  "session.resumed": "Brought back",
  "session.completed": "Completed",
  "session.model_changed": "Another model",
  "session.prompt_moved": "A prompt was moved",
  "session.archived": "Archived",
  "session.unarchived": "Out of the archive",
  "session.renamed": "Renamed",
  "session.deleted": "Deleted",
  "kill_switch.engaged": "Kill switch on",
  "kill_switch.released": "Kill switch off",
};
const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"} changed`;

function text(value: unknown): string {
  if (typeof value !== "string") return "";
  const line = value.trimStart().split("\n", 1)[0]!.trimEnd();
  return (line.length <= LABEL_CHARS ? line : `${line.slice(0, LABEL_CHARS - 1)}…`).toWellFormed();
}

/** What was spent in all, each time that it grew, beside the newest event of the room by then. */
function costOf(entries: readonly Entry[], ledgers: readonly (readonly BudgetEntry[])[], startMs: number): Timeline["cost"] {
  const cost: Timeline["cost"] = { seq: [], at_ms: [], micro_usd: [] };
  const spent = ledgers
    .flatMap((ledger) => ledger.filter(({ event }) => event.type === "ledger.settled"))
    .toSorted((a, b) => a.position - b.position);
  let total = 0;
  let place = 0;
  for (const { position, atMs, event } of spent) {
    total += (event.data as { cost_micro_usd?: number }).cost_micro_usd ?? 0;
    while (place < entries.length && entries[place]!.position < position) place += 1;
    cost.seq.push(place);
    cost.at_ms.push(atMs - startMs);
    cost.micro_usd.push(total);
  }
  return cost;
}

interface Dictionary {
  readonly all: string[];
  /** -1 is the empty text. */
  of(value: string): number;
}
function dictionary(): Dictionary {
  const all: string[] = [];
  const known = new Map<string, number>();
  return {
    all,
    of(value) {
      if (value === "") return -1;
      let place = known.get(value);
      if (place === undefined) {
        place = all.push(value) - 1;
        known.set(value, place);
      }
      return place;
    },
  };
}

interface Span {
  label: string;
  readonly start: number;
  end: number;
  status: string;
}
function spans(labels: Dictionary, refs: Dictionary) {
  const known = new Map<string, Span>();
  return {
    begin: (id: string, label: string, start: number) => void known.set(id, { label, start, end: -1, status: "queued" }),
    rename(id: string, label: string) {
      const span = known.get(id);
      if (span !== undefined) span.label = label;
    },
    to(id: string, status: string) {
      const span = known.get(id);
      if (span !== undefined) span.status = status;
    },
    end(id: string, status: string, seq: number) {
      const span = known.get(id);
      // A run that failed may be resolved later; it ended when it ended.
      if (span !== undefined && span.end === -1) Object.assign(span, { end: seq, status });
    },
    columns(afterSeq: number): Timeline["turns"] {
      const told = [...known].filter(([, span]) => span.start > afterSeq || span.end > afterSeq);
      return {
        ref: told.map(([id]) => refs.of(id)),
        label: told.map(([, span]) => labels.of(span.label)),
        start_seq: told.map(([, span]) => span.start),
        end_seq: told.map(([, span]) => span.end),
        status: told.map(([, span]) => span.status),
      };
    },
  };
}
