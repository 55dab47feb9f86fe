import type { EventEnvelope } from "@signalbox/contract/envelope";
import { useEffect, useEffectEvent } from "react";
import type { ConversationStore } from "../conversation-store.ts";

/** Hears of every event of the session's room as it arrives. */
export function useRoomEvent(conversation: ConversationStore, hear: (event: EventEnvelope) => void): void {
  const onEvent = useEffectEvent(hear);
  useEffect(() => conversation.onEvent((event) => onEvent(event)), [conversation]);
}
