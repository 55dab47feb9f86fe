/*
 * What the rest of the server may use of actions: effects on the outside world, executed behind
 * the gate at most once.
 */
import path from "node:path";
import { type InvocationStatus, PolicyInput, type ReasonCode } from "@signalbox/contract/gate";
import type { ApprovalId, CallHash, InvocationId, PrincipalId, RunId, SessionId } from "@signalbox/contract/primitives";
import { erasable } from "@signalbox/eventlog/erasable";
import type { NewJob, Origin, StreamRef } from "@signalbox/eventlog/log";
import { callHash, type Json } from "@signalbox/kernel/canonical";
import { plusMs } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import type { Blobs } from "@signalbox/providers/blob/port";
import type { Deps, Job, Module } from "../../module.ts";
import type { ApprovalsModule, RequestApproval } from "../approvals/public.ts";
import { type GateModule, recordRuling, registeredAction, type Ruling } from "../gate/public.ts";
import type { RoomAccess } from "../rooms/public.ts";
import { createExecution, WORKER } from "./execute.ts";
import { invocation, type InvocationCall, type InvocationCommand } from "./invocation.ts";
import { importedInvocations, invocationList } from "./invocations.projection.ts";
import { findInvocation, findInvocations, idsByStatus, type InvocationFilter, type InvocationRecord, sessionLoad } from "./queries.ts";
import { actionRoutes } from "./routes.ts";
import { createWaiting } from "./waiting.ts";

export { invocation, type Invocation, type InvocationCall, type InvocationCommand } from "./invocation.ts";
export type { InvocationFilter, InvocationRecord } from "./queries.ts";

export type ExecutorCall = InvocationCall & { readonly organizationId: string; readonly roomId: string | null };
export type EffectOutcome =
  | { readonly outcome: "completed"; readonly result: Json }
  /** Only when it is known that nothing happened. */
  | { readonly outcome: "failed"; readonly code: string; readonly message: string };
/** Does the effect. `execute` is entered at most once per invocation; whatever it throws means that the outcome is not known. */
export interface Executor {
  execute(call: ExecutorCall, context: { readonly signal: AbortSignal }): Promise<EffectOutcome>;
  /** Finds out at the other side whether an effect of unknown outcome happened. Without it a person has to say. */
  reconcile?(
    call: ExecutorCall,
    context: { readonly signal: AbortSignal },
  ): Promise<EffectOutcome | { readonly outcome: "unknown"; readonly reason: string }>;
}

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
  readonly form?: RequestApproval["request"] | undefined;
  /** Policy context beyond what the registry says. */
  readonly context?: { readonly [key: string]: Json } | undefined;
}
export type ActionOutcome =
  | {
      readonly ok: true;
      readonly invocationId: string;
      readonly status: "pending" | "approved" | "executing" | "unknown";
      readonly approvalId: string | null;
      readonly reasonCode: string;
    }
  | {
      readonly ok: false;
      readonly refusal: {
        readonly code: "action_denied";
        readonly details: { readonly invocation_id: string; readonly reason_code: ReasonCode; readonly reason: string };
      };
    }
  | {
      readonly ok: false;
      readonly refusal: {
        readonly code: "invocation_rate_limited" | "too_many_pending_invocations";
        readonly details: { readonly limit: number };
      };
    };

