import { getEvent } from "@signalbox/contract/log";
import { isEventId } from "@signalbox/contract/ids";
import { IconButton } from "@signalbox/ui/button";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { X } from "lucide-react";
import { client, isRefusal } from "../data/api.ts";
import { EventRow } from "./event-row.tsx";

/** The one entry that a link leads to, opened, above whatever else is shown. */
export function LinkedEvent({ id, onClose }: { id: string; onClose(): void }) {
  const isKnown = isEventId(id);
  const { data, error } = useQuery({
    queryKey: ["event", id],
    queryFn: ({ signal }) => client.call(getEvent, { params: { id }, signal }),
    enabled: isKnown,
    retry: false,
  });
  return (
    <section aria-label="The entry of the link" className="overflow-clip rounded-lg border border-line-strong bg-panel">
      <div className="flex items-center gap-3 border-b border-line py-1 pr-1 pl-3 text-sm">
        <span className="plate flex-1">The entry of the link</span>
        {data !== undefined && (
          <Link
            to="/timeline"
            search={{ stream: data.stream.type === "room" ? `room:${data.stream.id}` : data.stream.type, event: id }}
            className="underline underline-offset-2"
          >
            Its stream
          </Link>
        )}
        <IconButton label="Close the entry" size="icon-sm" onClick={onClose}>
          <X size={14} />
        </IconButton>
      </div>
      <div className="max-h-[50dvh] overflow-y-auto">
        {data !== undefined ? (
          <EventRow event={data} isOpen onToggle={onClose} showStream />
        ) : !isKnown || isRefusal(error, "event_not_found") ? (
          <p className="px-3 py-3 text-sm">There is no such event, or it is in a room that you are not in.</p>
        ) : error !== null ? (
          <Trouble error={error} />
        ) : (
          <Skeleton rows={2} className="h-7" />
        )}
      </div>
    </section>
  );
}
