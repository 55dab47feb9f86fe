import type { ApprovalRefusal } from "@signalbox/contract/approvals";
import type { ApprovalScope } from "@signalbox/contract/events/approvals";
import { expect, test } from "vitest";
import { approval, type Approval, type ApprovalCommand } from "./approval.ts";
import {
  BOSS,
  CALL,
  COMMAND,
  DEADLINE,
  fold,
  history,
  HISTORY,
  ID,
  INVOCATION,
  LAPSED,
  NOON,
  OTHER,
  OTHER_INVOCATION,
  request,
  SIMILAR,
  use,
} from "./fixtures.ts";

type Outcome = Approval["status"] | ApprovalRefusal["code"];
type Row = Record<ApprovalCommand["type"], Outcome>;

const closed = (stays: Approval["status"]): Row => ({
  request: stays,
  hold: "approval_closed",
  approve: "approval_closed",
  deny: "approval_closed",
  expire: stays,
  use: "approval_not_given",
});

/** The whole machine. No `Partial`: a new state or command fails to compile until it is decided here. */
const MACHINE: Record<Approval["status"], Row> = {
  none: {
    request: "pending",
    hold: "approval_not_found",
    approve: "approval_not_found",
    deny: "approval_not_found",
    expire: "approval_not_found",
    use: "approval_not_found",
  },
  pending: { request: "pending", hold: "held", approve: "approved", deny: "denied", expire: "pending", use: "approval_not_given" },
  held: { request: "held", hold: "held", approve: "approved", deny: "denied", expire: "held", use: "approval_not_given" },
  approved: { ...closed("approved"), approve: "approved", use: "approved" },
  denied: { ...closed("denied"), deny: "denied" },
  expired: closed("expired"),
};

for (const [from, row] of Object.entries(MACHINE) as [Approval["status"], Row][]) {
  for (const [type, expected] of Object.entries(row) as [ApprovalCommand["type"], Outcome][]) {
    test(`${from} + ${type} -> ${expected}`, () => {
      const state = fold(HISTORY[from]);
      const decision = approval.decide(state, COMMAND[type]);
      expect(decision.ok ? decision.events.reduce((s, event) => approval.evolve(s, event), state).status : decision.refusal.code).toBe(
        expected,
      );
    });
  }
}

const code = (events: Parameters<typeof fold>[0], command: ApprovalCommand) => {
  const decision = approval.decide(fold(events), command);
  return decision.ok ? null : decision.refusal.code;
};

test("a verdict after the deadline is refused even before the sweeper runs", () => {
  expect(approval.decide(fold(HISTORY.held), { type: "approve", approvalId: ID, by: BOSS, now: LAPSED })).toMatchObject({
    ok: false,
    refusal: { code: "approval_lapsed", details: { expires_at: DEADLINE } },
  });
});

test("whoever loses the race is told who decided, also when they agree", () => {
  expect(approval.decide(fold(HISTORY.approved), { type: "approve", approvalId: ID, by: OTHER, now: NOON })).toMatchObject({
    ok: false,
    refusal: { code: "approval_closed", details: { status: "approved", by: BOSS } },
  });
});

test("a question waits for 24 hours unless it says otherwise, and never less than no time", () => {
  const { expiresAt: _given, ...without } = request;
  expect(history(without)[0]).toMatchObject({ data: { expires_at: "2030-01-02T12:00:00.000Z" } });
  expect(code([], { ...request, expiresAt: NOON })).toBe("expires_at_invalid");
});

test("an answer is for once and holds for 24 hours unless the person says otherwise", () => {
  const decision = approval.decide(fold(HISTORY.pending), { type: "approve", approvalId: ID, by: BOSS, now: NOON });
  expect(decision.ok && decision.events[0]?.data).toMatchObject({ scope: "once", expires_at: "2030-01-02T12:00:00.000Z" });
  expect(code(HISTORY.pending, { type: "approve", approvalId: ID, by: BOSS, validUntil: NOON, now: NOON })).toBe("expires_at_invalid");
});

test("it is spent once: the same invocation may say so again, another may not", () => {
  const used = [...HISTORY.approved, ...history(request, COMMAND.approve, use()).slice(-1)];
  expect(used.at(-1)).toMatchObject({ type: "approval.used", data: { invocation_id: INVOCATION, call_hash: CALL.callHash } });
  expect(approval.decide(fold(used), use())).toEqual({ ok: true, events: [] });
  expect(code(used, use({ invocationId: OTHER_INVOCATION }))).toBe("approval_already_used");
});

test("it cannot be spent on parameters that nobody saw, nor when its time is over", () => {
  expect(code(HISTORY.approved, use({ call: SIMILAR }))).toBe("approval_call_mismatch");
  expect(code(HISTORY.approved, use({ now: LAPSED }))).toBe("approval_lapsed");
});

test.each<[ApprovalScope, Partial<Record<keyof typeof SIMILAR, unknown>>, string | null]>([
  ["once", {}, "approval_call_mismatch"],
  ["run", {}, null],
  ["run", { runId: "run_01J00000000000000000000009" }, "approval_call_mismatch"],
  ["run", { runId: undefined }, "approval_call_mismatch"],
  ["session", { runId: "run_01J00000000000000000000009" }, null],
  ["session", { sessionId: "ses_01J00000000000000000000009" }, "approval_call_mismatch"],
  ["room", { sessionId: "ses_01J00000000000000000000009" }, null],
  ["room", { target: { remote: "elsewhere" } }, "approval_call_mismatch"],
  ["session", { action: "email.send" }, "approval_call_mismatch"],
])("with scope %s a later call with %j ends as %s", (scope, change, expected) => {
  const given = history(request, { type: "approve", approvalId: ID, by: BOSS, scope, validUntil: DEADLINE, now: NOON });
  expect(code(given, use({ invocationId: OTHER_INVOCATION, call: { ...SIMILAR, ...change } as typeof SIMILAR }))).toBe(expected);
});

test("an erased question cannot be answered, an erased answer cannot be spent", () => {
  const erase = (events: Parameters<typeof fold>[0], type: string) =>
    events.map((event) => (event.type === type ? ({ type, data: {} } as typeof event) : event));
  expect(code(erase(HISTORY.pending, "approval.requested"), COMMAND.approve)).toBe("approval_lapsed");
  expect(code(erase(HISTORY.approved, "approval.approved"), use())).toBe("approval_lapsed");
});
