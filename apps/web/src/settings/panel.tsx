import type { ReactNode } from "react";

/** A part of a settings page, with its name. */
export function Panel({ title, note, actions, children }: { title: string; note?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  return (
    <section aria-label={title} className="rounded-lg border border-line bg-panel">
      <header className="flex flex-wrap items-start gap-x-4 gap-y-2 border-b border-line px-5 py-3">
        <div className="min-w-0 flex-1 basis-60">
          <h2 className="font-semibold">{title}</h2>
          {note !== undefined && <p className="text-sm text-ink-2">{note}</p>}
        </div>
        {actions}
      </header>
      <div className="px-5 py-4">{children}</div>
    </section>
  );
}
