import { duration } from "@signalbox/ui/format";
import { Lamp } from "@signalbox/ui/lamp";
import { ChevronRight } from "lucide-react";
import { OnTrack } from "./on-track.tsx";
import { useOpen } from "./row-context.ts";

/** What the agent said to itself: one line, opening to all of it. */
export function Thought({
  id,
  text,
  tookMs = null,
  isLive = false,
}: {
  id: string;
  text: string;
  tookMs?: number | null;
  isLive?: boolean;
}) {
  const [isOpen, setOpen] = useOpen(id);
  return (
    <OnTrack tight node={isLive ? <Lamp state="moving" /> : undefined}>
      <div className="text-sm text-ink-3">
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
          className="flex w-full items-center gap-2 rounded-md px-2.5 py-1 text-left -outline-offset-2 hover:bg-panel"
        >
          <span className="font-semibold whitespace-nowrap">
            {isLive ? "Thinking" : tookMs !== null && tookMs >= 1_000 ? `Thought for ${duration(tookMs)}` : "Thought"}
          </span>
          <span className="clamp-1 min-w-0 flex-1 italic">{isLive ? newestLine(text) : firstLine(text)}</span>
          <ChevronRight size={14} aria-hidden className={`shrink-0 transition-transform ${isOpen ? "rotate-90" : ""}`} />
        </button>
        {isOpen && <p className="max-h-[60dvh] overflow-y-auto px-2.5 py-1 whitespace-pre-wrap text-ink-2">{text}</p>}
      </div>
    </OnTrack>
  );
}

/** The newest line while it thinks, the first once it has: that is what each is about. */
const newestLine = (text: string): string => {
  const said = text.trimEnd();
  return said.slice(said.lastIndexOf("\n") + 1);
};
const firstLine = (text: string): string => {
  const said = text.trimStart();
  const end = said.indexOf("\n");
  return end === -1 ? said : said.slice(0, end);
};
