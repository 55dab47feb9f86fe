/* The browser's own select: on a phone its wheel is better than ours, and nothing injects a <style>. */
import { ChevronDown } from "lucide-react";
import type { ComponentProps } from "react";
import { inputLook } from "./field.tsx";

export interface Option<Value extends string = string> {
  readonly value: Value;
  readonly label: string;
  readonly disabled?: boolean | undefined;
}

/** One of a short, known list; for a long or searched one use Combobox. */
export function Select<Value extends string>({
  options,
  value,
  onChange,
  small = false,
  className = "",
  ...rest
}: Omit<ComponentProps<"select">, "value" | "onChange"> & {
  options: readonly Option<Value>[];
  value: Value;
  onChange(value: Value): void;
  small?: boolean;
}) {
  return (
    <span className={`relative block ${className}`}>
      <select
        value={value}
        onChange={(event) => onChange(event.target.value as Value)}
        className={`${inputLook} appearance-none !pr-9 ${small ? "!py-1 !text-sm" : ""}`}
        {...rest}
      >
        {options.map(({ value, label, disabled }) => (
          <option key={value} value={value} disabled={disabled}>
            {label}
          </option>
        ))}
      </select>
      <ChevronDown size={16} aria-hidden className="pointer-events-none absolute top-1/2 right-3 -translate-y-1/2 text-ink-3" />
    </span>
  );
}
