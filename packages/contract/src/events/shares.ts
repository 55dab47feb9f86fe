import { z } from "zod";
import { PrincipalId, RoomId, SessionId, ShareId, Timestamp } from "../primitives.ts";

/** A link under which a session can be read by whoever has it; subject `share:<id>`. Only the token's hash is ever stored. */
export const ShareEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("share.created"),
    data: z.object({
      share_id: ShareId,
      session_id: SessionId,
      room_id: RoomId,
      token_hash: z.string(),
      expires_at: Timestamp,
      by: PrincipalId,
    }),
  }),
  z.object({ type: z.literal("share.revoked"), data: z.object({ share_id: ShareId, by: PrincipalId }) }),
]);
export type ShareEvent = z.infer<typeof ShareEvent>;
