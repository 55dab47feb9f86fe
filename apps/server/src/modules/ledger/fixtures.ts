import type { LedgerEvent } from "@signalbox/contract/events/ledger";
import { budget, type Budget, type BudgetCommand } from "./budget.ts";

export const SESSION = "ses_01J00000000000000000000001";
export const RESERVATION = "rsv_01J00000000000000000000001";
export const OTHER_RESERVATION = "rsv_01J00000000000000000000002";

export const set: BudgetCommand = { type: "set", sessionId: SESSION, cap: 1_000 };
export const reserve = (amount: number, reservationId = RESERVATION): Extract<BudgetCommand, { type: "reserve" }> => ({
  type: "reserve",
  reservationId,
  model: "m",
  amount,
  holder: "hld_1",
});
export const settle = (cost: number, reservationId = RESERVATION): Extract<BudgetCommand, { type: "settle" }> => ({
  type: "settle",
  reservationId,
  upstream: "u",
  cost,
  durationMs: 5,
  outcome: "completed",
  usage: { input_tokens: 10, output_tokens: 20, source: "reported" },
});
export const release = (reservationId = RESERVATION): BudgetCommand => ({ type: "release", reservationId, reason: "refused upstream" });
export const reconcile = (reservationId = RESERVATION): BudgetCommand => ({ type: "reconcile", reservationId });

/** What the log would hold after these commands, each of which must be accepted. */
export function history(...commands: BudgetCommand[]): LedgerEvent[] {
  const events: LedgerEvent[] = [];
  for (const command of commands) {
    const decision = budget.decide(stateOf(events), command);
    if (!decision.ok) throw new Error(`${command.type} was refused: ${decision.refusal.code}`);
    events.push(...decision.events);
  }
  return events;
}

export const stateOf = (events: readonly LedgerEvent[]): Budget => events.reduce(budget.evolve, budget.initial);
