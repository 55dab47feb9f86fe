/*
 * A window onto one room's stream that always reaches its end: the newest events first, earlier
 * ones page by page on request, and every new one as it is recorded.
 */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import { listEvents, streamRoom } from "@signalbox/contract/log";
import type { RoomId } from "@signalbox/contract/primitives";
import { getRoom } from "@signalbox/contract/rooms";
import { useCallback, useEffect, useState } from "react";
import { client } from "../data/api.ts";

const PAGE = 200;

export interface RoomEvents {
  /** Newest first, without gaps. */
  readonly events: readonly EventEnvelope[];
  readonly isLoading: boolean;
  readonly error: Error | null;
  readonly hasEarlier: boolean;
  loadEarlier(): void;
}

export function useRoomEvents(roomId: RoomId | null): RoomEvents {
  const [events, setEvents] = useState<readonly EventEnvelope[]>([]);
  const [isLoading, setLoading] = useState(true);
  const [error, setError] = useState<Error | null>(null);

  useEffect(() => {
    if (roomId === null) return;
    const left = new AbortController();
    setEvents([]);
    setLoading(true);
    setError(null);
    void (async () => {
      try {
        const room = await client.call(getRoom, { params: { id: roomId }, signal: left.signal });
        const from = Math.max(0, room.last_seq - PAGE);
        const page = await read(roomId, from, left.signal);
        setEvents(page.reverse());
        setLoading(false);
        // Several events often come in one piece; one redraw is enough for all of them.
        let waiting: EventEnvelope[] = [];
        for await (const { data } of client.events(streamRoom, { params: { roomId }, query: { from_seq: page[0]?.seq ?? from }, signal: left.signal })) {
          if (waiting.push(data) === 1) {
            requestAnimationFrame(() => {
              const arrived = waiting.reverse();
              waiting = [];
              if (!left.signal.aborted) setEvents((known) => [...arrived.filter((event) => event.seq > (known[0]?.seq ?? 0)), ...known]);
            });
          }
        }
      } catch (cause) {
        if (left.signal.aborted) return;
        setError(cause instanceof Error ? cause : new Error(String(cause)));
        setLoading(false);
      }
    })();
    return () => left.abort();
  }, [roomId]);

  const first = events.at(-1)?.seq ?? 1;
  const loadEarlier = useCallback(() => {
    if (roomId === null || first <= 1) return;
    void read(roomId, Math.max(0, first - 1 - PAGE)).then(
      (page) => setEvents((known) => [...known, ...page.filter((event) => event.seq < (known.at(-1)?.seq ?? Infinity)).reverse()]),
      (cause: unknown) => setError(cause instanceof Error ? cause : new Error(String(cause))),
    );
  }, [roomId, first]);

  return { events, isLoading, error, hasEarlier: first > 1, loadEarlier };
}

/** Oldest first, from right after `from`. */
async function read(roomId: RoomId, from: number, signal?: AbortSignal): Promise<EventEnvelope[]> {
  const page = await client.call(listEvents, { query: { stream_type: "room", stream_id: roomId, from_seq: from, limit: PAGE }, signal });
  return page.items;
}
