import type { SessionView } from "@signalbox/contract/sessions";
import { useEffect, useState, useSyncExternalStore } from "react";
import { EMPTY } from "./conversation.ts";
import { followConversation, type ConversationStore, type ConversationView } from "./conversation-store.ts";

const WAITING: ConversationView = { conversation: EMPTY, phase: "loading", error: null };
const none = (): (() => void) => () => undefined;

/** The conversation of the session on screen; changes when something is said. */
export function useConversation({
  id,
  room_id,
}: Pick<SessionView, "id" | "room_id">): ConversationView & { store: ConversationStore | null } {
  const [store, setStore] = useState<ConversationStore | null>(null);
  useEffect(() => {
    const following = followConversation({ id, room_id });
    // Opened and closed with the page, not with a render: an abandoned render would leave it open.
    // oxlint-disable-next-line react/set-state-in-effect -- the store is the external thing that the effect opens
    setStore(following);
    return () => {
      following.close();
      setStore(null);
    };
  }, [id, room_id]);
  const view = useSyncExternalStore(store?.subscribe ?? none, store?.get ?? (() => WAITING));
  return { ...view, store };
}
