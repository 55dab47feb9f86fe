import { ago, clock } from "./format.ts";
import { useNow } from "./now.ts";

/** When it was: how long ago, or the time of day to the second; the exact moment one hover away. */
export function Timestamp({ at, exact = false, className = "" }: { at: string; exact?: boolean; className?: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()} className={`whitespace-nowrap tabular-nums ${className}`}>
      {exact ? clock(at) : ago(at, now)}
    </time>
  );
}
