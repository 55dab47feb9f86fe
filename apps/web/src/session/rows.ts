/*
 * What of a conversation stands on which row, top to bottom. Pure.
 *
 * Folded here: look-ups that follow one another into one row, all plans of a turn into its newest, and a
 * line before the first entry of each day. A prompt stands where its turn begins, not where it was written
 * while another one ran; until then it is in the queue and not here. A row keeps its key for as long as it
 * means the same thing, so that its measured height and whether it is open stay with it.
 */
import type { ConversationItem } from "@signalbox/contract/sessions";
import { inOrder, type Conversation, type LivePart } from "./conversation.ts";
import type { ToolCallItem } from "./item-of-event.ts";
import { isLookUp } from "./tool-look.ts";

export type Row =
  | { readonly key: string; readonly kind: "day"; readonly at: string }
  | { readonly key: string; readonly kind: "item"; readonly item: Exclude<ConversationItem, { type: "message" | "thought" | "run_ended" }> }
  | {
      readonly key: string;
      readonly kind: "message";
      readonly item: Extract<ConversationItem, { type: "message" }>;
      /** Somebody else spoke before, so who it is must be said. */
      readonly isNewVoice: boolean;
      /** Nothing of its turn has happened yet. */
      readonly isWaiting: boolean;
    }
  | {
      readonly key: string;
      readonly kind: "thought";
      readonly item: Extract<ConversationItem, { type: "thought" }>;
      /** Since what came before it in the turn; null where that is not known. */
      readonly tookMs: number | null;
    }
  | {
      readonly key: string;
      readonly kind: "run_ended";
      readonly item: Extract<ConversationItem, { type: "run_ended" }>;
      /** From the first thing that the agent did to the end; null where the beginning is not held. */
      readonly tookMs: number | null;
      /** Seq of the end of the turn before, 0 for the first; null where that is not known. */
      readonly previousEnd: number | null;
    }
  | { readonly key: string; readonly kind: "lookups"; readonly calls: readonly ToolCallItem[] }
  | { readonly key: string; readonly kind: "live"; readonly part: LivePart["kind"] };

/** What the rows depend on beside the conversation itself. */
export interface Around {
  /** Calendar day of the reader, `2030-01-31`. */
  readonly today: string;
  /** Turns whose prompts are shown in the queue. The same set while it holds the same. */
  readonly queued: ReadonlySet<string>;
}
export const NOTHING_QUEUED: ReadonlySet<string> = new Set();

export function rowsOf(state: Conversation, around: Around): readonly Row[] {
  const recorded = recordedRows(state, around);
  if (state.newer !== null) return recorded;
  const live = state.parts.filter((part) => !state.items.has(part.id));
  if (live.length === 0) return recorded;
  // The rows of what is being said change when a part begins or ends, not with every word of it.
  const key = live.map((part) => `${part.id}:${part.kind}`).join(" ");
  const known = withLive.get(recorded);
  if (known?.key === key) return known.rows;
  const rows = [...recorded, ...live.map((part): Row => ({ key: part.id, kind: "live", part: part.kind }))];
  withLive.set(recorded, { key, rows });
  return rows;
}
const withLive = new WeakMap<readonly Row[], { readonly key: string; readonly rows: readonly Row[] }>();
const byItems = new WeakMap<
  Conversation["items"],
  { readonly around: Around; readonly started: ReadonlySet<string>; readonly rows: readonly Row[] }
>();

function recordedRows(state: Conversation, around: Around): readonly Row[] {
  const known = byItems.get(state.items);
  if (
    known !== undefined &&
    known.around.today === around.today &&
    known.around.queued === around.queued &&
    known.started === state.startedRuns
  )
    return known.rows;
  const items = arranged(inOrder(state.items), around.queued);
  const rows = fold(items, { isWhole: state.older === null, today: around.today, started: state.startedRuns });
  byItems.set(state.items, { around, started: state.startedRuns, rows });
  return rows;
}

const isPrompt = (item: ConversationItem): boolean => item.type === "message" && item.role === "user" && item.run_id !== null;

/** Prompts before the first thing of their turn; those of turns that did nothing yet at the end; queued ones nowhere. */
function arranged(items: readonly ConversationItem[], queued: ReadonlySet<string>): readonly ConversationItem[] {
  const prompts = new Map<string, ConversationItem[]>();
  for (const item of items) if (isPrompt(item)) prompts.set(item.run_id!, [...(prompts.get(item.run_id!) ?? []), item]);
  if (prompts.size === 0) return items;
  const out: ConversationItem[] = [];
  for (const item of items) {
    if (isPrompt(item)) continue;
    const said = item.run_id === null ? undefined : prompts.get(item.run_id);
    // A prompt that was said in the middle of its turn stays there.
    if (said !== undefined) {
      out.push(...said.filter((prompt) => prompt.seq < item.seq));
      const later = said.filter((prompt) => prompt.seq >= item.seq);
      if (later.length === 0) prompts.delete(item.run_id!);
      else prompts.set(item.run_id!, later);
    }
    out.push(item);
  }
  for (const [run, said] of prompts) if (!queued.has(run)) out.push(...said);
  return out;
}

