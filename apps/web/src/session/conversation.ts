/*
 * One conversation out of three sources, in any order of arrival:
 *
 *   sessions.conversation   a window of completed items         (hydrate, prepend, extend)
 *   the room's feed         every event after that              (event)
 *   session:<id>            parts that are still being said     (delta)
 *
 * Completed items are the truth and have ids, so reading one twice changes nothing and an older
 * reading never takes back a newer one. A live part carries the id of the message, step or tool call
 * that it becomes: it is shown until that is here, and so nothing is ever shown twice or not at all.
 *
 * What is held is one window without gaps, of a conversation that may be far longer:
 *
 *     … not held │ older ── items ── newer │ counted, not held …
 *                └ null at the beginning   └ null at the end, which is where one mostly is
 *
 * `trimOlder` and `trimNewer` let go of what is far from where one reads.
 */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import type { ConversationItem } from "@signalbox/contract/sessions";
import type { SessionDelta } from "@signalbox/contract/sync";
import { changeOf, itemOf, type Change } from "./item-of-event.ts";

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
  /** By id; in the order of their seqs once `inOrder`. */
  readonly items: ReadonlyMap<string, ConversationItem>;
  /** There is more before this seq; null: the conversation begins with what is held. */
  readonly older: number | null;
  /** How many items came that are not held, after the last one that is; null: all are. */
  readonly newer: number | null;
  /** The last of those: what came while the newest window was being read is in them. */
  readonly tail: readonly ConversationItem[];
  /** Every event up to and including this seq was taken in. */
  readonly lastSeq: number;
  /** Changes of items that are not held (yet): a window read earlier may still bring such an item as it was before. */
  readonly changes: ReadonlyMap<string, Change>;
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
  older: null,
  newer: null,
  tail: [],
  lastSeq: 0,
  changes: new Map(),
  parts: [],
  startedRuns: new Set(),
  endedRuns: new Set(),
  epoch: "",
  progress: null,
  cost: null,
};

/** Changes of what nobody reads are not kept for ever. */
const KEPT_CHANGES = 500;
const KEPT_TAIL = 200;

/** A window as the server reads it: its items in any order, and whether there are items before them. */
export interface Window {
  readonly items: readonly ConversationItem[];
  readonly hasOlder: boolean;
}

/** The newest window, with every event up to `lastSeq` in it. Joins what is held where they touch, else takes its place. */
export function hydrate(state: Conversation, window: Window, lastSeq: number): Conversation {
  const oldest = seqs(window.items)[0];
  const touches = state.newer === null && oldest !== undefined && (!window.hasOlder || oldest <= state.lastSeq);
  const joined = touches && state.items.size > 0;
  const next = put(
    put(joined ? state : { ...state, items: new Map() }, window.items),
    state.tail.filter(({ seq }) => seq > lastSeq),
  );
  const older = joined ? state.older : window.hasOlder && oldest !== undefined ? oldest : null;
  return settle({
    ...next,
    older: joined && !window.hasOlder ? null : older,
    newer: null,
    tail: [],
    lastSeq: Math.max(state.lastSeq, lastSeq),
  });
}

/** What was said before the oldest that is held. Ignored when it was asked for from another place. */
export function prepend(state: Conversation, before: number, window: Window): Conversation {
  if (state.older !== before) return state;
  return settle({ ...put(state, window.items), older: window.hasOlder ? (seqs(window.items)[0] ?? null) : null });
}

/** What was said after the newest that is held, without a gap; `isEnd`: that is all there is. */
export function extend(state: Conversation, after: number, items: readonly ConversationItem[], isEnd: boolean): Conversation {
  if (state.newer === null || newestSeq(state) !== after) return state;
  const fresh = items.filter((item) => !state.items.has(item.id)).length;
  return settle(
    isEnd
      ? { ...put(put(state, items), state.tail), newer: null, tail: [] }
      : { ...put(state, items), newer: Math.max(0, state.newer - fresh) },
  );
}

/** Lets go of the oldest items beyond `keep`. */
export function trimOlder(state: Conversation, keep: number): Conversation {
  if (state.items.size <= keep) return state;
  const kept = inOrder(state.items).slice(-keep);
  return { ...state, items: byId(kept), older: kept[0]?.seq ?? null };
}

