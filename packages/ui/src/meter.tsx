import { money } from "./format.ts";

/** A quantity against its limit. Warm only near the end, because only then a person may want to do something. */
export function Meter({
  label,
  value,
  max,
  held = 0,
  text,
  className = "w-16",
}: {
  label: string;
  value: number;
  max: number;
  /** Taken but not used yet. */
  held?: number;
  /** How it reads: "3 of 8". */
  text: string;
  /** Its width. */
  className?: string;
}) {
  const share = max > 0 ? Math.min(1, value / max) : 0;
  const rest = max > 0 ? Math.min(1 - share, held / max) : 0;
  const near = share + rest > 0.8;
  return (
    <span
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={max}
      aria-valuenow={Math.min(value, max)}
      aria-valuetext={text}
      className={`flex h-1.5 shrink-0 overflow-hidden rounded-sm bg-sunken ${className}`}
    >
      <span className={near ? "bg-signal" : "bg-ink-3"} style={{ width: `${Math.max(share * 100, value > 0 ? 3 : 0)}%` }} />
      <span className="bg-line-strong" style={{ width: `${rest * 100}%` }} />
    </span>
  );
}

/** Money against its cap. */
export function CostMeter({ spent, reserved = 0, cap }: { spent: number; reserved?: number; cap: number }) {
  const near = cap > 0 && (spent + reserved) / cap > 0.8;
  return (
    <div
      className="flex items-center gap-2 text-sm"
      title={
        reserved > 0
          ? `${money(spent)} spent, ${money(reserved)} held for calls under way, of ${money(cap)}`
          : `${money(spent)} of ${money(cap)}`
      }
    >
      <span className={near ? "text-signal-ink" : "text-ink-2"}>
        {money(spent)}
        <span className="text-ink-3"> / {money(cap)}</span>
      </span>
      <Meter label="Cost against budget" value={spent} held={reserved} max={cap} text={`${money(spent)} of ${money(cap)}`} />
    </div>
  );
}
