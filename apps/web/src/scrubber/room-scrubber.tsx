/* The timeline of a room, and in the past what had been said there by then. */
import type { RoomId } from "@signalbox/contract/primitives";
import type { RoomAt } from "@signalbox/contract/session-history";
import type { SyncUpdate } from "@signalbox/contract/sync";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState, type ReactNode } from "react";
import { sync } from "../data/api.ts";
import { RoomThen } from "./room-then.tsx";
import { Scrubber } from "./scrubber.tsx";
import { roomSubject } from "./sources.ts";
import { RoomState } from "./state-panel.tsx";
import { useScrub, useScrubbed } from "./use-scrub.ts";
import { NOW_MS, useSlowly } from "./use-slowly.ts";

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
  const last = useSlowly(
    useScrubbed(scrub, ({ reel }) => reel.lastSeq),
    NOW_MS,
  );
  const { data: now } = useQuery<RoomAt>({
    queryKey: ["moment", room.id, last],
    queryFn: ({ signal }) => subject.moment(last, signal),
    enabled: isNow && last > 0,
    staleTime: Number.POSITIVE_INFINITY,
    // Every event makes another one, of everything so far: those that are over would pile up.
    gcTime: 0,
    placeholderData: (before) => before,
  });
  const state = isNow ? now : then;
  return (
    <>
      <Scrubber
        scrub={scrub}
        isOver={false}
        label="Timeline of the room"
        state={state == null ? null : <RoomState state={state} isNow={isNow} />}
      />
      {isNow || then === null ? children : <RoomThen scrub={scrub} roomId={room.id} then={then} thread={thread} />}
    </>
  );
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
