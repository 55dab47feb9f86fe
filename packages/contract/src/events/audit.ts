import { z } from "zod";
import { ArchiveId, EventId, ImportId, OrganizationId, RoomId, SessionId, Sha256 } from "../primitives.ts";

export const AuditEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("event.redacted"),
    data: z.object({
      target_event_id: EventId,
      reason: z.string(),
      /** `full`: what the event says, and the content that it names. `partial`: that content alone. */
      level: z.enum(["partial", "full"]),
      /** Content (blobs) that is erased with it, by its hash. */
      content: z.array(Sha256).optional(),
    }),
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
  /** Another key signs checkpoints from here on. specs/evidence.md. */
  z.object({
    type: z.literal("checkpoint.key_rotated"),
    data: z.object({
      from_key_id: z.string(),
      to_key_id: z.string(),
      /** Verifier key (C2SP signed note), as published. */
      public_key: z.string(),
      /** `replaced`: the old key was lost, so that it could not sign the rotation. */
      how: z.enum(["rotated", "replaced"]),
      /** Signed by both keys; null when it was replaced. */
      statement: z.string().nullable(),
      reason: z.string().nullable(),
    }),
  }),
  /** A foreign log was verified and is kept as read-only streams. Whatever was still open in it counts as over. */
  z.object({
    type: z.literal("log.imported"),
    data: z.object({
      import_id: ImportId,
      name: z.string(),
      source_organization_id: OrganizationId,
      streams: z.int(),
      events: z.int(),
      rooms: z.array(RoomId),
      sessions: z.array(SessionId),
      signed_by: z.string(),
      /** sha256 over its stream heads: the same log has the same. */
      digest: Sha256,
    }),
  }),
  /**
   * Rows of a derived table were not what the log says: somebody changed them past the log, or a projection has a
   * fault. Said once until it is repaired. Counts are of the organization; keys are ids, never what a row says.
   */
  z.object({
    type: z.literal("projection.drifted"),
    data: z.object({
      projection: z.string(),
      table: z.string(),
      only_live: z.int(),
      only_rebuilt: z.int(),
      keys: z.array(z.string()),
    }),
  }),
  z.object({
    type: z.literal("projection.repaired"),
    data: z.object({ projection: z.string(), table: z.string() }),
  }),
  /**
   * Old events of a stream: their text was moved to the store of contents, read back and verified there. Their places,
   * hashes and subjects stay in the database, and they are read as ever.
   */
  z.object({
    type: z.literal("log.archived"),
    data: z.object({
      archive_id: ArchiveId,
      stream: z.string(),
      from_seq: z.int(),
      to_seq: z.int(),
      events: z.int(),
      /** Content that has them, in the format of exports. Another one once an event in it was erased. */
      sha256: Sha256,
      bytes: z.int(),
      /** Hash of the last of them. */
      last_hash: Sha256,
    }),
  }),
  z.object({
    type: z.literal("log.import_removed"),
    data: z.object({ import_id: ImportId, events: z.int(), rooms: z.array(RoomId), sessions: z.array(SessionId), digest: Sha256 }),
  }),
]);
export type AuditEvent = z.infer<typeof AuditEvent>;
