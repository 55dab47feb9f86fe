/*
 * How a session, or a room, stood right after an event: the log's events up to it, folded by the deciders that made
 * them. Nothing here says what an event means for a run, an approval, a question, a session or a budget.
 */
import type { SessionAt, RoomAt } from "@signalbox/contract/session-history";
import type { ApprovalView } from "@signalbox/contract/approvals";
import type { DomainEvent } from "@signalbox/eventlog/log";
import type { Decider } from "@signalbox/kernel/decider";
import type { z } from "zod";
import { approval, type Approval } from "../approvals/public.ts";
import { budget, type Budget } from "../ledger/public.ts";
import { room, type Room } from "../rooms/public.ts";
import { run, type Run } from "../runs/public.ts";
import type { BudgetEntry, Entry } from "./history.ts";
import { question, type Question } from "./question.ts";
import { session, type Session } from "./session.ts";

type Data = Record<string, never> & { readonly [name: string]: unknown };
type AnySubject = Decider<unknown, never, DomainEvent, { code: string }>;

/** A subject as it stood, with the entries that made it what it is. */
interface Subject<S> {
  state: S;
  readonly first: Entry;
  last: Entry;
}

/** Up to and including this place of `entries`; -1 is before the first. */
export type Place = number;

export const placeOfSeq = (entries: readonly Entry[], seq: number): Place => Math.min(seq, entries.length) - 1;
/** The last entry that was recorded by then. */
export function placeOfTime(entries: readonly Entry[], atMs: number): Place {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle]!.atMs <= atMs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

const FOLDED = { run, approval, question, session, room } as unknown as Record<string, AnySubject>;
/** They change nothing that is told here, and are most of what happens. */
const RECORDS = /^(step|tool|artifact)\./;

export interface Folded {
  readonly runs: ReadonlyMap<string, RunFold>;
  readonly approvals: ReadonlyMap<string, Subject<Approval>>;
  readonly questions: ReadonlyMap<string, Subject<Question>>;
  readonly sessions: ReadonlyMap<string, Subject<Session>>;
  readonly room: Subject<Room> | null;
  /** Newest of its kind, by session. */
  readonly changes: ReadonlyMap<string, Entry>;
  /** Newest plan by run. */
  readonly plans: ReadonlyMap<string, Entry>;
  readonly tools: ReadonlyMap<string, number>;
  readonly threads: ReadonlyMap<string, { readonly entry: Entry; messages: number }>;
}
interface RunFold extends Subject<Run> {
  title: string | null;
  started: Entry | null;
  ended: Entry | null;
}

const ENDED: ReadonlySet<string> = new Set(["succeeded", "failed", "needs_human", "timed_out", "canceled", "skipped"]);

/** What a fold has gathered so far; `snapshots.ts` keeps it, so nothing but data is in it. */
export interface Fold {
  readonly subjects: Map<string, Subject<unknown>>;
  readonly changes: Map<string, Entry>;
  readonly plans: Map<string, Entry>;
  readonly tools: Map<string, number>;
  readonly threads: Map<string, { readonly entry: Entry; messages: number }>;
}
export const emptyFold = (): Fold => ({ subjects: new Map(), changes: new Map(), plans: new Map(), tools: new Map(), threads: new Map() });

export function addTo({ subjects, changes, plans, tools, threads }: Fold, entry: Entry): void {
  const { event, kind, id } = entry;
  const data = event.data as Data;
  if (RECORDS.test(event.type)) {
    if (event.type === "tool.invoked") tools.set(entry.runId ?? "", (tools.get(entry.runId ?? "") ?? 0) + 1);
    else if (event.type === "step.plan_updated") plans.set(entry.runId ?? "", entry);
    return;
  }
  if (event.type === "thread.created") threads.set(id, { entry, messages: 0 });
  else if (event.type === "message.created") {
    const thread = threads.get(String(data["thread_id"]));
    if (thread !== undefined) thread.messages += 1;
  } else if (event.type === "session.changes_recorded") changes.set(id, entry);
  const decider = FOLDED[kind];
  if (decider === undefined) return;
  const key = `${kind}:${id}`;
  let subject = subjects.get(key);
  if (subject === undefined) {
    subject = { state: decider.initial, first: entry, last: entry };
    subjects.set(key, subject);
  }
  subject.state = decider.evolve(subject.state, event);
  subject.last = entry;
  if (kind === "run") ofRun(subject as RunFold, entry, data);
}

