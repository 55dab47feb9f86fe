import { listSessions, type SessionView } from "@signalbox/contract/sessions";
import type { SessionId } from "@signalbox/contract/primitives";
import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { client, queries } from "../../data/api.ts";
import type { ListQuery } from "./filters.ts";
import { FIRST, NOTHING, startOf, take, type Loaded, type Read, type Start } from "./loaded.ts";

const PAGE = 100;
const GUARD_MS = 15_000;
const KEY = ["sessions", "loaded"] as const;

export interface Sessions {
  readonly loaded: Loaded | undefined;
  readonly error: Error | null;
  readonly isMoreComing: boolean;
  readonly moreError: Error | null;
  retry(): void;
  more(): void;
  /** Which rows are on screen: their pages are the ones kept fresh. */
  see(first: number, last: number): void;
}

/** The list for one question, as far as it was scrolled, and live. */
export function useSessions(query: ListQuery): Sessions {
  const key = [...KEY, query];
  const seen = useRef<readonly [number, number]>([0, 0]);
  const read = (start: Start, signal?: AbortSignal): Promise<Read> =>
    client.call(listSessions, {
      query: { ...query, limit: PAGE, ...(start.cursor === "" ? {} : { cursor: start.cursor }) },
      signal,
    });
  const list = useQuery({
    queryKey: key,
    queryFn: async ({ signal }): Promise<Loaded> => {
      const before = queries.getQueryData<Loaded>(key) ?? NOTHING;
      const starts = new Map<string, Start>([["", FIRST]]);
      for (const index of seen.current) {
        const start = startOf(before, index, query.sort);
        if (start !== undefined) starts.set(start.cursor, start);
      }
      const pages = await Promise.all([...starts.values()].map(async (start) => ({ start, page: await read(start, signal) })));
      // What came in meanwhile (the next page) is kept.
      return pages.reduce((loaded, { start, page }) => take(loaded, start, page, query.sort), queries.getQueryData<Loaded>(key) ?? NOTHING);
    },
    refetchInterval: GUARD_MS,
    placeholderData: keepPreviousData,
    structuralSharing: false,
  });
  const next = useMutation({
    mutationFn: async (start: Start) => {
      const page = await read(start);
      queries.setQueryData<Loaded>(key, (loaded) => take(loaded ?? NOTHING, start, page, query.sort));
    },
  });
  const loaded = list.data;
  return {
    loaded,
    error: loaded === undefined ? list.error : null,
    isMoreComing: next.isPending,
    moreError: next.error,
    retry: () => void list.refetch(),
    more: () => {
      if (loaded?.tail != null && !next.isPending && !list.isPlaceholderData) next.mutate(loaded.tail);
    },
    see: (first, last) => {
      seen.current = [first, last];
    },
  };
}

/** Shows a change before the server has it; what the server then says takes its place. */
export function patchLists(id: SessionId, change: Partial<SessionView>): void {
  queries.setQueriesData<Loaded>({ queryKey: KEY }, (loaded) =>
    loaded === undefined ? undefined : { ...loaded, items: loaded.items.map((each) => (each.id === id ? { ...each, ...change } : each)) },
  );
}
