import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { LoadMore } from "@signalbox/ui/load-more";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { DecidedApproval } from "../approvals/decided-approval.tsx";
import { isOpen } from "../data/queries.ts";
import { attentionQuery, useRestore } from "./attention-queries.ts";
import { KIND_WORDS } from "./need-card.tsx";

/** What no longer waits: whose verdict it was, or how else it ended. */
export function DoneList() {
  const list = useInfiniteQuery(attentionQuery("done", undefined));
  const restore = useRestore();
  if (list.error !== null && list.data === undefined) return <Trouble error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data === undefined) return <Skeleton rows={5} className="h-10" />;
  if (list.data.items.length === 0)
    return <Empty title="Nothing was decided yet">Every verdict is kept here, with whose it was and the exact call.</Empty>;
  return (
    <>
      <ul className="space-y-2" aria-label="Done">
        {list.data.items.map((item) => (
          <li key={item.id}>
            {item.approval !== null && !isOpen(item.approval) ? (
              <DecidedApproval approval={item.approval} />
            ) : (
              <div className="flex flex-wrap items-center gap-x-3 gap-y-1 rounded-md border border-line bg-panel px-3 py-2 text-sm">
                <Badge>{KIND_WORDS[item.kind].one}</Badge>
                <span className="min-w-0 flex-1 basis-48">
                  {item.session !== null ? (
                    <Link to="/sessions/$sessionId" params={{ sessionId: item.session.id }} className="hover:underline">
                      {item.title}
                    </Link>
                  ) : item.run_id !== null ? (
                    <Link to="/runs/$runId" params={{ runId: item.run_id }} className="hover:underline">
                      {item.title}
                    </Link>
                  ) : (
                    item.title
                  )}
                </span>
                <span className="text-ink-2">{item.outcome ?? "dismissed by you"}</span>
                {item.outcome === null && item.dismissed_at !== null && (
                  <Button size="sm" busy={restore.isPending && restore.variables === item.id} onClick={() => restore.mutate(item.id)}>
                    Put it back
                  </Button>
                )}
                <span className="text-ink-3">
                  <Timestamp at={item.done_at ?? item.dismissed_at ?? item.at} />
                </span>
              </div>
            )}
          </li>
        ))}
      </ul>
      <LoadMore
        hasMore={list.hasNextPage}
        isLoading={list.isFetchingNextPage}
        onMore={() => void list.fetchNextPage()}
        label="Older ones"
      />
    </>
  );
}
