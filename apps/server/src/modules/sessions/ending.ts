/* The end of a turn and of a session, coming back from it, and what may be done once it is over. */
import type { StreamRef, Unit } from "@signalbox/eventlog/log";
import { invocation } from "../actions/public.ts";
import { approval } from "../approvals/public.ts";
import { run } from "../runs/public.ts";
import { type By, type CommandDeps, isKilled, KILLED, placeOf, refused } from "./command-context.ts";
import type { SessionCommands } from "./commands.ts";
import { wake } from "./prompting.ts";
import { session, type SessionRefusal } from "./session.ts";

export function endingCommands(
  deps: CommandDeps,
): Pick<SessionCommands, "cancel" | "stop" | "resume" | "delete" | "archive" | "unarchive"> {
  const { log, clock, queries } = deps;

  return {
    async cancel(by, sessionId, reason) {
      const place = await placeOf(deps, by, sessionId);
      if (place === null) return refused("session_not_found");
      const { value } = await log.unit({ organizationId: by.organizationId, origin: place.origin }, async (unit) => {
        const running = (await queries.openTurns(by.organizationId, sessionId)).find((turn) => turn.status === "running");
        if (running === undefined) return refused("no_turn_running");
        const decision = await unit.decide(
          run,
          place.stream,
          `run:${running.runId}`,
          { type: "cancel", runId: running.runId as never, by: by.principal.id as never, reason },
          { runId: running.runId },
        );
        return decision.ok ? { ok: true as const } : refused("no_turn_running");
      });
      return value;
    },

    async stop(by, sessionId, reason = "Stopped.") {
      const place = await placeOf(deps, by, sessionId);
      if (place === null) return refused("session_not_found");
      const { organizationId } = by;
      const { value } = await log.unit({ organizationId, origin: place.origin }, async (unit) => {
        const state = await unit.load(session, place.stream, place.subject);
        const decision = await unit.decide(session, place.stream, place.subject, { type: "stop", reason, by: by.principal.id });
        if (!decision.ok) return refused("session_ended", { details: { status: state.status } });
        for (const turn of await queries.openTurns(organizationId, sessionId)) {
          await unit.decide(
            run,
            place.stream,
            `run:${turn.runId}`,
            { type: "cancel", runId: turn.runId as never, by: by.principal.id as never, reason: "The session was stopped." },
            { runId: turn.runId },
          );
        }
        await denyOpen(unit, by, place.stream, sessionId);
        if (state.status !== "none" && state.modelKeyId !== null)
          await deps.models.revokeVirtualKey(unit, { organizationId, keyId: state.modelKeyId, reason: "the session was stopped" });
        unit.enqueue({ kind: "session.teardown", organizationId, payload: { session_id: sessionId }, key: sessionId });
        return { ok: true as const };
      });
      return value;
    },

    async resume(by, sessionId) {
      const place = await placeOf(deps, by, sessionId);
      if (place === null) return refused("session_not_found");
      const { organizationId } = by;
      if (await isKilled(deps, organizationId)) return refused("kill_switch_active", KILLED);
      const { value } = await deps.quotas.withSeat(organizationId, sessionId, (takeSeat) =>
        log.unit({ organizationId, origin: place.origin }, async (unit) => {
          await takeSeat();
          const state = await unit.load(session, place.stream, place.subject);
          // A paused session kept its key; an ended one's was revoked.
          const { principalId, models } =
            state.status === "none" ? { principalId: "", models: [] } : { principalId: state.about.agent_id, models: state.models };
          const mayResume = state.status === "stopped" || state.status === "failed";
          const modelKeyId =
            mayResume && !state.archived
              ? (
                  await deps.models.createVirtualKey(unit, {
                    organizationId,
                    sessionId,
                    roomId: place.roomId,
                    principalId,
                    models,
                    now: clock.now(),
                  })
                ).keyId
              : undefined;
          const decision = await unit.decide(session, place.stream, place.subject, { type: "resume", by: by.principal.id, modelKeyId });
          if (!decision.ok)
            return refused("session_not_resumable", "details" in decision.refusal ? { details: decision.refusal.details } : {});
          wake(unit, { organizationId, sessionId });
          return { ok: true as const };
        }),
      );
      return value;
    },

    async delete(by, sessionId) {
      const place = await placeOf(deps, by, sessionId);
      if (place === null) return refused("session_not_found");
      const { organizationId } = by;
      const { value } = await log.unit({ organizationId, origin: place.origin }, async (unit) => {
        const decision = await unit.decide(session, place.stream, place.subject, { type: "delete", by: by.principal.id });
        if (!decision.ok) return decision.refusal.code;
        if (decision.events.length > 0)
          unit.enqueue({ kind: "session.purge", organizationId, payload: { session_id: sessionId }, key: sessionId });
        return null;
      });
      if (value === null) return { ok: true };
      return value === "session_not_ended"
        ? refused("session_not_ended", { message: "Only a session that has ended can be deleted.", fix: "Stop it first." })
        : refused("session_not_found");
    },
    async archive(by, sessionId) {
      const refusal = await decideOn(by, sessionId, { type: "archive", by: by.principal.id });
      if (refusal === null) return { ok: true };
      return refusal.code === "session_not_found"
        ? refused("session_not_found")
        : refused("session_not_ended", { message: "Only a session that has ended can be archived.", fix: "Stop it first." });
    },
    async unarchive(by, sessionId) {
      const refusal = await decideOn(by, sessionId, { type: "unarchive", by: by.principal.id });
      return refusal === null ? { ok: true } : refused("session_not_found");
    },
  };

  async function decideOn(by: By, sessionId: string, command: Parameters<typeof session.decide>[1]): Promise<SessionRefusal | null> {
    const place = await placeOf(deps, by, sessionId);
    if (place === null) return { code: "session_not_found" };
    const decision = await log.run(
      session,
      { organizationId: by.organizationId, origin: place.origin, stream: place.stream, subject: place.subject },
      command,
    );
    return decision.ok ? null : decision.refusal;
  }

  /** What the session still asked for must not be granted after its end. */
  async function denyOpen(unit: Unit, by: By, stream: StreamRef, sessionId: string): Promise<void> {
    const open = await deps.approvals.list(by.organizationId, { sessionId, status: "open" }, { limit: 200 });
    for (const { id, invocation_id } of open?.items ?? []) {
      await unit.decide(approval, stream, `approval:${id}`, {
        type: "deny",
        approvalId: id,
        by: by.principal.id as never,
        reason: "The session was stopped.",
        now: clock.now(),
      } as never);
      if (invocation_id !== null)
        await unit.decide(invocation, stream, `invocation:${invocation_id}`, {
          type: "deny",
          invocationId: invocation_id as never,
          reasonCode: "session_ended",
          by: by.principal.id as never,
        });
    }
  }
}
