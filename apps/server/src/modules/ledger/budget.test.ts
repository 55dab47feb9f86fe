import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { budget, remaining, type Budget, type BudgetCommand, type BudgetRefusal } from "./budget.ts";
import { history, OTHER_RESERVATION, reconcile, release, RESERVATION, reserve, SESSION, set, settle, stateOf } from "./fixtures.ts";

/** The state names that the table speaks of; `held` and `free` are both `open`. */
const HISTORIES = {
  unset: [],
  free: history(set),
  held: history(set, reserve(600)),
  full: history(set, reserve(1_000, OTHER_RESERVATION)),
  ended: history(set, reserve(600), settle(100)),
} satisfies Record<string, ReturnType<typeof history>>;
type From = keyof typeof HISTORIES;
type Outcome = "nothing" | BudgetRefusal["code"] | readonly string[];

const COMMANDS: Record<BudgetCommand["type"], BudgetCommand> = {
  set: { type: "set", sessionId: SESSION, cap: 2_000 },
  reserve: reserve(400, RESERVATION),
  settle: settle(50),
  release: release(),
  reconcile: reconcile(),
};

/** The whole machine: a new state or command fails to compile until it is decided here. */
const MACHINE: Record<From, Record<BudgetCommand["type"], Outcome>> = {
  unset: {
    set: ["budget.set"],
    reserve: "budget_not_set",
    settle: "budget_not_set",
    release: "budget_not_set",
    reconcile: "budget_not_set",
  },
  free: { set: ["budget.set"], reserve: ["ledger.reserved"], settle: "nothing", release: "nothing", reconcile: "nothing" },
  held: {
    set: ["budget.set"],
    reserve: "nothing",
    settle: ["ledger.settled"],
    release: ["ledger.released"],
    reconcile: ["ledger.settled"],
  },
  full: { set: ["budget.set"], reserve: "budget_exhausted", settle: "nothing", release: "nothing", reconcile: "nothing" },
  ended: { set: ["budget.set"], reserve: ["ledger.reserved"], settle: "nothing", release: "nothing", reconcile: "nothing" },
};

for (const [from, row] of Object.entries(MACHINE) as [From, Record<BudgetCommand["type"], Outcome>][]) {
  for (const [type, expected] of Object.entries(row) as [BudgetCommand["type"], Outcome][]) {
    test(`${from} + ${type} -> ${String(expected)}`, () => {
      const decision = budget.decide(stateOf(HISTORIES[from]), COMMANDS[type]);
      const types = (decision.events ?? []).map((event) => event.type);
      expect(decision.ok ? (types.length === 0 ? "nothing" : types) : decision.refusal.code).toEqual(expected);
    });
  }
}

const open = (...commands: BudgetCommand[]): Extract<Budget, { status: "open" }> => {
  const state = stateOf(history(...commands));
  if (state.status !== "open") throw new Error("not open");
  return state;
};

describe("a reservation", () => {
  test("that fits to the last micro-dollar is granted, one more is refused and recorded with what was left", () => {
    expect(budget.decide(open(set, reserve(400)), reserve(600, OTHER_RESERVATION)).ok).toBe(true);
    expect(budget.decide(open(set, reserve(400)), reserve(601, OTHER_RESERVATION))).toEqual({
      ok: false,
      refusal: { code: "budget_exhausted", details: { needed: 601, remaining: 600, cap: 1_000 } },
      events: [{ type: "budget.refused", data: { session_id: SESSION, model: "m", needed_micro_usd: 601, remaining_micro_usd: 600 } }],
    });
  });

  test("refused again for the same reason is not recorded again, so that a loop cannot flood the log", () => {
    const first = budget.decide(open(set), reserve(1_001));
    const refused = (first.events ?? []).reduce(budget.evolve, open(set) as Budget);
    expect(budget.decide(refused, reserve(1_001))).toMatchObject({ ok: false, events: [] });
    expect(budget.decide(refused, reserve(1_002)).events).toHaveLength(1);
    const changed = history(set, reserve(1)).slice(1).reduce(budget.evolve, refused);
    expect(budget.decide(changed, reserve(1_001, OTHER_RESERVATION)).events).toHaveLength(1);
  });

  test.each([Number.NaN, -1, 0.5, Number.MAX_SAFE_INTEGER + 1])("of %s is not money", (amount) => {
    expect(budget.decide(open(set), reserve(amount))).toMatchObject({ ok: false, refusal: { code: "invalid_amount" } });
  });

  test("settled below frees the rest, settled above shows the overrun and counts it against the cap", () => {
    expect(remaining(open(set, reserve(600), settle(100)))).toBe(900);
    const over = history(set, reserve(600), settle(1_500));
    expect(over.at(-1)).toMatchObject({ type: "ledger.settled", data: { cost_micro_usd: 1_500, reserved_micro_usd: 600 } });
    expect(remaining(stateOf(over))).toBe(0);
    expect(budget.decide(stateOf(over), reserve(1, OTHER_RESERVATION))).toMatchObject({
      ok: false,
      refusal: { details: { remaining: 0 } },
    });
  });

  test("released frees all of it", () => {
    expect(remaining(open(set, reserve(600), release()))).toBe(1_000);
  });

  test("whose process is gone is charged in full, as counted", () => {
    expect(history(set, reserve(600), reconcile()).at(-1)).toMatchObject({
      type: "ledger.settled",
      data: { cost_micro_usd: 600, outcome: "reconciled", usage: { source: "counted" } },
    });
  });

  test("cannot be ended by a price that is not money", () => {
    expect(budget.decide(open(set, reserve(600)), settle(0.1))).toMatchObject({ ok: false, refusal: { code: "invalid_amount" } });
  });
});

test("a cap lowered below what is spent and held grants nothing more, and loses nothing", () => {
  const state = open(set, reserve(600), { type: "set", sessionId: SESSION, cap: 10 });
  expect(remaining(state)).toBe(0);
  expect(budget.decide(state, reserve(1, OTHER_RESERVATION)).ok).toBe(false);
  expect(budget.decide(state, settle(500)).ok).toBe(true);
});

test("whatever is asked in whatever order: granted money never passes the cap, and the sum held is the sum of what is open", () => {
  const id = fc.integer({ min: 0, max: 5 }).map((n) => `rsv_${n}`);
  const command: fc.Arbitrary<BudgetCommand> = fc.oneof(
    fc.record({ amount: fc.integer({ min: 0, max: 700 }), id }).map(({ amount, id: reservationId }) => reserve(amount, reservationId)),
    // At most what was held: overruns are the upstream's doing, not the ledger's.
    id.map((reservationId) => settle(0, reservationId)),
    id.map((reservationId) => release(reservationId)),
    id.map((reservationId) => reconcile(reservationId)),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      let state: Budget = open(set);
      for (const c of commands) {
        for (const event of budget.decide(state, c).events ?? []) state = budget.evolve(state, event);
        if (state.status !== "open") throw new Error("not open");
        expect(state.spent + state.held).toBeLessThanOrEqual(state.cap);
        expect(state.held).toBe(Object.values(state.open).reduce((sum, held) => sum + held.amount, 0));
      }
    }),
    { numRuns: 200 },
  );
});
