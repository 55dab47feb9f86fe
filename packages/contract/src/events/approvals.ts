import { z } from "zod";
import { ApprovalId, CallHash, InvocationId, JsonValue, PrincipalId, RunId, SessionId, Timestamp } from "../primitives.ts";

/** What the asker says about the call, for the person who decides. */
export const ApprovalRequestForm = z
  .looseObject({
    purpose: z.string().max(2000).optional(),
    external_impact: z.string().max(2000).optional(),
    risks: z.array(z.string().max(500)).max(20).optional(),
    rollback_plan: z.string().max(2000).optional(),
    notes_md: z.string().max(20_000).optional(),
  })
  .meta({ id: "ApprovalRequestForm" });

/** How far an approval reaches beyond the exact call: `once` (default) is that call, one time. */
export const ApprovalScope = z.enum(["once", "run", "session", "room"]).meta({ id: "ApprovalScope" });
export type ApprovalScope = z.infer<typeof ApprovalScope>;

const at = Timestamp;
const by = PrincipalId;

/** Stored for ever. A shape never changes in place: add a new type, or a version with an upcaster. */
export const ApprovalEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("approval.requested"),
    data: z.object({
      approval_id: ApprovalId,
      action: z.string(),
      title: z.string(),
      target: JsonValue.optional(),
      params: JsonValue,
      request: ApprovalRequestForm,
      call_hash: CallHash,
      session_id: SessionId.optional(),
      run_id: RunId.optional(),
      invocation_id: InvocationId.optional(),
      requested_by: by,
      /** The person whose prompt led here. */
      on_behalf_of: by.optional(),
      expires_at: at,
      at,
    }),
  }),
  z.object({ type: z.literal("approval.held"), data: z.object({ approval_id: ApprovalId, by, at }) }),
  z.object({
    type: z.literal("approval.approved"),
    data: z.object({ approval_id: ApprovalId, by, reason: z.string().optional(), scope: ApprovalScope, expires_at: at, at }),
  }),
  z.object({ type: z.literal("approval.denied"), data: z.object({ approval_id: ApprovalId, by, reason: z.string().optional(), at }) }),
  z.object({ type: z.literal("approval.expired"), data: z.object({ approval_id: ApprovalId, at }) }),
  /** The one use of a `once` approval. */
  z.object({
    type: z.literal("approval.used"),
    data: z.object({ approval_id: ApprovalId, invocation_id: InvocationId, call_hash: CallHash, at }),
  }),
]);
export type ApprovalEvent = z.infer<typeof ApprovalEvent>;
