/* What the routes of rooms have in common. */
import type { RoomRole } from "@signalbox/contract/events/rooms";
import { type Caller, refused } from "../../http/handle.ts";
import type { RoomAccess } from "./access.ts";
import type { RoomCommands, RoomsDeps } from "./public.ts";

export type RoomRouteDeps = RoomsDeps & { access: RoomAccess; commands: RoomCommands };

export const NO_ROOM = refused("room_not_found", {
  message: "There is no such room, or you are not in it.",
  fix: "List the rooms you may see with GET /v1/rooms.",
});
export const tooLow = (role: RoomRole, least: RoomRole) =>
  refused("room_role_too_low", {
    message: `This needs the role ${least} in this room; yours is ${role}.`,
    fix: "Ask an owner of the room.",
    details: { role, least },
  });

export const target = (caller: Caller, origin: Parameters<RoomsDeps["log"]["unit"]>[0]["origin"], roomId: string) => ({
  organizationId: caller.organizationId,
  origin: { ...origin, roomId },
  stream: { type: "room" as const, id: roomId },
  subject: `room:${roomId}`,
});
export const NO_THREAD = refused("thread_not_found", {
  message: "There is no such thread, or you are not in its room.",
  fix: "List a room's threads with GET /v1/rooms/:id/threads.",
});
