/* Signed in, but the organization lets its members in through its own provider only. */
import { OrganizationId } from "@signalbox/contract/primitives";
import { Button } from "@signalbox/ui/button";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { signOut } from "../offline/sign-out.ts";
import { OrganizationList } from "../settings/organization-list.tsx";
import { organizationsQuery } from "../settings/organization-queries.ts";
import { providerFor } from "./organization-sign-in.ts";
import { Threshold } from "./threshold.tsx";

export function OrganizationDoor({ details }: { details: unknown }) {
  const asked = OrganizationId.safeParse((details as { organization_id?: unknown } | undefined)?.organization_id);
  const { data } = useQuery(organizationsQuery);
  const go = useMutation({
    mutationFn: async () => {
      const url = asked.success
        ? await providerFor({ organization_id: asked.data, next: window.location.pathname + window.location.search })
        : null;
      if (url === null) throw new Error("The organization's provider is not configured any more. Ask an owner.");
      window.location.assign(url);
    },
  });
  const others = (data?.items ?? []).filter(({ id }) => !asked.success || id !== asked.data);
  const name = data?.items.find(({ id }) => asked.success && id === asked.data)?.name ?? "This organization";
  return (
    <Threshold title="One more door">
      <p className="text-ink-2">{name} lets its members in through its own provider only.</p>
      {go.error !== null && <Trouble error={go.error} />}
      <div className="flex flex-wrap gap-2">
        <Button look="solid" busy={go.isPending} onClick={() => go.mutate()}>
          Sign in through it
        </Button>
        <Button look="quiet" onClick={() => void signOut()}>
          Sign out
        </Button>
      </div>
      {others.length > 0 && <OrganizationList label="Your other organizations" organizations={others} />}
    </Threshold>
  );
}
