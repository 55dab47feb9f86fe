import type { ReactNode } from "react";
import { Dialog } from "./dialog.tsx";

/** A question that has to be answered before anything else; no close button, Escape is the safe answer. */
export function AlertDialog({
  title,
  description,
  actions,
  onClose,
  children,
}: {
  title: string;
  description?: ReactNode;
  /** The safe answer first, marked `data-focus`. */
  actions: ReactNode;
  onClose(): void;
  children?: ReactNode;
}) {
  return (
    <Dialog role="alertdialog" title={title} description={description} onClose={onClose}>
      {children}
      <div className="mt-5 flex flex-wrap justify-end gap-2">{actions}</div>
    </Dialog>
  );
}
