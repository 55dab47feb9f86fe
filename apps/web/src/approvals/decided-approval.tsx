import type { ApprovalView } from "@signalbox/contract/approvals";
import { Check, ChevronRight, Clock, X } from "lucide-react";
import { useNames } from "../data/queries.ts";
import { Timestamp } from "@signalbox/ui/timestamp";
import { ExactCall } from "./exact-call.tsx";

const WORD = { approved: "Approved", denied: "Denied", expired: "Expired", pending: "Waiting", held: "Held" } as const;

/** One line of the register: the question, the answer, whose it was. Opens to the call. */
export function DecidedApproval({ approval, isOpenAtFirst = false }: { approval: ApprovalView; isOpenAtFirst?: boolean }) {
  const nameOf = useNames();
  const Icon = approval.status === "approved" ? Check : approval.status === "denied" ? X : Clock;
  const tone = approval.status === "approved" ? "text-clear-ink" : approval.status === "denied" ? "text-danger-ink" : "text-ink-3";
  return (
    <details open={isOpenAtFirst} className="group rounded-md border border-line bg-panel">
      <summary className="flex list-none items-center gap-2.5 rounded-md px-3 py-2 text-sm hover:bg-raised [&::-webkit-details-marker]:hidden">
        <Icon size={16} aria-hidden className={tone} />
        <span className="min-w-0 flex-1">
          <span className={`font-semibold ${tone}`}>{WORD[approval.status]}</span>
          {approval.decided_by !== null && (
            <span className="text-ink-2"> by {nameOf(approval.decided_by) === "You" ? "you" : nameOf(approval.decided_by)}</span>
          )}
          <span className="text-ink"> · {approval.title}</span>
          {approval.reason !== null && <span className="text-ink-2"> · “{approval.reason}”</span>}
        </span>
        <Timestamp at={approval.decided_at ?? approval.expires_at} className="shrink-0 text-ink-3" />
        <ChevronRight size={14} aria-hidden className="shrink-0 text-ink-3 transition-transform group-open:rotate-90" />
      </summary>
      <div className="px-3 pt-1 pb-3">
        <ExactCall approval={approval} />
      </div>
    </details>
  );
}
