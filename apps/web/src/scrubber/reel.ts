/*
 * What the scrubber runs over: every event of a room in columns, each with its place on the reel. Pure.
 *
 * A place is time as it is played at 1×, in milliseconds: the real time between two events, but never more than
 * `LONGEST_MS` (a night without events is one second) and never less than `SHORTEST_MS` (what happened at once can be
 * told apart, and a clock that went backwards makes no place run backwards). So the strip, the play head and the
 * player agree, and order is the order of seq whatever the clocks said.
 */
import type { Timeline } from "@signalbox/contract/session-history";

export const LONGEST_MS = 1_000;
export const SHORTEST_MS = 16;

/** What can be shown, hidden and gone to by itself. */
export const MARKS = ["prompt", "message", "tool", "approval", "change", "failure", "state"] as const;
export type Mark = (typeof MARKS)[number];

/** The rows of the strip, from above. */
export const LANES = ["people", "agent", "result"] as const;

const KINDS: Readonly<Record<string, { readonly mark: Mark; readonly lane: number }>> = {
  prompt: { mark: "prompt", lane: 0 },
  approval: { mark: "approval", lane: 0 },
  question: { mark: "approval", lane: 0 },
  message: { mark: "message", lane: 1 },
  thought: { mark: "message", lane: 1 },
  plan: { mark: "message", lane: 1 },
  tool: { mark: "tool", lane: 1 },
  failure: { mark: "failure", lane: 2 },
  change: { mark: "change", lane: 2 },
};
const OTHER = { mark: "state", lane: 2 } as const;

/** From one event to another: a turn, a call, the wait for a person. */
export interface Span {
  readonly ref: string;
  readonly label: string;
  readonly start: number;
  /** Seq; -1 while it is under way. */
  readonly end: number;
  readonly status: string;
}

export interface Reel {
  readonly length: number;
  readonly startedAtMs: number;
  readonly lastSeq: number;
  readonly seq: Int32Array;
  /** Since `startedAtMs`, as recorded. */
  readonly atMs: Float64Array;
  readonly place: Float64Array;
  /** In `MARKS`. */
  readonly mark: Uint8Array;
  /** In `LANES`. */
  readonly lane: Uint8Array;
  readonly kind: readonly string[];
  readonly outcome: readonly string[];
  readonly label: readonly string[];
  readonly ref: readonly string[];
  readonly turns: readonly Span[];
  readonly tools: readonly Span[];
  /** Approvals and questions, from asked to answered. */
  readonly waits: readonly Span[];
  /** What had been spent in all, each time that it grew; `place` ascends. */
  readonly cost: { readonly place: Float64Array; readonly microUsd: Float64Array };
  /** What calls, approvals and turns are called, by id. */
  readonly names: ReadonlyMap<string, string>;
  /** How many of each of `MARKS`. */
  readonly counts: readonly number[];
}

export const EMPTY_REEL: Reel = {
  length: 0,
  startedAtMs: 0,
  lastSeq: 0,
  seq: new Int32Array(0),
  atMs: new Float64Array(0),
  place: new Float64Array(0),
  mark: new Uint8Array(0),
  lane: new Uint8Array(0),
  kind: [],
  outcome: [],
  label: [],
  ref: [],
  turns: [],
  tools: [],
  waits: [],
  cost: { place: new Float64Array(0), microUsd: new Float64Array(0) },
  names: new Map(),
  counts: MARKS.map(() => 0),
};

/** The reel with what `timeline` tells after it; what it tells again is passed over. */
export function extended(reel: Reel, timeline: Timeline): Reel {
  const { events, labels, refs, kinds, outcomes } = timeline;
  const told = events.seq.length;
  let first = 0;
  while (first < told && events.seq[first]! <= reel.lastSeq) first += 1;
  const length = reel.length + told - first;
  const seq = grown(Int32Array, reel.seq, length);
  const atMs = grown(Float64Array, reel.atMs, length);
  const place = grown(Float64Array, reel.place, length);
  const mark = grown(Uint8Array, reel.mark, length);
  const lane = grown(Uint8Array, reel.lane, length);
  const added = { kind: [] as string[], outcome: [] as string[], label: [] as string[], ref: [] as string[] };
  const names = new Map(reel.names);
  const waits = new Map(reel.waits.map((span) => [span.ref, span]));
  const counts = [...reel.counts];
  for (let from = first, to = reel.length; from < told; from++, to++) {
    const kind = kinds[events.kind[from]!] ?? "other";
    const outcome = outcomes[events.outcome[from]!] ?? "none";
    const label = labels[events.label[from]!] ?? "";
    const ref = refs[events.ref[from]!] ?? "";
    const is = KINDS[kind] ?? OTHER;
    const isBad = outcome === "failed" || (kind === "other" && outcome === "denied");
    seq[to] = events.seq[from]!;
    atMs[to] = events.at_ms[from]!;
    place[to] = to === 0 ? 0 : place[to - 1]! + Math.min(LONGEST_MS, Math.max(SHORTEST_MS, atMs[to]! - atMs[to - 1]!));
    mark[to] = MARKS.indexOf(isBad ? "failure" : is.mark);
    lane[to] = is.lane;
    counts[mark[to]!]! += 1;
    added.kind.push(kind);
    added.outcome.push(outcome);
    added.label.push(label);
    added.ref.push(ref);
    if (is.mark === "approval") {
      if (outcome === "pending") {
        names.set(ref, label);
        waits.set(ref, { ref, label, start: seq[to]!, end: -1, status: outcome });
      } else {
        const wait = waits.get(ref);
        if (wait !== undefined && wait.end === -1) waits.set(ref, { ...wait, end: seq[to]!, status: outcome });
      }
    }
  }
  const turns = spans(reel.turns, timeline.turns, timeline);
  const tools = spans(reel.tools, timeline.tools, timeline);
  for (const { ref, label } of [...turns, ...tools]) if (label !== "") names.set(ref, label);
  const next = {
    length,
    startedAtMs: timeline.started_at === null ? 0 : Date.parse(timeline.started_at),
    lastSeq: Math.max(timeline.last_seq, reel.lastSeq),
    seq,
    atMs,
    place,
    mark,
    lane,
    kind: joined(reel.kind, added.kind),
    outcome: joined(reel.outcome, added.outcome),
    label: joined(reel.label, added.label),
    ref: joined(reel.ref, added.ref),
    turns,
    tools,
    waits: [...waits.values()],
    names,
    counts,
  };
  return {
    ...next,
    cost: {
      place: Float64Array.from(timeline.cost.seq, (at) => placeOfSeq(next, at)),
      microUsd: Float64Array.from(timeline.cost.micro_usd),
    },
  };
}

