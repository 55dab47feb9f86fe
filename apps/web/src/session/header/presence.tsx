import type { Presence as PresenceView } from "@signalbox/contract/session-queue";
import type { SessionId } from "@signalbox/contract/primitives";
import { Avatar } from "@signalbox/ui/avatar";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { sync } from "../../data/api.ts";
import { meQuery } from "../../data/queries.ts";

const SHOWN = 4;
const NOBODY: PresenceView["viewers"] = [];

/** Who else looks at this session now. */
export function Presence({ id }: { id: SessionId }) {
  const { data: me } = useQuery(meQuery);
  const [viewers, setViewers] = useState(NOBODY);
  // The topic says all of it at once and again with every change. An answer over HTTP beside it could be the older of the two.
  useEffect(() => {
    const stop = sync.subscribe(`presence:${id}`, {
      onUpdate: ({ payload }) => setViewers((payload as PresenceView).viewers),
      onStale: () => setViewers(NOBODY),
    });
    return () => {
      stop();
      setViewers(NOBODY);
    };
  }, [id]);
  const others = viewers.filter(({ principal_id: principal }) => principal !== me?.principal.id);
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
