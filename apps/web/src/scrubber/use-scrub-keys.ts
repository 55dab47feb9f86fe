import { useShortcuts, type Shortcut } from "../frame/shortcuts.ts";
import { MARK_WORDS } from "./phrase.ts";
import type { Scrub } from "./scrub.ts";
import { useScrubbed } from "./use-scrub.ts";

/** Home, End and Escape mean something else on a page that shows the present: there they stay what they are. */
export function useScrubKeys<Then>(scrub: Scrub<Then>, fold: () => void): void {
  const isThen = useScrubbed(scrub, ({ at }) => at !== null);
  const walked = useScrubbed(scrub, ({ walked }) => walked);
  const kind = MARK_WORDS[walked].one;
  const always: readonly Shortcut[] = [
    { keys: " ", label: "Play or pause the timeline", run: () => scrub.toggle() },
    { keys: "ArrowLeft", label: "One event back in time", run: () => scrub.step(-1) },
    { keys: "ArrowRight", label: "One event on", run: () => scrub.step(1) },
    { keys: "Shift+ArrowLeft", label: "Back to the prompt before", run: () => scrub.walk("prompt", -1) },
    { keys: "Shift+ArrowRight", label: "On to the next prompt", run: () => scrub.walk("prompt", 1) },
    { keys: "<", label: `Back to the ${kind} before`, run: () => scrub.walk(walked, -1) },
    { keys: ">", label: `On to the next ${kind}`, run: () => scrub.walk(walked, 1) },
    { keys: "t", label: "Fold or open the timeline", run: fold },
    { keys: "l", label: "Jump to live", run: () => scrub.live() },
  ];
  const past: readonly Shortcut[] = [
    { keys: "Home", label: "To the first event", run: () => scrub.first() },
    { keys: "End", label: "To the newest event: live", run: () => scrub.live() },
    { keys: "Escape", label: "Back from the past to live", run: () => scrub.live() },
  ];
  useShortcuts(isThen ? [...always, ...past] : always);
}
