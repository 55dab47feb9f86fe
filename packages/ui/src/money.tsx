import { money } from "./format.ts";

/** What it cost, in dollars; the exact figure one hover away. */
export function Money({ microUsd, className = "" }: { microUsd: number; className?: string }) {
  return (
    <span title={`$${(microUsd / 1_000_000).toFixed(6)}`} className={`whitespace-nowrap tabular-nums ${className}`}>
      {money(microUsd)}
    </span>
  );
}
