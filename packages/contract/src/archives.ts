/* Old streams whose events lie in the store of contents. They are read through every route as ever. */
import { z } from "zod";
import { ArchiveId, page, PageQuery, SessionId, Sha256, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

/** Of the room whose stream it is; null when the room is no more. */
const named = { title: z.string().nullable(), session_id: SessionId.nullable() };

export const ArchiveView = z
  .object({
    id: ArchiveId,
    /** Like `room:room_01J…` */
    stream: z.string(),
    ...named,
    from_seq: z.int(),
    to_seq: z.int(),
    events: z.int(),
    /** Content that has them, in the format of exports. */
    sha256: Sha256,
    bytes: z.int(),
    /** `verified`: stored and read back, still in the database too. `detached`: only there. */
    state: z.enum(["verified", "detached"]),
    created_at: Timestamp,
    detached_at: Timestamp.nullable(),
  })
  .meta({ id: "Archive" });
export type ArchiveView = z.infer<typeof ArchiveView>;

export const ArchiveCandidate = z
  .object({
    stream: z.string(),
    ...named,
    /** Events that are not archived yet. */
    events: z.int(),
    /** Of their text in the database, about. */
    bytes: z.int(),
    last_event_at: Timestamp,
  })
  .meta({ id: "ArchiveCandidate" });

export const listArchives = route({
  id: "audit.archives.list",
  summary: "What was archived, newest first",
  method: "GET",
  path: "/v1/audit/archives",
  query: PageQuery,
  ok: page(ArchiveView)
    .extend({
      /** Days after its last event that the stream of what is over goes by itself; null: never. */
      after_days: z.int().nullable(),
    })
    .meta({ id: "ArchivePage" }),
  refusals: {},
  // It names streams, also those of rooms that one is not in.
  access: { resource: "audit", role: "admin", scopes: ["admin"] },
});
/** A stream can go once its session has ended, or its room is archived, and nothing happened in it for so long. */
export const archiveStreams = route({
  id: "audit.archives.create",
  summary: "Say which old streams can be archived, or archive them",
  method: "POST",
  path: "/v1/audit/archives",
  body: z.object({
    /** Only say what would go. */
    dry_run: z.boolean().default(true),
    older_than_days: z.int().min(0).max(36_500),
  }),
  ok: z
    .object({
      dry_run: z.boolean(),
      /** What would go, or goes now: a job does it, and each shows in the list as it is done. At most 500. */
      streams: z.array(ArchiveCandidate),
      events: z.int(),
      bytes: z.int(),
    })
    .meta({ id: "ArchivePlan" }),
  refusals: {},
  access: { resource: "audit", role: "owner", scopes: ["admin"] },
});
