import { listRedactions } from "@signalbox/contract/log";
import { LoadMore } from "@signalbox/ui/load-more";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { infiniteQueryOptions, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { Eraser } from "lucide-react";
import { client } from "../data/api.ts";
import { meQuery, useNames } from "../data/queries.ts";
import { RedactEvent } from "./redact-event.tsx";

const route = getRouteApi("/frame/audit");

const redactionsQuery = infiniteQueryOptions({
  queryKey: ["audit", "redactions"],
  queryFn: ({ pageParam, signal }) =>
    client.call(listRedactions, { query: { limit: 50, ...(pageParam === "" ? {} : { cursor: pageParam }) }, signal }),
  initialPageParam: "",
  getNextPageParam: (page) => page.next_cursor,
  select: (data) => data.pages.flatMap((page) => page.items),
});

/** What was erased from the log, by whom and why; the chain holds without it. */
export function Redactions() {
  const { event: linked } = route.useSearch();
  const navigate = useNavigate();
  const { data: me } = useQuery(meQuery);
  const nameOf = useNames();
  const list = useInfiniteQuery(redactionsQuery);
  if (list.error !== null && list.data === undefined) return <Trouble error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data === undefined) return <Skeleton rows={3} className="h-14" />;
  const redact = (me?.role === "admin" || me?.role === "owner") && (
    <div className="mb-4 flex flex-wrap items-center justify-between gap-3">
      <p className="max-w-xl text-sm text-ink-2">
        What must not be kept, a secret or a person's data, can be erased. The chain of hashes stays whole, and says that it was done.
      </p>
      <RedactEvent
        key={linked}
        linked={linked}
        onDone={() => void navigate({ to: "/audit", search: { tab: "redactions" }, replace: true })}
      />
    </div>
  );
  if (list.data.length === 0)
    return (
      <>
        {redact}
        <Empty icon={<Eraser size={32} />} title="Nothing was erased">
          When someone erases an event's content, its place in the chain stays, and who did it and why stands here.
        </Empty>
      </>
    );
  return (
    <>
      {redact}
      <ol aria-label="Redactions" className="soft-shadow divide-y divide-line overflow-clip rounded-lg border border-line bg-panel">
        {list.data.map((event) => {
          const data = event.data as { target_event_id?: string; reason?: string };
          return (
            <li key={event.event_id} className="px-4 py-3">
              <p className="flex flex-wrap items-baseline gap-x-4">
                <span className="min-w-0 flex-1 basis-60 font-medium">{data.reason ?? "No reason was given."}</span>
                <span className="text-sm text-ink-3">
                  <Timestamp at={event.occurred_at} />
                </span>
              </p>
              <p className="mt-0.5 flex flex-wrap gap-x-4 text-sm text-ink-2">
                <span>by {nameOf(event.principal.id)}</span>
                {data.target_event_id !== undefined && (
                  <Link to="/timeline" search={{ event: data.target_event_id }} className="font-mono underline underline-offset-2">
                    {data.target_event_id}
                  </Link>
                )}
              </p>
            </li>
          );
        })}
      </ol>
      <LoadMore
        hasMore={list.hasNextPage}
        isLoading={list.isFetchingNextPage}
        onMore={() => void list.fetchNextPage()}
        label="Older ones"
      />
    </>
  );
}
