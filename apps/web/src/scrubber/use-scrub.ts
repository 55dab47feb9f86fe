import { toast } from "@signalbox/ui/toasts";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useEffectEvent, useState, useSyncExternalStore } from "react";
import { createScrub, type Scrub, type Scrubbed, type Subject } from "./scrub.ts";

/** For a component that lives as long as one subject is shown. The moment is in the address, as `at`. */
export function useScrub<Then>(subject: Subject<Then>, at: number | null, head: number): Scrub<Then> {
  const navigate = useNavigate();
  const onAddress = useEffectEvent((next: number | null, kind: "push" | "replace") => {
    void navigate({ to: ".", search: (previous: object) => ({ ...previous, at: next ?? undefined }), replace: kind === "replace" });
  });
  const [scrub] = useState(() => {
    const isStill = window.matchMedia("(prefers-reduced-motion: reduce)");
    return createScrub({
      subject,
      at,
      isStill: () => isStill.matches,
      onAddress: (next, kind) => onAddress(next, kind),
      onAhead: (asked, last) =>
        toast(`The link names event ${asked.toLocaleString()}; there are ${last.toLocaleString()} so far. This is how it stands now.`),
    });
  });
  useEffect(() => scrub.open(), [scrub]);
  useEffect(() => scrub.fromAddress(at), [scrub, at]);
  useEffect(() => scrub.grow(head), [scrub, head]);
  return scrub;
}

export function useScrubbed<Then, T>(scrub: Scrub<Then>, pick: (state: Scrubbed<Then>) => T): T {
  return useSyncExternalStore(scrub.subscribe, () => pick(scrub.get()));
}