export function foldedOf({ subjects, ...rest }: Fold): Folded {
  const of = <S>(kind: string): Map<string, Subject<S>> => {
    const found = new Map<string, Subject<S>>();
    for (const [key, subject] of subjects) if (key.startsWith(`${kind}:`)) found.set(key.slice(kind.length + 1), subject as Subject<S>);
    return found;
  };
  return {
    runs: of<Run>("run") as Map<string, RunFold>,
    approvals: of("approval"),
    questions: of("question"),
    sessions: of("session"),
    room: of<Room>("room").values().next().value ?? null,
    ...rest,
  };
}

function foldTo(entries: readonly Entry[], place: Place): Folded {
  const fold = emptyFold();
  for (let i = 0; i <= place; i++) addTo(fold, entries[i]!);
  return foldedOf(fold);
}

/** When, and under which name: of which the decider keeps nothing. */
function ofRun(fold: RunFold, entry: Entry, data: Data): void {
  if (entry.event.type === "run.created") {
    fold.title = typeof data["title"] === "string" ? data["title"] : null;
    fold.started = null;
    fold.ended = null;
  } else if (entry.event.type === "run.edited") fold.title = typeof data["title"] === "string" ? data["title"] : null;
  else if (entry.event.type === "run.started") fold.started = entry;
  if (ENDED.has((fold.state as { status: string }).status)) fold.ended ??= entry;
}

export const iso = (atMs: number): string => new Date(atMs).toISOString();

/** What had been spent, and might be, right before the event after the moment. */
function budgetAt({ seq, nextPosition, untilMs }: At, ledger: readonly BudgetEntry[]): { spent: number; cap: number } {
  if (seq === 0 && untilMs === null) return { spent: 0, cap: 0 };
  let state: Budget = budget.initial;
  for (const { position, atMs, event } of ledger) {
    if (untilMs === null ? nextPosition !== null && position > nextPosition : atMs > untilMs) break;
    // An erased event has no amount: as if it had never been.
    if (Object.keys(event.data).length > 0) state = budget.evolve(state, event as never);
  }
  return state.status === "unset" ? { spent: 0, cap: 0 } : { spent: state.spent, cap: state.cap };
}

type RunAt = z.input<typeof SessionAt>["runs"][number];

const runAt = (id: string, fold: RunFold): RunAt => ({
  id: id,
  status: fold.state.status as RunAt["status"],
  title: fold.title,
  kind: fold.state.status === "none" ? "turn" : fold.state.kind,
  created_seq: fold.first.seq,
  started_seq: fold.started?.seq ?? null,
  ended_seq: fold.ended?.seq ?? null,
  created_at: iso(fold.first.atMs),
  started_at: fold.started === null ? null : iso(fold.started.atMs),
  ended_at: fold.ended === null ? null : iso(fold.ended.atMs),
});

function pending(folded: Folded, roomId: string, sessionId: string | null): z.input<typeof ApprovalView>[] {
  return [...folded.approvals].flatMap(([id, { state, first, last }]) => {
    if (state.status !== "pending" && state.status !== "held") return [];
    const d = first.event.data as Data;
    if (sessionId !== null && d["session_id"] !== sessionId) return [];
    return [
      {
        id,
        status: state.status,
        action: d["action"] ?? "",
        title: d["title"] ?? "[redacted]",
        target: d["target"] ?? null,
        params: d["params"] ?? null,
        request: d["request"] ?? {},
        call_hash: d["call_hash"] ?? "",
        room_id: roomId,
        session_id: d["session_id"] ?? null,
        run_id: d["run_id"] ?? null,
        invocation_id: d["invocation_id"] ?? null,
        requested_by: d["requested_by"] ?? first.by,
        on_behalf_of: d["on_behalf_of"] ?? null,
        held_by: state.status === "held" ? last.by : null,
        decided_by: null,
        decided_at: null,
        reason: null,
        scope: null,
        used: false,
        requested_at: d["at"] ?? iso(first.atMs),
        expires_at: d["expires_at"] ?? iso(first.atMs),
      },
    ];
  });
}

/** A moment of a room: right after event `seq`, before the next. */
export interface At {
  readonly folded: Folded;
  readonly seq: number;
  /** When that event was recorded; null before the first. */
  readonly atMs: number | null;
  readonly lastSeq: number;
  /** Of the event after it; null at the head. */
  readonly nextPosition: number | null;
  /** When it was asked for by time: what was spent is told by it too. */
  readonly untilMs: number | null;
}

