import { History } from "lucide-react";

/** Said in panes that know only the present, while the rest of the page shows the past. */
export function NowNote({ what }: { what: string }) {
  return (
    <p className="flex shrink-0 items-center gap-2 border-b border-line bg-sunken px-4 py-1.5 text-sm text-ink-2">
      <History size={14} aria-hidden className="shrink-0" />
      {what}
    </p>
  );
}
