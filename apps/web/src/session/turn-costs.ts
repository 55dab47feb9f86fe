import { getSessionTimeline } from "@signalbox/contract/session-history";
import type { SessionId } from "@signalbox/contract/primitives";
import { useQuery } from "@tanstack/react-query";
import { client } from "../data/api.ts";

/** The running total of a session by seq, as the timeline tells it; `endedRuns` because each end adds to it. */
export function useTurnCosts(id: SessionId, lastSeq: number, endedRuns: number): (endSeq: number, previousEndSeq: number) => number | null {
  const { data } = useQuery({
    queryKey: ["session", id, "turn-costs", endedRuns],
    // Costs are whole in every increment: asked for from the end on, nothing else is sent.
    queryFn: async ({ signal }) => (await client.call(getSessionTimeline, { params: { id }, query: { after_seq: lastSeq }, signal })).cost,
    enabled: lastSeq > 0 && endedRuns > 0,
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
    placeholderData: (previous) => previous,
  });
  return (endSeq, previousEndSeq) => {
    if (data === undefined) return null;
    const by = (seq: number): number => {
      const index = data.seq.findLastIndex((each) => each <= seq);
      return index === -1 ? 0 : data.micro_usd[index]!;
    };
    const cost = by(endSeq) - by(previousEndSeq);
    return cost > 0 ? cost : null;
  };
}
