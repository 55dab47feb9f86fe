import type { listOrganizations } from "@signalbox/contract/organizations";
import type { Output } from "@signalbox/contract/route";
import { Button } from "@signalbox/ui/button";
import { List } from "@signalbox/ui/list-row";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation } from "@tanstack/react-query";
import { moveTo } from "./organization-queries.ts";

interface Props {
  readonly label: string;
  readonly organizations: Output<typeof listOrganizations>["items"];
  /** The one that is open in this browser. */
  readonly currentId?: string | undefined;
}

/** Organizations of one's own, each with the way into it. */
export function OrganizationList({ label, organizations, currentId }: Props) {
  const move = useMutation({ mutationFn: moveTo });
  return (
    <>
      <List label={label}>
        {organizations.map(({ id, name, role }) => (
          <li key={id} className="flex items-center gap-4 px-4 py-2.5">
            <div className="min-w-0 flex-1">
              <p className="clamp-1 font-medium" title={name}>
                {name}
              </p>
              <p className="text-sm text-ink-3">{role}</p>
            </div>
            {id === currentId ? (
              <span className="text-sm text-ink-2">open here</span>
            ) : (
              <Button
                size="sm"
                busy={move.isPending && move.variables === id}
                onClick={() => move.mutate(id)}
                aria-label={`Switch to ${name}`}
              >
                Switch
              </Button>
            )}
          </li>
        ))}
      </List>
      {move.error !== null && <Trouble error={move.error} />}
    </>
  );
}
