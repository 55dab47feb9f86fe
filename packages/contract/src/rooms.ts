import { z } from "zod";
import { RoomRole } from "./events/rooms.ts";
import {
  Markdown,
  MessageId,
  page,
  PageQuery,
  Principal,
  PrincipalId,
  RoomId,
  RunId,
  SessionId,
  ThreadId,
  Timestamp,
  Title,
} from "./primitives.ts";
import { route } from "./route.ts";

/** `preview`: its first 160 characters as plain text. */
export const LastMessage = z.object({ id: MessageId, author: Principal, preview: z.string(), at: Timestamp }).meta({ id: "LastMessage" });
export const RoomView = z
  .object({
    id: RoomId,
    title: z.string(),
    session_id: SessionId.nullable(),
    created_by: PrincipalId,
    created_at: Timestamp,
    /** Seq of the room's newest event: the feed's head when this was read. */
    last_seq: z.int().min(0),
    /** `session`: the room of one session; `discussion`: people's own. */
    kind: z.enum(["session", "discussion"]),
    archived: z.boolean(),
    member_count: z.int().min(0),
    /** What you have read: messages after it by others are unread. */
    read_seq: z.int().min(0),
    unread_count: z.int().min(0),
    /** Unread ones that name you. */
    mention_count: z.int().min(0),
    last_message: LastMessage.nullable(),
  })
  .meta({ id: "Room" });
export const ThreadView = z
  .object({
    id: ThreadId,
    room_id: RoomId,
    title: z.string().nullable(),
    created_by: PrincipalId,
    created_at: Timestamp,
    message_count: z.int(),
    last_message: LastMessage.nullable(),
    /** What you have read of it, by itself or with its room. */
    read_seq: z.int().min(0),
    unread_count: z.int().min(0),
  })
  .meta({ id: "Thread" });
export const MessageView = z
  .object({
    id: MessageId,
    thread_id: ThreadId,
    room_id: RoomId,
    author: Principal,
    content_md: z.string(),
    run_id: RunId.nullable(),
    created_at: Timestamp,
    seq: z.int(),
    mentions: z.array(PrincipalId),
  })
  .meta({ id: "Message" });
export const MemberView = z.object({ principal_id: PrincipalId, role: RoomRole }).meta({ id: "RoomMember" });

const room = z.object({ id: RoomId });
const read = { resource: "room", role: "viewer", scopes: ["read"] } as const;
const write = { resource: "room", role: "member", scopes: ["write"] } as const;

export const createRoom = route({
  id: "rooms.create",
  summary: "Create a room",
  method: "POST",
  path: "/v1/rooms",
  body: z.object({ title: Title }),
  ok: RoomView,
  okStatus: 201,
  refusals: {},
  access: write,
  idempotent: true,
});
export const listRooms = route({
  id: "rooms.list",
  summary: "Rooms that you may see, newest first",
  method: "GET",
  path: "/v1/rooms",
  query: PageQuery.extend({
    /** Part of the title. */
    q: z.string().trim().max(200).optional(),
    unread: z.enum(["true"]).optional(),
    kind: z.enum(["session", "discussion"]).optional(),
    archived: z.enum(["true", "false"]).default("false"),
    /** `activity`: the last message first. */
    order: z.enum(["created", "activity"]).default("created"),
  }),
  ok: page(RoomView).meta({ id: "RoomPage" }),
  refusals: {},
  access: read,
});
export const getRoom = route({
  id: "rooms.get",
  summary: "One room",
  method: "GET",
  path: "/v1/rooms/:id",
  params: room,
  ok: RoomView,
  refusals: { room_not_found: 404 },
  access: read,
});
export const listMembers = route({
  id: "rooms.members.list",
  summary: "Members of a room",
  method: "GET",
  path: "/v1/rooms/:id/members",
  params: room,
  ok: z.object({ items: z.array(MemberView) }).meta({ id: "RoomMembers" }),
  refusals: { room_not_found: 404 },
  access: read,
});
export const addMember = route({
  id: "rooms.members.add",
  summary: "Add a member or change a member's role",
  method: "POST",
  path: "/v1/rooms/:id/members",
  params: room,
  body: MemberView,
  ok: MemberView,
  okStatus: 201,
  refusals: { room_not_found: 404, principal_not_found: 404 },
  access: { resource: "room", role: "admin", scopes: ["admin"] },
});
export const removeMember = route({
  id: "rooms.members.remove",
  summary: "Remove a member; their open feeds of the room end",
  method: "DELETE",
  path: "/v1/rooms/:id/members/:principal_id",
  params: room.extend({ principal_id: PrincipalId }),
  ok: z.object({ ok: z.literal(true) }),
  refusals: { room_not_found: 404, member_not_found: 404 },
  access: { resource: "room", role: "admin", scopes: ["admin"] },
});
export const createThread = route({
  id: "threads.create",
  summary: "Start a thread in a room",
  method: "POST",
  path: "/v1/rooms/:id/threads",
  params: room,
  body: z.object({ title: Title.optional() }),
  ok: ThreadView,
  okStatus: 201,
  refusals: { room_not_found: 404, room_role_too_low: 403 },
  access: write,
  idempotent: true,
});
export const listThreads = route({
  id: "threads.list",
  summary: "Threads of a room, newest first",
  method: "GET",
  path: "/v1/rooms/:id/threads",
  params: room,
  query: PageQuery,
  ok: page(ThreadView).meta({ id: "ThreadPage" }),
  refusals: { room_not_found: 404 },
  access: read,
});
export const createMessage = route({
  id: "messages.create",
  summary: "Post a message to a thread",
  method: "POST",
  path: "/v1/threads/:id/messages",
  params: z.object({ id: ThreadId }),
  body: z.object({ content_md: Markdown }),
  ok: MessageView,
  okStatus: 201,
  refusals: { thread_not_found: 404, room_role_too_low: 403 },
  access: write,
  idempotent: true,
  bodyLimit: 8_388_608,
});
export const listMessages = route({
  id: "messages.list",
  summary: "Messages of a thread, oldest first unless `order` says newest",
  method: "GET",
  path: "/v1/threads/:id/messages",
  params: z.object({ id: ThreadId }),
  query: PageQuery.extend({
    order: z.enum(["oldest", "newest"]).default("oldest"),
    /** A message, with as many before it as after, oldest first. */
    around: MessageId.optional(),
  }),
  ok: page(MessageView)
    .extend({
      /** With `around`: for `order=newest`, what comes before the first of these. */
      prev_cursor: z.string().nullable(),
    })
    .meta({ id: "MessagePage" }),
  refusals: { thread_not_found: 404, message_not_found: 404 },
  access: read,
});
