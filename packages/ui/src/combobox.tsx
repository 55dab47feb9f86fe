/* The editable combobox of the ARIA patterns: the focus stays in the field, the list says which option is meant. */
import { Check, ChevronsUpDown } from "lucide-react";
import { Popover } from "radix-ui";
import { useEffect, useId, useRef, useState, type KeyboardEvent } from "react";
import { inputLook } from "./field.tsx";
import { floatingLook, useLayer } from "./layer.tsx";

export interface ComboboxOption {
  readonly value: string;
  readonly label: string;
  readonly detail?: string | undefined;
}

interface ComboboxProps {
  options: readonly ComboboxOption[];
  value: string;
  onChange(value: string): void;
  placeholder?: string;
  /** Whether what is typed may be something that is not in the list. */
  isFree?: boolean;
  /** What the list says while it has no match. */
  empty?: string;
  isLoading?: boolean;
  /** Given: whoever uses it filters (a search on the server), and this is what to look for. */
  onQuery?(query: string): void;
  id?: string;
  disabled?: boolean;
  "aria-label"?: string;
  "aria-describedby"?: string;
  "aria-invalid"?: boolean;
}

/** One of many: type to narrow, arrows to choose, Enter to take. */
export function Combobox({
  options,
  value,
  onChange,
  placeholder,
  isFree = false,
  empty = "Nothing matches.",
  isLoading = false,
  onQuery,
  ...input
}: ComboboxProps) {
  const layer = useLayer();
  const list = useId();
  const field = useRef<HTMLInputElement>(null);
  const [open, setOpen] = useState(false);
  /** What is typed; null while the field shows the chosen one. */
  const [query, setQuery] = useState<string | null>(null);
  const [at, setAt] = useState(0);
  const chosen = options.find((option) => option.value === value);
  const needle = (query ?? "").trim().toLocaleLowerCase();
  const shown =
    onQuery !== undefined || needle === ""
      ? options
      : options.filter(({ label, detail = "" }) => `${label} ${detail}`.toLocaleLowerCase().includes(needle));
  const current = Math.min(at, shown.length - 1);

  useEffect(() => {
    if (open) document.getElementById(`${list}-${current}`)?.scrollIntoView({ block: "nearest" });
  }, [open, current, list]);

  const show = (): void => {
    setAt(
      Math.max(
        0,
        shown.findIndex((option) => option.value === value),
      ),
    );
    setOpen(true);
  };
  const close = (): void => {
    setOpen(false);
    setQuery(null);
  };
  const take = (option: ComboboxOption | undefined): void => {
    if (option !== undefined) onChange(option.value);
    close();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) return show();
      const by = event.key === "ArrowDown" ? 1 : -1;
      setAt((current + by + shown.length) % Math.max(1, shown.length));
    } else if (event.key === "Enter" && open) {
      event.preventDefault();
      if (shown[current] !== undefined) take(shown[current]);
      else if (isFree) close();
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  };

  return (
    <Popover.Root open={open} onOpenChange={(next) => (next ? show() : close())}>
      <Popover.Anchor asChild>
        <span className="relative block">
          <input
            {...input}
            ref={field}
            role="combobox"
            autoComplete="off"
            aria-expanded={open}
            aria-controls={list}
            aria-autocomplete="list"
            aria-activedescendant={open && current >= 0 ? `${list}-${current}` : undefined}
            placeholder={placeholder}
            value={query ?? chosen?.label ?? value}
            onChange={(event) => {
              setQuery(event.target.value);
              setAt(0);
              setOpen(true);
              onQuery?.(event.target.value);
              if (isFree) onChange(event.target.value);
            }}
            onClick={() => !open && show()}
            onBlur={close}
            onKeyDown={onKeyDown}
            className={`${inputLook} !pr-9`}
          />
          <ChevronsUpDown size={16} aria-hidden className="pointer-events-none absolute top-1/2 right-3 -translate-y-1/2 text-ink-3" />
        </span>
      </Popover.Anchor>
      <Popover.Portal container={layer}>
        <Popover.Content
          role={undefined}
          align="start"
          sideOffset={4}
          onOpenAutoFocus={(event) => event.preventDefault()}
          onCloseAutoFocus={(event) => event.preventDefault()}
          onInteractOutside={(event) => event.target === field.current && event.preventDefault()}
          // The field keeps the focus: a press in the list must not take it away before the click is heard.
          onPointerDown={(event) => event.preventDefault()}
          className={`${floatingLook} max-h-[min(20rem,var(--radix-popover-content-available-height))] w-(--radix-popover-trigger-width) overflow-y-auto p-1 text-sm`}
        >
          <ul id={list} role="listbox" aria-label={input["aria-label"] ?? placeholder ?? "Options"}>
            {shown.map((option, i) => (
              <li
                key={option.value}
                id={`${list}-${i}`}
                role="option"
                aria-selected={option.value === value}
                onPointerMove={() => setAt(i)}
                onClick={() => take(option)}
                className={`flex min-h-8 cursor-pointer items-start gap-2 rounded-sm px-2.5 py-1.5 ${i === current ? "bg-chosen" : ""}`}
              >
                <span className="min-w-0 flex-1">
                  <span className="block">{option.label}</span>
                  {option.detail !== undefined && <span className="block text-ink-3">{option.detail}</span>}
                </span>
                {option.value === value && <Check size={16} aria-hidden className="mt-0.5 shrink-0" />}
              </li>
            ))}
          </ul>
          {shown.length === 0 && (
            <p role="status" className="px-2.5 py-2 text-ink-3">
              {isLoading ? "Looking…" : isFree ? "Not in the list; taken as it is written." : empty}
            </p>
          )}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
