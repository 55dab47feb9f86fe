/*
 * One approval at an address of its own: open to be decided, or as it was decided. A notification's button leads here
 * with `decide`; the page then asks once more, because a tap on a lock screen is easily made by accident.
 */
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { isRefusal } from "../data/api.ts";
import { isOpen } from "../data/queries.ts";
import { Missing } from "../frame/crash.tsx";
import { Page } from "../frame/page.tsx";
import { useShortcuts } from "../frame/shortcuts.ts";
import { ApprovalCard } from "./approval-card.tsx";
import { approvalQuery, useDecide } from "./decide.ts";
import { DecidedApproval } from "./decided-approval.tsx";
import { ExactCall } from "./exact-call.tsx";

const route = getRouteApi("/frame/approvals/$approvalId");

export function ApprovalPage() {
  const { approvalId } = route.useParams();
  const { decide: meant } = route.useSearch();
  const navigate = useNavigate();
  const { data, error, refetch } = useQuery(approvalQuery(approvalId));
  const decide = useDecide();
  const forget = (): void => void navigate({ to: "/approvals/$approvalId", params: { approvalId }, search: {}, replace: true });
  const answer = (decision: "approve" | "deny" | "hold"): void => {
    if (data !== undefined && isOpen(data) && !decide.isPending) decide.mutate({ id: data.id, decision });
  };
  useShortcuts([
    { keys: "a", label: "Approve", run: () => answer("approve") },
    { keys: "d", label: "Deny", run: () => answer("deny") },
    { keys: "h", label: "Hold", run: () => answer("hold") },
  ]);
  if (error !== null && data === undefined)
    return isRefusal(error, "approval_not_found") ? <Missing /> : <Trouble error={error} onRetry={() => void refetch()} className="m-6" />;
  return (
    <Page
      title="Approval"
      actions={
        <Link to="/" className="text-sm underline underline-offset-2">
          Everything that waits
        </Link>
      }
    >
      {data === undefined ? (
        <Skeleton rows={1} className="h-48" />
      ) : isOpen(data) ? (
        <ApprovalCard approval={data} hasKeys showSession />
      ) : (
        <DecidedApproval approval={data} isOpenAtFirst />
      )}
      {data !== undefined && isOpen(data) && meant !== undefined && (
        <ConfirmDialog
          title={`${meant === "approve" ? "Approve" : "Deny"}: ${data.title}`}
          confirm={meant === "approve" ? "Approve exactly this" : "Deny it"}
          danger={meant === "deny"}
          busy={decide.isPending}
          onConfirm={() => decide.mutate({ id: data.id, decision: meant }, { onSettled: forget })}
          onClose={forget}
        >
          <ExactCall approval={data} />
        </ConfirmDialog>
      )}
    </Page>
  );
}
