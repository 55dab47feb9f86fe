/* What the palette finds: the server's one search. */
import { ApiError } from "@signalbox/client/client";
import { listRooms } from "@signalbox/contract/rooms";
import { searchAll, type SearchHit, type SearchKind } from "@signalbox/contract/search";
import { listSessions } from "@signalbox/contract/sessions";
import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { client } from "../data/api.ts";

export const KIND_WORD: Record<SearchKind, string> = {
  session: "Sessions",
  room: "Rooms",
  message: "Messages",
  run: "Runs",
  approval: "Approvals",
  artifact: "Artifacts",
};

export interface Hits {
  readonly groups: readonly { readonly kind: SearchKind; readonly items: readonly SearchHit[]; readonly more: boolean }[];
}

const PER_GROUP = 5;

export const hitsQuery = (q: string) =>
  queryOptions({
    queryKey: ["search", q],
    queryFn: async ({ signal }): Promise<Hits> => {
      try {
        return await client.call(searchAll, { query: { q, limit: PER_GROUP }, signal });
      } catch (error) {
        // A server of before the search: what its lists know.
        if (!(error instanceof ApiError) || error.status !== 404) throw error;
        return fromLists(q, signal);
      }
    },
    enabled: q !== "",
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  });

async function fromLists(q: string, signal: AbortSignal): Promise<Hits> {
  const [sessions, rooms] = await Promise.all([
    client.call(listSessions, { query: { q, limit: PER_GROUP, archived: "false" }, signal }),
    client.call(listRooms, { query: { limit: 200 }, signal }),
  ]);
  const none = { snippet: null, session_id: null, thread_id: null, run_id: null };
  const named = rooms.items.filter(({ title }) => title.toLocaleLowerCase().includes(q.toLocaleLowerCase())).slice(0, PER_GROUP);
  return {
    groups: [
      {
        kind: "session",
        more: false,
        items: sessions.items.map(({ id, title, updated_at, room_id }) => ({
          ...none,
          kind: "session",
          id,
          title,
          at: updated_at,
          room_id,
        })),
      },
      {
        kind: "room",
        more: false,
        items: named.map(({ id, title, created_at }) => ({ ...none, kind: "room", id, title, at: created_at, room_id: id })),
      },
    ],
  };
}

/** Where a hit is, down to the message. */
export function hrefOf(hit: SearchHit): string {
  switch (hit.kind) {
    case "session":
      return `/sessions/${hit.id}`;
    case "room":
      return `/rooms/${hit.id}`;
    case "run":
      return `/runs/${hit.id}`;
    case "approval":
      return `/approvals/${hit.id}`;
    case "artifact":
      return `/artifacts/${hit.id}`;
    case "message": {
      if (hit.session_id !== null) return `/sessions/${hit.session_id}?message=${hit.id}`;
      const thread = hit.thread_id === null ? "" : `thread=${hit.thread_id}&`;
      return `/rooms/${hit.room_id ?? ""}?${thread}message=${hit.id}`;
    }
  }
}
