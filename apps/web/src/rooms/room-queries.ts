/* What the rooms pages read, and how they stay fresh: the room's own stream says that something happened. */
import { streamRoom } from "@signalbox/contract/log";
import { listPrincipals } from "@signalbox/contract/identity";
import type { MessageId, RoomId, ThreadId } from "@signalbox/contract/primitives";
import { readRoom } from "@signalbox/contract/room-reading";
import { getRoom, listMembers, listMessages, listRooms, listThreads } from "@signalbox/contract/rooms";
import { listRuns } from "@signalbox/contract/runs";
import { searchRoom } from "@signalbox/contract/search";
import type { Output } from "@signalbox/contract/route";
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { client, queries } from "../data/api.ts";

export type Room = Output<typeof getRoom>;
export type Thread = Output<typeof listThreads>["items"][number];
export type Message = Output<typeof listMessages>["items"][number];
export type Member = Output<typeof listMembers>["items"][number];

const GUARD_MS = 15_000;
const SETTLE_MS = 150;
const PAGE = 50;

export interface RoomFilter {
  readonly q?: string | undefined;
  readonly archived?: boolean | undefined;
  readonly kind: "discussion" | "session";
}

export const roomListQuery = ({ q, archived = false, kind }: RoomFilter) =>
  infiniteQueryOptions({
    queryKey: ["rooms", "list", kind, q ?? "", archived],
    queryFn: ({ pageParam, signal }) =>
      client.call(listRooms, {
        query: {
          limit: PAGE,
          kind,
          order: "activity",
          archived: archived ? "true" : "false",
          ...(q === undefined ? {} : { q }),
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

export const roomQuery = (id: RoomId) =>
  queryOptions({ queryKey: ["room", id], queryFn: ({ signal }) => client.call(getRoom, { params: { id }, signal }) });

export const threadsQuery = (id: RoomId) =>
  queryOptions({
    queryKey: ["room", id, "threads"],
    queryFn: ({ signal }) => client.call(listThreads, { params: { id }, query: { limit: 200 }, signal }),
    select: (page) => page.items,
  });

export const membersQuery = (id: RoomId) =>
  queryOptions({
    queryKey: ["room", id, "members"],
    queryFn: ({ signal }) => client.call(listMembers, { params: { id }, signal }),
    select: (page) => page.items,
  });

export const principalsQuery = queryOptions({
  queryKey: ["principals"],
  queryFn: ({ signal }) => client.call(listPrincipals, { query: { limit: 200 }, signal }),
  staleTime: 60_000,
});

/** Newest page first, earlier ones on request; shown oldest first. A link to a message begins around it. */
export const messagesQuery = (roomId: RoomId, threadId: ThreadId, around: MessageId | null) =>
  infiniteQueryOptions({
    queryKey: ["room", roomId, "messages", threadId, around],
    queryFn: async ({ pageParam, signal }) => {
      const params = { id: threadId };
      if (pageParam === "" && around !== null) {
        const page = await client.call(listMessages, { params, query: { limit: PAGE, around }, signal });
        return { items: page.items, earlier: page.prev_cursor, later: page.next_cursor };
      }
      const page = await client.call(listMessages, {
        params,
        query: { limit: PAGE, order: "newest", ...(pageParam === "" ? {} : { cursor: pageParam }) },
        signal,
      });
      return { items: page.items.toReversed(), earlier: page.next_cursor, later: null };
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.earlier,
    select: (data) => ({ messages: data.pages.toReversed().flatMap((page) => page.items), endsEarly: data.pages[0]?.later != null }),
  });

// Not in the loop below: minified they would stand right behind `for await (…)`, where Vite's lexer takes `/` for a division.
const OF_RUNS = /^(run|approval)\./;
const OF_ROOM = /^(message|thread|room)\./;

/** For a component that lives as long as one room is shown. Reads what changed, a moment after the room said so: a burst of events is one reading. */
export function useRoomFeed(room: Pick<Room, "id" | "last_seq">): void {
  const id = room.id;
  // Where the feed began; a newer head is no reason to begin again.
  const from = useRef(room.last_seq);
  useEffect(() => {
    const left = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const follow = async (): Promise<void> => {
      for await (const { data } of client.events(streamRoom, {
        params: { roomId: id },
        query: { from_seq: from.current },
        signal: left.signal,
      })) {
        if (OF_RUNS.test(data.type)) void queries.invalidateQueries({ queryKey: ["room-runs", id] });
        if (!OF_ROOM.test(data.type)) continue;
        timer ??= setTimeout(() => {
          timer = undefined;
          void queries.invalidateQueries({ queryKey: ["room", id] });
          void queries.invalidateQueries({ queryKey: ["rooms"] });
        }, SETTLE_MS);
      }
    };
    // Refused (taken out of the room, signed out): the page's own readings say so better than this could.
    void follow().catch(() => void queries.invalidateQueries({ queryKey: ["room", id] }));
    return () => {
      left.abort();
      clearTimeout(timer);
    };
  }, [id]);
}

/** One thread up to `seq`: what was said in the room's others has not been seen by that. */
export async function markRead(room: RoomId, thread: ThreadId, seq: number): Promise<void> {
  await client.call(readRoom, { params: { id: room }, body: { seq, thread_id: thread } });
  void queries.invalidateQueries({ queryKey: ["rooms"] });
  void queries.invalidateQueries({ queryKey: ["room", room, "threads"] });
}

const SHOWN_RUNS = 20;
/** What engines do and did in the room, newest first. */
export const roomRunsQuery = (id: RoomId) =>
  queryOptions({
    queryKey: ["room-runs", id],
    queryFn: ({ signal }) => client.call(listRuns, { query: { room_id: id, limit: SHOWN_RUNS }, signal }),
    select: (page) => page.items,
    refetchInterval: GUARD_MS,
  });

export const roomSearchQuery = (id: RoomId, q: string) =>
  queryOptions({
    queryKey: ["room", id, "search", q],
    queryFn: ({ signal }) => client.call(searchRoom, { params: { id }, query: { q, limit: 50 }, signal }),
    select: ({ items }) => items,
    enabled: q !== "",
    placeholderData: (previous) => previous,
  });
