/* Short notices about what just happened. Announced politely, gone by themselves, never the only place that says it. */
import { X } from "lucide-react";
import { useSyncExternalStore } from "react";

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: "plain" | "danger";
}

let toasts: readonly Toast[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

export function toast(text: string, tone: Toast["tone"] = "plain"): void {
  const id = nextId++;
  set([...toasts.slice(-2), { id, text, tone }]);
  setTimeout(() => dismiss(id), 6_000);
}

const dismiss = (id: number): void => set(toasts.filter((each) => each.id !== id));

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div
      role="status"
      aria-live="polite"
      className="pointer-events-none fixed inset-x-3 bottom-20 z-50 flex flex-col items-center gap-2 sm:bottom-5"
    >
      {shown.map(({ id, text, tone }) => (
        <div
          key={id}
          className={`soft-shadow pointer-events-auto flex max-w-md items-center gap-3 rounded-md border px-3.5 py-2.5 text-sm ${tone === "danger" ? "border-danger-line bg-danger-wash text-danger-ink" : "border-line bg-raised"}`}
        >
          {text}
          <button type="button" aria-label="Dismiss" className="text-ink-3 hover:text-ink" onClick={() => dismiss(id)}>
            <X size={14} />
          </button>
        </div>
      ))}
    </div>
  );
}
