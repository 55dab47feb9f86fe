/*
 * One invocation: one request for an operation on the outside world, executed at most once.
 *
 *             request: require_approval        approve
 *   (none) ──┬──────────────────────► pending ─────────► approved ── begin ──► executing ─┬─► completed
 *            │ request: allow            │ deny            ▲  │ deny, expire              ├─► failed
 *            ├───────────────────────────┼─────────────────┘  │                           │ lose
 *            │ request: deny             ├─────► denied ◄─────┤                           ▼
 *            └───────────────────────────┼───────────▲        │                        unknown ─┬─► completed
 *                                        └─────► expired ◄────┘                                 └─► failed
 *
 * At most once: `invocation.executing` is appended before the effect, and there is never a second
 * one. Whoever finds an invocation `executing` under a fence that is not its own knows only that
 * the effect may have happened: `lose` makes it `unknown`, and only evidence (the executor's
 * `reconcile`) or a person ends that. The worker that did begin may still report its outcome after
 * `lose`, because its word is evidence; its `attempt` is the job's fence.
 *
 * An approved call can still be denied (kill switch) or expire (its approval's validity ended).
 */
import type { InvocationEvent } from "@signalbox/contract/events/gate";
import type { InvocationStatus } from "@signalbox/contract/gate";
import type { ApprovalId, CallHash, InvocationId, PrincipalId, RunId, SessionId } from "@signalbox/contract/primitives";
import { accept, refuse, unreachable, type Decider, type Decision } from "@signalbox/kernel/decider";

type Requested = Extract<InvocationEvent, { type: "invocation.requested" }>["data"];
type Completed = Extract<InvocationEvent, { type: "invocation.completed" }>["data"];

/** The call as it was requested: what the executor gets, and what was hashed. */
export interface InvocationCall {
  readonly invocationId: InvocationId;
  readonly action: string;
  readonly title: string;
  readonly params: Requested["params"];
  readonly target: Requested["params"];
  readonly callHash: CallHash;
  readonly sessionId: SessionId | null;
  readonly runId: RunId | null;
  readonly requestedBy: PrincipalId;
  readonly onBehalfOf: PrincipalId | null;
  readonly approvalId: ApprovalId | null;
}
export type Invocation =
  | { readonly status: "none" }
  | { readonly status: "pending" | "approved"; readonly call: InvocationCall }
  | { readonly status: "executing" | "unknown"; readonly call: InvocationCall; readonly attempt: number }
  | { readonly status: "completed" | "failed" | "denied" | "expired"; readonly call: InvocationCall };

export interface RequestInvocation {
  readonly type: "request";
  readonly invocationId: InvocationId;
  readonly action: string;
  readonly title: string;
  readonly risk: Requested["risk"];
  readonly params: Requested["params"];
  readonly target?: Requested["params"] | undefined;
  readonly callHash: CallHash;
  readonly sessionId?: SessionId | undefined;
  readonly runId?: RunId | undefined;
  readonly requestedBy: PrincipalId;
  readonly onBehalfOf?: PrincipalId | undefined;
  /** What the gate said. */
  readonly decision: Requested["decision"];
  readonly reasonCode: string;
  /** The question that was put (require_approval) or the answer that already covers it (allow). */
  readonly approvalId?: ApprovalId | undefined;
}
export type InvocationCommand =
  | RequestInvocation
  | {
      readonly type: "approve";
      readonly invocationId: InvocationId;
      readonly approvalId?: ApprovalId | undefined;
      readonly by: PrincipalId;
    }
  | { readonly type: "deny"; readonly invocationId: InvocationId; readonly reasonCode: string; readonly by?: PrincipalId | undefined }
  | { readonly type: "expire"; readonly invocationId: InvocationId }
  /** `attempt`: the job's fence. */
  | { readonly type: "begin"; readonly invocationId: InvocationId; readonly attempt: number }
  | {
      readonly type: "complete";
      readonly invocationId: InvocationId;
      readonly attempt: Evidence;
      readonly result: Completed["result"];
      readonly durationMs: number;
    }
  | {
      readonly type: "fail";
      readonly invocationId: InvocationId;
      readonly attempt: Evidence;
      readonly code: string;
      readonly message: string;
    }
  | { readonly type: "lose"; readonly invocationId: InvocationId; readonly reason: string; readonly now: string };

