/* Acting as somebody else is never forgotten: the bar is on every page until it is over. */
import { stopImpersonation } from "@signalbox/contract/admin";
import type { Output } from "@signalbox/contract/route";
import type { getMe } from "@signalbox/contract/identity";
import { Button } from "@signalbox/ui/button";
import { Timestamp } from "@signalbox/ui/timestamp";
import { useMutation } from "@tanstack/react-query";
import { client } from "../data/api.ts";
import { startAnew } from "../settings/organization-queries.ts";

export function ActingBar({ me }: { me: Output<typeof getMe> }) {
  const stop = useMutation({ mutationFn: () => client.call(stopImpersonation, { body: {} }), onSettled: startAnew });
  if (me.impersonation === undefined) return null;
  return (
    <div role="status" className="flex items-center justify-center gap-x-4 bg-ink px-4 py-1.5 text-sm text-on-ink">
      <p className="min-w-0">
        {me.impersonation.operator_name} is acting as <strong className="font-semibold">{me.principal.display_name}</strong> in{" "}
        {me.organization.name}: both names are in every event. It ends <Timestamp at={me.impersonation.expires_at} />.
      </p>
      <Button size="sm" className="shrink-0" busy={stop.isPending} onClick={() => stop.mutate()}>
        Stop
      </Button>
    </div>
  );
}
