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
  // Named after its room, so that another room's events never show, not even for one frame.
  const [read_, setRead] = useState<{ roomId: RoomId | null; events: readonly EventEnvelope[]; error: Error | null }>({
    roomId: null,
    events: [],
    error: null,
  });
  const current = read_.roomId === roomId ? read_ : null;

  useEffect(() => {
    if (roomId === null) return;
    const left = new AbortController();
    const fail = (cause: unknown): void =>
      setRead((known) => ({
        roomId,
        events: known.roomId === roomId ? known.events : [],
        error: cause instanceof Error ? cause : new Error(String(cause)),
      }));
    void (async () => {
      try {
        const room = await client.call(getRoom, { params: { id: roomId }, signal: left.signal });
        const from = Math.max(0, room.last_seq - PAGE);
        const page = await read(roomId, from, left.signal);
        setRead({ roomId, events: page.toReversed(), error: null });
        // Several events often come in one piece; one redraw is enough for all of them.
        let waiting: EventEnvelope[] = [];
        for await (const { data } of client.events(streamRoom, {
          params: { roomId },
          query: { from_seq: page.at(-1)?.seq ?? from },
          signal: left.signal,
        })) {
          if (waiting.push(data) === 1) {
            requestAnimationFrame(() => {
              const arrived = waiting.reverse();
              waiting = [];
              if (!left.signal.aborted)
                setRead((known) => ({
                  ...known,
                  events: [...arrived.filter((event) => event.seq > (known.events[0]?.seq ?? 0)), ...known.events],
                }));
            });
          }
        }
      } catch (cause) {
        if (!left.signal.aborted) fail(cause);
      }
    })();
    return () => left.abort();
  }, [roomId]);

  const first = current?.events.at(-1)?.seq ?? 1;
  const loadEarlier = useCallback(() => {
    if (roomId === null || first <= 1) return;
    void read(roomId, Math.max(0, first - 1 - PAGE)).then(
      (page) =>
        setRead((known) =>
          known.roomId === roomId
            ? { ...known, events: [...known.events, ...page.filter((event) => event.seq < first).toReversed()] }
            : known,
        ),
      (cause: unknown) => setRead((known) => ({ ...known, error: cause instanceof Error ? cause : new Error(String(cause)) })),
    );
  }, [roomId, first]);

  return { events: current?.events ?? [], isLoading: current === null, error: current?.error ?? null, hasEarlier: first > 1, loadEarlier };
}

/** Oldest first, from right after `from`. */
async function read(roomId: RoomId, from: number, signal?: AbortSignal): Promise<EventEnvelope[]> {
  const page = await client.call(listEvents, { query: { stream_type: "room", stream_id: roomId, from_seq: from, limit: PAGE }, signal });
  return page.items;
}
