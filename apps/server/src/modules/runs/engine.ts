/*
 * Runs as engines and people use them: claiming, the fence around every later write, and what
 * happens when nobody writes any more.
 *
 * Deadlines are jobs, enqueued with the event that sets the clock: `run.exhaust` when the last
 * attempt is claimed (it follows the lease as heartbeats move it), `run.time_out` at the start.
 */
import type { PrincipalId, RunId } from "@signalbox/contract/primitives";
import type { RunEvent } from "@signalbox/contract/events/runs";
import type { NewJob, Origin, StreamRef } from "@signalbox/eventlog/log";
import { plusMs } from "@signalbox/kernel/clock";
import { newSecret } from "@signalbox/kernel/id";
import type { Caller, RequestContext } from "../../http/handle.ts";
import type { Job } from "../../module.ts";
import { candidates, claimTokenHash, endLease, extendLease, findLease, sameHash, takeLease } from "./lease.ts";
import type { RunsDeps } from "./public.ts";
import { findRun, type RunRecord } from "./queries.ts";
import type { RunCommand, RunRefusal, Writer } from "./run-command.ts";
import { run } from "./run.ts";

export const LEASE_TTL_MS = 30_000;
export const TASK_TIMEOUT_MS = 2 * 60 * 60 * 1000;

export interface Fence {
  readonly claim_token: string;
  readonly epoch: number;
}
type Outcome =
  | { readonly ok: true; readonly run: RunRecord; readonly events: readonly RunEvent[] }
  | { readonly ok: false; readonly refusal: RunRefusal };
type Context = Pick<RequestContext, "caller" | "origin" | "idempotency">;

/** Who the platform is when nobody asked: sweeps and deadlines. */
const PLATFORM_ORIGIN: Origin = { principal: { id: "svc_runs", type: "service" } };

export const streamOf = (organizationId: string, roomId: string | null): StreamRef =>
  roomId === null ? { type: "organization", id: organizationId } : { type: "room", id: roomId };