/** Lets go of the newest items beyond `keep`, for someone who reads far above. */
export function trimNewer(state: Conversation, keep: number): Conversation {
  if (state.items.size <= keep) return state;
  const ordered = inOrder(state.items);
  return {
    ...state,
    items: byId(ordered.slice(0, keep)),
    newer: (state.newer ?? 0) + ordered.length - keep,
    tail: [...state.tail, ...ordered.slice(keep)].slice(-KEPT_TAIL),
  };
}

/** One event of the session's room. */
export function event(state: Conversation, envelope: EventEnvelope): Conversation {
  if (envelope.seq <= state.lastSeq) return state;
  const change = changeOf(envelope);
  let next = change === null ? take(state, itemOf(envelope)) : apply(state, change);
  if (envelope.type === "run.started" && envelope.run_id !== undefined)
    next = { ...next, startedRuns: with_(next.startedRuns, envelope.run_id) };
  return settle({ ...next, lastSeq: envelope.seq });
}

/** An event of the room that is not part of this conversation: nothing of it shows, and it is behind us. */
export const passed = (state: Conversation, seq: number): Conversation =>
  seq <= state.lastSeq ? state : settle({ ...state, lastSeq: seq });

function take(state: Conversation, item: ConversationItem | null): Conversation {
  if (item === null) return state;
  if (state.newer === null) return put(state, [item]);
  return { ...state, ...runsOf(state, [item]), newer: state.newer + 1, tail: [...state.tail, item].slice(-KEPT_TAIL) };
}

function apply(state: Conversation, change: Change): Conversation {
  const known = state.items.get(change.id);
  if (known?.type === change.type) {
    const items = new Map(state.items).set(known.id, changed(known, change));
    return { ...state, items };
  }
  const changes = new Map(state.changes).set(change.id, change);
  if (changes.size > KEPT_CHANGES) changes.delete(changes.keys().next().value!);
  return { ...state, changes };
}
const changed = (item: ConversationItem, { set }: Change): ConversationItem => ({ ...item, ...set });

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

export const isUnderWay = (item: ConversationItem): boolean => item.type === "tool_call" && item.status === "invoked";

/** Items change far less often than what is being said, and sorting thousands of them for every word would show. */
const orders = new WeakMap<Conversation["items"], readonly ConversationItem[]>();
export function inOrder(items: Conversation["items"]): readonly ConversationItem[] {
  const known = orders.get(items);
  if (known !== undefined) return known;
  const ordered = [...items.values()].sort((a, b) => a.seq - b.seq);
  orders.set(items, ordered);
  return ordered;
}
export const newestSeq = (state: Conversation): number => inOrder(state.items).at(-1)?.seq ?? 0;

const seqs = (items: readonly ConversationItem[]): number[] => items.map(({ seq }) => seq).sort((a, b) => a - b);
const byId = (items: readonly ConversationItem[]): Conversation["items"] => new Map(items.map((item) => [item.id, item]));

function put(state: Conversation, incoming: readonly ConversationItem[]): Conversation {
  const items = new Map(state.items);
  for (const item of incoming) {
    const known = items.get(item.id);
    const change = state.changes.get(item.id);
    const read = change?.type === item.type && isOpen(item) ? changed(item, change) : item;
    // What has ended stays ended, and what was edited edited, whichever reading of it comes last.
    if (known === undefined || (age(known) <= age(read) && (isOpen(known) || !isOpen(read)))) items.set(item.id, read);
  }
  return { ...state, ...runsOf(state, incoming), items };
}

/** Something about it is still to come. */
const isOpen = (item: ConversationItem): boolean => {
  switch (item.type) {
    case "message":
      return item.edited_at == null;
    case "tool_call":
      return item.status === "invoked";
    case "approval":
    case "question":
      return item.ended_seq == null;
    default:
      return false;
  }
};
const age = (item: ConversationItem): string => (item.type === "message" ? (item.edited_at ?? "") : "");

function runsOf(state: Conversation, incoming: readonly ConversationItem[]): Pick<Conversation, "startedRuns" | "endedRuns"> {
  const startedRuns = new Set(state.startedRuns);
  const endedRuns = new Set(state.endedRuns);
  for (const item of incoming) {
    if (item.run_id === null) continue;
    if (item.type === "run_ended") endedRuns.add(item.run_id);
    else if (item.type !== "message" || item.role === "agent") startedRuns.add(item.run_id);
  }
  return { startedRuns, endedRuns };
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
