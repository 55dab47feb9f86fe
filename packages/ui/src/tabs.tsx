import { Tabs as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { useScrolledTo } from "./use-scrolled-to.ts";

export interface Tab<Name extends string = string> {
  readonly name: Name;
  readonly label: string;
  /** How many there are; 0 or absent shows nothing. */
  readonly badge?: number | undefined;
  /** Whether the badge is lit: something in there waits for a person. */
  readonly wants?: boolean | undefined;
  readonly content: ReactNode;
}

/** Parts of one thing, one at a time. Where a part has an address of its own, use links instead. */
export function Tabs<Name extends string>({
  label,
  tabs,
  value,
  onChange,
  className = "",
}: {
  label: string;
  tabs: readonly Tab<Name>[];
  value: Name;
  onChange(name: Name): void;
  className?: string;
}) {
  const bar = useScrolledTo<HTMLDivElement>("[data-state=active]", value);
  return (
    <Radix.Root value={value} onValueChange={(next) => onChange(next as Name)} className={className}>
      <Radix.List ref={bar} aria-label={label} className="flex gap-1 overflow-x-auto border-b border-line [scrollbar-width:none]">
        {tabs.map(({ name, label, badge = 0, wants = false }) => (
          <Radix.Trigger
            key={name}
            value={name}
            className="-mb-px flex shrink-0 items-center gap-1.5 border-b-2 border-transparent px-2.5 py-2 text-sm text-ink-2 -outline-offset-2 hover:text-ink data-[state=active]:border-ink data-[state=active]:font-semibold data-[state=active]:text-ink"
          >
            {label}
            {badge > 0 && (
              <span className={`rounded-full px-1.5 text-plate ${wants ? "bg-signal font-bold text-on-signal" : "bg-sunken text-ink-2"}`}>
                {badge}
              </span>
            )}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map(({ name, content }) => (
        <Radix.Content key={name} value={name} className="pt-4 focus-visible:outline-offset-4">
          {content}
        </Radix.Content>
      ))}
    </Radix.Root>
  );
}
