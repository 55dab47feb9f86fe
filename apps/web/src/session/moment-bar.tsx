import { Link } from "@tanstack/react-router";
import { History } from "lucide-react";
import { buttonLook } from "@signalbox/ui/button";

/** Says that what shows is the past, and leads back to now. */
export function MomentBar({ at, lastSeq }: { at: number; lastSeq: number | null }) {
  return (
    <p role="status" className="flex shrink-0 items-center gap-2.5 border-b border-line bg-sunken px-4 py-1.5 text-sm text-ink-2">
      <History size={15} aria-hidden className="shrink-0" />
      <span className="min-w-0 flex-1">
        As it was after event {at.toLocaleString()}
        {lastSeq !== null && ` of ${lastSeq.toLocaleString()}`}. Nothing can be said or decided here.
      </span>
      <Link to="." search={(previous) => ({ ...previous, at: undefined })} replace className={buttonLook({ size: "sm" })}>
        Back to now
      </Link>
    </p>
  );
}
