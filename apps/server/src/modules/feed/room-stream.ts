import { streamRoom } from "@signalbox/contract/log";
import { replay } from "../../http/back-pressure.ts";
import { handle, refused, type BoundRoute, type FrameSink } from "../../http/handle.ts";
import { hasRole } from "../../http/authenticate.ts";
import type { FeedParts } from "./public.ts";
import { roomTopic } from "./sources.ts";

/** The SSE door. The head is read before membership is asked: what takes the caller out afterwards ends the feed. */
export function roomStreamRoute({ log, rooms, subscriptions }: FeedParts): BoundRoute {
  return handle(streamRoom, async ({ caller, params, query, lastEventId }) => {
    const { organizationId } = caller;
    const head = await log.head(organizationId, { type: "room", id: params.roomId });
    if ((await rooms.roleIn(caller, params.roomId)) === null) {
      return refused("room_not_found", {
        message: "There is no such room, or you are not in it.",
        fix: "List the rooms you may see with GET /v1/rooms.",
      });
    }
    const after = cursorOf(lastEventId) ?? query.from_seq ?? 0;
    if (after > head) {
      return refused("cursor_in_future", {
        message: `The cursor ${after} is beyond the room's newest event, ${head}.`,
        fix: "Read the room anew and follow it from its last_seq.",
        details: { cursor: after, head },
      });
    }
    return {
      attach(sink: FrameSink) {
        const following = subscriptions.follow(roomTopic(organizationId, params.roomId), String(after), {
          deliver(frames, replaying) {
            if (replaying) return replay(sink, frames);
            for (const frame of frames) sink.frame(frame);
          },
          ended: () => sink.end(),
          // Organization admins own every room; no membership of theirs can end.
          member: hasRole(caller.role, "admin") ? undefined : { principalId: caller.principal.id, checkedAt: String(head) },
        });
        return () => following.close();
      },
    };
  });
}

/** A header that is not a cursor of ours is as good as none: browsers send what they last saw. */
function cursorOf(lastEventId: string | undefined): number | null {
  return lastEventId !== undefined && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : null;
}
