import { getQuotas } from "@signalbox/contract/quotas";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { Trouble } from "@signalbox/ui/trouble";
import { client } from "../data/api.ts";
import { Panel } from "./panel.tsx";

const quotasQuery = queryOptions({
  queryKey: ["quotas"],
  queryFn: ({ signal }) => client.call(getQuotas, { signal }),
  refetchInterval: 30_000,
});

const number = (value: number): string => value.toLocaleString();
const bytes = (value: number): string => {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, value < 1 ? 0 : Math.floor(Math.log2(value) / 10));
  return `${(value / 1024 ** power).toLocaleString(undefined, { maximumFractionDigits: power === 0 ? 0 : 1 })} ${units[power]}`;
};

const SHOWN = [
  ["sessions", "Sessions at once", number],
  ["storage_bytes", "Artifacts kept", bytes],
  ["events_per_day", "Events today", number],
] as const;

/** What the organization uses of what it may. */
export function Quotas() {
  const { data, error, refetch } = useQuery(quotasQuery);
  return (
    <Panel title="Quotas" note="What an operator lets the organization use.">
      {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
      {data !== undefined && (
        <dl className="grid gap-4 sm:grid-cols-3">
          {SHOWN.map(([name, label, say]) => {
            const { used, limit } = data[name];
            const share = limit === null ? 0 : limit === 0 ? 1 : Math.min(1, used / limit);
            return (
              <div key={name}>
                <dt className="text-sm text-ink-2">{label}</dt>
                <dd className="tabular-nums">
                  {say(used)} <span className="text-ink-3">{limit === null ? "· no limit" : `of ${say(limit)}`}</span>
                  {limit !== null && (
                    <div className="mt-1 h-1.5 overflow-hidden rounded-full bg-sunken">
                      <div
                        className={`h-full rounded-full ${share >= 0.8 ? "bg-danger" : "bg-clear"}`}
                        style={{ width: `${share * 100}%` }}
                      />
                    </div>
                  )}
                </dd>
              </div>
            );
          })}
        </dl>
      )}
    </Panel>
  );
}
