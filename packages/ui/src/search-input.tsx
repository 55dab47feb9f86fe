import { Search } from "lucide-react";
import { useEffect, useEffectEvent, useState, type Ref } from "react";
import { inputLook } from "./field.tsx";
import { KeyHint } from "./key-hint.tsx";

const DELAY_MS = 200;

/** Searches as one types, a moment after the last letter; Escape clears. */
export function SearchInput({
  label,
  value,
  onChange,
  keys,
  ref,
  className = "",
}: {
  label: string;
  value: string;
  onChange(value: string): void;
  /** The key that leads here. */
  keys?: string;
  ref?: Ref<HTMLInputElement>;
  className?: string;
}) {
  const [text, setText] = useState(value);
  const [told, setTold] = useState(value);
  // Changed from outside (a link, the way back): show that instead of what was typed.
  if (value !== told) {
    setTold(value);
    setText(value);
  }
  const tell = useEffectEvent((next: string) => {
    setTold(next);
    onChange(next);
  });
  useEffect(() => {
    if (text === told) return;
    const timer = setTimeout(() => tell(text), DELAY_MS);
    return () => clearTimeout(timer);
  }, [text, told]);
  return (
    <span className={`relative block ${className}`}>
      <Search size={16} className="pointer-events-none absolute top-1/2 left-3 -translate-y-1/2 text-ink-3" aria-hidden />
      <input
        ref={ref}
        type="search"
        aria-label={label}
        placeholder={label}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") {
            // In a dialog the first Escape clears, the second closes.
            if (text !== "") event.preventDefault();
            setText("");
          }
        }}
        className={`peer ${inputLook} !py-1.5 !pr-9 !pl-9 !text-sm`}
      />
      {keys !== undefined && text === "" && (
        <span aria-hidden className="pointer-events-none absolute top-1/2 right-2 -translate-y-1/2 peer-focus:hidden narrow:hidden">
          <KeyHint keys={keys} />
        </span>
      )}
    </span>
  );
}
