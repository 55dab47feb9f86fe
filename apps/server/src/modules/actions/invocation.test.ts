import { expect, test } from "vitest";
import { COMMAND, FENCE, fold, history, HISTORY, ID, request } from "./fixtures.ts";
import { invocation, type Invocation, type InvocationCommand, type InvocationRefusal } from "./invocation.ts";

type Outcome = Invocation["status"] | InvocationRefusal["code"];
type Row = Record<InvocationCommand["type"], Outcome>;

const closed = (stays: Invocation["status"]): Row => ({
  request: stays,
  approve: "invocation_closed",
  deny: "invocation_closed",
  expire: "invocation_closed",
  begin: "invocation_closed",
  complete: "invocation_closed",
  fail: "invocation_closed",
  lose: "invocation_closed",
});

/** The whole machine. No `Partial`: a new state or command fails to compile until it is decided here. */
const MACHINE: Record<Invocation["status"], Row> = {
  none: {
    request: "pending",
    approve: "invocation_not_found",
    deny: "invocation_not_found",
    expire: "invocation_not_found",
    begin: "invocation_not_found",
    complete: "invocation_not_found",
    fail: "invocation_not_found",
    lose: "invocation_not_found",
  },
  pending: {
    request: "pending",
    approve: "approved",
    deny: "denied",
    expire: "expired",
    begin: "invocation_not_approved",
    complete: "invocation_not_executing",
    fail: "invocation_not_executing",
    lose: "invocation_not_executing",
  },
  approved: {
    request: "approved",
    approve: "approved",
    deny: "denied",
    expire: "expired",
    begin: "executing",
    complete: "invocation_not_executing",
    fail: "invocation_not_executing",
    lose: "invocation_not_executing",
  },
  executing: {
    request: "executing",
    approve: "executing",
    deny: "invocation_already_began",
    expire: "invocation_already_began",
    begin: "invocation_already_began",
    complete: "completed",
    fail: "failed",
    lose: "unknown",
  },
  unknown: {
    request: "unknown",
    approve: "unknown",
    deny: "invocation_already_began",
    expire: "invocation_already_began",
    begin: "invocation_already_began",
    complete: "completed",
    fail: "failed",
    lose: "unknown",
  },
  completed: closed("completed"),
  failed: closed("failed"),
  denied: { ...closed("denied"), deny: "denied" },
  expired: { ...closed("expired"), expire: "expired" },
};

for (const [from, row] of Object.entries(MACHINE) as [Invocation["status"], Row][]) {
  for (const [type, expected] of Object.entries(row) as [InvocationCommand["type"], Outcome][]) {
    test(`${from} + ${type} -> ${expected}`, () => {
      const state = fold(HISTORY[from]);
      const decision = invocation.decide(state, COMMAND[type]);
      expect(decision.ok ? decision.events.reduce((s, event) => invocation.evolve(s, event), state).status : decision.refusal.code).toBe(
        expected,
      );
    });
  }
}

test.each([
  ["allow", ["invocation.requested", "invocation.approved"]],
  ["require_approval", ["invocation.requested"]],
  ["deny", ["invocation.requested", "invocation.denied"]],
] as const)("a request that the gate answers with %s records %j", (decision, types) => {
  expect(history(request(decision)).map((event) => event.type)).toEqual(types);
});

test("it begins once, whoever asks and under whatever fence", () => {
  for (const attempt of [FENCE, FENCE + 1]) {
    expect(invocation.decide(fold(HISTORY.executing), { type: "begin", invocationId: ID, attempt })).toMatchObject({
      ok: false,
      refusal: { code: "invocation_already_began" },
    });
  }
});

test("only the worker that began may say how it ended, until the outcome counts as unknown", () => {
  const complete = (attempt: number | "reconciled"): InvocationCommand => ({
    type: "complete",
    invocationId: ID,
    attempt,
    result: null,
    durationMs: 1,
  });
  expect(invocation.decide(fold(HISTORY.executing), complete(FENCE + 1)).ok).toBe(false);
  // Looked up while the worker may still be in the middle of it: no evidence.
  expect(invocation.decide(fold(HISTORY.executing), complete("reconciled")).ok).toBe(false);
  expect(invocation.decide(fold(HISTORY.unknown), complete("reconciled")).ok).toBe(true);
  // The worker was only slow: its own word still counts.
  expect(invocation.decide(fold(HISTORY.unknown), complete(FENCE)).ok).toBe(true);
  expect(invocation.decide(fold(HISTORY.unknown), complete(FENCE + 1)).ok).toBe(false);
});
