/* What the pages read. One place for keys, so that whoever changes something knows what to refresh. */
import { listApprovals, type ApprovalView } from "@signalbox/contract/approvals";
import { getKillSwitch } from "@signalbox/contract/gate";
import { getMe, listPrincipals, listTokens } from "@signalbox/contract/identity";
import type { ApprovalId, SessionId } from "@signalbox/contract/primitives";
import { listRooms } from "@signalbox/contract/rooms";
import type { Output } from "@signalbox/contract/route";
import { getArtifact, listArtifacts } from "@signalbox/contract/runs";
import { getDiff, getSession, listSessions, type SessionView } from "@signalbox/contract/sessions";
import { getHealth, listModels } from "@signalbox/contract/system";
import { infiniteQueryOptions, queryOptions, useQuery } from "@tanstack/react-query";
import { client, queries } from "./api.ts";

/** While the live socket wakes us this only guards against a lost wake-up. */
const GUARD_MS = 15_000;
/** How often open approvals are asked for when no topic tells of those outside the sessions that are followed. */
const POLL_MS = 3_000;
let approvalsEveryMs = GUARD_MS;
export function pollApprovals(): void {
  approvalsEveryMs = POLL_MS;
  void queries.invalidateQueries({ queryKey: ["approvals", "open"] });
}

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: ({ signal }) => client.call(getMe, { signal }),
  staleTime: 60_000,
});

export const openApprovalsQuery = queryOptions({
  queryKey: ["approvals", "open"],
  queryFn: ({ signal }) => client.call(listApprovals, { query: { status: "open", limit: 200 }, signal }),
  // Soonest to lapse first: that is the order in which they want a hand.
  select: (page) => [...page.items].sort((a, b) => a.expires_at.localeCompare(b.expires_at)),
  refetchInterval: () => approvalsEveryMs,
});

export const isOpen = (approval: Pick<ApprovalView, "status">): boolean => approval.status === "pending" || approval.status === "held";

export const sessionsQuery = (q: string, archived: boolean) =>
  infiniteQueryOptions({
    queryKey: ["sessions", "list", q, archived],
    queryFn: ({ pageParam, signal }) =>
      client.call(listSessions, {
        query: {
          limit: 50,
          archived: archived ? "true" : "false",
          ...(q === "" ? {} : { q }),
          ...(pageParam === "" ? {} : { cursor: pageParam }),
        },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    select: (data) => data.pages.flatMap((page) => page.items),
    placeholderData: (previous) => previous,
    refetchInterval: GUARD_MS,
  });

export const sessionQuery = (id: SessionId) =>
  queryOptions({
    queryKey: ["session", id],
    queryFn: ({ signal }) => client.call(getSession, { params: { id }, signal }),
    refetchInterval: GUARD_MS,
  });

type Diff = Output<typeof getDiff>;

/** From the sandbox while it runs; afterwards as the last turn recorded it. */
export const diffQuery = (session: Pick<SessionView, "id" | "status" | "files_changed">) => {
  const isAlive = session.status === "running" || session.status === "waiting";
  return queryOptions({
    queryKey: ["session", session.id, "diff", isAlive],
    queryFn: ({ signal }): Promise<Diff> =>
      isAlive ? client.call(getDiff, { params: { id: session.id }, signal }) : recordedDiff(session, signal),
    placeholderData: (previous) => previous,
  });
};

async function recordedDiff(session: Pick<SessionView, "id" | "files_changed">, signal: AbortSignal): Promise<Diff> {
  const recorded = { base_commit: null, files: session.files_changed, patch: "", truncated: false };
  if (session.files_changed.length === 0) return recorded;
  const { items } = await client.call(listArtifacts, { query: { session_id: session.id, limit: 50 }, signal });
  const newest = items.find(({ name }) => name === "changes.patch");
  if (newest === undefined) return recorded;
  const { text } = await client.call(getArtifact, { params: { id: newest.id }, signal });
  return { ...recorded, patch: text ?? "" };
}

export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: ({ signal }) => client.call(listModels, { signal }),
  staleTime: 30_000,
});
export const killSwitchQuery = queryOptions({
  queryKey: ["kill-switch"],
  queryFn: ({ signal }) => client.call(getKillSwitch, { signal }),
  refetchInterval: 10_000,
});
export const roomsQuery = queryOptions({
  queryKey: ["rooms"],
  queryFn: ({ signal }) => client.call(listRooms, { query: { limit: 200 }, signal }),
});
export const tokensQuery = queryOptions({
  queryKey: ["tokens"],
  queryFn: ({ signal }) => client.call(listTokens, { query: { limit: 200 }, signal }),
});
export const healthQuery = queryOptions({
  queryKey: ["health"],
  queryFn: ({ signal }) => client.call(getHealth, { signal }),
  refetchInterval: 30_000,
});

const principalsQuery = queryOptions({
  queryKey: ["principals"],
  queryFn: ({ signal }) => client.call(listPrincipals, { query: { limit: 200 }, signal }),
  staleTime: 60_000,
  select: (page) => new Map<string, string>(page.items.map((principal) => [principal.id, principal.display_name])),
});

/** Names a principal as a person would: "You", a display name, or at least what kind it is. */
export function useNames(): (id: string | null) => string {
  const { data: names } = useQuery(principalsQuery);
  const { data: me } = useQuery(meQuery);
  return (id) => {
    if (id === null) return "nobody";
    if (id === me?.principal.id) return "You";
    return names?.get(id) ?? (id.startsWith("agt_") ? "Agent" : id.startsWith("svc_") ? "A service" : "Someone");
  };
}

export function putSession(session: SessionView): void {
  queries.setQueryData(sessionQuery(session.id).queryKey, session);
  void queries.invalidateQueries({ queryKey: ["sessions"] });
}

/** After a verdict, ours or another's: every list it is in, and whatever it unblocked. */
export function refreshApprovals(id?: ApprovalId): void {
  void queries.invalidateQueries({ queryKey: ["approvals"] });
  if (id !== undefined) void queries.invalidateQueries({ queryKey: ["approval", id] });
  void queries.invalidateQueries({ queryKey: ["sessions"] });
}
