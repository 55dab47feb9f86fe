/*
 * `sync:v1`: the WebSocket protocol of live documents, at `/v1/sync?token=`.
 *
 * client → subscribe, unsubscribe, heartbeat; server → update_batch, heartbeat, error.
 * A topic's documents are read over HTTP first (`sync.list`, `sync.doc`), with the watermark to follow on from;
 * a client keeps of each document the greatest `doc_version` that it saw.
 * A watermark is a string, opaque to clients except for equality: `room:` topics use the
 * stream's seq, `session:` topics `epoch.n`, the others a counter per topic and organization.
 * `presence:<session id>` tells who follows that session: each update is the whole `Presence`, the newest comes
 * at once, nothing of it is kept (a cursor is ignored), and whoever may follow the session may follow it.
 */
import { z } from "zod";
import { ATTENTION_KINDS } from "./attention.ts";
import { RunKind } from "./events/runs.ts";
import { PageQuery, PrincipalId, RoomId, RunId, SessionId, Sha256, Timestamp } from "./primitives.ts";
import { RunStatus } from "./runs.ts";
import { route } from "./route.ts";

export const SYNC_LIMITS = {
  updatesPerBatch: 200,
  bytesPerUpdate: 262_144,
  bytesPerBatch: 2_097_152,
  heartbeatMs: 15_000,
  clientSilenceMs: 60_000,
  /** Of what a client sends: a hundred topics with their cursors are a tenth of it. Larger: error `payload_too_large`. */
  bytesPerClientFrame: 65_536,
  /** That one socket follows. */
  topics: 100,
} as const;

export const Topic = z
  .string()
  .regex(
    /^(runtime\.(run_summaries|worker_summaries|notifications)|inbox|room:room_[0-9A-Z]{26}|session:ses_[0-9A-Z]{26}|presence:ses_[0-9A-Z]{26})$/,
    "unknown topic",
  );
export type Topic = z.infer<typeof Topic>;

export const ClientFrame = z
  .discriminatedUnion("type", [
    z.object({
      type: z.literal("subscribe"),
      topics: z.array(Topic).min(1).max(100),
      resume_after: z.record(z.string(), z.string().max(60)).optional(),
      batch: z.int().min(1).max(SYNC_LIMITS.updatesPerBatch).optional(),
    }),
    z.object({ type: z.literal("unsubscribe"), topics: z.array(Topic).min(1).max(100) }),
    z.object({ type: z.literal("heartbeat") }),
  ])
  .meta({ id: "SyncClientFrame" });
export type ClientFrame = z.infer<typeof ClientFrame>;

export const SyncUpdate = z
  .object({
    topic: z.string(),
    doc_key: z.string(),
    doc_version: z.int(),
    payload: z.json(),
    payload_hash: z.string(),
    watermark: z.string(),
  })
  .meta({ id: "SyncUpdate" });
export type SyncUpdate = z.infer<typeof SyncUpdate>;

