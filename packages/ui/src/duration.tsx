import { duration } from "./format.ts";
import { useNow } from "./now.ts";

/** How long it took; counts on while it has no end. A clock that runs behind never makes it negative. */
export function Duration({ from, to, className = "" }: { from: string; to: string | null; className?: string }) {
  return (
    <span className={`whitespace-nowrap tabular-nums ${className}`}>
      {to === null ? <Running from={from} /> : duration(Math.max(0, Date.parse(to) - Date.parse(from)))}
    </span>
  );
}

function Running({ from }: { from: string }) {
  const ms = Math.max(0, useNow() - Date.parse(from));
  return duration(Math.floor(ms / 1_000) * 1_000);
}