/** The fence of the worker that began, or `reconciled`: looked up at the other side, or a person's word. */
export type Evidence = number | "reconciled";

export type InvocationRefusal =
  | { readonly code: "invocation_not_found" }
  | {
      readonly code: "invocation_not_approved" | "invocation_already_began" | "invocation_not_executing" | "invocation_closed";
      readonly details: { readonly status: InvocationStatus };
    };

type InvocationDecision = Decision<InvocationEvent, InvocationRefusal>;

export const invocation: Decider<Invocation, InvocationCommand, InvocationEvent, InvocationRefusal> = {
  initial: { status: "none" },

  decide(state, command) {
    switch (state.status) {
      case "none":
        return command.type === "request" ? accept(...requested(command)) : refuse({ code: "invocation_not_found" });
      case "pending":
        return decidePending(command);
      case "approved":
        return decideApproved(command);
      case "executing":
      case "unknown":
        return decideBegun(state, command);
      case "completed":
      case "failed":
      case "denied":
      case "expired":
        return decideClosed(state.status, command);
      default:
        return unreachable(state);
    }
  },

  evolve(state, event) {
    if (event.type === "invocation.requested") return { status: "pending", call: callOf(event.data) };
    // Every other event follows a request, by `decide`; a log that says otherwise is corrupt.
    if (state.status === "none") throw new Error(`${event.type} before invocation.requested`);
    const { call } = state;
    switch (event.type) {
      case "invocation.approved":
        return { status: "approved", call: { ...call, approvalId: event.data.approval_id ?? call.approvalId } };
      case "invocation.denied":
        return { status: "denied", call };
      case "invocation.expired":
        return { status: "expired", call };
      case "invocation.executing":
        return { status: "executing", call, attempt: (event.data as { attempt?: number }).attempt ?? 0 };
      case "invocation.unknown":
        return { status: "unknown", call, attempt: "attempt" in state ? state.attempt : 0 };
      case "invocation.completed":
        return { status: "completed", call };
      case "invocation.failed":
        return { status: "failed", call };
      default:
        return unreachable(event);
    }
  },
};

function decidePending(command: InvocationCommand): InvocationDecision {
  switch (command.type) {
    case "request":
      return accept();
    case "approve":
      return accept(approved(command.invocationId, command.approvalId, command.by));
    case "deny":
      return accept(denied(command));
    case "expire":
      return accept({ type: "invocation.expired", data: { invocation_id: command.invocationId } });
    case "begin":
      return refuse({ code: "invocation_not_approved", details: { status: "pending" } });
    case "complete":
    case "fail":
    case "lose":
      return refuse({ code: "invocation_not_executing", details: { status: "pending" } });
    default:
      return unreachable(command);
  }
}

function decideApproved(command: InvocationCommand): InvocationDecision {
  switch (command.type) {
    case "request":
    case "approve":
      return accept();
    case "deny":
      return accept(denied(command));
    case "expire":
      return accept({ type: "invocation.expired", data: { invocation_id: command.invocationId } });
    case "begin":
      return accept({ type: "invocation.executing", data: { invocation_id: command.invocationId, attempt: command.attempt } });
    case "complete":
    case "fail":
    case "lose":
      return refuse({ code: "invocation_not_executing", details: { status: "approved" } });
    default:
      return unreachable(command);
  }
}

