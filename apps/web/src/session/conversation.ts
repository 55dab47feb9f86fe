/*
 * One conversation out of three sources, in any order of arrival:
 *
 *   sessions.conversation   completed items up to a seq        (hydrate)
 *   the room's feed         every event after that seq          (event)
 *   session:<id>            parts that are still being said     (delta)
 *
 * Completed items are the truth and have ids, so reading one twice changes nothing and an older
 * reading never takes back a newer one. A live part carries the id of the message, step or tool call
 * that it becomes: it is shown until that is here, and so nothing is ever shown twice or not at all.
 */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import type { AnyEvent } from "@signalbox/contract/events";
import type { ConversationItem } from "@signalbox/contract/sessions";
import type { SessionDelta } from "@signalbox/contract/sync";

export interface LivePart {
  readonly id: string;
  readonly runId: string;
  readonly kind: "text" | "thought" | "tool";
  readonly name: string | null;
  readonly title: string | null;
  readonly arguments: unknown;
  /** What was said, or what the tool printed. */
  readonly text: string;
  /** Known once it is complete: the event that will replace it. */
  readonly doneSeq: number | null;
}

export interface Cost {
  readonly spent: number;
  readonly reserved: number;
  readonly cap: number;
}

export interface Conversation {
  /** By id. */
  readonly items: ReadonlyMap<string, ConversationItem>;
  /** Every event up to and including this seq is in `items`. */
  readonly lastSeq: number;
  readonly parts: readonly LivePart[];
  readonly startedRuns: ReadonlySet<string>;
  readonly endedRuns: ReadonlySet<string>;
  readonly epoch: string;
  /** What the session says it is doing, between parts. */
  readonly progress: string | null;
  readonly cost: Cost | null;
}

export const EMPTY: Conversation = {
  items: new Map(),
  lastSeq: 0,
  parts: [],
  startedRuns: new Set(),
  endedRuns: new Set(),
  epoch: "",
  progress: null,
  cost: null,
};

/** A reading over HTTP. `lastSeq` is that of the first page: later pages may already hold more, which is harmless. */
export function hydrate(state: Conversation, items: readonly ConversationItem[], lastSeq: number): Conversation {
  return settle({ ...put(state, items), lastSeq: Math.max(state.lastSeq, lastSeq) });
}

/** One event of the session's room. */
export function event(state: Conversation, envelope: EventEnvelope): Conversation {
  if (envelope.seq <= state.lastSeq) return state;
  const item = itemOf(state, envelope);
  let next = item === null ? state : put(state, [item]);
  if (envelope.type === "run.started" && envelope.run_id !== undefined)
    next = { ...next, startedRuns: with_(next.startedRuns, envelope.run_id) };
  return settle({ ...next, lastSeq: envelope.seq });
}

/** One update of `session:<id>`; `epoch` is the part of its key before the dot. */
export function delta(state: Conversation, change: SessionDelta, epoch: string): Conversation {
  // After a takeover the new epoch restates what is open; anything older was completed meanwhile.
  let next = epoch === state.epoch ? state : { ...state, epoch, parts: [] };
  if ("run_id" in change && change.run_id !== null && next.endedRuns.has(change.run_id)) return next;
  switch (change.kind) {
    case "text":
    case "thought":
      return append(next, change, change.kind);
    case "tool_output":
      return append(next, change, "tool");
    case "tool_started":
      return open(next, change.part_id, {
        runId: change.run_id,
        kind: "tool",
        name: change.name,
        title: change.title,
        arguments: change.arguments,
      });
    case "snapshot":
      next = open(next, change.part_id, { runId: change.run_id, kind: change.part, name: change.name });
      return patch(next, change.part_id, (part) => ({ ...part, text: change.text }));
    case "part_done":
      if (change.seq === null || change.seq <= next.lastSeq)
        return { ...next, parts: next.parts.filter((part) => part.id !== change.part_id) };
      return patch(next, change.part_id, (part) => ({ ...part, doneSeq: change.seq }));
    case "progress":
      return { ...next, progress: change.text === "" ? null : change.text };
    case "cost":
      return { ...next, cost: { spent: change.spent_micro_usd, reserved: change.reserved_micro_usd, cap: change.cap_micro_usd } };
    case "state":
      return next;
  }
}

