import type { SinkId } from "@signalbox/contract/primitives";
import { listSinkDeliveries, listSinks, type SinkDelivery, type SinkView } from "@signalbox/contract/sinks";
import { count } from "@signalbox/ui/format";
import type { LampState } from "@signalbox/ui/lamp";
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, queries } from "../../data/api.ts";

export const sinksQuery = queryOptions({
  queryKey: ["sinks"],
  queryFn: ({ signal }) => client.call(listSinks, { signal }),
  // Nothing tells of deliveries: while someone looks, it is asked.
  refetchInterval: 5_000,
});

export const deliveriesQuery = (id: SinkId, state: SinkDelivery["state"] | "all") =>
  infiniteQueryOptions({
    queryKey: ["sinks", id, "deliveries", state],
    queryFn: ({ pageParam, signal }) =>
      client.call(listSinkDeliveries, {
        params: { id },
        query: { limit: 20, ...(state === "all" ? {} : { state }), ...(pageParam === "" ? {} : { cursor: pageParam }) },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    select: (data) => data.pages.flatMap((page) => page.items),
  });

export const refreshSinks = (): void => void queries.invalidateQueries({ queryKey: ["sinks"] });

export const KIND_WORD = { webhook: "Webhook", convex: "Convex" } as const;

/** The server counts what is behind up to this many. */
const COUNTED = 1_000;

export function standing(sink: SinkView): { readonly lamp: LampState; readonly word: string } {
  if (sink.status === "paused") return { lamp: sink.last_error === null ? "dark" : "danger", word: "Paused" };
  if (sink.failures > 0) return { lamp: "danger", word: `Fails, ${count(sink.failures, "time")} in a row` };
  if (sink.behind > 0)
    return { lamp: "moving", word: sink.behind >= COUNTED ? "More than 1,000 events behind" : `${count(sink.behind, "event")} behind` };
  return { lamp: "clear", word: "Up to date" };
}