function decideBegun(state: Extract<Invocation, { attempt: number }>, command: InvocationCommand): InvocationDecision {
  const details = { status: state.status };
  switch (command.type) {
    case "request":
    case "approve":
      return accept();
    case "deny":
    case "expire":
      return refuse({ code: "invocation_already_began", details });
    case "begin":
      // Also under the same fence: the caller cannot know how far its first try came.
      return refuse({ code: "invocation_already_began", details });
    case "lose":
      return state.status === "unknown"
        ? accept()
        : accept({ type: "invocation.unknown", data: { invocation_id: command.invocationId, reason: command.reason, at: command.now } });
    case "complete":
    case "fail":
      return isEvidence(state, command.attempt) ? accept(ended(command)) : refuse({ code: "invocation_not_executing", details });
    default:
      return unreachable(command);
  }
}

/** Looking it up counts only once nobody can still be in the middle of it. */
const isEvidence = (state: Extract<Invocation, { attempt: number }>, evidence: Evidence): boolean =>
  evidence === "reconciled" ? state.status === "unknown" : evidence === state.attempt;

function decideClosed(status: "completed" | "failed" | "denied" | "expired", command: InvocationCommand): InvocationDecision {
  switch (command.type) {
    case "request":
      return accept();
    case "deny":
      return status === "denied" ? accept() : refuse({ code: "invocation_closed", details: { status } });
    case "expire":
      return status === "expired" ? accept() : refuse({ code: "invocation_closed", details: { status } });
    case "approve":
    case "begin":
    case "complete":
    case "fail":
    case "lose":
      return refuse({ code: "invocation_closed", details: { status } });
    default:
      return unreachable(command);
  }
}

function requested(c: RequestInvocation): InvocationEvent[] {
  const request: InvocationEvent = {
    type: "invocation.requested",
    data: {
      invocation_id: c.invocationId,
      action: c.action,
      title: c.title,
      risk: c.risk,
      params: c.params,
      call_hash: c.callHash,
      requested_by: c.requestedBy,
      decision: c.decision,
      reason_code: c.reasonCode,
      ...(c.target === undefined ? {} : { target: c.target }),
      ...(c.sessionId === undefined ? {} : { session_id: c.sessionId }),
      ...(c.runId === undefined ? {} : { run_id: c.runId }),
      ...(c.onBehalfOf === undefined ? {} : { on_behalf_of: c.onBehalfOf }),
      ...(c.approvalId === undefined ? {} : { approval_id: c.approvalId }),
    },
  };
  switch (c.decision) {
    case "allow":
      return [request, approved(c.invocationId, c.approvalId)];
    case "deny":
      return [request, denied({ invocationId: c.invocationId, reasonCode: c.reasonCode })];
    case "require_approval":
      return [request];
    default:
      return unreachable(c.decision);
  }
}

const approved = (invocation_id: InvocationId, approval_id?: ApprovalId, by?: PrincipalId): InvocationEvent => ({
  type: "invocation.approved",
  data: { invocation_id, ...(approval_id === undefined ? {} : { approval_id }), ...(by === undefined ? {} : { by }) },
});

const denied = (c: { invocationId: InvocationId; reasonCode: string; by?: PrincipalId | undefined }): InvocationEvent => ({
  type: "invocation.denied",
  data: { invocation_id: c.invocationId, reason_code: c.reasonCode, ...(c.by === undefined ? {} : { by: c.by }) },
});

const ended = (c: Extract<InvocationCommand, { type: "complete" | "fail" }>): InvocationEvent =>
  c.type === "complete"
    ? { type: "invocation.completed", data: { invocation_id: c.invocationId, result: c.result, duration_ms: c.durationMs } }
    : { type: "invocation.failed", data: { invocation_id: c.invocationId, code: c.code, message: c.message } };

/** What is left of an erased request hashes to nothing that was ever approved, so it is not executed. */
const callOf = (d: Requested): InvocationCall => ({
  invocationId: d.invocation_id,
  action: d.action,
  title: d.title,
  params: d.params ?? null,
  target: d.target ?? null,
  callHash: d.call_hash,
  sessionId: d.session_id ?? null,
  runId: d.run_id ?? null,
  requestedBy: d.requested_by,
  onBehalfOf: d.on_behalf_of ?? null,
  approvalId: d.approval_id ?? null,
});
