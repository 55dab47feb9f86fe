import { ToggleGroup as Radix } from "radix-ui";
import type { ReactNode } from "react";

export interface Segment<Value extends string = string> {
  readonly value: Value;
  readonly label: string;
  readonly icon?: ReactNode;
}

/** One of two to five ways to look at the same thing. */
export function SegmentedControl<Value extends string>({
  label,
  segments,
  value,
  onChange,
  iconsOnly = false,
}: {
  label: string;
  segments: readonly Segment<Value>[];
  value: Value;
  onChange(value: Value): void;
  iconsOnly?: boolean;
}) {
  return (
    <Radix.Root
      type="single"
      aria-label={label}
      value={value}
      // Pressing the chosen one again would leave nothing chosen.
      onValueChange={(next) => next !== "" && onChange(next as Value)}
      className="inline-flex max-w-full gap-0.5 overflow-x-auto rounded-md bg-sunken p-0.5"
    >
      {segments.map(({ value, label, icon }) => (
        <Radix.Item
          key={value}
          value={value}
          aria-label={iconsOnly ? label : undefined}
          title={iconsOnly ? label : undefined}
          className="flex h-7 shrink-0 items-center gap-1.5 rounded-sm border border-transparent px-2.5 text-sm text-ink-2 -outline-offset-2 hover:text-ink data-[state=on]:border-line data-[state=on]:bg-raised data-[state=on]:font-semibold data-[state=on]:text-ink"
        >
          {icon}
          {!iconsOnly && label}
        </Radix.Item>
      ))}
    </Radix.Root>
  );
}

/** Any number of filters, each on or off. */
export function ToggleGroup<Value extends string>({
  label,
  segments,
  values,
  onChange,
}: {
  label: string;
  segments: readonly Segment<Value>[];
  values: readonly Value[];
  onChange(values: Value[]): void;
}) {
  return (
    <Radix.Root
      type="multiple"
      aria-label={label}
      value={[...values]}
      onValueChange={(next) => onChange(next as Value[])}
      className="flex flex-wrap gap-1.5"
    >
      {segments.map(({ value, label, icon }) => (
        <Radix.Item
          key={value}
          value={value}
          className="flex h-7 items-center gap-1.5 rounded-full border border-line-strong px-3 text-sm text-ink-2 hover:bg-chosen hover:text-ink data-[state=on]:border-ink data-[state=on]:bg-ink data-[state=on]:text-on-ink"
        >
          {icon}
          {label}
        </Radix.Item>
      ))}
    </Radix.Root>
  );
}
