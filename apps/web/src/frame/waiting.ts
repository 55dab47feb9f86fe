/* How many things wait for a person: one figure for the navigation, the title of the tab and its icon. */
import { ApiError } from "@signalbox/client/client";
import { listApprovals } from "@signalbox/contract/approvals";
import { listAttention } from "@signalbox/contract/attention";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { client } from "../data/api.ts";

const GUARD_MS = 15_000;

const waitingQuery = queryOptions({
  // Kept with the approvals: whatever makes those be read again may have changed this.
  queryKey: ["approvals", "waiting"],
  queryFn: async ({ signal }) => {
    try {
      return (await client.call(listAttention, { query: { limit: 1 }, signal })).counts.total;
    } catch (error) {
      // A server of before the list of what waits: its questions are counted.
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      return (await client.call(listApprovals, { query: { status: "open", limit: 200 }, signal })).items.length;
    }
  },
  refetchInterval: GUARD_MS,
});

export const useWaiting = (): number => useQuery(waitingQuery).data ?? 0;

/** The lamp of the tab's icon is lit while something waits. */
export function useLitIcon(): void {
  const isLit = useWaiting() > 0;
  useEffect(() => {
    const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    if (icon !== null) icon.href = isLit ? "/icon-lit.svg" : "/icon.svg";
  }, [isLit]);
}
