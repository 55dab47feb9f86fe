import type { ReactNode } from "react";
import { useTitle } from "./title.ts";

/** A page of the frame: its name, what one can do on it, and the rest. */
export function Page({ title, lead, actions, children }: { title: string; lead?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  useTitle(title);
  return (
    <div className="mx-auto w-full max-w-5xl px-4 pt-5 pb-12 sm:px-8 sm:pt-8">
      <header className="mb-5 flex flex-wrap items-end gap-x-4 gap-y-3">
        <div className="min-w-0 flex-1 basis-72">
          <h1 className="text-xl font-semibold tracking-tight">{title}</h1>
          {lead !== undefined && <p className="mt-0.5 text-ink-2">{lead}</p>}
        </div>
        {actions}
      </header>
      {children}
    </div>
  );
}
