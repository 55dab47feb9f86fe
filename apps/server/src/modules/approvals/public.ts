/* What the rest of the server may use of approvals. */
import path from "node:path";
import type { ApprovalId, PrincipalId } from "@signalbox/contract/primitives";
import type { ApprovalRefusal } from "@signalbox/contract/approvals";
import type { ApprovalEvent } from "@signalbox/contract/events/approvals";
import { erasable } from "@signalbox/eventlog/erasable";
import type { Origin, StreamRef, Unit } from "@signalbox/eventlog/log";
import type { Decision } from "@signalbox/kernel/decider";
import type { Deps, Job, Module } from "../../module.ts";
import type { RoomAccess } from "../rooms/public.ts";
import { approval, type ApprovalCommand, type Call, type RequestApproval } from "./approval.ts";
import { approvalInbox, importedApprovals } from "./inbox.projection.ts";
import {
  type ApprovalFilter,
  type ApprovalRecord,
  countOpenBySession,
  findApproval,
  findApprovals,
  findCovering,
  viewApprovals,
} from "./queries.ts";
import { approvalRoutes } from "./routes.ts";

export { approval, type Approval, type ApprovalCommand, type Call, type RequestApproval } from "./approval.ts";
export type { ApprovalFilter, ApprovalRecord } from "./queries.ts";

/** An approval of an invocation just got its verdict, or none in time. */
export interface Closed {
  readonly verdict: "approved" | "denied" | "expired";
  readonly organizationId: string;
  readonly approvalId: string;
  readonly invocationId: string;
  readonly by: string | null;
  /** Why it was denied, when not by a person's own decision. */
  readonly reasonCode?: string | undefined;
}

