import { getPresence, type Presence as PresenceView } from "@signalbox/contract/session-queue";
import type { SessionId } from "@signalbox/contract/primitives";
import { Avatar } from "@signalbox/ui/avatar";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { client, queries, sync } from "../../data/api.ts";
import { meQuery } from "../../data/queries.ts";

const SHOWN = 4;

/** Who else looks at this session now. */
export function Presence({ id }: { id: SessionId }) {
  const queryKey = ["session", id, "presence"];
  const { data: me } = useQuery(meQuery);
  const { data } = useQuery({
    queryKey,
    queryFn: ({ signal }) => client.call(getPresence, { params: { id }, signal }),
    staleTime: Infinity,
  });
  useEffect(
    () =>
      sync.subscribe(`presence:${id}`, {
        onUpdate: ({ payload }) => queries.setQueryData<PresenceView>(["session", id, "presence"], payload as PresenceView),
        onStale: () => void queries.invalidateQueries({ queryKey: ["session", id, "presence"] }),
      }),
    [id],
  );
  const others = (data?.viewers ?? []).filter(({ principal_id: principal }) => principal !== me?.principal.id);
  if (others.length === 0) return null;
  const names = others.map(({ display_name: name }) => name);
  return (
    <span className="flex items-center" title={`${names.join(", ")} ${others.length === 1 ? "is" : "are"} looking too`}>
      <span className="sr-only">Also here: {names.join(", ")}</span>
      <span className="flex -space-x-1.5">
        {others.slice(0, SHOWN).map((viewer) => (
          <Avatar
            key={viewer.principal_id}
            name={viewer.display_name}
            kind={viewer.principal_id.startsWith("usr_") ? "person" : "service"}
            size="sm"
          />
        ))}
      </span>
      {others.length > SHOWN && <span className="pl-1.5 text-sm text-ink-3">+{others.length - SHOWN}</span>}
    </span>
  );
}
