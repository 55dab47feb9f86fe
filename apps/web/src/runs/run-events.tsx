import type { Inspection } from "@signalbox/contract/evidence";
import { listEvents } from "@signalbox/contract/log";
import type { RunId } from "@signalbox/contract/primitives";
import { LoadMore } from "@signalbox/ui/load-more";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { client } from "../data/api.ts";
import { EventList } from "../events/event-list.tsx";
import { VerifyButton } from "../events/verify-button.tsx";

/** The entries of the log themselves, and the chain that they stand in. */
export function RunEvents({ inspection, runId }: { inspection: Inspection; runId: RunId | null }) {
  const { correlationId } = useParams({ strict: false });
  const of = runId === null ? { correlation_id: correlationId ?? "" } : { run_id: runId };
  const list = useInfiniteQuery({
    queryKey: ["events", "of", of, inspection.events?.last_seq],
    queryFn: ({ pageParam, signal }) =>
      client.call(listEvents, { query: { ...of, limit: 200, ...(pageParam === "" ? {} : { cursor: pageParam }) }, signal }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    select: (data) => data.pages.flatMap((page) => page.items),
    placeholderData: (previous) => previous,
  });
  if (list.error !== null && list.data === undefined) return <Trouble error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data === undefined) return <Skeleton rows={8} className="h-7" />;
  if (list.data.length === 0) return <Empty title="No events">Nothing of it is in a stream that you may see.</Empty>;
  const window = inspection.events;
  return (
    <div className="space-y-3">
      {window !== null && (
        <div className="flex flex-wrap items-center justify-between gap-3">
          <p className="text-sm text-ink-2">
            Events {window.first_seq} to {window.last_seq} of{" "}
            <Link
              to="/timeline"
              search={{ stream: `${window.stream.type}:${window.stream.id}` }}
              title={`${window.stream.type}:${window.stream.id}`}
              className="underline underline-offset-2"
            >
              the {window.stream.type}’s stream
            </Link>
          </p>
          <VerifyButton compact streams={[`${window.stream.type}:${window.stream.id}`]} />
        </div>
      )}
      <div className="h-[32rem] overflow-clip rounded-lg border border-line bg-panel">
        <EventList
          events={list.data}
          footer={
            <LoadMore
              hasMore={list.hasNextPage}
              isLoading={list.isFetchingNextPage}
              onMore={() => void list.fetchNextPage()}
              error={list.error}
            />
          }
        />
      </div>
    </div>
  );
}