export interface ActionsModule extends Module {
  /**
   * One unit: invocation.requested, the record of the gate's ruling and, as it says, approval.requested
   * or the execute job. The same call in the same session, while it is not over, gives that one back.
   */
  request(request: ActionRequest): Promise<ActionOutcome>;
  /** Before `start`. One executor per action. */
  register(action: string, executor: Executor): void;
  view(organizationId: string, invocationId: string): Promise<InvocationRecord | null>;
  /** Newest first. Throws `InvalidCursor`, which the shell answers. */
  list(
    organizationId: string,
    filter: InvocationFilter,
    paging: { limit: number; cursor?: string | undefined },
  ): Promise<{ items: InvocationRecord[]; next_cursor: string | null }>;
  /** As it stands when it is over (completed, failed, denied, expired) or `unknown`, or after `timeoutMs`. Rejects when aborted. */
  waitForEnd(
    organizationId: string,
    invocationId: string,
    options: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<InvocationRecord | null>;
}

export interface ActionsDeps extends Deps {
  readonly gate: GateModule;
  readonly approvals: ApprovalsModule;
  readonly blobs: Blobs;
  readonly rooms: Pick<RoomAccess, "roleIn" | "visibleRooms">;
  /** Replaces secrets in results: `scanner.scanText(organizationId, text).text` of the log. */
  readonly redact: (organizationId: string, text: string) => string;
  /** Whose invocations are looked after at start. */
  readonly organizations: () => Promise<readonly string[]>;
  /** Of one effect. Default 30 s. */
  readonly executeTimeoutMs?: number | undefined;
}

const PER_MINUTE = 60;
const PENDING = 10;
const IS_OPEN: ReadonlySet<InvocationStatus> = new Set(["pending", "approved", "executing"]);

export const executeJob = (organizationId: string, invocationId: string): NewJob => ({
  kind: "invocation.execute",
  organizationId,
  payload: { invocation_id: invocationId },
  key: invocationId,
});

export function createActions(deps: ActionsDeps): ActionsModule {
  const { log, db, clock, gate, approvals } = deps;
  const executors = new Map<string, Executor>();
  const execution = createExecution(deps, executors);
  const waiting = createWaiting({ log, find: (organizationId, id) => findInvocation(db, organizationId, id) });
  const queues = new Map<string, Promise<unknown>>();

  /** Limits and "the same call" look before they write, so a session's requests come one after the other. */
  async function inOrder<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = queues.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    queues.set(key, mine);
    try {
      return await mine;
    } finally {
      if (queues.get(key) === mine) queues.delete(key);
    }
  }

  async function request(r: ActionRequest): Promise<ActionOutcome> {
    const hash = callHash({ action: r.action, params: r.params, target: r.target, session_id: r.sessionId, run_id: r.runId }) as CallHash;
    if (r.sessionId !== undefined) {
      const load = await sessionLoad(db, r.organizationId, { sessionId: r.sessionId, callHash: hash, since: plusMs(clock.now(), -60_000) });
      if (load.same !== null) {
        const { id, status, approval_id, reason_code } = load.same.view;
        return { ok: true, invocationId: id, status: status as "pending", approvalId: approval_id, reasonCode: reason_code };
      }
      if (load.recent >= PER_MINUTE) return { ok: false, refusal: { code: "invocation_rate_limited", details: { limit: PER_MINUTE } } };
      if (load.pending >= PENDING) return { ok: false, refusal: { code: "too_many_pending_invocations", details: { limit: PENDING } } };
    }
    const ruling = await gate.decide({
      organizationId: r.organizationId,
      stream: r.stream,
      origin: r.origin,
      record: false,
      target: (r.target ?? null) as InvocationCall["target"],
      input: PolicyInput.parse({
        principal: r.requestedBy,
        action: r.action,
        resource: r.resource,
        context: r.context ?? {},
        call_hash: hash,
        ...(r.origin.zone === undefined ? {} : { zone: r.origin.zone }),
        ...(r.sessionId === undefined ? {} : { session_id: r.sessionId }),
        ...(r.runId === undefined ? {} : { run_id: r.runId }),
      }),
    });
    return open(r, hash, ruling);
  }

  async function open(r: ActionRequest, hash: CallHash, ruling: Ruling): Promise<ActionOutcome> {
    const invocationId = newId("act") as InvocationId;
    const approvalId =
      ruling.decision === "require_approval"
        ? (newId("appr") as ApprovalId)
        : ((ruling.approval_id ?? undefined) as ApprovalId | undefined);
    const call = {
      action: r.action,
      title: r.title,
      params: r.params as InvocationCall["params"],
      target: r.target as InvocationCall["target"] | undefined,
      callHash: hash,
      sessionId: r.sessionId as SessionId | undefined,
      runId: r.runId as RunId | undefined,
      invocationId,
      requestedBy: r.requestedBy.id as PrincipalId,
      onBehalfOf: r.onBehalfOf as PrincipalId | undefined,
    };
    const requested: InvocationCommand = {
      ...call,
      type: "request",
      risk: registeredAction(r.action)?.risk ?? "danger",
      decision: ruling.decision,
      reasonCode: ruling.reason_code,
      approvalId,
    };
    const origin = {
      ...r.origin,
      ...(r.sessionId === undefined ? {} : { sessionId: r.sessionId }),
      ...(r.runId === undefined ? {} : { runId: r.runId }),
    };
    await log.unit({ organizationId: r.organizationId, origin }, async (unit) => {
      await unit.decide(invocation, r.stream, `invocation:${invocationId}`, requested);
      await recordRuling(unit, r.stream, { action: r.action, target: call.target, ruling });
      if (ruling.decision === "require_approval") {
        const asked = await approvals.request(unit, r.organizationId, r.stream, {
          ...call,
          type: "request",
          approvalId: approvalId!,
          request: r.form ?? {},
          now: clock.now(),
        });
        if (!asked.ok) throw new Error(`an approval could not be asked for: ${asked.refusal.code}`);
      } else if (ruling.decision === "allow") {
        unit.enqueue(executeJob(r.organizationId, invocationId));
      }
    });
    if (ruling.decision === "deny") {
      return {
        ok: false,
        refusal: {
          code: "action_denied",
          details: { invocation_id: invocationId, reason_code: ruling.reason_code, reason: ruling.reason },
        },
      };
    }
    return {
      ok: true,
      invocationId,
      status: ruling.decision === "allow" ? "approved" : "pending",
      approvalId: approvalId ?? null,
      reasonCode: ruling.reason_code,
    };
  }

