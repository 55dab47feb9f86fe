import type { ApprovalId } from "@signalbox/contract/primitives";
import type { ConversationItem } from "@signalbox/contract/sessions";
import { Lamp, type LampState } from "@signalbox/ui/lamp";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { ApprovalCard } from "../../approvals/approval-card.tsx";
import { DecidedApproval } from "../../approvals/decided-approval.tsx";
import { approvalQuery } from "../../approvals/decide.ts";
import { isOpen } from "../../data/queries.ts";
import { OnTrack } from "./on-track.tsx";
import { useRows } from "./row-context.ts";

type ApprovalItem = Extract<ConversationItem, { type: "approval" }>;

type Status = NonNullable<ApprovalItem["status"]>;

const LAMP: Record<Status, LampState> = { pending: "wants", held: "wants", approved: "clear", denied: "danger", expired: "dark" };
const WORD: Record<Status, string> = {
  pending: "Waits for a person",
  held: "Held: a person is looking at it",
  approved: "Approved",
  denied: "Denied",
  expired: "Expired",
};

export function ApprovalRow({ item }: { item: ApprovalItem }) {
  const { isReadOnly } = useRows();
  return isReadOnly ? <AsItWas item={item} /> : <Deciding item={item} />;
}

/** In a shared session, an imported one, and at a moment of the past there is nothing to decide. */
function AsItWas({ item }: { item: ApprovalItem }) {
  const { nameOf } = useRows();
  const status = item.status ?? "pending";
  return (
    <OnTrack tight nodeAt="top-2.5" node={<Lamp state={LAMP[status]} />}>
      <p className="my-1 flex flex-wrap items-baseline gap-x-2 rounded-md border border-line bg-panel px-3 py-1.5 text-sm">
        <span className="font-semibold">{WORD[status]}</span>
        {item.decided_by != null && <span className="text-ink-2">by {nameOf(item.decided_by)}</span>}
        <span>{item.title ?? "An approval"}</span>
        <Timestamp at={item.at} className="ml-auto text-ink-3" />
      </p>
    </OnTrack>
  );
}

function Deciding({ item }: { item: ApprovalItem }) {
  const { keyedApproval } = useRows();
  const { data: approval, error, refetch } = useQuery(approvalQuery(item.approval_id as ApprovalId));
  return (
    <OnTrack
      nodeAt="top-5"
      node={
        approval !== undefined && !isOpen(approval) ? (
          <Lamp state={approval.status === "approved" ? "clear" : approval.status === "denied" ? "danger" : "dark"} />
        ) : undefined
      }
    >
      <div className="my-2">
        {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
        {approval === undefined && error === null && <Skeleton rows={1} className="h-48" />}
        {approval !== undefined &&
          (isOpen(approval) ? (
            <ApprovalCard approval={approval} hasKeys={item.approval_id === keyedApproval} />
          ) : (
            <DecidedApproval approval={approval} />
          ))}
      </div>
    </OnTrack>
  );
}
