/*
 * Executing an approved invocation at most once. The job `invocation.execute`:
 *
 *   approved ── begin + spend the approval, one unit ──► executing ── the effect ──► outcome, one unit
 *      │              (fence = the job's)                    │
 *      │ kill switch, altered call, spent approval           │ crash, lease lost, throw, time-out
 *      ▼                                                     ▼
 *   denied / expired                                      unknown ── job `invocation.reconcile` ──► outcome
 *
 * The effect is entered by exactly one caller: the one whose unit appended `invocation.executing`.
 * Whoever finds that event under another fence never executes; it records `unknown` and has it
 * reconciled, but not before the effect's own time is over: a process that a dead worker left
 * behind may still be at it.
 *
 * An executor says `failed` only when it knows that nothing happened. Whatever it throws means that
 * the outcome is not known.
 */
import type { InvocationId } from "@signalbox/contract/primitives";
import type { Origin, StreamRef } from "@signalbox/eventlog/log";
import { callHash, canonicalJson, type Json } from "@signalbox/kernel/canonical";
import { plusMs } from "@signalbox/kernel/clock";
import type { Job } from "../../module.ts";
import { approval } from "../approvals/public.ts";
import { invocation, type InvocationCall, type InvocationCommand } from "./invocation.ts";
import type { ActionsDeps, EffectOutcome, Executor } from "./public.ts";
import { findInvocation, type StoredInvocation } from "./queries.ts";

export const EXECUTE_TIMEOUT_MS = 30_000;
/** Between the end of an effect's time and the first look at what became of it. */
const GRACE_MS = 1000;
const RECONCILE_PAUSES_MS = [10_000, 60_000, 600_000];
const RESULT_BYTES = 10 * 1024;

export const WORKER: Origin = { principal: { id: "svc_actions", type: "service" } };

interface Found {
  readonly stored: StoredInvocation;
  readonly stream: StreamRef;
  readonly origin: Origin;
}

