/* The timeline of a session, of one's own or shared. */
import type { SessionAt } from "@signalbox/contract/session-history";
import { useQuery } from "@tanstack/react-query";
import { SessionState } from "./state-panel.tsx";
import { Scrubber } from "./scrubber.tsx";
import type { SessionScrub } from "./use-session-scrub.ts";
import { useScrubbed } from "./use-scrub.ts";
import { NOW_MS, useSlowly } from "./use-slowly.ts";

interface Props {
  readonly through: SessionScrub;
  readonly isOver: boolean;
  readonly canOpenChanges: boolean;
}

export function SessionScrubber({ through: { scrub, id, readState }, isOver, canOpenChanges }: Props) {
  const isNow = useScrubbed(scrub, ({ at }) => at === null);
  const then = useScrubbed(scrub, ({ held }) => held?.moment.state ?? null);
  const last = useSlowly(
    useScrubbed(scrub, ({ reel }) => reel.lastSeq),
    NOW_MS,
  );
  const { data: now } = useQuery<SessionAt>({
    queryKey: ["moment", id, last],
    queryFn: ({ signal }) => readState(last, signal),
    enabled: isNow && last > 0,
    staleTime: Number.POSITIVE_INFINITY,
    // Every event makes another one, of everything so far: those that are over would pile up.
    gcTime: 0,
    placeholderData: (before) => before,
  });
  const state = isNow ? now : then;
  return (
    <Scrubber
      scrub={scrub}
      isOver={isOver}
      label="Timeline of the session"
      state={state == null ? null : <SessionState state={state} isNow={isNow} canOpenChanges={canOpenChanges} />}
    />
  );
}