/** The server no longer has the deltas we would need: what is open starts over with the next ones. */
export const forgetParts = (state: Conversation): Conversation => ({ ...state, parts: [] });

export type Entry =
  | { readonly key: string; readonly item: ConversationItem; readonly live: LivePart | null }
  | { readonly key: string; readonly item: null; readonly live: LivePart };

/** What is shown, top to bottom. A run shows its newest plan only. */
export function entries(state: Conversation): Entry[] {
  const ordered = inOrder(state.items);
  const newestPlan = new Map<string | null, number>();
  for (const item of ordered) if (item.type === "plan") newestPlan.set(item.run_id, item.seq);
  const shown = ordered.filter((item) => item.type !== "plan" || newestPlan.get(item.run_id) === item.seq);

  const live = new Map(state.parts.map((part) => [part.id, part]));
  return [
    // A call under way shows in its own place what it prints.
    ...shown.map((item): Entry => ({ key: item.id, item, live: isUnderWay(item) ? (live.get(item.id) ?? null) : null })),
    ...state.parts.filter((part) => !state.items.has(part.id)).map((part): Entry => ({ key: part.id, item: null, live: part })),
  ];
}

const isUnderWay = (item: ConversationItem): boolean => item.type === "tool_call" && item.status === "invoked";

/** Items change far less often than what is being said, and sorting ten thousand of them for every word would show. */
const orders = new WeakMap<Conversation["items"], readonly ConversationItem[]>();
function inOrder(items: Conversation["items"]): readonly ConversationItem[] {
  const known = orders.get(items);
  if (known !== undefined) return known;
  const ordered = [...items.values()].sort((a, b) => a.seq - b.seq);
  orders.set(items, ordered);
  return ordered;
}

function put(state: Conversation, incoming: readonly ConversationItem[]): Conversation {
  const items = new Map(state.items);
  const startedRuns = new Set(state.startedRuns);
  const endedRuns = new Set(state.endedRuns);
  for (const item of incoming) {
    const known = items.get(item.id);
    // A call that has ended stays ended, whichever reading of it comes last.
    if (known === undefined || isUnderWay(known) || !isUnderWay(item)) items.set(item.id, item);
    if (item.run_id === null) continue;
    if (item.type === "run_ended") endedRuns.add(item.run_id);
    else if (item.type !== "message" || item.role === "agent") startedRuns.add(item.run_id);
  }
  return { ...state, items, startedRuns, endedRuns };
}

/** Parts whose end is now known go; a call under way keeps its part, which holds what it prints. */
function settle(state: Conversation): Conversation {
  const parts = state.parts.filter((part) => {
    const item = state.items.get(part.id);
    return (
      !state.endedRuns.has(part.runId) &&
      (item === undefined || isUnderWay(item)) &&
      (part.doneSeq === null || part.doneSeq > state.lastSeq)
    );
  });
  return parts.length === state.parts.length ? state : { ...state, parts };
}

function open(state: Conversation, id: string, of: Pick<LivePart, "runId" | "kind" | "name"> & Partial<LivePart>): Conversation {
  if (state.parts.some((part) => part.id === id)) return patch(state, id, (part) => ({ ...part, ...of }));
  const item = state.items.get(id);
  // Completed already: the deltas are replayed from before that.
  if (item !== undefined && !isUnderWay(item)) return state;
  const part: LivePart = { id, title: null, arguments: null, text: "", doneSeq: null, ...of };
  return { ...state, parts: [...state.parts, part], startedRuns: with_(state.startedRuns, of.runId), progress: null };
}

