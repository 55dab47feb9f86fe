/* Who opened a door into a session's sandbox, and when it was shut. What is typed or shown there is not recorded. */
import { z } from "zod";
import { PreviewId, PrincipalId, SessionId, TerminalId, Timestamp } from "../primitives.ts";

const session_id = SessionId;

export const TerminalEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("terminal.opened"),
    data: z.object({ session_id, terminal_id: TerminalId, cols: z.int(), rows: z.int(), by: PrincipalId }),
  }),
  z.object({
    type: z.literal("terminal.closed"),
    data: z.object({
      session_id,
      terminal_id: TerminalId,
      reason: z.enum(["exited", "closed", "session_ended", "sandbox_ended"]),
      exit_code: z.int().nullable(),
      signal: z.string().nullable(),
      /** Who closed it, when somebody did. */
      by: PrincipalId.optional(),
    }),
  }),
]);
export type TerminalEvent = z.infer<typeof TerminalEvent>;

export const PreviewEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("preview.created"),
    data: z.object({ session_id, preview_id: PreviewId, port: z.int(), by: PrincipalId, expires_at: Timestamp }),
  }),
  z.object({
    type: z.literal("preview.deleted"),
    data: z.object({
      session_id,
      preview_id: PreviewId,
      reason: z.enum(["revoked", "expired", "session_ended"]),
      by: PrincipalId.optional(),
    }),
  }),
]);
export type PreviewEvent = z.infer<typeof PreviewEvent>;