export const atPlace = (entries: readonly Entry[], place: Place, untilMs: number | null): At => ({
  folded: foldTo(entries, place),
  seq: place + 1,
  atMs: place < 0 ? null : entries[place]!.atMs,
  lastSeq: entries.length,
  nextPosition: entries[place + 1]?.position ?? null,
  untilMs,
});

const where = ({ seq, atMs, lastSeq }: At): { seq: number; at: string | null; last_seq: number } => ({
  seq,
  at: atMs === null ? null : iso(atMs),
  last_seq: lastSeq,
});

export function sessionAt(at: At, sessionId: string, roomId: string, ledger: readonly BudgetEntry[]): z.input<typeof SessionAt> {
  const { folded } = at;
  const state = folded.sessions.get(sessionId)?.state ?? session.initial;
  const own = state.status === "none" ? null : state;
  const runs = [...folded.runs].filter(([, fold]) => (fold.first.event.data as Data)["session_id"] === sessionId).toSorted(bySeq);
  const current = runs.findLast(([, fold]) => fold.state.status === "running");
  const changes: { files?: never[]; patch_artifact_id?: never } | undefined = folded.changes.get(sessionId)?.event.data;
  const plan = runs.map(([id]) => folded.plans.get(id)).findLast((entry) => entry !== undefined);
  const planned: { entries?: never[] } | undefined = plan?.event.data;
  const money = budgetAt(at, ledger);
  return {
    ...where(at),
    status: own?.status ?? null,
    status_reason: own !== null && "reason" in own ? own.reason : null,
    title: own?.title ?? null,
    model: own?.model ?? null,
    current_run: current === undefined ? null : { id: current[0], status: "running", title: current[1].title },
    runs: runs.map(([id, fold]) => runAt(id, fold)),
    files_changed: changes?.files ?? [],
    patch_artifact_id: changes?.patch_artifact_id ?? null,
    cost_micro_usd: money.spent,
    budget_micro_usd: own === null ? 0 : money.cap,
    tool_calls: runs.reduce((sum, [id]) => sum + (folded.tools.get(id) ?? 0), 0),
    messages: own === null ? 0 : (folded.threads.get(own.about.thread_id)?.messages ?? 0),
    pending_approvals: pending(folded, roomId, sessionId),
    pending_questions: [...folded.questions].flatMap(([id, { state: asked, first }]) => {
      if (asked.status !== "open" || (asked.about as Partial<typeof asked.about>).session_id !== sessionId) return [];
      const { header, text, options, multiple, free_text, run_id, asked_by } = asked.about;
      const unanswered = { answer: null, closed_by: null, closed_at: null, reason: null };
      return [
        {
          id: id as never,
          status: "open" as const,
          session_id: sessionId as never,
          room_id: roomId as never,
          run_id,
          header: header ?? null,
          text,
          options,
          multiple,
          free_text,
          asked_by,
          asked_at: iso(first.atMs),
          ...unanswered,
        },
      ];
    }),
    plan: planned?.entries ?? [],
    grants: [],
  };
}

export function roomAt(at: At, roomId: string, title: string | null, ledgers: readonly (readonly BudgetEntry[])[]): z.input<typeof RoomAt> {
  const { folded } = at;
  const threads = [...folded.threads].map(([id, { entry, messages }]) => ({
    id: id as never,
    title: ((entry.event.data as Data)["title"] as string | undefined) ?? null,
    created_seq: entry.seq,
    messages,
  }));
  const { room: opened } = folded;
  return {
    ...where(at),
    title: opened === null ? null : (((opened.first.event.data as Data)["title"] as string | undefined) ?? title),
    threads,
    messages: threads.reduce((sum, { messages }) => sum + messages, 0),
    members:
      opened === null || opened.state.status === "none"
        ? []
        : [...opened.state.members].map(([principal_id, role]) => ({ principal_id: principal_id as never, role })),
    runs: [...folded.runs].toSorted(bySeq).map(([id, fold]) => runAt(id, fold)),
    pending_approvals: pending(folded, roomId, null),
    cost_micro_usd: ledgers.reduce((sum, ledger) => sum + budgetAt(at, ledger).spent, 0),
  };
}

const bySeq = (a: readonly [string, RunFold], b: readonly [string, RunFold]): number => a[1].first.seq - b[1].first.seq;
