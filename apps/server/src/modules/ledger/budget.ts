/*
 * The budget of one session: what it may spend on models, what it has spent, what is held.
 *
 *            set                       reserve ─► held ─┬─ settle ──► spent
 *   (unset) ─────► open (cap, spent, held)              └─ release ─► (nothing)
 *
 * Invariants, each with a test:
 *   - a reservation is granted only when spent + held + needed ≤ cap; without a cap nothing is granted
 *   - every reservation ends exactly once; ending it again changes nothing, so retries are safe
 *   - a cost above its reservation is recorded as it was: the overrun counts against the cap at once
 *
 * `budget:<session>` is one subject, so the log's version check makes this hold under any
 * concurrency and over any number of processes.
 * Money is integer micro-USD throughout.
 */
import type { LedgerEvent, ModelUsage } from "@signalbox/contract/events/ledger";
import { accept, type Decider, type Decision, refuse, unreachable } from "@signalbox/kernel/decider";
import type { z } from "zod";

type EventData<T extends LedgerEvent["type"]> = Extract<LedgerEvent, { type: T }>["data"];
export type Usage = z.infer<typeof ModelUsage>;
export type Outcome = NonNullable<EventData<"ledger.settled">["outcome"]>;

interface Held {
  readonly amount: number;
  readonly model: string;
  readonly runId?: EventData<"ledger.reserved">["run_id"];
}

export type Budget =
  | { readonly status: "unset" }
  | {
      readonly status: "open";
      readonly sessionId: EventData<"budget.set">["session_id"];
      readonly cap: number;
      readonly spent: number;
      /** Sum of `open`. */
      readonly held: number;
      readonly open: Readonly<Record<string, Held>>;
      /** The refusal recorded last, while nothing else has happened since. */
      readonly refused: string | null;
    };

export type BudgetCommand =
  | { readonly type: "set"; readonly sessionId: string; readonly cap: number }
  | {
      readonly type: "reserve";
      readonly reservationId: string;
      readonly runId?: string | undefined;
      readonly model: string;
      readonly amount: number;
      readonly holder: string;
    }
  | {
      readonly type: "settle";
      readonly reservationId: string;
      readonly upstream: string;
      readonly cost: number;
      readonly usage: Usage;
      readonly durationMs: number;
      readonly outcome: Outcome;
    }
  | { readonly type: "release"; readonly reservationId: string; readonly reason: string }
  /** The holder is gone: the full reservation stands. */
  | { readonly type: "reconcile"; readonly reservationId: string };

export type BudgetRefusal =
  | { readonly code: "budget_not_set" }
  | { readonly code: "invalid_amount" }
  | { readonly code: "budget_exhausted"; readonly details: { readonly needed: number; readonly remaining: number; readonly cap: number } };

type BudgetDecision = Decision<LedgerEvent, BudgetRefusal>;
type Open = Extract<Budget, { status: "open" }>;

const isMoney = (amount: number) => Number.isSafeInteger(amount) && amount >= 0;

export const budget: Decider<Budget, BudgetCommand, LedgerEvent, BudgetRefusal> = {
  initial: { status: "unset" },

  decide(state, command): BudgetDecision {
    if (command.type === "set") return set(state, command);
    // Fail closed: a session without a cap has nothing to spend, and nothing to end either.
    if (state.status === "unset") return refuse({ code: "budget_not_set" });
    switch (command.type) {
      case "reserve":
        return reserve(state, command);
      case "settle": {
        const held = state.open[command.reservationId];
        if (held === undefined) return accept();
        if (!isMoney(command.cost)) return refuse({ code: "invalid_amount" });
        return accept(settled(state, command.reservationId, held, command));
      }
      case "release": {
        if (state.open[command.reservationId] === undefined) return accept();
        const data = { reservation_id: reservationId(command.reservationId), session_id: state.sessionId, reason: command.reason };
        return accept<LedgerEvent>({ type: "ledger.released", data });
      }
      case "reconcile": {
        const held = state.open[command.reservationId];
        if (held === undefined) return accept();
        const usage: Usage = { input_tokens: 0, output_tokens: 0, source: "counted" };
        return accept(
          settled(state, command.reservationId, held, {
            upstream: "unknown",
            cost: held.amount,
            usage,
            durationMs: 0,
            outcome: "reconciled",
          }),
        );
      }
      default:
        return unreachable(command);
    }
  },

  evolve(state, event): Budget {
    if (event.type === "budget.set") {
      const { session_id: sessionId, cap_micro_usd: cap } = event.data;
      return state.status === "unset"
        ? { status: "open", sessionId, cap, spent: 0, held: 0, open: {}, refused: null }
        : { ...state, cap, refused: null };
    }
    // Everything else follows a `budget.set`, by `decide`; a log that says otherwise is corrupt.
    if (state.status === "unset") throw new Error(`${event.type} before budget.set`);
    switch (event.type) {
      case "ledger.reserved": {
        const { reservation_id, amount_micro_usd: amount, model, run_id: runId } = event.data;
        const held: Held = { amount, model, ...(runId === undefined ? {} : { runId }) };
        return { ...state, held: state.held + amount, open: { ...state.open, [reservation_id]: held }, refused: null };
      }
      case "ledger.settled":
        return { ...ended(state, event.data.reservation_id), spent: state.spent + event.data.cost_micro_usd };
      case "ledger.released":
        return ended(state, event.data.reservation_id);
      case "budget.refused":
        return { ...state, refused: refusalKey(event.data.model, event.data.needed_micro_usd) };
      default:
        return unreachable(event);
    }
  },
};