export function createExecution(deps: ActionsDeps, executors: ReadonlyMap<string, Executor>) {
  const { log, db, clock, gate, logger } = deps;
  const timeoutMs = deps.executeTimeoutMs ?? EXECUTE_TIMEOUT_MS;

  async function find(organizationId: string, id: string): Promise<Found | null> {
    const stored = await findInvocation(db, organizationId, id);
    if (stored === null) return null;
    const { view, roomId } = stored;
    return {
      stored,
      stream: roomId === null ? { type: "organization", id: organizationId } : { type: "room", id: roomId },
      origin: {
        ...WORKER,
        ...(roomId === null ? {} : { roomId }),
        ...(view.session_id === null ? {} : { sessionId: view.session_id }),
        ...(view.run_id === null ? {} : { runId: view.run_id }),
      },
    };
  }

  const decide = (organizationId: string, of: Found, command: InvocationCommand) =>
    log.run(invocation, { organizationId, stream: of.stream, subject: `invocation:${of.stored.view.id}`, origin: of.origin }, command);

  /** The call when this caller, and nobody else, may execute it now. */
  async function begin(organizationId: string, of: Found, fence: number): Promise<InvocationCall | null> {
    const invocationId = of.stored.view.id as InvocationId;
    const { value } = await log.unit({ organizationId, origin: of.origin }, async (unit) => {
      const subject = `invocation:${invocationId}`;
      const state = await unit.load(invocation, of.stream, subject);
      if (state.status !== "approved") return null;
      const { call } = state;
      const deny = async (reasonCode: string) => {
        await unit.decide(invocation, of.stream, subject, { type: "deny", invocationId, reasonCode });
        return null;
      };
      // What the log holds is what will be executed, so it is what must hash to the approved call.
      if (hashOf(call) !== call.callHash) return deny("call_altered");
      if (call.approvalId !== null) {
        const spent = await unit.decide(approval, of.stream, `approval:${call.approvalId}`, {
          type: "use",
          approvalId: call.approvalId,
          invocationId,
          now: clock.now(),
          call: {
            action: call.action,
            target: call.target,
            callHash: call.callHash,
            sessionId: call.sessionId ?? undefined,
            runId: call.runId ?? undefined,
          },
        });
        if (!spent.ok) {
          if (spent.refusal.code !== "approval_lapsed")
            return deny(spent.refusal.code === "approval_call_mismatch" ? "call_altered" : "approval_spent");
          await unit.decide(invocation, of.stream, subject, { type: "expire", invocationId });
          return null;
        }
      }
      const begun = await unit.decide(invocation, of.stream, subject, { type: "begin", invocationId, attempt: fence });
      return begun.ok ? call : null;
    });
    return value;
  }

  async function execute(job: Job): Promise<void> {
    const { organizationId } = job;
    const { invocation_id } = job.payload as { invocation_id: string };
    const found = await find(organizationId, invocation_id);
    if (found === null) return;
    if (found.stored.view.status === "approved") {
      const executor = executors.get(found.stored.view.action);
      if (executor === undefined) throw new Error(`nothing here executes ${found.stored.view.action}`);
      const killSwitch = await gate.killSwitch(organizationId);
      if (killSwitch === "engaged") {
        await decide(organizationId, found, {
          type: "deny",
          invocationId: invocation_id as InvocationId,
          reasonCode: "kill_switch_active",
        });
        return;
      }
      // Not known is no reason to deny for good: the job comes again.
      if (killSwitch === "unknown") throw new Error("the kill switch cannot be read");
      const call = await begin(organizationId, found, job.fence);
      if (call !== null) await effect(job, found, call, executor);
      return;
    }
    if (found.stored.view.status === "executing") await lose(organizationId, found, "the worker that executed it is gone");
    else if (found.stored.view.status === "unknown") await reconcileLater(organizationId, found, 0);
  }

  async function effect(job: Job, found: Found, call: InvocationCall, executor: Executor): Promise<void> {
    const { organizationId, fence } = job;
    const startedMs = performance.now();
    let outcome: EffectOutcome;
    try {
      const signal = AbortSignal.any([job.signal, AbortSignal.timeout(timeoutMs)]);
      outcome = await untilAborted(executor.execute({ ...call, organizationId, roomId: found.stored.roomId }, { signal }), signal);
    } catch (error) {
      logger.warn({ err: error, invocation: call.invocationId }, "an effect ended without a known outcome");
      await lose(organizationId, found, reasonOf(error));
      return;
    }
    await record(organizationId, found, outcome, fence, Math.round(performance.now() - startedMs));
  }

  async function record(
    organizationId: string,
    found: Found,
    outcome: EffectOutcome,
    attempt: number | "reconciled",
    durationMs: number,
  ): Promise<void> {
    const invocationId = found.stored.view.id as InvocationId;
    const command: InvocationCommand =
      outcome.outcome === "completed"
        ? { type: "complete", invocationId, attempt, result: await bounded(organizationId, outcome.result), durationMs }
        : { type: "fail", invocationId, attempt, code: outcome.code.slice(0, 100), message: outcome.message.slice(0, 2000) };
    const decision = await decide(organizationId, found, command);
    if (!decision.ok)
      logger.error({ invocation: invocationId, code: decision.refusal.code }, `an outcome (${outcome.outcome}) could not be recorded`);
  }

  async function lose(organizationId: string, found: Found, reason: string): Promise<void> {
    const decision = await decide(organizationId, found, {
      type: "lose",
      invocationId: found.stored.view.id as InvocationId,
      reason,
      now: clock.now(),
    });
    if (decision.ok) await reconcileLater(organizationId, found, 0);
  }

  async function reconcileLater(organizationId: string, found: Found, tries: number): Promise<void> {
    const fresh = await findInvocation(db, organizationId, found.stored.view.id);
    const over = plusMs(fresh?.executingAt ?? clock.now(), timeoutMs + GRACE_MS);
    const pause = RECONCILE_PAUSES_MS[tries - 1];
    const runAt = pause === undefined ? over : plusMs(clock.now(), pause);
    await log.unit({ organizationId, origin: found.origin }, async (unit) =>
      unit.enqueue({
        kind: "invocation.reconcile",
        organizationId,
        payload: { invocation_id: found.stored.view.id, tries },
        runAt,
        key: `${found.stored.view.id}/${tries}`,
      }),
    );
  }

  async function reconcile({ organizationId, payload, signal }: Job): Promise<void> {
    const { invocation_id, tries } = payload as { invocation_id: string; tries: number };
    const found = await find(organizationId, invocation_id);
    if (found === null || found.stored.view.status !== "unknown") return;
    const executor = executors.get(found.stored.view.action);
    // Without a way to look it up, a person has to say (`invocations.resolve`).
    if (executor?.reconcile === undefined) return;
    const { state } = await log.state(invocation, organizationId, `invocation:${invocation_id}`);
    if (state.status !== "unknown") return;
    const startedMs = performance.now();
    const result = await executor.reconcile(
      { ...state.call, organizationId, roomId: found.stored.roomId },
      { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) },
    );
    if (result.outcome !== "unknown") {
      await record(organizationId, found, result, "reconciled", Math.round(performance.now() - startedMs));
    } else if (tries < RECONCILE_PAUSES_MS.length) {
      await reconcileLater(organizationId, found, tries + 1);
    } else {
      logger.warn(
        { invocation: invocation_id, reason: result.reason },
        "an invocation's outcome could not be found out; a person has to say",
      );
    }
  }

  /** At most 10 KB in the log, without secrets; what is longer is a blob that the result names. */
  async function bounded(organizationId: string, result: Json): Promise<Extract<InvocationCommand, { type: "complete" }>["result"]> {
    const text = deps.redact(organizationId, canonicalJson(result));
    if (Buffer.byteLength(text) <= RESULT_BYTES) return JSON.parse(text) as Extract<InvocationCommand, { type: "complete" }>["result"];
    const blob = await deps.blobs.put(organizationId, text);
    const head = new TextDecoder().decode(Buffer.from(text).subarray(0, RESULT_BYTES - 512), { stream: true });
    return { truncated: true, text: head, sha256: blob.sha256, size_bytes: blob.sizeBytes };
  }

  return { find, decide, record, jobs: { "invocation.execute": execute, "invocation.reconcile": reconcile } };
}
export type Execution = ReturnType<typeof createExecution>;

const hashOf = (call: InvocationCall): string =>
  callHash({
    action: call.action ?? "",
    params: call.params,
    target: call.target,
    session_id: call.sessionId ?? undefined,
    run_id: call.runId ?? undefined,
  });

/** An executor that ignores its signal must not hold the worker for ever; its own outcome is then unknown. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", abort));
}

const reasonOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 500);
