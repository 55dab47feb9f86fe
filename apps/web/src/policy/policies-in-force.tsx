import type { Output } from "@signalbox/contract/route";
import type { getPolicy } from "@signalbox/contract/gate";
import { Badge } from "@signalbox/ui/badge";
import { CodeBlock } from "@signalbox/ui/code-block";
import { Accordion } from "@signalbox/ui/disclosure";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { policyQuery } from "./policy-queries.ts";

type Policy = Output<typeof getPolicy>["policies"][number];
const route = getRouteApi("/frame/policy");

export function PoliciesInForce() {
  const { policy: linked } = route.useSearch();
  const { data, error, refetch } = useQuery(policyQuery);
  if (error !== null && data === undefined) return <Trouble error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={6} className="h-12" />;
  return (
    <div className="space-y-4">
      <p className="text-sm text-ink-2">
        Version {data.version}. A policy that forbids wins over all that permit; of those that permit, one that asks for a person wins. What
        no policy permits is denied.
      </p>
      <Accordion
        key={linked}
        heading="h2"
        defaultOpen={linked === undefined ? [] : [linked]}
        sections={data.policies.map((policy) => ({
          id: policy.id,
          title: (
            <span className="flex min-w-0 flex-wrap items-baseline gap-x-3 gap-y-0.5">
              <span className="font-mono text-sm">{policy.id}</span>
              <span className="min-w-0 flex-1 basis-72 font-normal text-ink-2">{policy.description}</span>
            </span>
          ),
          aside: <Effect policy={policy} />,
          content: <CodeBlock code={policy.text.trim()} title={`${policy.id}.cedar`} />,
        }))}
      />
    </div>
  );
}

function Effect({ policy }: { policy: Policy }) {
  if (policy.effect === "forbid") return <Badge tone="danger">Forbids</Badge>;
  return policy.decision === "require_approval" ? <Badge tone="wants">Asks a person</Badge> : <Badge tone="clear">Permits</Badge>;
}
