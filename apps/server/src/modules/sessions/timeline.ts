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
const MESSAGE = KIND.get("message")!;
const PROMPT = KIND.get("prompt")!;
const LABEL_CHARS = 80;

/** What a timeline needs of a stretch of a room's events, each seq once and in order; `strips.ts` keeps it, so nothing but data is in it. */
export interface Block {
  readonly from: number;
  readonly to: number;
  /** Of the room's first event. */
  readonly startMs: number;
  readonly atMs: Float64Array;
  readonly kind: Int32Array;
  readonly outcome: Int32Array;
  /** Places in the block's own `labels` and `refs`; -1 is none. */
  readonly label: Int32Array;
  readonly ref: Int32Array;
  readonly labels: readonly string[];
  readonly refs: readonly string[];
  /** Messages that a turn was asked for, as far as these events say it. */
  readonly prompts: readonly string[];
  readonly turns: SpanBlock;
  readonly tools: SpanBlock;
}
interface SpanBlock {
  /** Under way when the block begins. */
  readonly before: readonly Span[];
  readonly begun: readonly Span[];
  /** What befell those that had begun before, in order. */
  readonly later: readonly Change[];
}
export type Open = Readonly<Record<"turns" | "tools", readonly Span[]>>;
const NONE: Open = { turns: [], tools: [] };

/** `before`: what was under way (`openAfter` the block before it). */
export function blockOf(entries: readonly Entry[], startMs: number, before: Open = NONE): Block {
  const labels = dictionary();
  const refs = dictionary();
  const turns = spans(before.turns);
  const tools = spans(before.tools);
  const prompts: string[] = [];
  const columns = () => new Int32Array(entries.length);
  const block = { kind: columns(), outcome: columns(), label: columns(), ref: columns(), atMs: new Float64Array(entries.length) };
  for (const [i, entry] of entries.entries()) {
    const { event, seq, atMs, id } = entry;
    const data = event.data as Data;
    switch (event.type) {
      case "run.created": {
        turns.begin(id, text(data["title"]), "queued", seq);
        const message = (data["input"] as Data | undefined)?.["message_id"];
        if (typeof message === "string") prompts.push(message);
        break;
      }
      case "run.edited":
        turns.change({ id, label: text(data["title"]) });
        break;
      case "run.started":
        turns.change({ id, status: "running" });
        break;
      case "tool.invoked":
        tools.begin(text(data["tool_call_id"]), text(called(data)), "running", seq);
        break;
      case "tool.succeeded":
      case "tool.failed":
        tools.change({ id: text(data["tool_call_id"]), end: seq, status: event.type === "tool.failed" ? "failed" : "succeeded" });
        break;
      default:
        if (RUN_END[event.type] !== undefined) turns.change({ id, end: seq, status: RUN_END[event.type]! });
    }
    const seen = lookOf(entry);
    block.atMs[i] = atMs;
    block.kind[i] = KIND.get(seen.kind)!;
    block.label[i] = labels.of(seen.label);
    block.ref[i] = refs.of(seen.ref);
    block.outcome[i] = OUTCOME.get(seen.outcome)!;
  }
  return {
    ...block,
    from: entries[0]?.seq ?? 1,
    to: entries.at(-1)?.seq ?? 0,
    startMs,
    labels: labels.all,
    refs: refs.all,
    prompts,
    turns: { before: before.turns, ...turns.block() },
    tools: { before: before.tools, ...tools.block() },
  };
}

/** What is under way when a block ends. */
export function openAfter({ turns, tools }: Block): Open {
  const open = (of: SpanBlock) => [...replayed([of]).values()].filter(({ end }) => end === -1);
  return { turns: open(turns), tools: open(tools) };
}

