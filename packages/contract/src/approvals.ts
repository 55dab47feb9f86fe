import { z } from "zod";
import { ApprovalRequestForm, ApprovalScope } from "./events/approvals.ts";
import {
  ApprovalId,
  CallHash,
  InvocationId,
  page,
  PageQuery,
  PrincipalId,
  RoomId,
  RunId,
  SessionId,
  Timestamp,
  Title,
} from "./primitives.ts";
import { route } from "./route.ts";

export const ApprovalStatus = z.enum(["pending", "held", "approved", "denied", "expired"]).meta({ id: "ApprovalStatus" });
export type ApprovalStatus = z.infer<typeof ApprovalStatus>;
export const Verdict = z.enum(["approve", "deny", "hold"]).meta({ id: "Verdict" });
export type Verdict = z.infer<typeof Verdict>;

export const ApprovalView = z
  .object({
    id: ApprovalId,
    status: ApprovalStatus,
    action: z.string(),
    title: z.string(),
    target: z.json().nullable(),
    /** Redacted as everything in the log. */
    params: z.json(),
    request: ApprovalRequestForm,
    call_hash: CallHash,
    room_id: RoomId.nullable(),
    session_id: SessionId.nullable(),
    run_id: RunId.nullable(),
    invocation_id: InvocationId.nullable(),
    requested_by: PrincipalId,
    on_behalf_of: PrincipalId.nullable(),
    held_by: PrincipalId.nullable(),
    decided_by: PrincipalId.nullable(),
    decided_at: Timestamp.nullable(),
    reason: z.string().nullable(),
    scope: ApprovalScope.nullable(),
    used: z.boolean(),
    requested_at: Timestamp,
    expires_at: Timestamp,
  })
  .meta({ id: "Approval" });
export type ApprovalView = z.infer<typeof ApprovalView>;

/** Codes are wire format: add freely, never rename, never reuse. */
export type ApprovalRefusal =
  | { code: "approval_not_found" }
  | { code: "approval_closed"; details: { status: "approved" | "denied" | "expired"; by: string | null } }
  | { code: "approval_lapsed"; details: { expires_at: string } }
  | { code: "approval_already_used"; details: { by: string } }
  | { code: "approval_not_given"; details: { status: ApprovalStatus } }
  | { code: "expires_at_invalid"; details: { expires_at: string } }
  | { code: "approval_call_mismatch" };

const read = { resource: "approval", role: "viewer", scopes: ["read"] } as const;

export const requestApproval = route({
  id: "approvals.create",
  summary: "Put a question to a person",
  method: "POST",
  path: "/v1/approvals",
  body: z.object({
    action: z.string().min(1).max(200),
    title: Title,
    room_id: RoomId.optional(),
    run_id: RunId.optional(),
    session_id: SessionId.optional(),
    target: z.json().optional(),
    params: z.json(),
    request: ApprovalRequestForm.default({}),
    expires_at: Timestamp.optional(),
  }),
  ok: ApprovalView,
  okStatus: 201,
  refusals: { room_not_found: 404, run_not_found: 404, session_not_found: 404, expires_at_invalid: 400 },
  access: { resource: "approval", role: "member", scopes: ["write"] },
  idempotent: true,
});
export const listApprovals = route({
  id: "approvals.list",
  summary: "Approvals, newest first",
  method: "GET",
  path: "/v1/approvals",
  query: PageQuery.extend({
    status: z.enum(["open", "pending", "held", "approved", "denied", "expired"]).optional(),
    room_id: RoomId.optional(),
    session_id: SessionId.optional(),
  }),
  ok: page(ApprovalView).meta({ id: "ApprovalPage" }),
  refusals: {},
  access: read,
});
export const getApproval = route({
  id: "approvals.get",
  summary: "One approval",
  method: "GET",
  path: "/v1/approvals/:id",
  params: z.object({ id: ApprovalId }),
  ok: ApprovalView,
  refusals: { approval_not_found: 404 },
  access: read,
});
export const decideApproval = route({
  id: "approvals.decide",
  summary: "Approve, deny or hold",
  method: "POST",
  path: "/v1/approvals/:id/decide",
  params: z.object({ id: ApprovalId }),
  body: z.object({
    decision: Verdict,
    reason: z.string().max(500).optional(),
    scope: ApprovalScope.optional(),
    expires_at: Timestamp.optional(),
  }),
  ok: ApprovalView,
  refusals: { approval_not_found: 404, room_role_too_low: 403, approval_closed: 409, approval_lapsed: 409, expires_at_invalid: 400 },
  access: { resource: "approval", role: "approver", scopes: ["approve"] },
});
