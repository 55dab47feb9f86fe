/* How many things wait for a person: one figure for the navigation, the title of the tab and its icon. */
import { ApiError } from "@signalbox/client/client";
import { listApprovals } from "@signalbox/contract/approvals";
import { listAttention } from "@signalbox/contract/attention";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { count } from "@signalbox/ui/format";
import { announce } from "@signalbox/ui/live-region";
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

/** The lamp of the tab's icon is lit while something waits, and one more is said once to whoever does not see it. */
export function useWaitingSigns(): void {
  const { data: waiting } = useQuery(waitingQuery);
  const before = useRef<number | undefined>(undefined);
  useEffect(() => {
    if (waiting === undefined) return;
    const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    if (icon !== null) icon.href = waiting > 0 ? "/icon-lit.svg" : "/icon.svg";
    // Installed as an app; where there is no badge, or it is not allowed, the icon has said it.
    if ("setAppBadge" in navigator) void navigator.setAppBadge(waiting).catch(() => undefined);
    if (before.current !== undefined && waiting > before.current) announce(`${count(waiting, "thing waits", "things wait")} for you`);
    before.current = waiting;
  }, [waiting]);
}
