/*
 * One approval: a question put to a person, answered at most once.
 *
 *            request            approve                  use (scope once)
 *   (none) ──────────► pending ──┬──────► approved ─────────────────────► approved, used
 *                       │        │ deny
 *                  hold │        ├──────► denied
 *                       ▼        │ expire
 *                      held ─────┴──────► expired
 *
 * `held` answers exactly like `pending`; it only tells other approvers that someone is looking.
 * The three states on the right are final; `used` only says that a `once` approval is spent.
 *
 * The call hash ties the answer to one exact call: whoever executes it spends the approval with
 * `use` in the same unit and must present the same hash, so an approval can never be spent on
 * parameters that nobody saw, nor twice. A wider scope (run, session, room) covers later calls of
 * the same action on the same target inside that scope, until `validUntil`; see `covers`.
 */
import type { ApprovalEvent, ApprovalRequestForm, ApprovalScope } from "@signalbox/contract/events/approvals";
import type { ApprovalRefusal } from "@signalbox/contract/approvals";
import type { ApprovalId, CallHash, InvocationId, PrincipalId, RunId, SessionId } from "@signalbox/contract/primitives";
import { canonicalJson, type Json } from "@signalbox/kernel/canonical";
import { plusMs } from "@signalbox/kernel/clock";
import { accept, refuse, unreachable, type Decider, type Decision } from "@signalbox/kernel/decider";
import type { z } from "zod";

/** How long a question waits, and how long an answer holds, unless somebody says otherwise. */
export const APPROVAL_TTL_MS = 24 * 60 * 60 * 1000;

type Params = Extract<ApprovalEvent, { type: "approval.requested" }>["data"]["params"];

/** What a redaction may have taken. */
type Erasable = { readonly expires_at?: string };

/** The call that was asked about. */
interface Asked {
  readonly action: string;
  readonly target: Json;
  readonly callHash: CallHash;
  readonly sessionId: SessionId | null;
  readonly runId: RunId | null;
  readonly invocationId: InvocationId | null;
  readonly expiresAt: string;
}
export type Approval =
  | { readonly status: "none" }
  | (Asked & { readonly status: "pending" | "held" })
  | (Asked & {
      readonly status: "approved";
      readonly verdictBy: PrincipalId;
      readonly scope: ApprovalScope;
      readonly validUntil: string;
      readonly usedBy: InvocationId | null;
    })
  | (Asked & { readonly status: "denied"; readonly verdictBy: PrincipalId })
  | (Asked & { readonly status: "expired" });

export interface RequestApproval {
  readonly type: "request";
  readonly approvalId: ApprovalId;
  readonly action: string;
  readonly title: string;
  readonly target?: Params | undefined;
  readonly params: Params;
  readonly request: z.infer<typeof ApprovalRequestForm>;
  readonly callHash: CallHash;
  readonly sessionId?: SessionId | undefined;
  readonly runId?: RunId | undefined;
  readonly invocationId?: InvocationId | undefined;
  readonly requestedBy: PrincipalId;
  readonly onBehalfOf?: PrincipalId | undefined;
  /** Default now + 24 h. */
  readonly expiresAt?: string | undefined;
  readonly now: string;
}
interface Verdict {
  readonly approvalId: ApprovalId;
  readonly by: PrincipalId;
  readonly reason?: string | undefined;
  readonly now: string;
}
export type ApprovalCommand =
  | RequestApproval
  /** `validUntil`: how long the answer holds; default now + 24 h. */
  | (Verdict & { readonly type: "approve"; readonly scope?: ApprovalScope | undefined; readonly validUntil?: string | undefined })
  | (Verdict & { readonly type: "deny" })
  | (Verdict & { readonly type: "hold" })
  | { readonly type: "expire"; readonly approvalId: ApprovalId; readonly now: string }
  | {
      readonly type: "use";
      readonly approvalId: ApprovalId;
      readonly invocationId: InvocationId;
      readonly call: Call;
      readonly now: string;
    };

/** What is about to be executed. */
export interface Call {
  readonly action: string;
  readonly target?: Json | undefined;
  readonly callHash: string;
  readonly sessionId?: string | undefined;
  readonly runId?: string | undefined;
}

type ApprovalDecision = Decision<ApprovalEvent, ApprovalRefusal>;

export const approval: Decider<Approval, ApprovalCommand, ApprovalEvent, ApprovalRefusal> = {
  initial: { status: "none" },

  decide(state, command) {
    switch (state.status) {
      case "none":
        return command.type === "request" ? decideRequest(command) : refuse({ code: "approval_not_found" });
      case "pending":
      case "held":
        return decideOpen(state, command);
      case "approved":
        return command.type === "use" ? decideUse(state, command) : decideClosed(state, command);
      case "denied":
      case "expired":
        return decideClosed(state, command);
      default:
        return unreachable(state);
    }
  },

  evolve(state, event) {
    if (event.type === "approval.requested") return { status: "pending", ...asked(event.data) };
    // Every other event follows a request, by `decide`; a log that says otherwise is corrupt.
    if (state.status === "none") throw new Error(`${event.type} before approval.requested`);
    const call = askedOf(state);
    switch (event.type) {
      case "approval.held":
        return { ...call, status: "held" };
      case "approval.approved":
        // An erased answer holds for no time.
        return {
          ...call,
          status: "approved",
          verdictBy: event.data.by,
          scope: event.data.scope,
          validUntil: (event.data as Erasable).expires_at ?? "",
          usedBy: null,
        };
      case "approval.denied":
        return { ...call, status: "denied", verdictBy: event.data.by };
      case "approval.expired":
        return { ...call, status: "expired" };
      case "approval.used":
        return state.status === "approved" ? { ...state, usedBy: event.data.invocation_id } : state;
      default:
        return unreachable(event);
    }
  },
};

