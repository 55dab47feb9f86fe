import { money } from "./format.ts";

/** Money against its cap. Warm only near the end, because only then a person may want to do something. */
export function CostMeter({ spent, reserved = 0, cap }: { spent: number; reserved?: number; cap: number }) {
  const share = cap > 0 ? Math.min(1, spent / cap) : 0;
  const held = cap > 0 ? Math.min(1 - share, reserved / cap) : 0;
  const near = share + held > 0.8;
  return (
    <div
      role="meter"
      aria-label="Cost against budget"
      aria-valuemin={0}
      aria-valuemax={cap}
      aria-valuenow={spent}
      aria-valuetext={`${money(spent)} of ${money(cap)}`}
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
      <span className="flex h-1.5 w-16 overflow-hidden rounded-sm bg-sunken">
        <span className={near ? "bg-signal" : "bg-ink-3"} style={{ width: `${Math.max(share * 100, spent > 0 ? 3 : 0)}%` }} />
        <span className="bg-line-strong" style={{ width: `${held * 100}%` }} />
      </span>
    </div>
  );
}
