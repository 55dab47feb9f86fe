const CAPS: Record<string, string> = {
  Mod: typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘" : "Ctrl",
  ArrowUp: "↑",
  ArrowDown: "↓",
  ArrowLeft: "←",
  ArrowRight: "→",
  Escape: "Esc",
  " ": "Space",
};

/** A key, a chord (`Mod+K`) or a sequence (`g s`), as engraved on the caps. */
export function KeyHint({ keys }: { keys: string }) {
  return (
    <span className="inline-flex shrink-0 gap-1">
      {keys.split(" ").map((chord, i) => (
        <span key={i} className="inline-flex gap-0.5">
          {chord.split(/(?<=.)\+/).map((key) => (
            <kbd
              key={key}
              className="inline-flex h-5 min-w-5 items-center justify-center rounded-sm border border-line-strong bg-raised px-1 text-plate whitespace-nowrap text-ink-2"
            >
              {CAPS[key] ?? (chord.includes("+") && key.length === 1 ? key.toUpperCase() : key)}
            </kbd>
          ))}
        </span>
      ))}
    </span>
  );
}
