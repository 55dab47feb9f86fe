import type { QuotasView } from "@signalbox/contract/quotas";
import { bytes } from "@signalbox/ui/format";
import { Meter } from "@signalbox/ui/meter";
import type { z } from "zod";

export type Quotas = z.infer<typeof QuotasView>;
export const QUOTAS = [
  { name: "sessions", label: "Sessions at once", say: (value: number): string => value.toLocaleString() },
  { name: "storage_bytes", label: "Artifacts kept", say: bytes },
  { name: "events_per_day", label: "Events today", say: (value: number): string => value.toLocaleString() },
] as const;

/** What is used of what may be. */
export function QuotaFigures({ quotas, className = "" }: { quotas: Quotas; className?: string }) {
  return (
    <dl className={`grid gap-x-6 gap-y-2 sm:grid-cols-3 ${className}`}>
      {QUOTAS.map(({ name, label, say }) => {
        const { used, limit } = quotas[name];
        return (
          <div key={name} className="min-w-0 narrow:flex narrow:flex-wrap narrow:items-center narrow:justify-between narrow:gap-x-3">
            <dt className="text-sm text-ink-2">{label}</dt>
            <dd className="text-sm tabular-nums">
              {say(used)} <span className="text-ink-3">{limit === null ? "· no limit" : `of ${say(limit)}`}</span>
            </dd>
            {limit !== null && (
              <dd className="mt-1 narrow:w-full">
                <Meter label={label} value={used} max={limit} text={`${say(used)} of ${say(limit)}`} className="w-full" />
              </dd>
            )}
          </div>
        );
      })}
    </dl>
  );
}
