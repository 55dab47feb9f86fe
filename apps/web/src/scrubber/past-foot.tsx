import { buttonLook } from "@signalbox/ui/button";
import { History } from "lucide-react";
import { clockOf, indexOfSeq } from "./reel.ts";
import { timeText } from "./phrase.ts";
import type { Scrub } from "./scrub.ts";
import { useScrubbed } from "./use-scrub.ts";

/** Where one would write or decide, if this were now. */
export function PastFoot<Then>({ scrub, what, isReadOnly = false }: { scrub: Scrub<Then>; what: string; isReadOnly?: boolean }) {
  const time = useScrubbed(scrub, ({ reel, at }) => {
    const i = at === null ? -1 : indexOfSeq(reel, at);
    return i === -1 ? null : timeText(clockOf(reel, i));
  });
  return (
    <p
      role="status"
      className="flex shrink-0 flex-wrap items-center justify-center gap-x-3 gap-y-1.5 border-t border-line bg-sunken px-4 py-2.5 text-sm text-ink-2"
    >
      <History size={15} aria-hidden className="shrink-0 narrow:hidden" />
      <span>
        {what} as it was{time !== null && ` at ${time}`}.{!isReadOnly && " Nothing can be sent or decided in the past."}
      </span>
      <button type="button" className={`${buttonLook({ size: "sm" })} narrow:hidden`} onClick={() => scrub.live()}>
        Back to now
      </button>
    </p>
  );
}
