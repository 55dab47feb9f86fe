/* The timeline of a session, of one's own or shared. */
import { Skeleton } from "@signalbox/ui/placeholder";
import { Scrubber } from "./scrubber.tsx";
import { SessionState } from "./state-panel.tsx";
import { useNowState } from "./use-now-state.ts";
import { useScrubbed } from "./use-scrub.ts";
import type { SessionScrub } from "./use-session-scrub.ts";

interface Props {
  readonly through: SessionScrub;
  readonly isOver: boolean;
  readonly canOpenChanges: boolean;
}

export function SessionScrubber({ through, isOver, canOpenChanges }: Props) {
  return (
    <Scrubber
      scrub={through.scrub}
      isOver={isOver}
      label="Timeline of the session"
      state={<State through={through} canOpenChanges={canOpenChanges} />}
    />
  );
}

/** Mounted while it is on screen, and only then read. */
function State({ through: { scrub, id, readState }, canOpenChanges }: Pick<Props, "through" | "canOpenChanges">) {
  const isNow = useScrubbed(scrub, ({ at }) => at === null);
  const then = useScrubbed(scrub, ({ held }) => held?.moment.state ?? null);
  const now = useNowState(scrub, id, readState);
  const state = isNow ? now : then;
  if (state == null) return <Skeleton rows={3} className="my-1 h-5" />;
  return <SessionState state={state} isNow={isNow} canOpenChanges={canOpenChanges} />;
}
