/* What a person has read of a room, and what people do with a room once it is there. */
import { z } from "zod";
import { RoomId, ThreadId, Title } from "./primitives.ts";
import { RoomView } from "./rooms.ts";
import { route } from "./route.ts";

const room = z.object({ id: RoomId });
const write = { resource: "room", role: "member", scopes: ["write"] } as const;

/** The cursor never moves back; past the room's head it stops at the head. With a thread only that thread is read, its room's others are not. */
export const readRoom = route({
  id: "rooms.read",
  summary: "You have read a room up to this seq",
  method: "POST",
  path: "/v1/rooms/:id/read",
  params: room,
  body: z.object({ seq: z.int().min(0), thread_id: ThreadId.optional() }),
  ok: z.object({ read_seq: z.int(), unread_count: z.int(), mention_count: z.int() }).meta({ id: "RoomRead" }),
  refusals: { room_not_found: 404, thread_not_found: 404 },
  access: { resource: "room", role: "viewer", scopes: ["write"] },
});
export const renameRoom = route({
  id: "rooms.rename",
  summary: "Rename a room",
  method: "PATCH",
  path: "/v1/rooms/:id",
  params: room,
  body: z.object({ title: Title }),
  ok: RoomView,
  refusals: { room_not_found: 404, room_role_too_low: 403 },
  access: write,
});
export const archiveRoom = route({
  id: "rooms.archive",
  summary: "Hide a room from the list; nothing in it is lost",
  method: "POST",
  path: "/v1/rooms/:id/archive",
  params: room,
  body: z.object({}),
  ok: RoomView,
  refusals: { room_not_found: 404, room_role_too_low: 403 },
  access: write,
});
export const unarchiveRoom = route({
  id: "rooms.unarchive",
  summary: "Bring an archived room back",
  method: "POST",
  path: "/v1/rooms/:id/unarchive",
  params: room,
  body: z.object({}),
  ok: RoomView,
  refusals: { room_not_found: 404, room_role_too_low: 403 },
  access: write,
});
