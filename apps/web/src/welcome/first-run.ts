/*
 * Whether this is somebody's first time here. The fact is that the organization has no session of its own (what was
 * imported is another's); the mark in this browser only keeps the way home from leading there a second time.
 */
import { listSessions, type SessionView } from "@signalbox/contract/sessions";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { client } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";

const LOOKED_AT = 200;
const markOf = (organizationId: string): string => `signalbox.welcome.${organizationId}`;

const beginningQuery = queryOptions({
  queryKey: ["sessions", "beginning"],
  queryFn: async ({ signal }) => {
    const [shown, archived] = await Promise.all(
      (["false", "true"] as const).map((archived) => client.call(listSessions, { query: { archived, limit: LOOKED_AT }, signal })),
    );
    const all = [...shown!.items, ...archived!.items];
    return {
      isFresh: all.every(({ imported }) => imported != null),
      /** A finished session of elsewhere, to look at. */
      finished:
        all.find(({ imported, files_changed }) => imported != null && files_changed.length > 0) ??
        all.find(({ imported }) => imported != null) ??
        null,
    };
  },
  staleTime: 10_000,
});

export interface FirstRun {
  /** No session of one's own yet. */
  readonly isFresh: boolean;
  /** Fresh, and not yet led through the welcome in this browser. */
  readonly leadsToWelcome: boolean;
  readonly finished: SessionView | null;
}

/** Undefined until it is known. */
export function useFirstRun(): FirstRun | undefined {
  const { data: me } = useQuery(meQuery);
  const { data } = useQuery(beginningQuery);
  if (me === undefined || data === undefined) return undefined;
  return { ...data, leadsToWelcome: data.isFresh && !isMarked(me.organization.id) };
}

function isMarked(organizationId: string): boolean {
  try {
    return localStorage.getItem(markOf(organizationId)) !== null;
  } catch {
    return true; // Where nothing can be remembered, leading there every time would be a trap.
  }
}

export function markWelcomed(organizationId: string): void {
  try {
    localStorage.setItem(markOf(organizationId), "seen");
  } catch {
    // Storage may be forbidden; `isMarked` then says that it was seen.
  }
}
