/*
 * A modal on the browser's own <dialog>: focus trap, Escape and inertness come with it, and
 * nothing injects a <style> element, which the Content-Security-Policy would refuse.
 */
import { X } from "lucide-react";
import { useEffect, useId, useRef, type ReactNode } from "react";
import { Button } from "./button.tsx";

interface DialogProps {
  title: string;
  description?: ReactNode;
  onClose(): void;
  children: ReactNode;
  wide?: boolean;
}

/** Mounted = open. */
export function Dialog({ title, description, onClose, children, wide = false }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    // React's strict mode runs effects twice.
    if (dialog?.open === false) dialog.showModal();
    // `autoFocus` acts before the dialog is open, and the browser would choose the close button.
    dialog?.querySelector<HTMLElement>("[data-focus]")?.focus();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      className={`soft-shadow m-auto max-h-[calc(100dvh-2rem)] w-[calc(100%-1.5rem)] rounded-lg border border-line bg-panel p-0 ${wide ? "max-w-2xl" : "max-w-lg"}`}
    >
      <div className="p-5 sm:p-6">
        <header className="mb-4 flex items-start gap-3">
          <div className="min-w-0 flex-1">
            <h2 id={id} className="text-lg font-semibold">
              {title}
            </h2>
            {description !== undefined && <p className="mt-0.5 text-sm text-ink-2">{description}</p>}
          </div>
          <Button look="quiet" size="icon-sm" aria-label="Close" onClick={onClose}>
            <X size={16} />
          </Button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
