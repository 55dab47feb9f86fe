import { Link } from "@tanstack/react-router";
import { EventList } from "../../events/event-list.tsx";
import { useRoomEvents } from "../../events/room-events.ts";
import { VerifyButton } from "../../events/verify-button.tsx";
import { Button } from "@signalbox/ui/button";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import type { PaneProps } from "./panes.ts";

/** The session's own register: its room's stream, newest first. */
export function EventsPane({ session: { room_id: roomId } }: PaneProps) {
  const { events, isLoading, error, hasEarlier, loadEarlier } = useRoomEvents(roomId);
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-start justify-between gap-2 border-b border-line px-4 py-2">
        <VerifyButton streams={[`room:${roomId}`]} compact />
        <Link to="/timeline" search={{ stream: `room:${roomId}` }} className="py-1 text-sm text-moving-ink underline underline-offset-2">
          Open in the timeline
        </Link>
      </div>
      {error !== null && <Trouble error={error} className="m-4" />}
      {isLoading ? (
        <div className="p-4">
          <Skeleton rows={8} className="h-7" />
        </div>
      ) : (
        <EventList
          events={events}
          footer={
            hasEarlier && (
              <div className="py-4 text-center">
                <Button size="sm" onClick={loadEarlier}>
                  Earlier
                </Button>
              </div>
            )
          }
        />
      )}
    </div>
  );
}
