import { z } from "zod";
import { EventEnvelope, StreamType } from "./envelope.ts";
import { EventId, OrganizationId, page, PageQuery, RoomId, RunId, SessionId, Sha256, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

const read = { resource: "event", role: "viewer", scopes: ["read"] } as const;
const audit = { resource: "audit", role: "viewer", scopes: ["read"] } as const;

export const listEvents = route({
  id: "events.list",
  summary: "Events, oldest first within a stream, else newest first",
  method: "GET",
  path: "/v1/events",
  query: PageQuery.extend({
    stream_type: StreamType.optional(),
    stream_id: z.string().max(100).optional(),
    from_seq: z.coerce.number().int().min(0).optional(),
    run_id: RunId.optional(),
    session_id: SessionId.optional(),
    correlation_id: z.string().max(100).optional(),
    event_type: z.string().max(100).optional(),
    subject: z.string().max(200).optional(),
    after: Timestamp.optional(),
    before: Timestamp.optional(),
  }).strict(),
  ok: page(EventEnvelope).meta({ id: "EventPage" }),
  refusals: { stream_not_found: 404 },
  access: read,
});
export const getEvent = route({
  id: "events.get",
  summary: "One event",
  method: "GET",
  path: "/v1/events/:id",
  params: z.object({ id: EventId }),
  ok: EventEnvelope,
  refusals: { event_not_found: 404 },
  access: read,
});
/** `id:` is the seq; `Last-Event-ID` wins over `from_seq`; both are exclusive. */
export const streamRoom = route({
  id: "streams.room",
  summary: "The room's feed: history after the cursor, then live",
  method: "GET",
  path: "/v1/streams/rooms/:roomId",
  params: z.object({ roomId: RoomId }),
  query: z.object({ from_seq: z.coerce.number().int().min(0).optional() }),
  ok: EventEnvelope,
  stream: "sse",
  refusals: { room_not_found: 404, cursor_in_future: 400 },
  access: { resource: "room", role: "viewer", scopes: ["read"] },
});

export const Mismatch = z
  .object({
    seq: z.int(),
    event_id: z.string().nullable(),
    event_type: z.string().nullable(),
    kind: z.string(),
    expected: z.string().nullable(),
    actual: z.string().nullable(),
  })
  .meta({ id: "ChainMismatch" });
export const VerifyReport = z
  .object({
    stream: z.string(),
    checked: z.int(),
    last_seq: z.int(),
    last_hash: z.string().nullable(),
    valid: z.boolean(),
    first_mismatch: Mismatch.nullable(),
  })
  .meta({ id: "VerifyReport" });
export const verifyStream = route({
  id: "audit.verify",
  summary: "Recompute the hash chain of a stream",
  method: "GET",
  path: "/v1/audit/verify",
  query: z.object({
    stream: z.string().regex(/^(room|organization|ledger):[0-9A-Za-z_]+$/, "expected <type>:<id>, like room:room_01J…"),
    from_seq: z.coerce.number().int().min(0).default(0),
  }),
  ok: VerifyReport,
  refusals: { stream_not_found: 404 },
  access: audit,
});
export const CheckpointView = z
  .object({
    position: z.int(),
    streams: z.int(),
    root_hash: Sha256,
    key_id: z.string(),
    created_at: Timestamp,
    /** Signed note (C2SP), as published. */ note: z.string(),
  })
  .meta({ id: "Checkpoint" });
export const listCheckpoints = route({
  id: "audit.checkpoints.list",
  summary: "Signed checkpoints, newest first",
  method: "GET",
  path: "/v1/audit/checkpoints",
  query: PageQuery,
  ok: page(CheckpointView).meta({ id: "CheckpointPage" }),
  refusals: {},
  access: audit,
});
export const createCheckpoint = route({
  id: "audit.checkpoints.create",
  summary: "Sign a checkpoint now",
  method: "POST",
  path: "/v1/audit/checkpoints",
  body: z.object({}),
  ok: CheckpointView,
  okStatus: 201,
  refusals: {},
  access: { resource: "audit", role: "admin", scopes: ["admin"] },
});
export const AuditKey = z
  .object({
    key_id: z.string(),
    name: z.string(),
    /** Verifier key (C2SP signed note). */ public_key: z.string(),
    status: z.enum(["current", "retired"]),
    /** `rotated`: the key before it signed that it follows. `replaced`: nothing of the key before it says so. */
    introduced: z.enum(["first", "rotated", "replaced"]),
    valid_from: Timestamp.nullable(),
    valid_until: Timestamp.nullable(),
    /** Signed note that hands over to this key. */ statement: z.string().nullable(),
  })
  .meta({ id: "AuditKey" });
export const AuditKeys = z.object({ organization_id: OrganizationId, keys: z.array(AuditKey) }).meta({ id: "AuditKeys" });
export const getAuditKeys = route({
  id: "audit.keys",
  summary: "Public keys that sign checkpoints, oldest first, and how each followed the one before",
  method: "GET",
  path: "/v1/audit/keys",
  ok: AuditKeys,
  refusals: {},
  access: audit,
});
/** The old key signs that the new one follows it; whoever knows the first goes on verifying. */
export const rotateAuditKey = route({
  id: "audit.keys.rotate",
  summary: "Let a new key sign checkpoints from now on",
  method: "POST",
  path: "/v1/audit/keys/rotate",
  body: z.object({
    reason: z.string().min(1).max(500).optional(),
    /** Only where the private key is lost: verifiers will say that the key was replaced. */ replace_lost: z.boolean().default(false),
  }),
  ok: AuditKey,
  okStatus: 201,
  refusals: { signing_key_present: 409, key_rotated_meanwhile: 409 },
  access: { resource: "audit", role: "admin", scopes: ["admin"] },
});
/** One JSON line each: header, then events in position order with the exact hashed bytes, then checkpoints. */
export const exportLog = route({
  id: "audit.export",
  summary: "Everything an offline verifier needs, as newline-delimited JSON",
  method: "GET",
  path: "/v1/audit/export",
  query: z.object({ stream: z.string().max(100).optional(), session_id: SessionId.optional() }),
  ok: z.json(),
  stream: "ndjson",
  refusals: { stream_not_found: 404, session_not_found: 404 },
  // The file holds every room, also those one is not in.
  access: { resource: "audit", role: "admin", scopes: ["admin"] },
});
export const EventProof = z
  .object({
    format: z.literal("signalbox-proof/1"),
    organization_id: OrganizationId,
    event: z.object({
      stream: z.object({ type: StreamType, id: z.string() }),
      seq: z.int(),
      recorded_at: Timestamp,
      position: z.int(),
      /** The exact texts that were hashed. */ header: z.string(),
      /** Null once erased. */ data: z.string().nullable(),
      salt: z.string().nullable(),
      prev_hash: Sha256,
      hash: Sha256,
    }),
    /** Entry hashes of what follows up to the head that was signed, base64, 32 bytes each. */ links: z.string(),
    inclusion: z.object({ index: z.int(), size: z.int(), /** base64 */ path: z.array(z.string()) }),
    /** Signed note (C2SP) */ checkpoint: z.string(),
    keys: z.array(z.string()),
    rotations: z.array(z.string()),
  })
  .meta({ id: "EventProof" });
/** Checked offline by `signalbox log verify --proof`, or by `packages/verify` anywhere. */
export const proveEvent = route({
  id: "audit.proof",
  summary: "Proof that one event stands in the log, under the first checkpoint that covers it",
  method: "GET",
  path: "/v1/audit/proof",
  query: z.object({
    event_id: EventId.optional(),
    /** Or the place of the event. */
    stream: z
      .string()
      .regex(/^(room|organization|ledger):[0-9A-Za-z_]+$/, "expected <type>:<id>, like room:room_01J…")
      .optional(),
    seq: z.coerce.number().int().min(1).optional(),
  }),
  ok: EventProof,
  refusals: { event_not_found: 404, event_not_named: 400, event_imported: 409 },
  access: read,
});
export const redactEvent = route({
  id: "audit.redact",
  summary: "Erase what one event says, and the content that it alone names; the chain stays whole",
  method: "POST",
  path: "/v1/audit/redact",
  body: z.object({ event_id: EventId, reason: z.string().min(1).max(500) }),
  ok: EventEnvelope,
  refusals: { event_not_found: 404, event_already_redacted: 409, event_is_evidence: 409, event_in_force: 409 },
  access: { resource: "audit", role: "admin", scopes: ["admin"] },
});
export const listRedactions = route({
  id: "audit.redactions",
  summary: "What was redacted, by whom and why",
  method: "GET",
  path: "/v1/audit/redactions",
  query: PageQuery,
  ok: page(EventEnvelope),
  refusals: {},
  access: audit,
});

export const RebuildReport = z
  .object({
    projection: z.string(),
    events: z.int(),
    /** Tables whose live rows were not what the log says: rows only there, and rows only in the rebuilt one. */
    drift: z.array(z.object({ table: z.string(), only_live: z.int(), only_rebuilt: z.int() })),
    swapped: z.boolean(),
    /** The longest that appends had to wait for it. */
    appends_waited_ms: z.int().optional(),
  })
  .meta({ id: "RebuildReport" });
/** Every projection of the whole installation is made anew beside the live one, compared and swapped in. */
export const rebuildProjections = route({
  id: "audit.rebuild",
  summary: "Rebuild every projection from the log",
  method: "POST",
  path: "/v1/audit/rebuild",
  body: z.object({
    /** Only compare; keep the live tables. */
    dry_run: z.boolean().default(false),
    /** One of them, by the name that the report gives it; default all. */
    projection: z.string().max(100).optional(),
  }),
  ok: z.object({ drifted: z.boolean(), projections: z.array(RebuildReport) }).meta({ id: "RebuildReports" }),
  refusals: { rebuild_running: 409, projection_not_found: 404 },
  access: { resource: "audit", role: "owner", scopes: ["admin"] },
});
export const RebuildProgress = z
  .object({
    /** `all` while the log is replayed for several at once. */
    projection: z.string(),
    step: z.enum(["replaying", "comparing", "swapping"]),
    /** Replayed so far; `total` is how many there were when it began. */
    events: z.int(),
    total: z.int(),
    /** It is the nth of so many projections. */
    nth: z.int(),
    of: z.int(),
  })
  .meta({ id: "RebuildProgress" });
export const getRebuild = route({
  id: "audit.rebuild_progress",
  summary: "How far the rebuild is that this server runs",
  method: "GET",
  path: "/v1/audit/rebuild",
  ok: z.object({ running: RebuildProgress.nullable() }).meta({ id: "RebuildState" }),
  refusals: {},
  access: { resource: "audit", role: "owner", scopes: ["admin"] },
});
