/*
 * The register of the session's room: newest first, earlier pages on request, new ones as the conversation's own feed
 * brings them (no second stream). Searching reads back by itself until the beginning, a page at a time.
 */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import { listEvents } from "@signalbox/contract/log";
import type { RoomId } from "@signalbox/contract/primitives";
import { getRoom } from "@signalbox/contract/rooms";
import { useCallback, useEffect, useRef, useState } from "react";
import { client } from "../../../data/api.ts";
import type { ConversationStore } from "../../conversation-store.ts";

const PAGE = 200;

export interface PaneEvents {
  /** Newest first, without gaps. */
  readonly events: readonly EventEnvelope[];
  readonly phase: "loading" | "ready" | "failed";
  readonly error: Error | null;
  readonly hasEarlier: boolean;
  readonly isReading: boolean;
  loadEarlier(): void;
  retry(): void;
}

export function usePaneEvents(roomId: RoomId, conversation: ConversationStore): PaneEvents {
  const [events, setEvents] = useState<readonly EventEnvelope[]>([]);
  const [phase, setPhase] = useState<PaneEvents["phase"]>("loading");
  const [error, setError] = useState<Error | null>(null);
  const [isReading, setReading] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const busy = useRef(false);

  useEffect(() => {
    const left = new AbortController();
    let waiting: EventEnvelope[] = [];
    let frame = 0;
    let known: readonly EventEnvelope[] | null = null;
    const show = (next: readonly EventEnvelope[]): void => {
      known = next;
      setEvents(next);
    };
    const take = (): void => {
      frame = 0;
      if (known === null) return;
      const arrived = waiting;
      waiting = [];
      setEvents((before) => {
        const newest = before[0]?.seq ?? 0;
        const fresh = arrived.filter(({ seq }) => seq > newest).sort((a, b) => b.seq - a.seq);
        return fresh.length === 0 ? before : [...fresh, ...before];
      });
    };
    // Many come in one piece; one drawing is enough for all of them. What comes before the first page waits for it.
    const end = conversation.onEvent((event) => {
      waiting.push(event);
      frame ||= requestAnimationFrame(take);
    });
    void (async () => {
      try {
        const { last_seq: last } = await client.call(getRoom, { params: { id: roomId }, signal: left.signal });
        const page = await read(roomId, Math.max(0, last - PAGE), left.signal);
        show(page.toReversed());
        take();
        setPhase("ready");
        setError(null);
      } catch (cause) {
        if (left.signal.aborted) return;
        setError(cause instanceof Error ? cause : new Error(String(cause)));
        setPhase("failed");
      }
    })();
    return () => {
      left.abort();
      end();
      cancelAnimationFrame(frame);
    };
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- `attempt` is how a reader asks for it anew
  }, [roomId, conversation, attempt]);

  const first = events.at(-1)?.seq ?? 1;
  const loadEarlier = useCallback(() => {
    if (first <= 1 || busy.current) return;
    busy.current = true;
    setReading(true);
    read(roomId, Math.max(0, first - 1 - PAGE))
      .then(
        (page) => {
          setError(null);
          setEvents((before) => [...before, ...page.filter(({ seq }) => seq < (before.at(-1)?.seq ?? 0)).toReversed()]);
        },
        (cause: unknown) => setError(cause instanceof Error ? cause : new Error(String(cause))),
      )
      .finally(() => {
        busy.current = false;
        setReading(false);
      });
  }, [roomId, first]);
  return {
    events,
    phase,
    error,
    hasEarlier: first > 1,
    isReading,
    loadEarlier,
    retry: () => {
      setPhase("loading");
      setAttempt(attempt + 1);
    },
  };
}

/** Oldest first, from right after `from`. */
async function read(roomId: RoomId, from: number, signal?: AbortSignal): Promise<EventEnvelope[]> {
  const page = await client.call(listEvents, { query: { stream_type: "room", stream_id: roomId, from_seq: from, limit: PAGE }, signal });
  return page.items;
}
