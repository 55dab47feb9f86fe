import { Switch as Radix } from "radix-ui";
import { useId, type ReactNode } from "react";

/** On or off, in force at once. What waits for a form to be sent is a Checkbox. */
export function Switch({
  label,
  hint,
  checked,
  onChange,
  disabled = false,
}: {
  label: ReactNode;
  hint?: ReactNode;
  checked: boolean;
  onChange(checked: boolean): void;
  disabled?: boolean;
}) {
  const id = useId();
  return (
    <div className="flex items-start justify-between gap-4 py-1">
      <div className="min-w-0">
        <label htmlFor={id} className="block font-medium">
          {label}
        </label>
        {hint !== undefined && (
          <p id={`${id}-hint`} className="text-sm text-ink-3">
            {hint}
          </p>
        )}
      </div>
      <Radix.Root
        id={id}
        checked={checked}
        onCheckedChange={onChange}
        disabled={disabled}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        className="h-6 w-11 shrink-0 rounded-full border-2 border-line-strong bg-sunken p-0.5 transition-colors duration-(--quick) disabled:opacity-50 data-[state=checked]:border-ink data-[state=checked]:bg-ink"
      >
        <Radix.Thumb className="block size-4 rounded-full bg-ink-3 transition-transform duration-(--quick) data-[state=checked]:translate-x-5 data-[state=checked]:bg-on-ink" />
      </Radix.Root>
    </div>
  );
}
