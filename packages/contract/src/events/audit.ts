import { z } from "zod";
import { EventId, Sha256 } from "../primitives.ts";

export const AuditEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("event.redacted"),
    data: z.object({ target_event_id: EventId, reason: z.string(), level: z.enum(["partial", "full"]) }),
  }),
  z.object({
    type: z.literal("secret.leaked.detected"),
    data: z.object({
      target_event_id: EventId,
      source_type: z.string(),
      scanner_version: z.int(),
      match_count: z.int(),
      rule_ids: z.array(z.string()),
    }),
  }),
  z.object({
    type: z.literal("checkpoint.created"),
    data: z.object({ root_hash: Sha256, streams: z.int(), position: z.int(), key_id: z.string() }),
  }),
]);
export type AuditEvent = z.infer<typeof AuditEvent>;
