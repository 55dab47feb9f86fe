import { listAdminOrganizations, restoreOrganization, suspendOrganization } from "@signalbox/contract/admin";
import type { Output } from "@signalbox/contract/route";
import { Button } from "@signalbox/ui/button";
import { count } from "@signalbox/ui/format";
import { List } from "@signalbox/ui/list-row";
import { LoadMore } from "@signalbox/ui/load-more";
import { Skeleton } from "@signalbox/ui/placeholder";
import { SearchInput } from "@signalbox/ui/search-input";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { QuotaFigures } from "../settings/quota-figures.tsx";
import { QuotasDialog } from "./quotas-dialog.tsx";
import { ReasonDialog } from "./reason-dialog.tsx";

type Organization = Output<typeof listAdminOrganizations>["items"][number];

export function Organizations() {
  const [q, setQ] = useState("");
  const [asked, setAsked] = useState<{ readonly what: "suspend" | "quotas"; readonly of: Organization } | null>(null);
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ["admin-organizations", q],
    queryFn: ({ signal, pageParam }) =>
      client.call(listAdminOrganizations, {
        query: { limit: 50, ...(q === "" ? {} : { q }), ...(pageParam === "" ? {} : { cursor: pageParam }) },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
  const refresh = (): void => void queries.invalidateQueries({ queryKey: ["admin-organizations"] });
  const suspend = useMutation({
    mutationFn: ({ id, reason }: { id: Organization["id"]; reason: string }) =>
      client.call(suspendOrganization, { params: { id }, body: { reason } }),
    onSuccess: () => {
      setAsked(null);
      refresh();
    },
  });
  const restore = useMutation({
    mutationFn: (id: Organization["id"]) => client.call(restoreOrganization, { params: { id }, body: {} }),
    onSuccess: refresh,
  });
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="space-y-4">
      <SearchInput label="Search organizations" value={q} onChange={setQ} />
      {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
      {restore.error !== null && <Trouble error={restore.error} />}
      {data === undefined && error === null && <Skeleton rows={4} className="h-14" />}
      {data !== undefined && items.length === 0 && <p className="text-ink-2">No organization is called that.</p>}
      {items.length > 0 && (
        <List label="Organizations">
          {items.map((one) => (
            <li key={one.id} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3.5">
              <div className="min-w-0 flex-1 basis-64">
                <p className="clamp-1 font-medium" title={one.name}>
                  {one.name} {one.state !== "open" && <span className="font-normal text-danger-ink">({one.state})</span>}
                </p>
                <p className="text-sm text-ink-3">
                  {count(one.member_count, "member")} · {count(one.live_session_count, "live session")} · {count(one.event_count, "event")}{" "}
                  · made <Timestamp at={one.created_at} />
                </p>
                {one.suspension !== null && <p className="text-sm text-ink-2">“{one.suspension.reason}”</p>}
              </div>
              {one.state !== "deleted" && (
                <Button size="sm" onClick={() => setAsked({ what: "quotas", of: one })} aria-label={`Quotas of ${one.name}`}>
                  Quotas…
                </Button>
              )}
              {one.state === "open" && one.id !== "ws_dev" && (
                <Button size="sm" look="danger" onClick={() => setAsked({ what: "suspend", of: one })} aria-label={`Suspend ${one.name}`}>
                  Suspend…
                </Button>
              )}
              {one.state === "suspended" && (
                <Button
                  size="sm"
                  busy={restore.isPending && restore.variables === one.id}
                  onClick={() => restore.mutate(one.id)}
                  aria-label={`Restore ${one.name}`}
                >
                  Restore
                </Button>
              )}
              {one.state !== "deleted" && <QuotaFigures quotas={one.quotas} className="w-full" />}
            </li>
          ))}
        </List>
      )}
      <LoadMore hasMore={hasNextPage} isLoading={isFetchingNextPage} onMore={() => void fetchNextPage()} />
      {asked?.what === "quotas" && (
        <QuotasDialog
          name={asked.of.name}
          quotas={asked.of.quotas}
          onDone={() => {
            setAsked(null);
            refresh();
          }}
          onClose={() => setAsked(null)}
        />
      )}
      {asked?.what === "suspend" && (
        <ReasonDialog
          title={`Suspend “${asked.of.name}”?`}
          description="Nobody gets in, by no credential, until you restore it. Nothing in it is lost."
          confirm="Suspend it"
          busy={suspend.isPending}
          error={suspend.error}
          onConfirm={(reason) => suspend.mutate({ id: asked.of.id, reason })}
          onClose={() => setAsked(null)}
        />
      )}
    </div>
  );
}
