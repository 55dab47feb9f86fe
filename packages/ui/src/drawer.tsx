import { X } from "lucide-react";
import { useId, useRef, type ReactNode } from "react";
import { IconButton } from "./button.tsx";
import { useModal } from "./dialog.tsx";
import { Layer } from "./layer.tsx";

/** A sheet from the side, from below on a phone, for what belongs to the page behind it. Mounted = open. */
export function Drawer({ title, onClose, children }: { title: string; onClose(): void; children: ReactNode }) {
  const ref = useRef<HTMLDialogElement>(null);
  const layer = useModal(ref);
  const id = useId();
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      onCancel={(event) => {
        if (event.target !== event.currentTarget) return;
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => event.target === event.currentTarget && onClose()}
      className="drawer soft-shadow m-0 ml-auto h-dvh max-h-none w-full max-w-md overscroll-contain border-l border-line bg-panel p-0 narrow:mt-auto narrow:h-fit narrow:max-h-[85dvh] narrow:max-w-none narrow:rounded-t-lg narrow:border-t narrow:border-l-0"
    >
      <Layer value={layer}>
        <header className="sticky top-0 z-10 flex items-center gap-3 border-b border-line bg-panel px-5 py-3">
          <h2 id={id} className="flex-1 text-lg font-semibold">
            {title}
          </h2>
          <IconButton label="Close" onClick={onClose}>
            <X size={16} />
          </IconButton>
        </header>
        <div className="px-5 py-4 pb-[max(1rem,env(safe-area-inset-bottom))]">{children}</div>
      </Layer>
    </dialog>
  );
}
