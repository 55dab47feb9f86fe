import { getPolicy, listActions } from "@signalbox/contract/gate";
import type { EventEnvelope } from "@signalbox/contract/envelope";
import { listEvents } from "@signalbox/contract/log";
import { queryOptions } from "@tanstack/react-query";
import { client } from "../data/api.ts";

export const policyQuery = queryOptions({
  queryKey: ["policy"],
  queryFn: ({ signal }) => client.call(getPolicy, { signal }),
  staleTime: 60_000,
});

export const actionsQuery = queryOptions({
  queryKey: ["action-registry"],
  queryFn: ({ signal }) => client.call(listActions, { signal }),
  staleTime: 60_000,
});

/** What the gate said that left a trace: denials, questions to a person, calls that were asked for, hosts that were refused. */
const DECIDING = ["policy.denied", "policy.requires_approval", "invocation.requested", "egress.blocked"] as const;
const SHOWN = 100;

export const decisionsQuery = queryOptions({
  queryKey: ["policy", "decisions"],
  queryFn: async ({ signal }): Promise<readonly EventEnvelope[]> => {
    const pages = await Promise.all(DECIDING.map((event_type) => client.call(listEvents, { query: { event_type, limit: SHOWN }, signal })));
    return pages
      .flatMap(({ items }) => items)
      .sort((a, b) => b.position - a.position)
      .slice(0, SHOWN);
  },
  refetchInterval: 10_000,
});
