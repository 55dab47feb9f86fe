import { getQuotas } from "@signalbox/contract/quotas";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { client } from "../data/api.ts";
import { Panel } from "./panel.tsx";
import { QuotaFigures } from "./quota-figures.tsx";

const quotasQuery = queryOptions({
  queryKey: ["quotas"],
  queryFn: ({ signal }) => client.call(getQuotas, { signal }),
  refetchInterval: 30_000,
});

/** What the organization uses of what it may. */
export function Quotas() {
  const { data, error, refetch } = useQuery(quotasQuery);
  return (
    <Panel title="Quotas" note="What an operator lets the organization use.">
      {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton rows={1} className="h-12" />}
      {data !== undefined && <QuotaFigures quotas={data} />}
    </Panel>
  );
}
