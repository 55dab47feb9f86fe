/* What the page of the log as evidence reads. */
import { getAuditKeys, listCheckpoints, listEvents, type AuditKey } from "@signalbox/contract/log";
import { TrustedKeys } from "@signalbox/verify/keys";
import { parseKey } from "@signalbox/verify/note";
import { webPrimitives } from "@signalbox/verify/web";
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { z } from "zod";
import { client } from "../data/api.ts";

export type Key = z.infer<typeof AuditKey>;

export const keysQuery = queryOptions({
  queryKey: ["audit", "keys"],
  queryFn: ({ signal }) => client.call(getAuditKeys, { signal }),
  staleTime: 60_000,
});

/** Which of the keys the first of them leads to, as this browser sees it. */
export const followedQuery = (keys: readonly Key[]) =>
  queryOptions({
    queryKey: ["audit", "followed", keys.map(({ key_id: id, statement }) => [id, statement])],
    queryFn: async (): Promise<{ readonly reached: readonly string[]; readonly problems: readonly string[] }> => {
      const [first] = keys;
      if (first === undefined) return { reached: [], problems: [] };
      const trusted = new TrustedKeys(webPrimitives, [await parseKey(webPrimitives, first.public_key)]);
      const problems: string[] = [];
      for (const { statement } of keys) {
        const wrong = statement === null ? null : await trusted.learn(statement);
        if (wrong !== null) problems.push(wrong);
      }
      return { reached: trusted.keys.map(({ id }) => id), problems };
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

export const checkpointsQuery = infiniteQueryOptions({
  queryKey: ["audit", "checkpoints"],
  queryFn: ({ pageParam, signal }) =>
    client.call(listCheckpoints, { query: { limit: 50, ...(pageParam === "" ? {} : { cursor: pageParam }) }, signal }),
  initialPageParam: "",
  getNextPageParam: (page) => page.next_cursor,
  select: (data) => data.pages.flatMap((page) => page.items),
});

/** How far the log is; null before anything happened. */
export const newestEventQuery = queryOptions({
  queryKey: ["audit", "newest"],
  queryFn: async ({ signal }) => (await client.call(listEvents, { query: { limit: 1 }, signal })).items[0] ?? null,
  refetchInterval: 15_000,
});