  // The verdict, the invocation and the job that executes it are one unit: approvals calls this inside its own.
  approvals.onClosed(async (unit, stream, closed) => {
    const invocationId = closed.invocationId as InvocationId;
    const by = closed.by === null ? {} : { by: closed.by as PrincipalId };
    const command: InvocationCommand =
      closed.verdict === "approved"
        ? { type: "approve", invocationId, approvalId: closed.approvalId as ApprovalId, by: closed.by as PrincipalId }
        : closed.verdict === "denied"
          ? { type: "deny", invocationId, reasonCode: closed.reasonCode ?? "approval_denied", ...by }
          : { type: "expire", invocationId };
    const decision = await unit.decide(invocation, stream, `invocation:${invocationId}`, command);
    if (decision.ok && decision.events.some((event) => event.type === "invocation.approved"))
      unit.enqueue(executeJob(closed.organizationId, invocationId));
  });

  async function denyOpen(organizationId: string, by: string): Promise<void> {
    const origin: Origin = { ...WORKER, principal: { id: by, type: by.startsWith("svc_") ? "service" : "user" } };
    await approvals.denyOpen({ organizationId, origin, reason: "The kill switch was engaged.", reasonCode: "kill_switch_active" });
    for (const id of await idsByStatus(db, organizationId, ["pending", "approved"])) {
      const found = await execution.find(organizationId, id);
      if (found !== null)
        await execution.decide(organizationId, found, {
          type: "deny",
          invocationId: id as InvocationId,
          reasonCode: "kill_switch_active",
          by: by as PrincipalId,
        });
    }
  }

  return {
    routes: actionRoutes({ ...deps, execution }),
    projections: [erasable(invocationList, { bySubject: { proj_invocations: "id" }, imported: importedInvocations }), importedInvocations],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {
      ...execution.jobs,
      "kill_switch.deny_open": async ({ organizationId, payload }: Job) => denyOpen(organizationId, (payload as { by: string }).by),
    },
    request: (r) => (r.sessionId === undefined ? request(r) : inOrder(`${r.organizationId}/${r.sessionId}`, () => request(r))),
    register(action, executor) {
      if (executors.has(action)) throw new Error(`${action} has an executor already`);
      executors.set(action, executor);
    },
    view: async (organizationId, id) => (await findInvocation(db, organizationId, id))?.view ?? null,
    list: (organizationId, filter, paging) => findInvocations(db, organizationId, filter, paging),
    waitForEnd: (organizationId, id, options) => waiting.until(organizationId, id, (view) => !IS_OPEN.has(view.status), options),

    async start() {
      for (const organizationId of await deps.organizations()) {
        // The global switch denies what was waiting when it was set; there was no command that could have.
        if (gate.isForced) await denyOpen(organizationId, WORKER.principal.id);
        // Their jobs live in the database and come back by themselves; this is for a database that was restored without them.
        const left = await idsByStatus(db, organizationId, ["approved", "executing", "unknown"]);
        if (left.length > 0)
          await log.unit({ organizationId, origin: WORKER }, async (unit) =>
            left.forEach((id) => unit.enqueue(executeJob(organizationId, id))),
          );
      }
    },
  };
}
