import { RadioGroup as Radix } from "radix-ui";
import { useId, type ReactNode } from "react";

export interface Choice<Value extends string = string> {
  readonly value: Value;
  readonly label: ReactNode;
  readonly hint?: ReactNode;
  readonly disabled?: boolean | undefined;
}

/** One of a few, all of them worth reading; arrow keys move. */
export function RadioGroup<Value extends string>({
  legend,
  choices,
  value,
  onChange,
}: {
  legend: string;
  choices: readonly Choice<Value>[];
  value: Value | undefined;
  onChange(value: Value): void;
}) {
  const id = useId();
  return (
    <div>
      <p id={id} className="mb-1.5 text-sm font-semibold">
        {legend}
      </p>
      <Radix.Root aria-labelledby={id} value={value ?? null} onValueChange={(next) => onChange(next as Value)} className="space-y-2">
        {choices.map(({ value, label, hint, disabled = false }) => (
          <Radix.Item
            key={value}
            value={value}
            disabled={disabled}
            className="group flex w-full items-start gap-3 rounded-md border border-line bg-raised px-3 py-2.5 text-left hover:border-line-strong disabled:opacity-50 data-[state=checked]:border-ink"
          >
            <span
              aria-hidden
              className="mt-1 flex size-4 shrink-0 items-center justify-center rounded-full border-2 border-line-strong group-data-[state=checked]:border-ink"
            >
              <Radix.Indicator className="size-2 rounded-full bg-ink" />
            </span>
            <span className="min-w-0">
              <span className="block font-medium">{label}</span>
              {hint !== undefined && <span className="block text-sm text-ink-3">{hint}</span>}
            </span>
          </Radix.Item>
        ))}
      </Radix.Root>
    </div>
  );
}