function fold(
  items: readonly ConversationItem[],
  { isWhole, today, started }: { isWhole: boolean; today: string; started: ReadonlySet<string> },
): Row[] {
  const newestPlan = new Map<string | null, string>();
  for (const item of items) if (item.type === "plan") newestPlan.set(item.run_id, item.id);

  const rows: Row[] = [];
  const began = new Map<string, number | null>();
  let day = isWhole ? today : null;
  let voice: string | null = null;
  let before: ConversationItem | null = null;
  let previousEnd: number | null = isWhole ? 0 : null;
  for (const item of items) {
    if (item.type === "plan" && newestPlan.get(item.run_id) !== item.id) continue;
    const itsDay = dayOf(item.at);
    if (itsDay !== day) {
      if (day !== null) rows.push({ key: `day:${itsDay}`, kind: "day", at: item.at });
      day = itsDay;
    }
    // Of the turn at the upper edge of the window the beginning may not be held.
    if (item.run_id !== null && !isPrompt(item) && !began.has(item.run_id))
      began.set(item.run_id, before === null && !isWhole ? null : startOf(item, before));
    switch (item.type) {
      case "message":
        rows.push({
          key: item.id,
          kind: "message",
          item,
          isNewVoice: item.author !== voice,
          isWaiting: isPrompt(item) && !started.has(item.run_id!) && !items.some((other) => other !== item && other.run_id === item.run_id),
        });
        voice = item.author;
        break;
      case "thought":
        rows.push({ key: item.id, kind: "thought", item, tookMs: since(item, before) });
        break;
      case "run_ended": {
        const from = began.get(item.run_id) ?? null;
        rows.push({ key: item.id, kind: "run_ended", item, tookMs: from === null ? null : Date.parse(item.at) - from, previousEnd });
        previousEnd = item.seq;
        break;
      }
      case "tool_call": {
        const last = rows.at(-1);
        if (!isLookUp(item.name) || item.status === "failed") rows.push({ key: item.id, kind: "item", item });
        else if (last?.kind === "lookups" && last.calls[0]!.run_id === item.run_id)
          rows[rows.length - 1] = { ...last, calls: [...last.calls, item] };
        else rows.push({ key: item.id, kind: "lookups", calls: [item] });
        break;
      }
      default:
        rows.push({ key: item.id, kind: "item", item });
    }
    before = item;
  }
  return rows.map((row) => (row.kind === "lookups" && row.calls.length === 1 ? { key: row.key, kind: "item", item: row.calls[0]! } : row));
}

const endOf = (item: ConversationItem): number => Date.parse(item.at) + (item.type === "tool_call" ? (item.duration_ms ?? 0) : 0);
/** The first thing of a turn was begun when the one before it was over, at the latest when it was recorded. */
const startOf = (item: ConversationItem, before: ConversationItem | null): number =>
  before?.run_id === item.run_id ? Math.min(Date.parse(item.at), endOf(before)) : Date.parse(item.at);

/** A thought is recorded when it is complete; it began when what came before it in the turn was done. */
function since(item: ConversationItem, before: ConversationItem | null): number | null {
  if (before === null || before.run_id !== item.run_id) return null;
  const ms = Date.parse(item.at) - endOf(before);
  return ms > 0 ? ms : null;
}

/** The calendar day as the reader's clock has it. */
export function dayOf(at: string | number): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;
}

/** The plan of the turn under way, while something in it is left to do. */
export function activePlan(state: Conversation, runId: string | null): Extract<ConversationItem, { type: "plan" }> | null {
  if (runId === null) return null;
  const ordered = inOrder(state.items);
  for (let i = ordered.length - 1; i >= 0; i--) {
    const item = ordered[i]!;
    if (item.type === "plan" && item.run_id === runId) return item.entries.some(({ status }) => status !== "completed") ? item : null;
  }
  return null;
}

/** The text of a row that `find` looks through, in lower case. */
export function searchText(row: Row): string {
  switch (row.kind) {
    case "message":
      return row.item.content_md.toLowerCase();
    case "thought":
      return row.item.text.toLowerCase();
    case "lookups":
      return row.calls.map(callText).join("\n").toLowerCase();
    case "run_ended":
      return (row.item.message ?? "").toLowerCase();
    case "item":
      return itemText(row.item).toLowerCase();
    case "day":
    case "live":
      return "";
  }
}
function itemText(item: Extract<Row, { kind: "item" }>["item"]): string {
  switch (item.type) {
    case "tool_call":
      return callText(item);
    case "plan":
      return item.entries.map(({ content }) => content).join("\n");
    case "notice":
      return item.text;
    default:
      return "";
  }
}
const callText = (call: ToolCallItem): string =>
  [call.name, call.title ?? "", JSON.stringify(call.arguments), call.output ?? "", call.error ?? ""].join("\n");
