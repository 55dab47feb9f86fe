import type { ReactNode } from "react";
import { Lamp, type LampState } from "./lamp.tsx";

/** The frame of a list of rows. */
export function List({ label, children, className = "" }: { label: string; children: ReactNode; className?: string }) {
  return (
    <ul aria-label={label} className={`soft-shadow divide-y divide-line overflow-clip rounded-lg border border-line bg-panel ${className}`}>
      {children}
    </ul>
  );
}

/** The look of the link (or button) that is the whole row; `wants` marks one that waits for a person. */
export const rowLook = (is: { selected?: boolean; wants?: boolean } = {}): string =>
  `flex w-full items-start gap-3.5 px-4 py-3 text-left -outline-offset-2 ${is.wants === true ? "bg-signal-wash" : is.selected === true ? "bg-raised" : "hover:bg-raised"}`;

/** What is in the row: lamp, name, a line about it, and what stands at the end. Put it in a link with `rowLook`. */
export function RowContent({
  state,
  icon,
  title,
  detail,
  meta,
  end,
}: {
  state?: LampState;
  icon?: ReactNode;
  title: ReactNode;
  detail?: ReactNode;
  meta?: ReactNode;
  end?: ReactNode;
}) {
  return (
    <>
      {(state !== undefined || icon !== undefined) && (
        <span className="flex h-6 shrink-0 items-center text-ink-3">{state === undefined ? icon : <Lamp state={state} />}</span>
      )}
      <span className="min-w-0 flex-1">
        <span className="clamp-1 block font-semibold">{title}</span>
        {detail !== undefined && <span className="clamp-1 block text-sm text-ink-2">{detail}</span>}
        {meta !== undefined && <span className="mt-0.5 flex flex-wrap items-center gap-x-3 text-sm text-ink-3">{meta}</span>}
      </span>
      {end !== undefined && <span className="shrink-0 text-right text-sm text-ink-3">{end}</span>}
    </>
  );
}