export const remaining = (state: Budget): number => (state.status === "unset" ? 0 : Math.max(0, state.cap - state.spent - state.held));

function set(state: Budget, command: Extract<BudgetCommand, { type: "set" }>): BudgetDecision {
  if (!isMoney(command.cap)) return refuse({ code: "invalid_amount" });
  if (state.status === "open" && state.cap === command.cap) return accept();
  return accept<LedgerEvent>({
    type: "budget.set",
    data: { session_id: command.sessionId as EventData<"budget.set">["session_id"], cap_micro_usd: command.cap },
  });
}

function reserve(state: Open, command: Extract<BudgetCommand, { type: "reserve" }>): BudgetDecision {
  const { amount, model, runId, holder } = command;
  if (!isMoney(amount)) return refuse({ code: "invalid_amount" });
  if (state.open[command.reservationId] !== undefined) return accept();
  const left = state.cap - state.spent - state.held;
  if (amount > left) {
    const shown = Math.max(0, left);
    const refusal = { code: "budget_exhausted", details: { needed: amount, remaining: shown, cap: state.cap } } as const;
    // An agent that asks for the same again and again must not be able to flood the log.
    if (state.refused === refusalKey(model, amount)) return refuse(refusal);
    return refuse<BudgetRefusal, LedgerEvent>(refusal, {
      type: "budget.refused",
      data: { session_id: state.sessionId, model, needed_micro_usd: amount, remaining_micro_usd: shown },
    });
  }
  return accept<LedgerEvent>({
    type: "ledger.reserved",
    data: {
      reservation_id: reservationId(command.reservationId),
      session_id: state.sessionId,
      ...(runId === undefined ? {} : { run_id: runId as NonNullable<Held["runId"]> }),
      model,
      amount_micro_usd: amount,
      holder,
    },
  });
}

interface Bill {
  readonly upstream: string;
  readonly cost: number;
  readonly usage: Usage;
  readonly durationMs: number;
  readonly outcome: Outcome;
}

function settled(state: Open, id: string, held: Held, bill: Bill): LedgerEvent {
  return {
    type: "ledger.settled",
    data: {
      reservation_id: reservationId(id),
      session_id: state.sessionId,
      ...(held.runId === undefined ? {} : { run_id: held.runId }),
      model: held.model,
      upstream: bill.upstream,
      cost_micro_usd: bill.cost,
      usage: bill.usage,
      duration_ms: Math.max(0, Math.round(bill.durationMs)),
      reserved_micro_usd: held.amount,
      outcome: bill.outcome,
    },
  };
}

function ended(state: Open, id: string): Open {
  const held = state.open[id];
  if (held === undefined) return state;
  const { [id]: _, ...open } = state.open;
  return { ...state, held: state.held - held.amount, open, refused: null };
}

const refusalKey = (model: string, amount: number) => `${model} ${amount}`;
/** Ids come from `newId("rsv")` in this process; the brand is the contract's. */
const reservationId = (id: string) => id as EventData<"ledger.reserved">["reservation_id"];