/** `blocks` follow each other up to the head; the first begins at or before the event after `afterSeq`. `positions` are those of every event, from the first. */
export function timelineFrom(
  of: { roomId: string; sessionId: string | null },
  blocks: readonly Block[],
  positions: readonly Float64Array[],
  ledgers: readonly (readonly BudgetEntry[])[],
  afterSeq: number,
): Timeline {
  const labels = dictionary();
  const refs = dictionary();
  const startMs = blocks[0]?.startMs ?? 0;
  const lastSeq = blocks.at(-1)?.to ?? 0;
  const prompts = new Set(blocks.flatMap((block) => block.prompts));
  const events: Timeline["events"] = { seq: [], at_ms: [], kind: [], label: [], ref: [], outcome: [] };
  for (const block of blocks) {
    // What a block says once is looked up once.
    const label = placesIn(labels, block.labels);
    const ref = placesIn(refs, block.refs);
    for (let i = Math.max(0, afterSeq + 1 - block.from); i < block.kind.length; i++) {
      const kind = block.kind[i]!;
      events.seq.push(block.from + i);
      events.at_ms.push(block.atMs[i]! - startMs);
      events.kind.push(kind === MESSAGE && prompts.has(block.refs[block.ref[i]!] ?? "") ? PROMPT : kind);
      events.label.push(label(block.label[i]!));
      events.ref.push(ref(block.ref[i]!));
      events.outcome.push(block.outcome[i]!);
    }
  }
  const columns = (of: readonly SpanBlock[]): Timeline["turns"] => {
    const told = [...replayed(of).values()].filter(({ start, end }) => start > afterSeq || end > afterSeq);
    return {
      ref: told.map(({ id }) => refs.of(id)),
      label: told.map((span) => labels.of(span.label)),
      start_seq: told.map(({ start }) => start),
      end_seq: told.map(({ end }) => end),
      status: told.map(({ status }) => status),
    };
  };
  const turns = columns(blocks.map((block) => block.turns));
  const tools = columns(blocks.map((block) => block.tools));
  return {
    room_id: of.roomId as Timeline["room_id"],
    session_id: of.sessionId as Timeline["session_id"],
    started_at: lastSeq === 0 ? null : iso(startMs),
    after_seq: afterSeq,
    last_seq: lastSeq,
    kinds: [...TIMELINE_KINDS],
    outcomes: [...TIMELINE_OUTCOMES],
    events,
    cost: costOf(positions, ledgers, startMs),
    turns,
    tools,
    labels: labels.all,
    refs: refs.all,
  };
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

/** Of a message: whether it is what a turn was asked for, a later event says. */
function lookOf({ event, id, runId }: Entry): Look {
  const d = event.data as Data;
  const { type } = event;
  switch (type) {
    case "message.created":
      return look("message", d["content_md"], id);
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
function costOf(positions: readonly Float64Array[], ledgers: readonly (readonly BudgetEntry[])[], startMs: number): Timeline["cost"] {
  const cost: Timeline["cost"] = { seq: [], at_ms: [], micro_usd: [] };
  const spent = ledgers
    .flatMap((ledger) => ledger.filter(({ event }) => event.type === "ledger.settled"))
    .toSorted((a, b) => a.position - b.position);
  let total = 0;
  let chunk = 0;
  let place = 0;
  let before = 0;
  for (const { position, atMs, event } of spent) {
    total += (event.data as { cost_micro_usd?: number }).cost_micro_usd ?? 0;
    for (let of = positions[chunk]; of !== undefined; of = positions[chunk]) {
      while (place < of.length && of[place]! < position) place += 1;
      if (place < of.length) break;
      before += place;
      place = 0;
      chunk += 1;
    }
    cost.seq.push(before + place);
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

/** Where a dictionary has the words of another, each looked up when it is first asked for. */
function placesIn(dictionary: Dictionary, words: readonly string[]): (place: number) => number {
  const known = new Int32Array(words.length).fill(-2);
  return (place) => {
    if (place < 0) return -1;
    if (known[place] === -2) known[place] = dictionary.of(words[place]!);
    return known[place]!;
  };
}

/** A turn or a call of a tool, from its first event to its last; -1: still under way. */
interface Span {
  readonly id: string;
  readonly label: string;
  readonly start: number;
  readonly end: number;
  readonly status: string;
}
interface Change {
  readonly id: string;
  readonly label?: string;
  readonly status?: string;
  readonly end?: number;
}

function changed(span: Span, { label, status, end }: Change): Span {
  if (label !== undefined) return { ...span, label };
  if (end === undefined) return { ...span, status: status ?? span.status };
  // A run that failed may be resolved later; it ended when it ended.
  return span.end === -1 ? { ...span, end, status: status ?? span.status } : span;
}

function spans(before: readonly Span[]) {
  const known = new Map(before.map((span) => [span.id, span]));
  const begun = new Set<string>();
  const later: Change[] = [];
  return {
    begin(id: string, label: string, status: string, start: number): void {
      known.set(id, { id, label, start, end: -1, status });
      begun.add(id);
    },
    change(change: Change): void {
      if (!begun.has(change.id)) later.push(change);
      const span = known.get(change.id);
      if (span !== undefined) known.set(change.id, changed(span, change));
    },
    block: () => ({ begun: [...begun].map((id) => known.get(id)!), later }),
  };
}

/** All that are known in the end, in the order in which they began. */
function replayed(blocks: readonly SpanBlock[]): Map<string, Span> {
  const known = new Map(blocks[0]?.before.map((span) => [span.id, span]));
  for (const { begun, later } of blocks) {
    for (const change of later) {
      const span = known.get(change.id);
      if (span !== undefined) known.set(change.id, changed(span, change));
    }
    for (const span of begun) known.set(span.id, span);
  }
  return known;
}
