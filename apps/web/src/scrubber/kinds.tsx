/* Which marks the strip shows, and the way from one of a kind to the next. */
import { IconButton } from "@signalbox/ui/button";
import { Checkbox } from "@signalbox/ui/checkbox";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { MARK_WORDS } from "./phrase.ts";
import { indexOfSeq, MARKS, type Mark } from "./reel.ts";
import { around, type Scrub } from "./scrub.ts";
import { useScrubbed } from "./use-scrub.ts";

export function Kinds<Then>({ scrub }: { scrub: Scrub<Then> }) {
  const { reel, hidden, at } = useScrubbed(scrub, (state) => state);
  const index = at === null ? reel.length - 1 : indexOfSeq(reel, at);
  const walk = (mark: Mark, by: 1 | -1): void => {
    scrub.setWalked(mark);
    scrub.walk(mark, by);
  };
  return (
    <ul className="space-y-0.5">
      {MARKS.map((mark, i) => {
        const { many, one } = MARK_WORDS[mark];
        const is = around(reel, index, mark);
        return (
          <li key={mark} className="flex items-center gap-2">
            <span className="min-w-0 flex-1">
              <Checkbox
                label={many}
                checked={!hidden.has(mark)}
                onChange={(shown) =>
                  scrub.setHidden(shown ? new Set([...hidden].filter((each) => each !== mark)) : new Set([...hidden, mark]))
                }
              />
            </span>
            <span className="text-sm text-ink-3 tabular-nums">{reel.counts[i]!.toLocaleString()}</span>
            <span className="flex">
              <IconButton label={`Previous ${one}`} disabled={!is.before} onClick={() => walk(mark, -1)}>
                <ChevronLeft size={15} />
              </IconButton>
              <IconButton label={`Next ${one}`} disabled={!is.after} onClick={() => walk(mark, 1)}>
                <ChevronRight size={15} />
              </IconButton>
            </span>
          </li>
        );
      })}
    </ul>
  );
}
