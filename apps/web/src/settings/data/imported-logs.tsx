import { deleteImport, listImports, type ImportView } from "@signalbox/contract/imports";
import { Button, buttonLook } from "@signalbox/ui/button";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { count } from "@signalbox/ui/format";
import { List } from "@signalbox/ui/list-row";
import { LoadMore } from "@signalbox/ui/load-more";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { infiniteQueryOptions, useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { client, queries } from "../../data/api.ts";

const importsQuery = infiniteQueryOptions({
  queryKey: ["audit", "imports", "settings"],
  queryFn: ({ pageParam, signal }) =>
    client.call(listImports, { query: { limit: 50, ...(pageParam === "" ? {} : { cursor: pageParam }) }, signal }),
  initialPageParam: "",
  getNextPageParam: (page) => page.next_cursor,
  select: (data) => data.pages.flatMap((page) => page.items),
});

export function ImportedLogs() {
  const list = useInfiniteQuery(importsQuery);
  const [leaving, setLeaving] = useState<ImportView | null>(null);
  const remove = useMutation({
    mutationFn: ({ id }: ImportView) => client.call(deleteImport, { params: { id } }),
    onSuccess: ({ name }) => {
      toast(`Removed: ${name}`);
      setLeaving(null);
      void queries.invalidateQueries({ queryKey: ["audit", "imports"] });
      void queries.invalidateQueries({ queryKey: ["sessions"] });
    },
  });
  if (list.error !== null && list.data === undefined) return <Trouble error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data === undefined) return <Skeleton rows={2} className="h-14" />;
  if (list.data.length === 0) return <p className="text-sm text-ink-2">Nothing is imported.</p>;
  return (
    <>
      <List label="Imported logs">
        {list.data.map((one) => (
          <li key={one.id} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3">
            <div className="min-w-0 flex-1 basis-64">
              <p className="clamp-1 font-medium" title={one.name}>
                {one.name}
              </p>
              <p className="text-sm text-ink-3">
                {count(one.events, "event")} in {count(one.streams, "stream")}, {count(one.sessions.length, "session")} · of{" "}
                <code className="font-mono">{one.source_organization_id}</code> · signed by{" "}
                <code className="font-mono">{one.signed_by}</code> · <Timestamp at={one.imported_at} />
              </p>
            </div>
            {one.sessions[0] !== undefined && (
              <Link
                to={one.sessions.length === 1 ? "/sessions/$sessionId" : "/sessions"}
                params={{ sessionId: one.sessions[0] }}
                className={buttonLook({ size: "sm" })}
                aria-label={`Open ${one.name}`}
              >
                Open
              </Link>
            )}
            <Button size="sm" look="danger" onClick={() => setLeaving(one)} aria-label={`Remove ${one.name}`}>
              Remove
            </Button>
          </li>
        ))}
      </List>
      <LoadMore
        hasMore={list.hasNextPage}
        isLoading={list.isFetchingNextPage}
        onMore={() => void list.fetchNextPage()}
        label="Older imports"
      />
      {leaving !== null && (
        <ConfirmDialog
          title="Remove this imported log?"
          description={`“${leaving.name}” goes whole, with ${count(leaving.sessions.length, "session")}. The file it came from can be imported again; your own log is not touched.`}
          confirm="Remove the imported log"
          danger
          busy={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate(leaving)}
          onClose={() => setLeaving(null)}
        />
      )}
    </>
  );
}
