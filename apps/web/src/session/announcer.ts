/* What a screen reader hears of a session: what was said and what is wanted, when it is complete; never single words. */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import type { AnyEvent } from "@signalbox/contract/events";
import { announce } from "@signalbox/ui/live-region";
import { useEffect } from "react";
import type { ConversationStore } from "./conversation-store.ts";

const CHARS = 240;
const short = (text: string): string => (text.length > CHARS ? `${text.slice(0, CHARS)}…` : text);

export function announcementOf(envelope: Pick<EventEnvelope, "type" | "data" | "principal">): string | null {
  const { type, data } = { type: envelope.type, data: envelope.data } as AnyEvent;
  switch (type) {
    case "message.created":
      return envelope.principal.type === "agent" ? `The agent says: ${short(data.content_md ?? "a long text")}` : null;
    case "approval.requested":
      return `Needs your approval: ${data.title}`;
    case "question.asked":
      return `The agent asks: ${short(data.text)}`;
    case "run.completed":
      return "The turn is complete";
    case "run.failed":
      return `The turn failed: ${short(data.message)}`;
    case "session.failed":
      return `The session failed: ${short(data.message)}`;
    default:
      return null;
  }
}

export function useAnnouncements(store: ConversationStore | null): void {
  useEffect(
    () =>
      store?.onEvent((envelope) => {
        const text = announcementOf(envelope);
        if (text !== null) announce(text);
      }),
    [store],
  );
}
