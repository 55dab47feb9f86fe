/*
 * Two parts and the line between them, which is a real separator: drag it, or focus it and use the arrows, Home, End,
 * Enter to fold. Sizes are set through the style object, so no inline style is written; the place is remembered.
 */
import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from "react";

interface SplitPaneProps {
  /** What the separator divides, read out: "Conversation and changes". */
  label: string;
  first: ReactNode;
  second: ReactNode;
  /** Share of the first part, in percent. */
  initial?: number;
  min?: number;
  max?: number;
  direction?: "row" | "column";
  /** Under which name the place is kept in this browser. */
  storageKey?: string;
  className?: string;
}

/** Two panes that can be made wider and narrower. */
export function SplitPane({
  label,
  first,
  second,
  initial = 60,
  min = 20,
  max = 80,
  direction = "row",
  storageKey,
  className = "",
}: SplitPaneProps) {
  const frame = useRef<HTMLDivElement>(null);
  const [share, setShare] = useState(() => clamp(recall(storageKey) ?? initial, min, max));
  const isRow = direction === "row";
  useEffect(() => {
    if (storageKey === undefined) return;
    const timer = setTimeout(() => remember(storageKey, share), 300);
    return () => clearTimeout(timer);
  }, [share, storageKey]);

  const onPointerMove = (event: PointerEvent): void => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId) || frame.current === null) return;
    const box = frame.current.getBoundingClientRect();
    const at = isRow ? (event.clientX - box.left) / box.width : (event.clientY - box.top) / box.height;
    setShare(clamp(at * 100, min, max));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const by = { ArrowLeft: -2, ArrowUp: -2, ArrowRight: 2, ArrowDown: 2, PageUp: -10, PageDown: 10 }[event.key];
    const next =
      event.key === "Home" ? min : event.key === "End" ? max : event.key === "Enter" ? initial : by === undefined ? null : share + by;
    if (next === null) return;
    event.preventDefault();
    setShare(clamp(next, min, max));
  };
  const tracks = `minmax(0, ${share}fr) auto minmax(0, ${100 - share}fr)`;
  return (
    <div
      ref={frame}
      className={`grid min-h-0 min-w-0 ${className}`}
      style={
        isRow
          ? { gridTemplateColumns: tracks, gridTemplateRows: "minmax(0, 1fr)" }
          : { gridTemplateRows: tracks, gridTemplateColumns: "minmax(0, 1fr)" }
      }
    >
      <div className="flex min-h-0 min-w-0 flex-col overflow-auto">{first}</div>
      <div
        role="separator"
        tabIndex={0}
        aria-label={label}
        aria-orientation={isRow ? "vertical" : "horizontal"}
        aria-valuenow={Math.round(share)}
        aria-valuemin={min}
        aria-valuemax={max}
        onPointerDown={(event) => {
          event.preventDefault();
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={onPointerMove}
        onDoubleClick={() => setShare(initial)}
        onKeyDown={onKeyDown}
        className={`group relative z-10 touch-none bg-line select-none hover:bg-line-strong focus-visible:bg-moving focus-visible:outline-none active:bg-moving ${isRow ? "w-px cursor-col-resize" : "h-px cursor-row-resize"}`}
      >
        {/* What can be grasped is wider than what is seen. */}
        <span className={`absolute ${isRow ? "inset-y-0 -inset-x-1.5" : "inset-x-0 -inset-y-1.5"}`} />
      </div>
      <div className="flex min-h-0 min-w-0 flex-col overflow-auto">{second}</div>
    </div>
  );
}

const clamp = (value: number, min: number, max: number): number => Math.max(min, Math.min(max, value));

function recall(key: string | undefined): number | null {
  try {
    const kept = key === undefined ? null : localStorage.getItem(`signalbox.split.${key}`);
    const share = kept === null ? Number.NaN : Number(kept);
    return Number.isFinite(share) ? share : null;
  } catch {
    return null; // Storage may be forbidden; the place then starts anew.
  }
}
function remember(key: string, share: number): void {
  try {
    localStorage.setItem(`signalbox.split.${key}`, share.toFixed(1));
  } catch {
    // Storage may be forbidden or full; the place then holds until the page is left.
  }
}
