/*
 * Short notices about what just happened, with at most one thing to do about it ("Undo"). Announced politely, gone by
 * themselves unless the pointer or the focus is on them, never the only place that says it.
 */
import { X } from "lucide-react";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Button, IconButton } from "./button.tsx";

interface ToastOptions {
  tone?: "plain" | "danger";
  action?: { label: string; run(): void };
  /** How long it stays; the longer where there is something to do about it. */
  lastsMs?: number;
}
interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: "plain" | "danger";
  readonly action: ToastOptions["action"];
  readonly lastsMs: number;
}

const SHOWN = 3;
let toasts: readonly Toast[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

/** Returns the way to take it back early. */
export function toast(text: string, options: ToastOptions | "plain" | "danger" = {}): () => void {
  const {
    tone = "plain",
    action,
    lastsMs = action === undefined ? 6_000 : 10_000,
  } = typeof options === "string" ? { tone: options } : options;
  const id = nextId++;
  // The same words again replace the first: one event, one notice.
  set([...toasts.filter((each) => each.text !== text).slice(1 - SHOWN), { id, text, tone, action, lastsMs }]);
  return () => dismiss(id);
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
  const [isHeld, setHeld] = useState(false);
  return (
    <div
      role="status"
      aria-live="polite"
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
      className="pointer-events-none fixed inset-x-3 bottom-20 z-50 flex flex-col items-center gap-2 sm:bottom-5"
    >
      {shown.map((toast) => (
        <Notice key={toast.id} toast={toast} isHeld={isHeld} />
      ))}
    </div>
  );
}

function Notice({ toast: { id, text, tone, action, lastsMs }, isHeld }: { toast: Toast; isHeld: boolean }) {
  const left = useRef(lastsMs);
  useEffect(() => {
    if (isHeld) return;
    const from = performance.now();
    const timer = setTimeout(() => dismiss(id), left.current);
    return () => {
      clearTimeout(timer);
      left.current = Math.max(1_000, left.current - (performance.now() - from));
    };
  }, [id, isHeld]);
  return (
    <div
      className={`soft-shadow appearing pointer-events-auto flex max-w-md items-center gap-2 rounded-md border py-1.5 pr-1.5 pl-3.5 text-sm ${tone === "danger" ? "border-danger-line bg-danger-wash text-danger-ink" : "border-line bg-raised"}`}
    >
      <span className="min-w-0 py-1">{text}</span>
      {action !== undefined && (
        <Button
          size="sm"
          onClick={() => {
            dismiss(id);
            action.run();
          }}
        >
          {action.label}
        </Button>
      )}
      <IconButton label="Dismiss" onClick={() => dismiss(id)}>
        <X size={14} />
      </IconButton>
    </div>
  );
}
