/* Signed in, but the organization lets its members in through its own provider only. */
import { OrganizationId } from "@signalbox/contract/primitives";
import { Button } from "@signalbox/ui/button";
import { List } from "@signalbox/ui/list-row";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { signOut } from "../offline/sign-out.ts";
import { moveTo, organizationsQuery } from "../settings/organization-queries.ts";
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
  const move = useMutation({ mutationFn: moveTo });
  const others = (data?.items ?? []).filter(({ id }) => !asked.success || id !== asked.data);
  const name = data?.items.find(({ id }) => asked.success && id === asked.data)?.name ?? "This organization";
  const trouble = go.error ?? move.error;
  return (
    <Threshold title="One more door">
      <p className="text-ink-2">{name} lets its members in through its own provider only.</p>
      {trouble !== null && <Trouble error={trouble} />}
      <div className="flex flex-wrap gap-2">
        <Button look="solid" busy={go.isPending} onClick={() => go.mutate()}>
          Sign in through it
        </Button>
        <Button look="quiet" onClick={() => void signOut()}>
          Sign out
        </Button>
      </div>
      {others.length > 0 && (
        <List label="Your other organizations">
          {others.map(({ id, name, role }) => (
            <li key={id} className="flex items-center gap-4 px-4 py-2.5">
              <div className="min-w-0 flex-1">
                <p className="clamp-1 font-medium">{name}</p>
                <p className="text-sm text-ink-3">{role}</p>
              </div>
              <Button
                size="sm"
                busy={move.isPending && move.variables === id}
                onClick={() => move.mutate(id)}
                aria-label={`Switch to ${name}`}
              >
                Switch
              </Button>
            </li>
          ))}
        </List>
      )}
    </Threshold>
  );
}
