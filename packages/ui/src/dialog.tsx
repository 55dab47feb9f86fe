/*
 * A modal on the browser's own <dialog>: focus trap, Escape, inertness and the way back of the focus come with it,
 * and nothing injects a <style> element, which the Content-Security-Policy would refuse.
 */
import { X } from "lucide-react";
import { useId, useLayoutEffect, useRef, useState, type ReactNode, type RefObject } from "react";
import { IconButton } from "./button.tsx";
import { Layer } from "./layer.tsx";

/** Opens the dialog while the component is mounted, and gives the focus back where it was when it goes. */
export function useModal(ref: RefObject<HTMLDialogElement | null>): HTMLElement | null {
  const [layer, setLayer] = useState<HTMLElement | null>(null);
  // Before anything is painted and any key answered: who types at once types into it.
  useLayoutEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    // React's strict mode runs effects twice.
    if (dialog?.open === false) dialog.showModal();
    // `autoFocus` acts before the dialog is open, and the browser would choose the close button.
    dialog?.querySelector<HTMLElement>("[data-focus]")?.focus();
    setLayer(dialog);
    return () => {
      dialog?.close();
      // The element is taken out of the page before the browser can give the focus back by itself.
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, [ref]);
  return layer;
}

interface DialogProps {
  title: string;
  description?: ReactNode;
  onClose(): void;
  children: ReactNode;
  wide?: boolean;
  /** A question that has to be answered: a press beside it does not close it. */
  role?: "dialog" | "alertdialog";
}

/** Something that must be finished or left before going on. Mounted = open; `data-focus` marks what gets the focus. */
export function Dialog({ title, description, onClose, children, wide = false, role = "dialog" }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const layer = useModal(ref);
  const id = useId();
  return (
    <dialog
      ref={ref}
      role={role}
      aria-labelledby={id}
      aria-describedby={description === undefined ? undefined : `${id}-description`}
      onCancel={(event) => {
        if (event.target !== event.currentTarget) return;
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => {
        if (role === "dialog" && event.target === event.currentTarget) onClose();
      }}
      className={`soft-shadow appearing m-auto max-h-[calc(100dvh-2rem)] w-[calc(100%-1.5rem)] overscroll-contain rounded-lg border border-line bg-panel p-0 ${wide ? "max-w-2xl" : "max-w-lg"}`}
    >
      <Layer value={layer}>
        <div className="p-5 sm:p-6">
          <header className="mb-4 flex items-start gap-3">
            <div className="min-w-0 flex-1">
              <h2 id={id} className="text-lg font-semibold">
                {title}
              </h2>
              {description !== undefined && (
                <div id={`${id}-description`} className="mt-0.5 text-sm text-ink-2">
                  {description}
                </div>
              )}
            </div>
            {role === "dialog" && (
              <IconButton label="Close" onClick={onClose}>
                <X size={16} />
              </IconButton>
            )}
          </header>
          {children}
        </div>
      </Layer>
    </dialog>
  );
}
