/* The timeline of a room, and in the past what had been said there by then. */
import type { RoomId } from "@signalbox/contract/primitives";
import type { RoomAt } from "@signalbox/contract/session-history";
import type { SyncUpdate } from "@signalbox/contract/sync";
import { Skeleton } from "@signalbox/ui/placeholder";
import { useEffect, useState, type ReactNode } from "react";
import { sync } from "../data/api.ts";
import { RoomThen } from "./room-then.tsx";
import type { Scrub, Subject } from "./scrub.ts";
import { Scrubber } from "./scrubber.tsx";
import { roomSubject } from "./sources.ts";
import { RoomState } from "./state-panel.tsx";
import { useNowState } from "./use-now-state.ts";
import { useScrub, useScrubbed } from "./use-scrub.ts";

interface Props {
  readonly room: { readonly id: RoomId; readonly last_seq: number };
  readonly at: number | null;
  /** The thread that is chosen, as the address has it. */
  readonly thread: string | undefined;
  /** The room as it is now. */
  readonly children: ReactNode;
}

/** For a component that lives as long as one room is shown. */
export function RoomScrubber({ room, at, thread, children }: Props) {
  const [subject] = useState(() => roomSubject(room.id));
  const scrub = useScrub(subject, at, useHead(room));
  const isNow = useScrubbed(scrub, ({ at }) => at === null);
  const then = useScrubbed(scrub, ({ held }) => held?.moment ?? null);
  return (
    <>
      <Scrubber
        scrub={scrub}
        isOver={false}
        label="Timeline of the room"
        state={<State scrub={scrub} subject={subject} roomId={room.id} />}
      />
      {isNow || then === null ? children : <RoomThen scrub={scrub} roomId={room.id} then={then} thread={thread} />}
    </>
  );
}

/** Mounted while it is on screen, and only then read. */
function State({ scrub, subject, roomId }: { scrub: Scrub<RoomAt>; subject: Subject<RoomAt>; roomId: RoomId }) {
  const isNow = useScrubbed(scrub, ({ at }) => at === null);
  const then = useScrubbed(scrub, ({ held }) => held?.moment ?? null);
  const now = useNowState(scrub, roomId, subject.moment);
  const state = isNow ? now : then;
  return state == null ? <Skeleton rows={3} className="my-1 h-5" /> : <RoomState state={state} isNow={isNow} />;
}

/** Seq of the newest event that is known to be in the room. */
function useHead({ id, last_seq: known }: Props["room"]): number {
  const [told, setTold] = useState(known);
  useEffect(
    () =>
      sync.subscribe(`room:${id}`, {
        onUpdate: ({ payload }: SyncUpdate) => setTold((payload as { seq: number }).seq),
        // The room's own query is read anew whenever it matters, and knows the head too.
        onStale: () => undefined,
      }),
    [id],
  );
  return Math.max(told, known);
}
