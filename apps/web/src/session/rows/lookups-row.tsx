import { duration } from "@signalbox/ui/format";
import { Lamp } from "@signalbox/ui/lamp";
import { ChevronRight, FolderSearch } from "lucide-react";
import type { ToolCallItem } from "../item-of-event.ts";
import { headline, lookUpSummary } from "../tool-look.ts";
import { OnTrack } from "./on-track.tsx";
import { useOpen } from "./row-context.ts";
import { ToolCall } from "./tool-call.tsx";

/** Look-ups that followed one another, as one line. */
export function LookUps({ id, calls }: { id: string; calls: readonly ToolCallItem[] }) {
  const [isOpen, setOpen] = useOpen(id);
  const isMoving = calls.some(({ status }) => status === "invoked");
  const tookMs = calls.reduce((sum, call) => sum + (call.duration_ms ?? 0), 0);
  const last = calls.at(-1)!;
  return (
    <OnTrack tight>
      <div className={`rounded-md border ${isOpen ? "border-line bg-panel" : "border-transparent"}`}>
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
          className="flex w-full items-center gap-2.5 rounded-md px-2.5 py-1 text-left text-sm -outline-offset-2 hover:bg-panel"
        >
          <FolderSearch size={15} aria-hidden className="shrink-0 text-ink-3" />
          <span className="clamp-1 min-w-0 flex-1">
            <span className="font-semibold text-ink-2">{lookUpSummary(calls.map(({ name }) => name))}</span>
            {!isOpen && <span className="ml-2 font-mono text-ink-3">{headline(last.title, last.arguments)}</span>}
          </span>
          {isMoving && <Lamp state="moving" size="sm" />}
          <span className="shrink-0 text-ink-3">{duration(tookMs)}</span>
          <ChevronRight size={14} aria-hidden className={`shrink-0 text-ink-3 transition-transform ${isOpen ? "rotate-90" : ""}`} />
        </button>
        {isOpen && (
          <ol className="border-t border-line py-1 pl-3" aria-label="Look-ups">
            {calls.map((call) => (
              <li key={call.id}>
                <ToolCall call={call} />
              </li>
            ))}
          </ol>
        )}
      </div>
    </OnTrack>
  );
}