/** Payload of `runtime/run_summary:<run id>`. */
export const RunSummary = z
  .object({
    id: RunId,
    kind: RunKind,
    status: RunStatus,
    title: z.string().nullable(),
    room_id: RoomId.nullable(),
    session_id: SessionId.nullable(),
    requested_by: PrincipalId,
    assignee: PrincipalId.nullable(),
    claimed_by: PrincipalId.nullable(),
    attempt_no: z.int(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    created_at: Timestamp,
    started_at: Timestamp.nullable(),
    ended_at: Timestamp.nullable(),
  })
  .meta({ id: "RunSummary" });
export type RunSummary = z.infer<typeof RunSummary>;

/** Payload of `runtime/worker_summary:<principal id>`: an engine, as what it claimed tells. */
export const WorkerSummary = z
  .object({
    id: PrincipalId,
    display_name: z.string(),
    status: z.enum(["busy", "idle"]),
    /** Runs that it holds. */
    holding: z.int(),
    completed: z.int(),
    failed: z.int(),
    first_seen_at: Timestamp,
    /** When it last claimed a run or ended one; heartbeats are no updates. */
    last_seen_at: Timestamp,
  })
  .meta({ id: "WorkerSummary" });
export type WorkerSummary = z.infer<typeof WorkerSummary>;

/** Payload of `runtime/notification:<id>`: what waits for a person, how it ended, and what a person asked for and is done. */
export const Notification = z
  .object({
    id: z.string(),
    kind: z.enum([...ATTENTION_KINDS, "run_completed"]),
    title: z.string().nullable(),
    detail: z.string().nullable(),
    room_id: RoomId.nullable(),
    session_id: SessionId.nullable(),
    run_id: RunId.nullable(),
    at: Timestamp,
    /** Null while it waits. */
    closed_at: Timestamp.nullable(),
    outcome: z.string().nullable(),
  })
  .meta({ id: "Notification" });
export type Notification = z.infer<typeof Notification>;

export const SyncErrorCode = z.enum([
  "bad_frame",
  "bad_topic",
  "bad_subscription",
  "forbidden_topic",
  "stale_cursor",
  "payload_too_large",
  "rate_limited",
  "token_expired",
  "unauthenticated",
  "internal",
]);
export const ServerFrame = z
  .discriminatedUnion("type", [
    z.object({
      type: z.literal("update_batch"),
      updates: z.array(SyncUpdate).max(SYNC_LIMITS.updatesPerBatch),
      replay_complete: z.boolean(),
      head_watermarks: z.record(z.string(), z.string()),
    }),
    z.object({ type: z.literal("heartbeat"), watermarks: z.record(z.string(), z.string()) }),
    z.object({
      type: z.literal("error"),
      code: SyncErrorCode,
      message: z.string(),
      full_resync_required: z.boolean().optional(),
      stale_topics: z.array(z.string()).optional(),
    }),
  ])
  .meta({ id: "SyncServerFrame" });
export type ServerFrame = z.infer<typeof ServerFrame>;

/**
 * Payload of one `session:<id>` update (doc key `session/delta:<epoch.n>`). After a takeover a new epoch
 * opens with each open part's full text (`snapshot`), so a reader replaces what it has of that part.
 */
export const SessionDelta = z
  .discriminatedUnion("kind", [
    z.object({ kind: z.literal("text"), part_id: z.string(), run_id: z.string(), delta: z.string() }),
    z.object({ kind: z.literal("thought"), part_id: z.string(), run_id: z.string(), delta: z.string() }),
    z.object({
      kind: z.literal("tool_started"),
      part_id: z.string(),
      run_id: z.string(),
      name: z.string(),
      title: z.string().nullable(),
      arguments: z.json(),
    }),
    z.object({ kind: z.literal("tool_output"), part_id: z.string(), run_id: z.string(), delta: z.string() }),
    z.object({
      kind: z.literal("snapshot"),
      part_id: z.string(),
      run_id: z.string(),
      part: z.enum(["text", "thought", "tool"]),
      name: z.string().nullable(),
      text: z.string(),
    }),
    /** The part is complete; the event of that seq in the room's stream replaces it. */
    z.object({ kind: z.literal("part_done"), part_id: z.string(), run_id: z.string(), seq: z.int().nullable() }),
    z.object({ kind: z.literal("state"), status: z.string(), reason: z.string().nullable() }),
    z.object({ kind: z.literal("progress"), run_id: z.string().nullable(), text: z.string() }),
    z.object({ kind: z.literal("cost"), spent_micro_usd: z.int(), reserved_micro_usd: z.int(), cap_micro_usd: z.int() }),
  ])
  .meta({ id: "SessionDelta" });
export type SessionDelta = z.infer<typeof SessionDelta>;

export const createSyncToken = route({
  id: "sync.token",
  summary: "A short-lived token for the sync socket",
  method: "POST",
  path: "/v1/sync/token",
  body: z.object({ scopes: z.array(z.string().max(100)).max(100).optional(), ttl_s: z.int().min(60).max(900).default(300) }),
  ok: z
    .object({
      token: z.string(),
      token_type: z.literal("Bearer"),
      expires_in: z.int(),
      expires_at: Timestamp,
      /** Where sockets are opened with it; the server's own address when absent (an installation that is not split). */
      gateway_url: z.string().optional(),
    })
    .meta({ id: "SyncToken" }),
  refusals: { scope_not_allowed: 400 },
  access: { resource: "sync", role: "viewer", scopes: ["read"] },
});

/** The documents of a topic that has any; a room's and a session's state have routes of their own. */
export type Collection = "run_summaries" | "worker_summaries" | "notifications";

export const SyncDocument = z
  .object({ doc_key: z.string(), doc_version: z.int(), payload: z.json(), payload_hash: Sha256 })
  .meta({ id: "SyncDocument" });
export type SyncDocument = z.infer<typeof SyncDocument>;

const hydrate = { resource: "sync", role: "viewer", scopes: ["read"] } as const;

/**
 * Read the pages, then follow `topic` after the watermark of the first one: whatever changed since that page was made
 * comes as an update. It may be older than a document of the page says already, and is then left out by `doc_version`.
 */
export const listDocuments = route({
  id: "sync.list",
  summary: "The documents of a topic, newest first, with the watermark to follow on from",
  method: "GET",
  path: "/v1/sync/list/:collection",
  params: z.object({ /** `run_summaries`, `worker_summaries` or `notifications`. */ collection: z.string().max(60) }),
  query: PageQuery,
  ok: z
    .object({ topic: Topic, watermark: z.string(), items: z.array(SyncDocument), next_cursor: z.string().nullable() })
    .meta({ id: "SyncDocumentPage" }),
  refusals: { collection_not_found: 404 },
  access: hydrate,
});
export const getDocument = route({
  id: "sync.doc",
  summary: "One document, with the watermark to follow its topic from",
  method: "GET",
  path: "/v1/sync/doc/:key",
  params: z.object({ /** Its `doc_key`, percent-encoded. */ key: z.string().max(200) }),
  ok: SyncDocument.extend({ topic: Topic, watermark: z.string() }).meta({ id: "SyncDocumentAtWatermark" }),
  refusals: { document_not_found: 404 },
  access: hydrate,
});
