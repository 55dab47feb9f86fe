/* What the rest of the server may use of actions: effects on the outside world, executed behind the gate. */
import type { InvocationView, ReasonCode } from "@signalbox/contract/gate";
import type { Origin, StreamRef } from "@signalbox/eventlog/log";
import type { Json } from "@signalbox/kernel/canonical";
import type { z } from "zod";
import type { Deps, Module } from "../../module.ts";
import type { ApprovalsModule } from "../approvals/public.ts";
import type { GateModule } from "../gate/public.ts";
import type { InvocationCall } from "./invocation.ts";

export { invocation, type Invocation, type InvocationCall, type InvocationCommand } from "./invocation.ts";
export type InvocationView_ = z.infer<typeof InvocationView>;

/** Does the effect. It runs at most once per invocation; a throw before anything left is a failure, see `EffectUnknown`. */
export interface Executor {
  execute(call: ExecutorCall, context: { readonly signal: AbortSignal }): Promise<EffectOutcome>;
  /** Finds out at the other side whether an effect of unknown outcome happened. `unknown` leaves it to a person. */
  reconcile?(call: ExecutorCall, context: { readonly signal: AbortSignal }): Promise<EffectOutcome | { readonly outcome: "unknown"; readonly reason: string }>;
}
export type ExecutorCall = InvocationCall & { readonly organizationId: string; readonly roomId: string | null };
export type EffectOutcome =
  | { readonly outcome: "completed"; readonly result: Json }
  | { readonly outcome: "failed"; readonly code: string; readonly message: string };
export { EffectUnknown } from "./execute.ts";

export interface ActionRequest {
  readonly organizationId: string;
  readonly stream: StreamRef;
  readonly origin: Origin;
  readonly action: string;
  readonly title: string;
  readonly params: Json;
  readonly target?: Json | undefined;
  readonly sessionId?: string | undefined;
  readonly runId?: string | undefined;
  readonly requestedBy: { readonly id: string; readonly type: "user" | "agent" | "service" };
  /** The person whose prompt led here. */
  readonly onBehalfOf?: string | undefined;
  readonly resource: { readonly type: string; readonly id: string };
  /** What the approver reads: purpose, external_impact, risks, rollback_plan, notes_md. */
  readonly form?: { readonly [key: string]: Json | undefined } | undefined;
  /** Policy context beyond what the registry says. */
  readonly context?: { readonly [key: string]: Json } | undefined;
}
export type ActionOutcome =
  | { readonly ok: true; readonly invocationId: string; readonly status: "approved" | "pending"; readonly approvalId: string | null; readonly reasonCode: ReasonCode }
  | { readonly ok: false; readonly refusal: { readonly code: "action_denied"; readonly details: { readonly invocation_id: string; readonly reason_code: ReasonCode; readonly reason: string } } }
  | { readonly ok: false; readonly refusal: { readonly code: "invocation_rate_limited" | "too_many_pending_invocations"; readonly details: { readonly limit: number } } };

export interface ActionsModule extends Module {
  /** One unit: invocation.requested, the gate's decision and, when needed, approval.requested or the execute job. The same call while one is pending gives that one back. */
  request(request: ActionRequest): Promise<ActionOutcome>;
  /** Before `start`. One executor per action. */
  register(action: string, executor: Executor): void;
  view(organizationId: string, invocationId: string): Promise<InvocationView_ | null>;
  list(organizationId: string, filter: { sessionId?: string | undefined; status?: InvocationView_["status"] | undefined }, paging: { limit: number; cursor?: string | undefined }): Promise<{ items: InvocationView_[]; next_cursor: string | null } | null>;
  /** Resolves when it is completed, failed, unknown, denied or expired; with the view as it stands after `timeoutMs`. */
  waitForEnd(organizationId: string, invocationId: string, options: { readonly signal: AbortSignal; readonly timeoutMs: number }): Promise<InvocationView_ | null>;
}

export interface ActionsDeps extends Deps {
  readonly gate: GateModule;
  readonly approvals: ApprovalsModule;
  /** Every organization, for what the global kill switch denies at start. */
  readonly organizations: () => Promise<readonly string[]>;
  /** Default 30 s. */
  readonly executeTimeoutMs?: number | undefined;
}