type Open = Extract<Approval, { status: "pending" | "held" }>;
type Approved = Extract<Approval, { status: "approved" }>;
type Closed = Extract<Approval, { status: "approved" | "denied" | "expired" }>;

function decideRequest(c: RequestApproval): ApprovalDecision {
  const expires_at = c.expiresAt ?? plusMs(c.now, APPROVAL_TTL_MS);
  if (expires_at <= c.now) return refuse({ code: "expires_at_invalid", details: { expires_at } });
  return accept({
    type: "approval.requested",
    data: {
      approval_id: c.approvalId,
      action: c.action,
      title: c.title,
      params: c.params,
      request: c.request,
      call_hash: c.callHash,
      requested_by: c.requestedBy,
      expires_at,
      at: c.now,
      ...(c.target === undefined ? {} : { target: c.target }),
      ...(c.sessionId === undefined ? {} : { session_id: c.sessionId }),
      ...(c.runId === undefined ? {} : { run_id: c.runId }),
      ...(c.invocationId === undefined ? {} : { invocation_id: c.invocationId }),
      ...(c.onBehalfOf === undefined ? {} : { on_behalf_of: c.onBehalfOf }),
    },
  });
}

function decideOpen(state: Open, command: ApprovalCommand): ApprovalDecision {
  if (command.type === "request") return accept();
  if (command.type === "use") return refuse({ code: "approval_not_given", details: { status: state.status } });
  // RFC 3339 UTC strings of one precision order the same way as the instants they name.
  const lapsed = command.now >= state.expiresAt;
  if (command.type === "expire") {
    return lapsed ? accept({ type: "approval.expired", data: { approval_id: command.approvalId, at: command.now } }) : accept();
  }
  // The sweeper records expiry later; until it has, a late verdict must still fail.
  if (lapsed) return refuse({ code: "approval_lapsed", details: { expires_at: state.expiresAt } });
  const { approvalId: approval_id, by, now: at } = command;
  const reason = command.reason === undefined ? {} : { reason: command.reason };
  switch (command.type) {
    case "hold":
      return state.status === "held" ? accept() : accept({ type: "approval.held", data: { approval_id, by, at } });
    case "approve": {
      const expires_at = command.validUntil ?? plusMs(at, APPROVAL_TTL_MS);
      if (expires_at <= at) return refuse({ code: "expires_at_invalid", details: { expires_at } });
      return accept({ type: "approval.approved", data: { approval_id, by, ...reason, scope: command.scope ?? "once", expires_at, at } });
    }
    case "deny":
      return accept({ type: "approval.denied", data: { approval_id, by, ...reason, at } });
    default:
      return unreachable(command);
  }
}

/** A retried request must not fail: the same person giving the same answer again changes nothing. */
function decideClosed(state: Closed, command: ApprovalCommand): ApprovalDecision {
  if (command.type === "request" || command.type === "expire") return accept();
  const by = state.status === "expired" ? null : state.verdictBy;
  if (command.type === "use") return refuse({ code: "approval_not_given", details: { status: state.status } });
  const repeated =
    command.by === by &&
    ((command.type === "approve" && state.status === "approved") || (command.type === "deny" && state.status === "denied"));
  return repeated ? accept() : refuse({ code: "approval_closed", details: { status: state.status, by } });
}

function decideUse(state: Approved, command: Extract<ApprovalCommand, { type: "use" }>): ApprovalDecision {
  if (state.usedBy !== null) {
    return state.usedBy === command.invocationId ? accept() : refuse({ code: "approval_already_used", details: { by: state.usedBy } });
  }
  if (command.now >= state.validUntil) return refuse({ code: "approval_lapsed", details: { expires_at: state.validUntil } });
  if (!covers(state, command.call)) return refuse({ code: "approval_call_mismatch" });
  if (state.scope !== "once") return accept();
  return accept({
    type: "approval.used",
    data: { approval_id: command.approvalId, invocation_id: command.invocationId, call_hash: state.callHash, at: command.now },
  });
}

/**
 * Whether an approval of this scope speaks for `call`. `once` is the exact call and nothing else.
 * `room` needs no comparison here: a session belongs to one room and approvals of one room only are
 * looked up; the caller vouches for that.
 */
export function covers(given: Pick<Approved, "scope" | "action" | "target" | "callHash" | "sessionId" | "runId">, call: Call): boolean {
  if (given.callHash === call.callHash) return true;
  if (given.scope === "once" || given.action !== call.action || canonicalJson(given.target) !== canonicalJson(call.target ?? null))
    return false;
  switch (given.scope) {
    case "run":
      return given.runId !== null && given.runId === call.runId;
    case "session":
      return given.sessionId !== null && given.sessionId === call.sessionId;
    case "room":
      return true;
    default:
      return unreachable(given.scope);
  }
}

const asked = (d: Extract<ApprovalEvent, { type: "approval.requested" }>["data"]): Asked => ({
  action: d.action,
  target: d.target ?? null,
  callHash: d.call_hash,
  sessionId: d.session_id ?? null,
  runId: d.run_id ?? null,
  invocationId: d.invocation_id ?? null,
  // An erased question can no longer be answered.
  expiresAt: (d as Erasable).expires_at ?? "",
});

const askedOf = ({ action, target, callHash, sessionId, runId, invocationId, expiresAt }: Asked): Asked => ({
  action,
  target,
  callHash,
  sessionId,
  runId,
  invocationId,
  expiresAt,
});
