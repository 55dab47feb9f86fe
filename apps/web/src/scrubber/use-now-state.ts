/*
 * How a session or a room stands now. It is one answer of everything so far, so it is read only while it is on screen,
 * one reading at a time, and the seldomer the longer a reading takes: a long session that is busy costs a reader a
 * twentieth of the time at most.
 *
 *   event ─► due? ─no─► wait until it is ─► read up to the newest ─► shown
 *              └──────yes───────────────────┘      (events meanwhile: due again)
 */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import type { Scrub } from "./scrub.ts";
import { useScrubbed } from "./use-scrub.ts";

const EVERY_MS = 2_000;
/** How many times as long as it read a reader rests. */
const RESTS = 20;

export function useNowState<Then, State extends { readonly seq: number }>(
  scrub: Scrub<Then>,
  id: string,
  read: (seq: number, signal: AbortSignal) => Promise<State>,
): State | undefined {
  const isNow = useScrubbed(scrub, ({ at }) => at === null);
  const last = useScrubbed(scrub, ({ reel }) => reel.lastSeq);
  const dueAt = useRef(-Infinity);
  const { data, isFetching, refetch } = useQuery<State>({
    queryKey: ["now", id],
    queryFn: async ({ signal }) => {
      const from = performance.now();
      try {
        return await read(scrub.get().reel.lastSeq, signal);
      } finally {
        const took = performance.now() - from;
        dueAt.current = from + Math.max(EVERY_MS, RESTS * took);
      }
    },
    enabled: isNow && last > 0,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const isBehind = isNow && last > (data?.seq ?? 0);
  useEffect(() => {
    if (!isBehind || isFetching) return;
    const timer = setTimeout(() => void refetch(), Math.max(0, dueAt.current - performance.now()));
    return () => clearTimeout(timer);
    // `last` is not among them: an event that comes while one waits does not make the wait longer.
  }, [isBehind, isFetching, refetch]);
  return data;
}
