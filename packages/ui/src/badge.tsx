import type { ReactNode } from "react";
import { Lamp, type LampState } from "./lamp.tsx";

export type BadgeTone = "plain" | "wants" | "clear" | "danger" | "moving";

const LOOK: Record<BadgeTone, string> = {
  plain: "border-line bg-sunken text-ink-2",
  wants: "border-signal-line bg-signal-wash text-signal-ink",
  clear: "border-transparent bg-clear-wash text-clear-ink",
  danger: "border-danger-line bg-danger-wash text-danger-ink",
  moving: "border-line bg-transparent text-moving-ink",
};

/** A word about what it stands beside. `wants` only for what waits for a person. */
export function Badge({ tone = "plain", icon, children }: { tone?: BadgeTone; icon?: ReactNode; children: ReactNode }) {
  return (
    <span className={`inline-flex max-w-full items-center gap-1 rounded-full border px-2 text-plate font-semibold ${LOOK[tone]}`}>
      {icon}
      <span className="clamp-1">{children}</span>
    </span>
  );
}

/** How many wait: lit, and read out as a number of something. */
export function CountBadge({ count, of }: { count: number; of: string }) {
  if (count === 0) return null;
  return (
    <span className="inline-block min-w-5 rounded-full bg-signal px-1.5 text-center text-plate font-bold text-on-signal">
      {count > 99 ? "99+" : count}
      <span className="sr-only"> {of}</span>
    </span>
  );
}

const WORD: Record<LampState, string> = {
  wants: "text-signal-ink",
  moving: "text-ink",
  clear: "text-ink-2",
  danger: "text-danger-ink",
  dark: "text-ink-3",
};

/** The lamp and its word, always together: colour is never the only sign. */
export function Status({ state, children }: { state: LampState; children: ReactNode }) {
  return (
    <span className={`inline-flex items-center gap-2 text-sm font-medium whitespace-nowrap ${WORD[state]}`}>
      <Lamp state={state} size="sm" />
      {children}
    </span>
  );
}
