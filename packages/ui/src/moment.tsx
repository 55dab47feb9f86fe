import { ago } from "./format.ts";
import { useNow } from "./now.ts";

/** How long ago, with the exact time one hover away. */
export function Moment({ at, className = "" }: { at: string; className?: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()} className={className}>
      {ago(at, now)}
    </time>
  );
}
