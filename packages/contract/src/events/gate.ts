import { z } from "zod";
import { ApprovalId, CallHash, InvocationId, JsonValue, PrincipalId, RunId, SandboxId, SessionId, Timestamp } from "../primitives.ts";

export const Risk = z.enum(["read", "write", "danger"]).meta({ id: "Risk" });
export const GateDecision = z.enum(["allow", "deny", "require_approval"]).meta({ id: "GateDecision" });
export type GateDecision = z.infer<typeof GateDecision>;

const verdict = {
  action: z.string(),
  reason_code: z.string(),
  reason: z.string(),
  policy_ids: z.array(z.string()),
  evaluation_hash: z.string(),
  target: JsonValue.optional(),
};

export const GateEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("policy.denied"), data: z.object(verdict) }),
  z.object({ type: z.literal("policy.requires_approval"), data: z.object(verdict) }),
  z.object({
    type: z.literal("kill_switch.engaged"),
    data: z.object({ scope: z.enum(["organization", "global"]), reason: z.string().optional(), by: PrincipalId, epoch: z.int() }),
  }),
  z.object({
    type: z.literal("kill_switch.released"),
    data: z.object({ scope: z.enum(["organization", "global"]), by: PrincipalId, epoch: z.int() }),
  }),
  z.object({
    type: z.literal("egress.blocked"),
    data: z.object({
      session_id: SessionId.optional(),
      sandbox_id: SandboxId.optional(),
      host: z.string(),
      port: z.int(),
      method: z.string(),
      reason_code: z.string(),
      reason: z.string(),
      /** Refusals of this kind that this event stands for: repeats within a minute are gathered into one. */
      count: z.int().min(1).optional(),
    }),
  }),
  z.object({
    type: z.literal("egress.rule_added"),
    data: z.object({ host: z.string(), by: PrincipalId, session_id: SessionId.optional() }),
  }),
  z.object({
    type: z.literal("egress.rule_removed"),
    data: z.object({ host: z.string(), by: PrincipalId, session_id: SessionId.optional() }),
  }),
  /** One digest a run of the request rows, so that the log pins them. */
  z.object({
    type: z.literal("egress.digest_recorded"),
    data: z.object({
      session_id: SessionId,
      run_id: RunId.optional(),
      requests: z.int(),
      blocked: z.int(),
      bytes: z.int(),
      digest: z.string(),
    }),
  }),
]);
export type GateEvent = z.infer<typeof GateEvent>;

/** One request for an operation on the outside world, executed behind the gate at most once. */
export const InvocationEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("invocation.requested"),
    data: z.object({
      invocation_id: InvocationId,
      action: z.string(),
      title: z.string(),
      risk: Risk,
      params: JsonValue,
      target: JsonValue.optional(),
      call_hash: CallHash,
      session_id: SessionId.optional(),
      run_id: RunId.optional(),
      requested_by: PrincipalId,
      on_behalf_of: PrincipalId.optional(),
      decision: GateDecision,
      reason_code: z.string(),
      approval_id: ApprovalId.optional(),
    }),
  }),
  z.object({
    type: z.literal("invocation.approved"),
    data: z.object({ invocation_id: InvocationId, approval_id: ApprovalId.optional(), by: PrincipalId.optional() }),
  }),
  z.object({
    type: z.literal("invocation.denied"),
    data: z.object({ invocation_id: InvocationId, reason_code: z.string(), by: PrincipalId.optional() }),
  }),
  z.object({ type: z.literal("invocation.expired"), data: z.object({ invocation_id: InvocationId }) }),
  z.object({ type: z.literal("invocation.executing"), data: z.object({ invocation_id: InvocationId, attempt: z.int() }) }),
  z.object({
    type: z.literal("invocation.completed"),
    data: z.object({ invocation_id: InvocationId, result: JsonValue, duration_ms: z.int() }),
  }),
  z.object({
    type: z.literal("invocation.failed"),
    data: z.object({ invocation_id: InvocationId, code: z.string(), message: z.string() }),
  }),
  /** It may or may not have happened; reconciliation or a person ends it. */
  z.object({ type: z.literal("invocation.unknown"), data: z.object({ invocation_id: InvocationId, reason: z.string(), at: Timestamp }) }),
]);
export type InvocationEvent = z.infer<typeof InvocationEvent>;