export function createEngine(deps: RunsDeps) {
  const { log, db, clock, rooms } = deps;
  const ttlMs = deps.leaseTtlMs ?? LEASE_TTL_MS;
  const timeoutMs = deps.taskTimeoutMs ?? TASK_TIMEOUT_MS;

  /** Null: no such run, or in a room that this caller may not know of. */
  async function visibleRun(caller: Caller, runId: string): Promise<RunRecord | null> {
    const found = await findRun(db, caller.organizationId, runId);
    if (found === null || found.room_id === null) return found;
    return (await rooms.roleIn(caller, found.room_id)) === null ? null : found;
  }

  const originOf = (of: RunRecord, origin: Origin): Origin => ({
    ...origin,
    runId: of.id,
    ...(of.room_id === null ? {} : { roomId: of.room_id }),
    ...(of.session_id === null ? {} : { sessionId: of.session_id }),
  });

  const jobsAfter =
    (organizationId: string, of: RunRecord) =>
    (events: readonly RunEvent[]): NewJob[] =>
      events.flatMap((event): NewJob[] => {
        if (event.type === "run.started" && of.kind === "task") {
          return [
            {
              kind: "run.time_out",
              organizationId,
              payload: { run_id: of.id, epoch: event.data.epoch },
              runAt: plusMs(clock.now(), timeoutMs),
            },
          ];
        }
        if (event.type === "run.claimed" && event.data.attempt_no >= of.max_attempts) {
          return [{ kind: "run.exhaust", organizationId, payload: { run_id: of.id }, runAt: event.data.lease_expires_at }];
        }
        return [];
      });

  async function decide(
    of: RunRecord,
    organizationId: string,
    context: { origin: Origin; idempotency?: Context["idempotency"] },
    command: RunCommand,
  ): Promise<Outcome> {
    const decision = await log.run(
      run,
      {
        organizationId,
        stream: streamOf(organizationId, of.room_id),
        subject: `run:${of.id}`,
        origin: originOf(of, context.origin),
        jobs: jobsAfter(organizationId, of),
        ...(context.idempotency === undefined ? {} : { idempotency: context.idempotency }),
      },
      command,
    );
    if (!decision.ok) return { ok: false, refusal: decision.refusal };
    const after = await findRun(db, organizationId, of.id);
    if (after === null) throw new Error(`${of.id} was written but cannot be read`);
    return { ok: true, run: after, events: decision.events };
  }

  /** A person's or the platform's command on a run that the caller may see. */
  async function act(context: Context, runId: string, command: RunCommand): Promise<Outcome> {
    const found = await visibleRun(context.caller, runId);
    if (found === null) return { ok: false, refusal: { code: "run_not_found" } };
    return decide(found, context.caller.organizationId, context, command);
  }

  async function writerOf(organizationId: string, runId: string, fence: Fence): Promise<Writer> {
    const lease = await findLease(db, organizationId, runId);
    return { type: "engine", tokenHash: claimTokenHash(fence.claim_token), epoch: fence.epoch, lease };
  }

  /** A write of an engine: fenced by its token, its epoch and its lease. */
  async function write(
    context: Context,
    runId: string,
    fence: Fence,
    command: (of: { runId: RunId; writer: Writer; now: string }) => RunCommand,
  ): Promise<Outcome> {
    const { organizationId } = context.caller;
    const found = await visibleRun(context.caller, runId);
    if (found === null) return { ok: false, refusal: { code: "run_not_found" } };
    const writer = await writerOf(organizationId, runId, fence);
    const outcome = await decide(found, organizationId, context, command({ runId: runId as RunId, writer, now: clock.now() }));
    // Given back: the next engine need not wait for the lease to run out.
    if (outcome.ok && outcome.run.status === "queued") await endLease(db, organizationId, { runId, epoch: fence.epoch, now: clock.now() });
    return outcome;
  }

  async function claim(context: Context, roomId: string | undefined): Promise<{ run: RunRecord; claimToken: string } | null> {
    const { organizationId, principal } = context.caller;
    const visible = await rooms.visibleRooms(context.caller);
    for (const candidate of await candidates(db, organizationId, { roomId, rooms: visible, now: clock.now() })) {
      const claimToken = newSecret("sbc");
      const tokenHash = claimTokenHash(claimToken);
      const now = clock.now();
      const expiresAt = plusMs(now, ttlMs);
      const epoch = await takeLease(db, organizationId, {
        runId: candidate.id,
        epoch: candidate.epoch,
        tokenHash,
        by: principal.id,
        now,
        expiresAt,
      });
      if (epoch === null) continue;
      const found = await findRun(db, organizationId, candidate.id);
      if (found === null) continue;
      // Whoever held it before has no live lease: we could not have taken it otherwise.
      const outcome = await decide(
        found,
        organizationId,
        { origin: context.origin },
        {
          type: "claim",
          runId: candidate.id as RunId,
          by: principal.id as PrincipalId,
          tokenHash,
          epoch,
          leaseExpiresAt: expiresAt,
          lease: null,
          now,
        },
      );
      if (outcome.ok) return { run: outcome.run, claimToken };
      await endLease(db, organizationId, { runId: candidate.id, epoch, now });
    }
    return null;
  }

  /** The new end of the lease, or why there is none. */
  async function heartbeat(
    caller: Caller,
    runId: string,
    fence: Fence,
  ): Promise<{ ok: true; expiresAt: string } | { ok: false; refusal: RunRefusal }> {
    const now = clock.now();
    const expiresAt = plusMs(now, ttlMs);
    const tokenHash = claimTokenHash(fence.claim_token);
    if (await extendLease(db, caller.organizationId, { runId, epoch: fence.epoch, tokenHash, now, expiresAt }))
      return { ok: true, expiresAt };
    const found = await visibleRun(caller, runId);
    if (found === null) return { ok: false, refusal: { code: "run_not_found" } };
    if (found.ended_at !== null) return { ok: false, refusal: { code: "run_already_ended", details: { status: found.status } } };
    const lease = await findLease(db, caller.organizationId, runId);
    const isOurs = lease !== null && lease.epoch === fence.epoch && sameHash(lease.tokenHash, tokenHash);
    return { ok: false, refusal: { code: isOurs ? "lease_expired" : "lease_token_mismatch" } };
  }

  async function timeOut({ organizationId, payload }: Job): Promise<void> {
    const { run_id } = payload as { run_id: string; epoch: number };
    const found = await findRun(db, organizationId, run_id);
    if (found === null || found.ended_at !== null || found.started_at === null) return;
    const afterMs = clock.nowMs() - Date.parse(found.started_at);
    // Started anew by a later attempt, whose own job will come.
    if (afterMs < timeoutMs) return;
    await decide(
      found,
      organizationId,
      { origin: PLATFORM_ORIGIN },
      {
        type: "time_out",
        runId: run_id as RunId,
        writer: { type: "platform", overridesLease: true },
        afterMs,
        now: clock.now(),
      },
    );
  }

  async function exhaust({ organizationId, payload }: Job): Promise<void> {
    const { run_id } = payload as { run_id: string };
    const found = await findRun(db, organizationId, run_id);
    if (found === null || found.ended_at !== null) return;
    const lease = await findLease(db, organizationId, run_id);
    const now = clock.now();
    if (lease !== null && lease.expiresAt > now) {
      await log.unit({ organizationId, origin: PLATFORM_ORIGIN }, async (unit) =>
        unit.enqueue({ kind: "run.exhaust", organizationId, payload: { run_id }, runAt: lease.expiresAt }),
      );
      return;
    }
    await decide(found, organizationId, { origin: PLATFORM_ORIGIN }, { type: "exhaust", runId: run_id as RunId, lease, now });
  }

  return { visibleRun, act, write, claim, heartbeat, jobs: { "run.time_out": timeOut, "run.exhaust": exhaust } };
}
export type Engine = ReturnType<typeof createEngine>;
