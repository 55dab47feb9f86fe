import { getSystem, listDeadJobs, listWorkers } from "@signalbox/contract/operations";
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client } from "../data/api.ts";

const EVERY_MS = 5_000;

export const systemQuery = queryOptions({
  queryKey: ["system"],
  queryFn: ({ signal }) => client.call(getSystem, { signal }),
  refetchInterval: EVERY_MS,
});

export const workersQuery = queryOptions({
  queryKey: ["workers"],
  queryFn: ({ signal }) => client.call(listWorkers, { signal }),
  refetchInterval: EVERY_MS,
});

export const deadJobsQuery = infiniteQueryOptions({
  queryKey: ["jobs", "dead"],
  queryFn: ({ pageParam, signal }) =>
    client.call(listDeadJobs, { query: { limit: 50, ...(pageParam === "" ? {} : { cursor: pageParam }) }, signal }),
  initialPageParam: "",
  getNextPageParam: (page) => page.next_cursor,
  select: (data) => data.pages.flatMap((page) => page.items),
});
