import type { SessionView } from "@signalbox/contract/sessions";
import { useEffect, useState } from "react";
import { openConversation, type ConversationSource, type ConversationStore } from "./conversation-store.ts";
import { sessionSource } from "./session-source.ts";

/** The live conversation of a session, open for as long as the page is. */
export function useLiveConversation({ id, room_id }: Pick<SessionView, "id" | "room_id">): ConversationStore | null {
  const [store, setStore] = useState<ConversationStore | null>(null);
  useEffect(() => {
    const source = sessionSource({ id, room_id });
    const following = openConversation(source);
    // Opened and closed with the page, not with a render: an abandoned render would leave it open.
    // oxlint-disable-next-line react/set-state-in-effect -- the store is the external thing that the effect opens
    setStore(following);
    return () => {
      following.close();
      source.close();
      setStore(null);
    };
  }, [id, room_id]);
  return store;
}

/**
 * The conversation as it was after a seq; the live one for null. While a moment is read the one before it stays on
 * screen, so that dragging through time shows moments and not their loading.
 */
export function useConversationAt(
  live: ConversationStore | null,
  source: ConversationSource | null,
  at: number | null,
): ConversationStore | null {
  const [then, setThen] = useState<ConversationStore | null>(null);
  useEffect(() => {
    if (at === null || source === null) return;
    const store = openConversation(source, at);
    let isShown = false;
    const end = store.subscribe(() => {
      if (isShown || store.get().phase === "loading") return;
      isShown = true;
      setThen((before) => {
        if (before !== store) before?.close();
        return store;
      });
    });
    return () => {
      end();
      if (!isShown) store.close();
    };
  }, [source, at]);
  return at === null ? live : (then ?? live);
}
