import type { SinkId } from "@signalbox/contract/primitives";
import type { SinkDelivery } from "@signalbox/contract/sinks";
import { count } from "@signalbox/ui/format";
import { LoadMore } from "@signalbox/ui/load-more";
import { Lamp } from "@signalbox/ui/lamp";
import { SegmentedControl } from "@signalbox/ui/segmented-control";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { deliveriesQuery } from "./sink-queries.ts";

type Shown = SinkDelivery["state"] | "all";
const WORD = { delivered: "delivered", failed: "not taken yet", dead: "given up" } as const;

export function Deliveries({ id }: { id: SinkId }) {
  const [state, setState] = useState<Shown>("all");
  const list = useInfiniteQuery(deliveriesQuery(id, state));
  return (
    <div className="space-y-2">
      <SegmentedControl<Shown>
        label="Which deliveries"
        value={state}
        onChange={setState}
        segments={[
          { value: "all", label: "All" },
          { value: "delivered", label: "Delivered" },
          { value: "failed", label: "Not taken" },
          { value: "dead", label: "Given up" },
        ]}
      />
      {list.error !== null && <Trouble error={list.error} onRetry={() => void list.refetch()} />}
      {list.data === undefined ? (
        list.error === null && <Skeleton rows={2} className="h-8" />
      ) : list.data.length === 0 ? (
        <p className="py-2 text-sm text-ink-3">None.</p>
      ) : (
        <ul aria-label="Deliveries" className="divide-y divide-line rounded-md border border-line">
          {list.data.map((one) => (
            <li key={`${one.position}-${one.state}`} className="px-3.5 py-1.5 text-sm">
              <p className="flex flex-wrap items-center gap-x-3 gap-y-0.5">
                <Lamp size="sm" state={one.state === "delivered" ? "clear" : "danger"} />
                <Link to="/timeline" search={{ event: one.event_id }} className="font-mono underline underline-offset-2">
                  {one.type}
                </Link>
                <span className={one.state === "delivered" ? "text-ink-2" : "text-danger-ink"}>
                  {WORD[one.state]}
                  {one.attempts > 1 && ` after ${count(one.attempts, "attempt")}`}
                  {one.status !== null && `, ${one.status}`}
                </span>
                <span className="ml-auto text-ink-3">
                  event <span className="tabular-nums">{one.position.toLocaleString()}</span>, <Timestamp at={one.at} />
                </span>
              </p>
              {one.error !== null && <p className="text-ink-2 [overflow-wrap:anywhere]">{one.error}</p>}
            </li>
          ))}
        </ul>
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
