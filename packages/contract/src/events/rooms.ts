import { z } from "zod";
import { Markdown, MessageId, PrincipalId, RoomId, SessionId, ThreadId } from "../primitives.ts";

export const RoomRole = z.enum(["viewer", "member", "approver", "owner"]).meta({ id: "RoomRole" });
export type RoomRole = z.infer<typeof RoomRole>;

export const RoomEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("room.created"), data: z.object({ room_id: RoomId, title: z.string(), session_id: SessionId.optional() }) }),
  z.object({ type: z.literal("room.member_added"), data: z.object({ room_id: RoomId, principal_id: PrincipalId, role: RoomRole }) }),
  z.object({ type: z.literal("room.member_removed"), data: z.object({ room_id: RoomId, principal_id: PrincipalId }) }),
  z.object({ type: z.literal("room.renamed"), data: z.object({ room_id: RoomId, title: z.string(), by: PrincipalId }) }),
  z.object({ type: z.literal("room.archived"), data: z.object({ room_id: RoomId, by: PrincipalId }) }),
  z.object({ type: z.literal("room.unarchived"), data: z.object({ room_id: RoomId, by: PrincipalId }) }),
  z.object({ type: z.literal("thread.created"), data: z.object({ thread_id: ThreadId, room_id: RoomId, title: z.string().optional() }) }),
  z.object({
    type: z.literal("message.created"),
    data: z.object({
      message_id: MessageId,
      thread_id: ThreadId,
      room_id: RoomId,
      /** Absent when the text went to a blob (`content_sha256`). */
      content_md: Markdown.optional(),
      content_sha256: z.string().optional(),
      /** Members whom it names. */
      mentions: z.array(PrincipalId).optional(),
    }),
  }),
  z.object({
    type: z.literal("message.edited"),
    data: z.object({ message_id: MessageId, thread_id: ThreadId, room_id: RoomId, content_md: Markdown, by: PrincipalId }),
  }),
]);
export type RoomEvent = z.infer<typeof RoomEvent>;
