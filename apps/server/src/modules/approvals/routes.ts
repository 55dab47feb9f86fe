import type { Verdict } from "@signalbox/contract/approvals";
import type { ApprovalScope } from "@signalbox/contract/events/approvals";
import { type BulkDecision, decideManyApprovals } from "@signalbox/contract/attention";
import { decideApproval, getApproval, listApprovals, requestApproval } from "@signalbox/contract/approvals";
import type { ApprovalId, CallHash, PrincipalId } from "@signalbox/contract/primitives";
import type { StreamRef } from "@signalbox/eventlog/log";
import type { Origin } from "@signalbox/eventlog/log";
import { callHash } from "@signalbox/kernel/canonical";
import type { z } from "zod";
import { newId } from "@signalbox/kernel/id";
import { type BoundRoute, type Caller, handle, type RefusalOf, type Refused, refused } from "../../http/handle.ts";
import { hasRoomRole } from "../rooms/public.ts";
import type { ApprovalsDeps, ApprovalsModule } from "./public.ts";
import { type ApprovalRecord, findApproval, findApprovals } from "./queries.ts";

type RouteDeps = ApprovalsDeps & {
  approvals: Pick<ApprovalsModule, "request" | "decide">;
  streamOf: (organizationId: string, roomId: string | null) => StreamRef;
};

const NO_APPROVAL = refused("approval_not_found", {
  message: "There is no such approval, or you are not in its room.",
  fix: "List the open ones with GET /v1/approvals?status=open.",
});

const NOT_IN_BULK = refused("not_in_bulk", {
  message: "This one is dangerous: look at it and decide it by itself.",
});

