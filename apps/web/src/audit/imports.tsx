import { listImports } from "@signalbox/contract/imports";
import { count } from "@signalbox/ui/format";
import { LoadMore } from "@signalbox/ui/load-more";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { infiniteQueryOptions, useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { PackageCheck, ShieldCheck } from "lucide-react";
import { client } from "../data/api.ts";

const importsQuery = infiniteQueryOptions({
  queryKey: ["audit", "imports"],
  queryFn: ({ pageParam, signal }) =>
    client.call(listImports, { query: { limit: 50, ...(pageParam === "" ? {} : { cursor: pageParam }) }, signal }),
  initialPageParam: "",
  getNextPageParam: (page) => page.next_cursor,
  select: (data) => data.pages.flatMap((page) => page.items),
});

/** Logs of elsewhere, kept beside the own one: nothing that did not verify completely is among them. */
export function Imports() {
  const list = useInfiniteQuery(importsQuery);
  if (list.error !== null && list.data === undefined) return <Trouble error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data === undefined) return <Skeleton rows={3} className="h-14" />;
  return (
    <div className="space-y-4">
      <p className="max-w-xl text-sm text-ink-2">
        Each came as an export and was verified completely before it was kept. One more can be brought under{" "}
        <Link to="/settings/data" className="underline underline-offset-2">
          Settings, Data
        </Link>
        .
      </p>
      {list.data.length === 0 ? (
        <Empty icon={<PackageCheck size={28} />} title="Nothing was imported">
          The log holds only what happened here.
        </Empty>
      ) : (
        <ol aria-label="Imports" className="soft-shadow divide-y divide-line overflow-clip rounded-lg border border-line bg-panel">
          {list.data.map((one) => (
            <li key={one.id} className="px-4 py-3">
              <p className="flex flex-wrap items-baseline gap-x-4">
                <span className="min-w-0 flex-1 basis-48 font-medium">{one.name}</span>
                <span className="text-sm text-ink-3">
                  <Timestamp at={one.imported_at} />
                </span>
              </p>
              <p className="mt-0.5 flex flex-wrap items-center gap-x-4 gap-y-1 text-sm text-ink-2">
                <span className="flex items-center gap-1.5 text-clear-ink">
                  <ShieldCheck size={14} aria-hidden /> verified
                </span>
                <span>
                  {count(one.events, "event")} in {count(one.streams, "chain")}, from{" "}
                  <span className="font-mono">{one.source_organization_id}</span>
                </span>
                <span className="font-mono text-ink-3">key {one.signed_by}</span>
                {one.sessions.slice(0, 3).map((id) => (
                  <Link key={id} to="/sessions/$sessionId" params={{ sessionId: id }} className="underline underline-offset-2">
                    the session
                  </Link>
                ))}
              </p>
            </li>
          ))}
        </ol>
      )}
      <LoadMore
        hasMore={list.hasNextPage}
        isLoading={list.isFetchingNextPage}
        onMore={() => void list.fetchNextPage()}
        label="Older ones"
      />
    </div>
  );
}
