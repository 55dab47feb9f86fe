/* Everything that one cause led to, over runs and sessions. */
import { CopyButton } from "@signalbox/ui/copy-button";
import { count } from "@signalbox/ui/format";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { isRefusal } from "../data/api.ts";
import { Missing } from "../frame/crash.tsx";
import { Page } from "../frame/page.tsx";
import { Inspector } from "./inspector.tsx";
import { inspectCorrelationQuery } from "./run-queries.ts";

const route = getRouteApi("/frame/correlations/$correlationId");

export function CorrelationPage() {
  const { correlationId } = route.useParams();
  const { data, error, refetch } = useQuery(inspectCorrelationQuery(correlationId));
  if (error !== null && data === undefined)
    return isRefusal(error, "correlation_not_found") ? (
      <Missing />
    ) : (
      <Trouble error={error} onRetry={() => void refetch()} className="m-6" />
    );
  return (
    <Page
      title="One cause"
      lead={
        <span className="flex flex-wrap items-center gap-x-3 text-sm">
          {data !== undefined && <span>{count(data.runs.length, "run goes", "runs go")} back to the same request</span>}
          <span className="flex items-center font-mono text-plate text-ink-3">
            {correlationId}
            <CopyButton text={correlationId} label="Copy the correlation's id" />
          </span>
        </span>
      }
    >
      {data === undefined ? <Skeleton rows={5} className="h-16" /> : <Inspector inspection={data} runId={null} />}
    </Page>
  );
}
