import type { ChangedFile } from "./rows.ts";

const LETTER = { added: "A", modified: "M", deleted: "D", renamed: "R" } as const;
const TONE = { added: "text-clear-ink", modified: "text-moving-ink", deleted: "text-danger-ink", renamed: "text-ink-2" } as const;

export function StatusLetter({ status }: { status: ChangedFile["status"] }) {
  return (
    <span className={`w-3 shrink-0 text-center font-mono text-sm font-semibold ${TONE[status]}`} title={status}>
      <span aria-hidden>{LETTER[status]}</span>
      <span className="sr-only">{status}</span>
    </span>
  );
}

export function LineCounts({ additions, deletions }: { additions: number; deletions: number }) {
  return (
    <span className="shrink-0 text-plate whitespace-nowrap tabular-nums">
      <span className="text-clear-ink">+{additions.toLocaleString()}</span>{" "}
      <span className="text-danger-ink">−{deletions.toLocaleString()}</span>
    </span>
  );
}
