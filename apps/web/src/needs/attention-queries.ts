/* What waits for a person, and what people do about it. */
import {
  decideManyApprovals,
  dismissAttention,
  dismissManyAttention,
  listAttention,
  restoreAttention,
  type AttentionItem,
  type AttentionKind,
} from "@signalbox/contract/attention";
import type { ApprovalId } from "@signalbox/contract/primitives";
import { count } from "@signalbox/ui/format";
import { toast } from "@signalbox/ui/toasts";
import { infiniteQueryOptions, useMutation } from "@tanstack/react-query";
import { useRef } from "react";
import { client, queries } from "../data/api.ts";

const GUARD_MS = 15_000;

/** Kept under "approvals": whatever makes those be read again may have changed this too. */
export const attentionQuery = (state: "open" | "done", kind: AttentionKind | undefined) =>
  infiniteQueryOptions({
    queryKey: ["approvals", "attention", state, kind ?? "all"],
    queryFn: ({ pageParam, signal }) =>
      client.call(listAttention, {
        query: { state, limit: 50, ...(kind === undefined ? {} : { kind }), ...(pageParam === "" ? {} : { cursor: pageParam }) },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    select: (data) => ({ items: data.pages.flatMap((page) => page.items), counts: data.pages[0]?.counts ?? { total: 0, by_kind: {} } }),
    placeholderData: (previous) => previous,
    refetchInterval: GUARD_MS,
  });

export const refreshAttention = (): void => void queries.invalidateQueries({ queryKey: ["approvals"] });
const onError = (error: Error): void => {
  refreshAttention();
  toast(error.message, "danger");
};

/** Off one's own list, with the way back. */
export function useDismiss() {
  const restore = useMutation({
    mutationFn: (ids: readonly string[]) => Promise.all(ids.map((id) => client.call(restoreAttention, { params: { id }, body: {} }))),
    onSettled: refreshAttention,
    onError,
  });
  const last = useRef<readonly string[]>([]);
  const undo = (): void => {
    if (last.current.length > 0) restore.mutate(last.current);
    last.current = [];
  };
  const dismiss = useMutation({
    mutationFn: async (items: readonly AttentionItem[]) => {
      const [only] = items;
      if (items.length === 1 && only !== undefined) await client.call(dismissAttention, { params: { id: only.id }, body: {} });
      else await client.call(dismissManyAttention, { body: { ids: items.map(({ id }) => id) } });
      return items;
    },
    onSuccess: (items) => {
      refreshAttention();
      last.current = items.map(({ id }) => id);
      toast(items.length === 1 ? `Dismissed: ${items[0]?.title}` : `${count(items.length, "item")} dismissed`, {
        action: { label: "Undo", run: undo },
      });
    },
    onError,
  });
  return { ...dismiss, undo };
}

/** Back on one's own list, as long as it waits. */
export function useRestore() {
  return useMutation({
    mutationFn: (id: string) => client.call(restoreAttention, { params: { id }, body: {} }),
    onSuccess: (item) => {
      refreshAttention();
      toast(`Back on your list: ${item.title}`);
    },
    onError,
  });
}

/** Each is decided by itself: what was decided meanwhile, or must not be decided in bulk, stays and says why. */
export function useDecideMany() {
  return useMutation({
    mutationFn: (of: { ids: readonly ApprovalId[]; decision: "approve" | "deny" }) =>
      client.call(decideManyApprovals, { body: { ids: [...of.ids], decision: of.decision } }),
    onSuccess: ({ items, decided }, { decision }) => {
      refreshAttention();
      const refused = items.filter(({ ok }) => !ok);
      const done = `${decided} ${decision === "approve" ? "approved" : "denied"}`;
      if (refused.length === 0) toast(done);
      else
        toast(
          `${done}. ${count(refused.length, "other")} not: ${[...new Set(refused.map(({ error }) => error?.message ?? ""))].join(" ")}`,
          { tone: "danger", lastsMs: 15_000 },
        );
    },
    onError,
  });
}
