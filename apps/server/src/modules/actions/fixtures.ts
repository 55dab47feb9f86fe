import type { InvocationEvent } from "@signalbox/contract/events/gate";
import { ApprovalId, CallHash, InvocationId, PrincipalId } from "@signalbox/contract/primitives";
import { callHash } from "@signalbox/kernel/canonical";
import { invocation, type Invocation, type InvocationCommand, type RequestInvocation } from "./invocation.ts";

export const NOON = "2030-01-01T12:00:00.000Z";
export const ID = InvocationId.parse("act_01J00000000000000000000001");
export const APPROVAL = ApprovalId.parse("appr_01J00000000000000000000001");
export const BOSS = PrincipalId.parse("usr_boss");
export const FENCE = 7;

export const request = (decision: RequestInvocation["decision"] = "require_approval"): RequestInvocation => ({
  type: "request",
  invocationId: ID,
  action: "git.push",
  title: "Push",
  risk: "write",
  params: { new: "b" },
  callHash: CallHash.parse(callHash({ action: "git.push", params: { new: "b" } })),
  requestedBy: PrincipalId.parse("agt_1"),
  decision,
  reasonCode: "default_allow",
  ...(decision === "require_approval" ? { approvalId: APPROVAL } : {}),
});
export const COMMAND: Record<InvocationCommand["type"], InvocationCommand> = {
  request: request(),
  approve: { type: "approve", invocationId: ID, approvalId: APPROVAL, by: BOSS },
  deny: { type: "deny", invocationId: ID, reasonCode: "kill_switch_active" },
  expire: { type: "expire", invocationId: ID },
  begin: { type: "begin", invocationId: ID, attempt: FENCE },
  complete: { type: "complete", invocationId: ID, attempt: FENCE, result: { ok: true }, durationMs: 5 },
  fail: { type: "fail", invocationId: ID, attempt: FENCE, code: "refused", message: "no" },
  lose: { type: "lose", invocationId: ID, reason: "gone", now: NOON },
};

export function history(...commands: InvocationCommand[]): InvocationEvent[] {
  const events: InvocationEvent[] = [];
  for (const command of commands) {
    const decision = invocation.decide(fold(events), command);
    if (!decision.ok) throw new Error(`${command.type} was refused: ${decision.refusal.code}`);
    events.push(...decision.events);
  }
  return events;
}
export const fold = (events: readonly InvocationEvent[]): Invocation =>
  events.reduce((state, event) => invocation.evolve(state, event), invocation.initial);

/** The shortest real history that reaches each state; states are never built by hand. */
export const HISTORY: Record<Invocation["status"], InvocationEvent[]> = {
  none: [],
  pending: history(request()),
  approved: history(request("allow")),
  executing: history(request("allow"), COMMAND.begin),
  unknown: history(request("allow"), COMMAND.begin, COMMAND.lose),
  completed: history(request("allow"), COMMAND.begin, COMMAND.complete),
  failed: history(request("allow"), COMMAND.begin, COMMAND.fail),
  denied: history(request("deny")),
  expired: history(request(), COMMAND.expire),
};
