import { Progress as Radix } from "radix-ui";

/** How far something has come; `value` null while nobody knows. */
export function Progress({ label, value, max = 100 }: { label: string; value: number | null; max?: number }) {
  const share = value === null ? 0.3 : Math.max(0, Math.min(1, value / max));
  return (
    <Radix.Root value={value} max={max} aria-label={label} className="h-1.5 w-full overflow-hidden rounded-full bg-sunken">
      <Radix.Indicator
        className={`h-full rounded-full bg-moving transition-[width] duration-(--calm) ${value === null ? "shuttling" : ""}`}
        style={{ width: `${share * 100}%` }}
      />
    </Radix.Root>
  );
}
