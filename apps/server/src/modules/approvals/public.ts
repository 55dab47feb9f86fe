/* What the rest of the server may use of approvals. */
import type { ApprovalView } from "@signalbox/contract/approvals";
import type { Recorded, Unit } from "@signalbox/eventlog/log";
import type { Deps, Module } from "../../module.ts";
import type { Approval, Call } from "./approval.ts";

export { approval, covers, APPROVAL_TTL_MS, type Approval, type ApprovalCommand, type Call, type RequestApproval } from "./approval.ts";

/** An approval just got its verdict, or none in time. Staged in the same unit: keep it free of effects. */
export type Closed =
  | { readonly verdict: "approved" | "denied"; readonly approvalId: string; readonly invocationId: string; readonly by: string; readonly reasonCode?: string | undefined }
  | { readonly verdict: "expired"; readonly approvalId: string; readonly invocationId: string };

export interface ApprovalsModule extends Module {
  view(organizationId: string, approvalId: string): Promise<ApprovalView | null>;
  list(
    organizationId: string,
    filter: { status?: ApprovalView["status"] | "open" | undefined; roomId?: string | undefined; sessionId?: string | undefined },
    paging: { limit: number; cursor?: string | undefined },
  ): Promise<{ items: ApprovalView[]; next_cursor: string | null } | null>;
  /** Open approvals by session, for lists. */
  openBySession(organizationId: string, sessionIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** An approval that was given, is still valid, not spent, and covers exactly this call. */
  covering(organizationId: string, call: Call & { roomId?: string | undefined }): Promise<{ approvalId: string; state: Extract<Approval, { status: "approved" }> } | null>;
  /** Denies everything open, one unit each, telling what it belongs to. Returns how many. */
  denyOpen(organizationId: string, by: string, reason: string, reasonCode: string): Promise<number>;
  /** One owner of invocations; called inside the unit that closes an approval bound to one. */
  onClosed(listener: (unit: Unit, stream: Recorded["stream"], closed: Closed) => Promise<void>): void;
}

export interface ApprovalsDeps extends Deps {
  readonly roomExists: (organizationId: string, roomId: string, principalId: string) => Promise<boolean>;
  readonly runExists: (organizationId: string, runId: string) => Promise<{ roomId: string | null; sessionId: string | null } | null>;
  readonly sessionExists: (organizationId: string, sessionId: string) => Promise<{ roomId: string } | null>;
}