function grown<T extends Int32Array | Float64Array | Uint8Array>(make: new (length: number) => T, of: T, length: number): T {
  const next = new make(length);
  next.set(of);
  return next;
}
const joined = (before: readonly string[], added: string[]): readonly string[] => (before.length === 0 ? added : before.concat(added));

/** Told are those that began or ended since; what is told replaces what was known. */
function spans(before: readonly Span[], told: Timeline["turns"], { labels, refs }: Timeline): readonly Span[] {
  if (told.ref.length === 0) return before;
  const all = new Map(before.map((span) => [span.ref, span]));
  told.ref.forEach((ref, i) => {
    const id = refs[ref] ?? "";
    all.set(id, {
      ref: id,
      label: labels[told.label[i]!] ?? "",
      start: told.start_seq[i]!,
      end: told.end_seq[i]!,
      status: told.status[i]!,
    });
  });
  return [...all.values()];
}

type Places = Pick<Reel, "length" | "seq" | "place">;

/** The last event at or before `seq`; -1 before the first. */
export function indexOfSeq({ seq, length }: Places, wanted: number): number {
  return lastWhere(length, (i) => seq[i]! <= wanted);
}
/** The last event at or before a place; -1 before the first. */
export function indexOfPlace({ place, length }: Places, wanted: number): number {
  return lastWhere(length, (i) => place[i]! <= wanted);
}
export function placeOfSeq(reel: Places, seq: number): number {
  const i = indexOfSeq(reel, seq);
  return i === -1 ? 0 : reel.place[i]!;
}
/** The event that stands nearest to a place; -1 when there is none. */
export function nearest(reel: Places, wanted: number): number {
  const before = indexOfPlace(reel, wanted);
  if (before === -1) return reel.length === 0 ? -1 : 0;
  if (before === reel.length - 1) return before;
  return wanted - reel.place[before]! <= reel.place[before + 1]! - wanted ? before : before + 1;
}
export const totalOf = ({ place, length }: Places): number => (length === 0 ? 0 : place[length - 1]!);

function lastWhere(length: number, holds: (i: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** When it was at a place, between two events as far along as the place is; never earlier than further left. */
export function timeOfPlace(reel: Reel, place: number): number {
  const i = indexOfPlace(reel, place);
  if (i === -1) return reel.startedAtMs;
  const at = clockOf(reel, i);
  if (i === reel.length - 1) return at;
  const share = (place - reel.place[i]!) / (reel.place[i + 1]! - reel.place[i]!);
  return at + share * Math.max(0, clockOf(reel, i + 1) - at);
}
export const clockOf = (reel: Reel, i: number): number => reel.startedAtMs + reel.atMs[i]!;

/** Spent in all at a place. */
export function costOfPlace({ cost }: Reel, place: number): number {
  const i = lastWhere(cost.place.length, (i) => cost.place[i]! <= place);
  return i === -1 ? 0 : cost.microUsd[i]!;
}

/** The next event of a mark in a direction; -1 when there is none. */
export function nextOf(reel: Reel, from: number, by: 1 | -1, mark: Mark): number {
  const wanted = MARKS.indexOf(mark);
  for (let i = from + by; i >= 0 && i < reel.length; i += by) if (reel.mark[i] === wanted) return i;
  return -1;
}

/** How long nothing happened after an event, where that is longer than is played; else null. */
export function pauseAfter(reel: Reel, i: number): number | null {
  if (i < 0 || i + 1 >= reel.length) return null;
  const ms = reel.atMs[i + 1]! - reel.atMs[i]!;
  return ms > LONGEST_MS ? ms : null;
}
