/* One verdict on one approval, from wherever it is shown. */
import { ApiError } from "@signalbox/client/client";
import { decideApproval, getApproval, type ApprovalView, type Verdict } from "@signalbox/contract/approvals";
import type { ApprovalId } from "@signalbox/contract/primitives";
import { queryOptions, useMutation, type UseMutationResult } from "@tanstack/react-query";
import { client, isRefusal, queries } from "../data/api.ts";
import { refreshApprovals, useNames } from "../data/queries.ts";
import { toast } from "@signalbox/ui/toasts";

export const approvalQuery = (id: ApprovalId) =>
  queryOptions({ queryKey: ["approval", id], queryFn: ({ signal }) => client.call(getApproval, { params: { id }, signal }) });

export interface Decision {
  readonly id: ApprovalId;
  readonly decision: Verdict;
  readonly reason?: string | undefined;
}

const DONE: Record<Verdict, string> = { approve: "Approved", deny: "Denied", hold: "Held: others see that you are looking at it" };

/** Whoever loses the race is told who decided, and sees that verdict in place. */
export function useDecide(): UseMutationResult<ApprovalView, Error, Decision> {
  const nameOf = useNames();
  return useMutation({
    mutationFn: ({ id, decision, reason }: Decision) =>
      client.call(decideApproval, { params: { id }, body: { decision, ...(reason === undefined || reason === "" ? {} : { reason }) } }),
    onSuccess: (approval, { decision }) => {
      queries.setQueryData(approvalQuery(approval.id).queryKey, approval);
      refreshApprovals();
      toast(`${DONE[decision]}: ${approval.title}`);
    },
    onError: (error, { id }) => {
      refreshApprovals(id);
      toast(explain(error, nameOf), "danger");
    },
  });
}

export function explain(error: Error, nameOf: (id: string | null) => string): string {
  if (isRefusal(error, "approval_closed")) {
    const { status, by } = error.details as { status: "approved" | "denied" | "expired"; by: string | null };
    if (status === "expired") return "Too late: it expired before your verdict arrived.";
    return by === null ? `Too late: it was already ${status}.` : `Too late: ${nameOf(by)} already ${status} it.`;
  }
  if (isRefusal(error, "approval_lapsed")) return "Too late: it expired before your verdict arrived.";
  return error instanceof ApiError && error.fix !== undefined ? `${error.message} ${error.fix}` : error.message;
}
