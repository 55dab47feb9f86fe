import type { RunId } from "@signalbox/contract/primitives";
import { Link } from "@tanstack/react-router";
import { Microscope } from "lucide-react";

/** To everything that is known about the turn: steps, calls, cost, receipt. */
export function InspectLink({ runId, callId }: { runId: RunId; callId?: string }) {
  return (
    <Link
      to="/runs/$runId"
      params={{ runId }}
      search={callId === undefined ? {} : { call: callId }}
      className="flex items-center gap-1 rounded-sm px-1.5 py-0.5 text-ink-2 hover:bg-chosen hover:text-ink"
    >
      <Microscope size={14} aria-hidden /> Inspect
    </Link>
  );
}