export interface ApprovalsModule extends Module {
  view(organizationId: string, approvalId: string): Promise<ApprovalRecord | null>;
  views(organizationId: string, approvalIds: readonly string[]): Promise<ReadonlyMap<string, ApprovalRecord>>;
  /** Newest first. Throws `InvalidCursor`, which the shell answers. */
  list(
    organizationId: string,
    filter: ApprovalFilter,
    paging: { limit: number; cursor?: string | undefined },
  ): Promise<{ items: ApprovalRecord[]; next_cursor: string | null }>;
  /** Open approvals by session, for lists. */
  openBySession(organizationId: string, sessionIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** An approval that was given, still holds, is not spent, and speaks for this call. */
  covering(organizationId: string, call: Call & { roomId?: string | null | undefined }): Promise<{ approvalId: string } | null>;
  /** Puts the question, in the caller's unit, with the job that closes it at its deadline. */
  request(
    unit: Unit,
    organizationId: string,
    stream: StreamRef,
    command: RequestApproval,
    origin?: Partial<Origin>,
  ): Promise<Decision<ApprovalEvent, ApprovalRefusal>>;
  /** A verdict, with everything that hangs on it, in one unit. */
  decide(
    of: { organizationId: string; origin: Origin; approval: ApprovalRecord },
    command: Exclude<ApprovalCommand, { type: "request" | "use" }>,
    reasonCode?: string,
  ): Promise<Decision<ApprovalEvent, ApprovalRefusal>>;
  /** Denies everything that is open in the organization, one unit each. Returns how many. */
  denyOpen(of: { organizationId: string; origin: Origin; reason: string; reasonCode: string }): Promise<number>;
  /** For the one owner of invocations: called inside the unit that closes an approval bound to one. Keep it free of effects. */
  onClosed(listener: (unit: Unit, stream: StreamRef, closed: Closed) => Promise<void>): void;
}

export interface ApprovalsDeps extends Deps {
  readonly rooms: Pick<RoomAccess, "roleIn" | "visibleRooms">;
  readonly findRun: (
    organizationId: string,
    runId: string,
  ) => Promise<{ readonly room_id: string | null; readonly session_id: string | null } | null>;
  /** What the registry of actions says; an action that it does not know is dangerous. */
  readonly riskOf: (action: string) => "read" | "write" | "danger";
  readonly findSession: (organizationId: string, sessionId: string) => Promise<{ readonly room_id: string } | null>;
}

const SWEEPER: Origin = { principal: { id: "svc_approvals", type: "service" } };

export function createApprovals(deps: ApprovalsDeps): ApprovalsModule {
  const { log, db, clock } = deps;
  let closedListener: Parameters<ApprovalsModule["onClosed"]>[0] | undefined;

  const streamOf = (organizationId: string, roomId: string | null): StreamRef =>
    roomId === null ? { type: "organization", id: organizationId } : { type: "room", id: roomId };

  const decide: ApprovalsModule["decide"] = async ({ organizationId, origin, approval: of }, command, reasonCode) => {
    const stream = streamOf(organizationId, of.room_id);
    const { value } = await log.unit({ organizationId, origin: { ...origin, ...contextOf(of) } }, async (unit) => {
      const decision = await unit.decide(approval, stream, `approval:${of.id}`, command);
      const verdict = decision.ok ? verdictOf(decision.events) : null;
      if (verdict !== null && of.invocation_id !== null) {
        await closedListener?.(unit, stream, {
          verdict,
          organizationId,
          approvalId: of.id,
          invocationId: of.invocation_id,
          by: command.type === "expire" ? null : command.by,
          ...(reasonCode === undefined ? {} : { reasonCode }),
        });
      }
      return decision;
    });
    return value;
  };

  async function expire({ organizationId, payload }: Job): Promise<void> {
    const { approval_id } = payload as { approval_id: string };
    const found = await findApproval(db, organizationId, approval_id);
    if (found === null || (found.status !== "pending" && found.status !== "held")) return;
    const now = clock.now();
    if (now < found.expires_at) {
      // The database's clock is ahead of ours: come again when it is true here as well.
      await log.unit({ organizationId, origin: SWEEPER }, async (unit) =>
        unit.enqueue({ kind: "approval.expire", organizationId, payload: { approval_id }, runAt: found.expires_at }),
      );
      return;
    }
    await decide({ organizationId, origin: SWEEPER, approval: found }, { type: "expire", approvalId: approval_id as ApprovalId, now });
  }

  const module: ApprovalsModule = {
    routes: [],
    projections: [erasable(approvalInbox, { bySubject: { proj_approvals: "id" }, imported: importedApprovals }), importedApprovals],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: { "approval.expire": expire },
    view: (organizationId, id) => findApproval(db, organizationId, id),
    views: (organizationId, ids) => viewApprovals(db, organizationId, ids),
    list: (organizationId, filter, paging) => findApprovals(db, organizationId, filter, paging),
    openBySession: (organizationId, ids) => countOpenBySession(db, organizationId, ids),
    covering: (organizationId, call) => findCovering(db, organizationId, call, clock.now()),
    decide,

    async request(unit, organizationId, stream, command, origin) {
      const decision = await unit.decide(approval, stream, `approval:${command.approvalId}`, command, origin);
      const requested = decision.ok ? decision.events.find((event) => event.type === "approval.requested") : undefined;
      if (requested !== undefined) {
        unit.enqueue({
          kind: "approval.expire",
          organizationId,
          payload: { approval_id: command.approvalId },
          runAt: requested.data.expires_at,
          key: command.approvalId,
        });
      }
      return decision;
    },

    async denyOpen({ organizationId, origin, reason, reasonCode }) {
      let count = 0;
      // A page is always the first one: what was denied is no longer open.
      for (let tries = 0; tries < 1000; tries++) {
        const { items } = await findApprovals(db, organizationId, { status: "open" }, { limit: 100 });
        let denied = 0;
        for (const found of items) {
          const decision = await decide(
            { organizationId, origin, approval: found },
            { type: "deny", approvalId: found.id as ApprovalId, by: origin.principal.id as PrincipalId, reason, now: clock.now() },
            reasonCode,
          );
          if (decision.ok && decision.events.length > 0) denied++;
        }
        count += denied;
        // The rest lapsed; their own jobs close them.
        if (denied === 0) return count;
      }
      return count;
    },

    onClosed(listener) {
      if (closedListener !== undefined) throw new Error("invocations have one owner");
      closedListener = listener;
    },
  };
  return { ...module, routes: approvalRoutes({ ...deps, approvals: module, streamOf }) };
}

export const contextOf = (of: { room_id: string | null; session_id: string | null; run_id: string | null }): Partial<Origin> => ({
  ...(of.room_id === null ? {} : { roomId: of.room_id }),
  ...(of.session_id === null ? {} : { sessionId: of.session_id }),
  ...(of.run_id === null ? {} : { runId: of.run_id }),
});

function verdictOf(events: readonly ApprovalEvent[]): Closed["verdict"] | null {
  for (const { type } of events) {
    if (type === "approval.approved") return "approved";
    if (type === "approval.denied") return "denied";
    if (type === "approval.expired") return "expired";
  }
  return null;
}
