/*
 * Where a session's timeline goes: under the header on a wide screen, above the composer on a phone. The moment is in
 * the address (`at`, a seq of the room), so that every moment can be linked to; null is now.
 */
import type { SessionView } from "@signalbox/contract/sessions";
import { useNavigate } from "@tanstack/react-router";
import type { ConversationStore } from "./conversation-store.ts";
import { MomentBar } from "./moment-bar.tsx";

export interface TimelineSlotProps {
  readonly session: SessionView;
  /** The live conversation: its events say how far the timeline goes. */
  readonly conversation: ConversationStore;
  readonly at: number | null;
  readonly lastSeq: number;
  onMove(at: number | null): void;
}

export function TimelineSlot({ at, lastSeq }: TimelineSlotProps) {
  return at === null ? null : <MomentBar at={at} lastSeq={lastSeq} />;
}

/** Moves through time by the address; a drag replaces its own entries in the history. */
export function useMove(): (at: number | null) => void {
  const navigate = useNavigate();
  return (at) => void navigate({ to: ".", search: (previous) => ({ ...previous, at: at ?? undefined }), replace: true });
}
