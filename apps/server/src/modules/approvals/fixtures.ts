import { ApprovalId, CallHash, InvocationId, PrincipalId, RunId, SessionId } from "@signalbox/contract/primitives";
import type { ApprovalEvent } from "@signalbox/contract/events/approvals";
import { callHash } from "@signalbox/kernel/canonical";
import { approval, type Approval, type ApprovalCommand, type Call, type RequestApproval } from "./approval.ts";

export const NOON = "2030-01-01T12:00:00.000Z";
export const DEADLINE = "2030-01-01T13:00:00.000Z";
export const LAPSED = "2030-01-01T13:00:00.001Z";
export const ID = ApprovalId.parse("appr_01J00000000000000000000001");
export const INVOCATION = InvocationId.parse("act_01J00000000000000000000001");
export const OTHER_INVOCATION = InvocationId.parse("act_01J00000000000000000000002");
export const SESSION = SessionId.parse("ses_01J00000000000000000000001");
export const RUN = RunId.parse("run_01J00000000000000000000001");
export const AGENT = PrincipalId.parse("agt_1");
export const BOSS = PrincipalId.parse("usr_boss");
export const OTHER = PrincipalId.parse("usr_other");

export const TARGET = { remote: "https://git.example/a.git", ref: "refs/heads/main" };
const hashOf = (params: object) =>
  CallHash.parse(callHash({ action: "git.push", params: params as never, target: TARGET, session_id: SESSION, run_id: RUN }));
export const CALL: Call = { action: "git.push", target: TARGET, callHash: hashOf({ new: "b" }), sessionId: SESSION, runId: RUN };
/** The same action on the same target in the same run, with other parameters. */
export const SIMILAR: Call = { ...CALL, callHash: hashOf({ new: "c" }) };

export const request: RequestApproval = {
  type: "request",
  approvalId: ID,
  action: "git.push",
  title: "Push",
  target: TARGET,
  params: { new: "b" },
  request: {},
  callHash: CALL.callHash as CallHash,
  sessionId: SESSION,
  runId: RUN,
  invocationId: INVOCATION,
  requestedBy: AGENT,
  onBehalfOf: BOSS,
  expiresAt: DEADLINE,
  now: NOON,
};
const verdict = { approvalId: ID, by: BOSS, now: NOON };
export const use = (more: { invocationId?: InvocationId; call?: Call; now?: string } = {}): ApprovalCommand => ({
  type: "use",
  approvalId: ID,
  invocationId: INVOCATION,
  call: CALL,
  now: NOON,
  ...more,
});
export const COMMAND: Record<ApprovalCommand["type"], ApprovalCommand> = {
  request,
  approve: { type: "approve", ...verdict, validUntil: DEADLINE },
  deny: { type: "deny", ...verdict, reason: "no" },
  hold: { type: "hold", ...verdict },
  expire: { type: "expire", approvalId: ID, now: NOON },
  use: use(),
};

export function history(...commands: ApprovalCommand[]): ApprovalEvent[] {
  const events: ApprovalEvent[] = [];
  for (const command of commands) {
    const decision = approval.decide(fold(events), command);
    if (!decision.ok) throw new Error(`${command.type} was refused: ${decision.refusal.code}`);
    events.push(...decision.events);
  }
  return events;
}
export const fold = (events: readonly ApprovalEvent[]): Approval =>
  events.reduce((state, event) => approval.evolve(state, event), approval.initial);

/** The shortest real history that reaches each state; states are never built by hand. */
export const HISTORY: Record<Approval["status"], ApprovalEvent[]> = {
  none: [],
  pending: history(request),
  held: history(request, COMMAND.hold),
  approved: history(request, COMMAND.approve),
  denied: history(request, COMMAND.deny),
  expired: history(request, { type: "expire", approvalId: ID, now: LAPSED }),
};
