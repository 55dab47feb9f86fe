/* Home: what waits for a person, decided in place. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { CircleCheck } from "lucide-react";
import { approvalHistoryQuery, openApprovalsQuery, sessionsQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { useShortcuts } from "../frame/shortcuts.ts";
import { useSelection } from "../frame/use-selection.ts";
import { FirstSession } from "../sessions/first-session.tsx";
import { isEnded } from "../sessions/state.ts";
import { Button, buttonLook } from "@signalbox/ui/button";
import { count } from "@signalbox/ui/format";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { ApprovalCard } from "./approval-card.tsx";
import { DecidedApproval } from "./decided-approval.tsx";
import { useDecide } from "./decide.ts";

const route = getRouteApi("/frame/");

export function InboxPage() {
  const { tab } = route.useSearch();
  const { data: open } = useQuery(openApprovalsQuery);
  return (
    <Page
      title="Needs you"
      lead={open === undefined ? "…" : open.length === 0 ? "Nothing waits." : `${count(open.length, "question")}, soonest to expire first.`}
      actions={
        <nav aria-label="Approvals" className="flex gap-1 rounded-md bg-sunken p-1 text-sm">
          <Link
            to="/"
            search={{}}
            activeOptions={{ exact: true, includeSearch: true }}
            className="rounded-sm px-3 py-1 text-ink-2"
            activeProps={{ className: "bg-raised font-semibold !text-ink", "aria-current": "page" }}
          >
            Open
          </Link>
          <Link
            to="/"
            search={{ tab: "decided" }}
            className="rounded-sm px-3 py-1 text-ink-2"
            activeProps={{ className: "bg-raised font-semibold !text-ink", "aria-current": "page" }}
          >
            Decided
          </Link>
        </nav>
      }
    >
      {tab === "decided" ? <Decided /> : <Open />}
    </Page>
  );
}

function Open() {
  const list = useQuery(openApprovalsQuery);
  const open = list.data ?? [];
  const { selected, setSelected, move, rowRef } = useSelection(open.length);
  const decide = useDecide();
  // With nothing chosen the keys answer the first: that is the one on top.
  const current = open[Math.max(0, selected)];
  const answer = (decision: "approve" | "deny" | "hold"): void => {
    if (current !== undefined && !decide.isPending) decide.mutate({ id: current.id, decision });
  };
  useShortcuts([
    { keys: "j", label: "Next question", run: () => move(1) },
    { keys: "k", label: "Previous question", run: () => move(-1) },
    { keys: "a", label: "Approve", run: () => answer("approve") },
    { keys: "d", label: "Deny", run: () => answer("deny") },
    { keys: "h", label: "Hold", run: () => answer("hold") },
  ]);

  if (list.error !== null && list.data === undefined) return <Trouble error={list.error} onRetry={() => void list.refetch()} />;
  if (list.isPending) return <Skeleton rows={2} className="h-48" />;
  if (open.length === 0) return <NothingWaits />;
  return (
    <ul className="space-y-4" aria-label="Open approvals">
      {open.map((approval, i) => (
        <li
          key={approval.id}
          ref={rowRef(i)}
          tabIndex={-1}
          onFocus={() => setSelected(i)}
          className={`rounded-lg ${i === selected ? "outline-2 outline-offset-4 outline-moving" : "outline-none"}`}
        >
          <ApprovalCard approval={approval} hasKeys={i === Math.max(0, selected)} showSession />
        </li>
      ))}
    </ul>
  );
}

function NothingWaits() {
  const { data: sessions, isSuccess } = useInfiniteQuery(sessionsQuery("", false));
  if (!isSuccess) return null;
  if (sessions.length === 0) return <FirstSession />;
  const atWork = sessions.filter((session) => !isEnded(session.status) && session.current_run !== null).length;
  return (
    <div className="rounded-lg border border-line bg-panel">
      <Empty
        icon={<CircleCheck size={28} />}
        title="The line is clear"
        action={
          <Link to="/sessions" className={buttonLook({})}>
            See the sessions
          </Link>
        }
      >
        {atWork === 0 ? "No agent is at work." : `${count(atWork, "agent")} at work.`} When one wants to touch anything outside its sandbox,
        the question comes up here.
      </Empty>
    </div>
  );
}

function Decided() {
  const list = useInfiniteQuery(approvalHistoryQuery);
  if (list.error !== null) return <Trouble error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data === undefined) return <Skeleton rows={5} className="h-10" />;
  if (list.data.length === 0 && !list.hasNextPage)
    return <Empty title="Nothing was decided yet">Every verdict is kept here, with whose it was and the exact call.</Empty>;
  return (
    <>
      <ul className="space-y-2" aria-label="Decided approvals">
        {list.data.map((approval) => (
          <li key={approval.id}>
            <DecidedApproval approval={approval} />
          </li>
        ))}
      </ul>
      {list.hasNextPage && (
        <div className="mt-4 text-center">
          <Button onClick={() => void list.fetchNextPage()} busy={list.isFetchingNextPage}>
            Older verdicts
          </Button>
        </div>
      )}
    </>
  );
}