function append(state: Conversation, change: { part_id: string; run_id: string; delta: string }, kind: LivePart["kind"]): Conversation {
  const opened = state.parts.some((part) => part.id === change.part_id)
    ? state
    : open(state, change.part_id, { runId: change.run_id, kind, name: null });
  return patch(opened, change.part_id, (part) => ({ ...part, text: part.text + change.delta }));
}

function patch(state: Conversation, id: string, change: (part: LivePart) => LivePart): Conversation {
  return { ...state, parts: state.parts.map((part) => (part.id === id ? change(part) : part)) };
}

const with_ = <T>(set: ReadonlySet<T>, value: T): ReadonlySet<T> => (set.has(value) ? set : new Set(set).add(value));

/** The item that an event makes or changes, worded as `sessions.conversation` words it; null when it does not show there. */
function itemOf(state: Conversation, envelope: EventEnvelope): ConversationItem | null {
  const at = { seq: envelope.seq, at: envelope.occurred_at, id: envelope.event_id as string, run_id: envelope.run_id ?? null };
  // The server validated it against the contract before it was appended.
  const { type, data } = { type: envelope.type, data: envelope.data } as AnyEvent;
  const notice = (level: "info" | "warning" | "error", text: string): ConversationItem => ({ ...at, type: "notice", level, text });
  switch (type) {
    case "message.created":
      return {
        ...at,
        type: "message",
        id: data.message_id,
        role: envelope.principal.type === "agent" ? "agent" : "user",
        author: envelope.principal.id,
        content_md: data.content_md ?? "",
      };
    case "step.thought":
      return { ...at, id: data.step_id, type: "thought", text: data.text };
    case "step.plan_updated":
      return { ...at, type: "plan", entries: data.entries };
    case "tool.invoked":
      return {
        ...at,
        type: "tool_call",
        id: data.tool_call_id,
        name: data.name,
        title: data.title ?? null,
        status: "invoked",
        arguments: data.arguments,
        output: null,
        output_truncated: false,
        error: null,
        artifact_id: null,
        duration_ms: null,
      };
    case "tool.succeeded":
    case "tool.failed": {
      const known = state.items.get(data.tool_call_id);
      if (known?.type !== "tool_call") return null;
      return {
        ...known,
        status: type === "tool.failed" ? "failed" : "succeeded",
        error: type === "tool.failed" ? data.error : null,
        output: data.output ?? null,
        output_truncated: data.output_truncated ?? false,
        artifact_id: data.artifact_id ?? null,
        duration_ms: data.duration_ms,
      };
    }
    case "approval.requested":
      return { ...at, id: data.approval_id, type: "approval", approval_id: data.approval_id };
    case "run.completed":
      return { ...at, type: "run_ended", run_id: data.run_id, status: "succeeded", message: null };
    case "run.failed":
      return { ...at, type: "run_ended", run_id: data.run_id, status: "failed", message: data.message };
    case "run.needs_human":
      return { ...at, type: "run_ended", run_id: data.run_id, status: "needs_human", message: data.reason };
    case "run.timed_out":
      return {
        ...at,
        type: "run_ended",
        run_id: data.run_id,
        status: "timed_out",
        message: `The turn was ended after ${Math.round(data.after_ms / 60_000)} minutes.`,
      };
    case "run.canceled":
      return { ...at, type: "run_ended", run_id: data.run_id, status: "canceled", message: data.reason ?? null };
    case "session.paused":
      return notice("warning", data.reason);
    case "session.resumed":
      return notice("info", "The session is being brought back.");
    case "session.stopped":
      return notice("info", data.reason);
    case "session.failed":
      return notice("error", data.message);
    case "session.committed":
      return notice("info", `Committed ${data.commit.slice(0, 7)} on ${data.branch}: ${data.message}`);
    case "egress.blocked":
      return notice("warning", `Blocked a request to ${data.host}: ${data.reason}`);
    default:
      return null;
  }
}