/** An approval in a room that the caller is not in does not exist for them. */
export function approvalRoutes({
  log,
  db,
  clock,
  rooms,
  approvals,
  findRun,
  findSession,
  riskOf,
  streamOf,
}: RouteDeps): readonly BoundRoute[] {
  async function visible(caller: Caller, id: string): Promise<ApprovalRecord | null> {
    const found = await findApproval(db, caller.organizationId, id);
    if (found === null || found.room_id === null) return found;
    return (await rooms.roleIn(caller, found.room_id)) === null ? null : found;
  }
  async function written(organizationId: string, id: string): Promise<ApprovalRecord> {
    const found = await findApproval(db, organizationId, id);
    if (found === null) throw new Error(`${id} was written but cannot be read`);
    return found;
  }

  async function decideOne(
    caller: Caller,
    origin: Origin,
    id: string,
    body: { decision: Verdict; reason?: string | undefined; scope?: ApprovalScope | undefined; expires_at?: string | undefined },
  ): Promise<ApprovalRecord | Refused<RefusalOf<typeof decideApproval>>> {
    const found = await visible(caller, id);
    if (found === null) return NO_APPROVAL;
    const role = found.room_id === null ? null : await rooms.roleIn(caller, found.room_id);
    if (role !== null && !hasRoomRole(role, "approver")) {
      return refused("room_role_too_low", {
        message: `This needs the role approver in this room; yours is ${role}.`,
        details: { role, least: "approver" },
      });
    }
    const verdict = { approvalId: id as ApprovalId, by: caller.principal.id as PrincipalId, reason: body.reason, now: clock.now() };
    const decision = await approvals.decide(
      { organizationId: caller.organizationId, origin, approval: found },
      body.decision === "approve"
        ? { type: "approve", ...verdict, scope: body.scope, validUntil: body.expires_at }
        : { type: body.decision, ...verdict },
    );
    if (decision.ok) return written(caller.organizationId, id);
    switch (decision.refusal.code) {
      case "approval_closed":
        return refused("approval_closed", {
          details: decision.refusal.details,
          message:
            decision.refusal.details.by === null
              ? "It expired before anybody decided."
              : `${decision.refusal.details.by} has ${decision.refusal.details.status} it already.`,
        });
      case "approval_lapsed":
        return refused("approval_lapsed", {
          details: decision.refusal.details,
          message: "Its time to be answered is over.",
          fix: "Let the agent ask again.",
        });
      case "expires_at_invalid":
        return refused("expires_at_invalid", { details: decision.refusal.details, fix: "Give a time in the future, or none for 24 h." });
      case "approval_not_found":
        return NO_APPROVAL;
      default:
        throw new Error(`a verdict was refused with ${decision.refusal.code}`);
    }
  }

  return [
    handle(requestApproval, async ({ body, caller, origin, idempotency }) => {
      const { organizationId } = caller;
      const mayKnow = async (of: { readonly room_id: string | null } | null): Promise<boolean> =>
        of === null || of.room_id === null || (await rooms.roleIn(caller, of.room_id)) !== null;
      let run = body.run_id === undefined ? undefined : await findRun(organizationId, body.run_id);
      let session = body.session_id === undefined ? undefined : await findSession(organizationId, body.session_id);
      // What is in a room that the caller is not in is not there, whatever else is named with it.
      if (run !== undefined && !(await mayKnow(run))) run = null;
      if (session !== undefined && !(await mayKnow(session))) session = null;
      if (run === null) return refused("run_not_found");
      if (session === null) return refused("session_not_found");
      const roomId = body.room_id ?? run?.room_id ?? session?.room_id ?? null;
      // What is named together must belong together, and an approval shows in one room only.
      if (run?.room_id != null && run.room_id !== roomId) return refused("run_not_found", { message: "That run is not in that room." });
      if (session !== undefined && session.room_id !== roomId)
        return refused("session_not_found", { message: "That session is not in that room." });
      if (body.room_id !== undefined && (await rooms.roleIn(caller, body.room_id)) === null) return refused("room_not_found");
      const approvalId = newId("appr") as ApprovalId;
      const { action, title, target, params, request, session_id, run_id, expires_at } = body;
      const context = {
        ...(roomId === null ? {} : { roomId }),
        ...(session_id === undefined ? {} : { sessionId: session_id }),
        ...(run_id === undefined ? {} : { runId: run_id }),
      };
      const { value } = await log.unit(
        { organizationId, origin: { ...origin, ...context }, ...(idempotency === undefined ? {} : { idempotency }) },
        async (unit) => {
          const decision = await approvals.request(unit, organizationId, streamOf(organizationId, roomId), {
            type: "request",
            approvalId,
            action,
            title,
            target,
            params,
            request,
            sessionId: session_id,
            runId: run_id,
            requestedBy: caller.principal.id as PrincipalId,
            callHash: callHash({ action, params, target, session_id, run_id }) as CallHash,
            expiresAt: expires_at,
            now: clock.now(),
          });
          return decision.ok ? { ok: true as const, id: decision.events[0]?.data.approval_id ?? approvalId } : { ok: false as const };
        },
      );
      return value.ok
        ? written(organizationId, value.id)
        : refused("expires_at_invalid", { message: "It would have expired already.", fix: "Give a time in the future, or none for 24 h." });
    }),

    handle(listApprovals, async ({ caller, query }) => {
      const { limit, cursor, status, room_id: roomId, session_id: sessionId } = query;
      return findApprovals(
        db,
        caller.organizationId,
        { status, roomId, sessionId, rooms: await rooms.visibleRooms(caller) },
        { limit, cursor },
      );
    }),

    handle(getApproval, async ({ caller, params }) => (await visible(caller, params.id)) ?? NO_APPROVAL),

    handle(decideApproval, async ({ caller, params, body, origin }) => decideOne(caller, origin, params.id, body)),

    handle(decideManyApprovals, async ({ caller, body, origin }) => {
      const items: z.input<typeof BulkDecision>[] = [];
      // One after the other, each in a unit of its own: what one refuses is not the others' concern.
      for (const id of new Set(body.ids)) {
        const found = body.decision === "approve" ? await visible(caller, id) : null;
        const answer = found !== null && riskOf(found.action) === "danger" ? NOT_IN_BULK : await decideOne(caller, origin, id, body);
        items.push(
          "refusal" in answer
            ? {
                id,
                ok: false,
                approval: (await visible(caller, id)) ?? null,
                error: { code: answer.refusal.code, message: answer.refusal.message ?? answer.refusal.code },
              }
            : { id, ok: true, approval: answer, error: null },
        );
      }
      return { items, decided: items.filter(({ ok }) => ok).length };
    }),
  ];
}
