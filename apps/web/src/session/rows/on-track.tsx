import type { ReactNode } from "react";

/** The line that everything of a session hangs on. */
export function OnTrack({
  node,
  nodeAt = "top-1",
  children,
  tight = false,
}: {
  node?: ReactNode;
  nodeAt?: string;
  children: ReactNode;
  tight?: boolean;
}) {
  return (
    <div className={`relative pl-8 narrow:pl-6 ${tight ? "" : "py-1"}`}>
      <span aria-hidden className="absolute inset-y-0 left-[9px] w-0.5 bg-line narrow:left-[5px]" />
      {node !== undefined && (
        <span className={`absolute left-0 flex size-5 items-center justify-center rounded-full bg-ground narrow:-left-1 ${nodeAt}`}>
          {node}
        </span>
      )}
      {children}
    </div>
  );
}
