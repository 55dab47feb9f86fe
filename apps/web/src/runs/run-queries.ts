import { getReceipt, inspectCorrelation, inspectRun, type Inspection } from "@signalbox/contract/evidence";
import { isId } from "@signalbox/contract/ids";
import type { RunId } from "@signalbox/contract/primitives";
import type { Output } from "@signalbox/contract/route";
import { listRuns, type getRun } from "@signalbox/contract/runs";
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client } from "../data/api.ts";
import { hasRunEnded, RUN_STATUSES } from "./run-state.ts";

export type Run = Output<typeof getRun>;

const LIVE_MS = 2_000;
const LIST_MS = 5_000;

export interface RunFilter {
  readonly q?: string | undefined;
  readonly status?: string | undefined;
  readonly session?: string | undefined;
  readonly room?: string | undefined;
  readonly sort?: string | undefined;
}

export const runsQuery = (filter: RunFilter) => {
  const status = RUN_STATUSES.find((one) => one === filter.status);
  const { session, room } = filter;
  return infiniteQueryOptions({
    queryKey: ["runs", filter],
    queryFn: ({ pageParam, signal }) =>
      client.call(listRuns, {
        query: {
          limit: 50,
          ...(status === undefined ? {} : { status }),
          ...(filter.q === undefined ? {} : { q: filter.q }),
          ...(isId("ses", session) ? { session_id: session } : {}),
          ...(isId("room", room) ? { room_id: room } : {}),
          ...(filter.sort === "oldest" ? { sort: "oldest" as const } : {}),
          ...(pageParam === "" ? {} : { cursor: pageParam }),
        },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    select: (data) => data.pages.flatMap((page) => page.items),
    placeholderData: (previous) => previous,
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) <= 1 ? LIST_MS : false),
  });
};

const isUnderWay = (inspection: Inspection | undefined): boolean => inspection?.runs.some(({ status }) => !hasRunEnded(status)) === true;

export const inspectRunQuery = (id: RunId) =>
  queryOptions({
    queryKey: ["run", id, "inspect"],
    queryFn: ({ signal }) => client.call(inspectRun, { params: { id }, signal }),
    refetchInterval: (query) => (isUnderWay(query.state.data) ? LIVE_MS : false),
  });

export const inspectCorrelationQuery = (id: string) =>
  queryOptions({
    queryKey: ["correlation", id],
    queryFn: ({ signal }) => client.call(inspectCorrelation, { params: { id }, signal }),
    refetchInterval: (query) => (isUnderWay(query.state.data) ? LIVE_MS : false),
  });

export const receiptQuery = (id: RunId) =>
  queryOptions({
    queryKey: ["run", id, "receipt"],
    queryFn: ({ signal }) => client.call(getReceipt, { params: { id }, signal }),
    staleTime: Infinity,
  });
