/* One approval at an address of its own: open to be decided, or as it was decided. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Page } from "../frame/page.tsx";
import { isOpen } from "../data/queries.ts";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { ApprovalCard } from "./approval-card.tsx";
import { approvalQuery } from "./decide.ts";
import { DecidedApproval } from "./decided-approval.tsx";

const route = getRouteApi("/frame/approvals/$approvalId");

export function ApprovalPage() {
  const { approvalId } = route.useParams();
  const { data, error, refetch } = useQuery(approvalQuery(approvalId));
  return (
    <Page title="Approval">
      {data === undefined ? (
        error === null ? (
          <Skeleton rows={1} className="h-48" />
        ) : (
          <Trouble error={error} onRetry={() => void refetch()} />
        )
      ) : isOpen(data) ? (
        <ApprovalCard approval={data} showSession />
      ) : (
        <DecidedApproval approval={data} />
      )}
    </Page>
  );
}
