/*
 * Links under which a session can be read without an account, until they expire or are revoked.
 *
 * The `shared.*` routes are public: the token in the path is the credential, and it opens nothing but this one
 * session, for reading. An unknown token answers 404; one that expired or was revoked, 410.
 */
import { z } from "zod";
import { FileChange } from "./events/sessions.ts";
import { MicroUsd, page, PrincipalId, SessionId, ShareId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";
import { ConversationItem, ConversationQuery, SessionStatus } from "./sessions.ts";
import { SessionAt, Timeline } from "./session-history.ts";

export const ShareView = z
  .object({
    id: ShareId,
    session_id: SessionId,
    created_by: PrincipalId,
    created_at: Timestamp,
    expires_at: Timestamp,
    status: z.enum(["active", "expired", "revoked"]),
    revoked_at: Timestamp.nullable(),
  })
  .meta({ id: "Share" });
export type ShareView = z.infer<typeof ShareView>;

const read = { resource: "session", role: "viewer", scopes: ["read"] } as const;
const write = { resource: "session", role: "member", scopes: ["write"] } as const;

export const createShare = route({
  id: "shares.create",
  summary: "Make a link under which the session can be read",
  method: "POST",
  path: "/v1/sessions/:id/shares",
  params: z.object({ id: SessionId }),
  body: z.object({ expires_in_s: z.int().min(60).max(31_536_000).default(604_800) }),
  /** The link is shown this once. */
  ok: ShareView.extend({ url: z.string(), token: z.string() }).meta({ id: "NewShare" }),
  okStatus: 201,
  refusals: { session_not_found: 404 },
  access: write,
});
export const listShares = route({
  id: "shares.list",
  summary: "Links of a session, newest first",
  method: "GET",
  path: "/v1/sessions/:id/shares",
  params: z.object({ id: SessionId }),
  ok: z.object({ items: z.array(ShareView) }).meta({ id: "ShareList" }),
  refusals: { session_not_found: 404 },
  access: read,
});
export const revokeShare = route({
  id: "shares.revoke",
  summary: "End a link; whoever reads by it is cut off within a second",
  method: "DELETE",
  path: "/v1/shares/:id",
  params: z.object({ id: ShareId }),
  ok: ShareView,
  refusals: { share_not_found: 404 },
  access: write,
});

/** Not an id: `shs_`, the organization, 43 random characters. */
export const ShareToken = z.string().min(1).max(200);
const shared = z.object({ token: ShareToken });
const GONE = { share_not_found: 404, share_expired: 410, share_revoked: 410 } as const;

export const SharedSession = z
  .object({
    organization: z.string(),
    title: z.string(),
    status: SessionStatus,
    status_reason: z.string().nullable(),
    harness: z.string(),
    model: z.string(),
    created_at: Timestamp,
    updated_at: Timestamp,
    outcome: z.enum(["succeeded", "failed", "canceled"]).nullable(),
    files_changed: z.array(FileChange),
    cost_micro_usd: MicroUsd,
    tool_calls: z.int(),
    messages: z.int(),
    pending_approvals: z.int(),
    /** Head of what `shared.timeline` and `shared.stream` tell. */
    last_seq: z.int(),
    /** Who is meant by the ids in conversation and timeline. */
    people: z.record(z.string(), z.string()),
    agent_id: PrincipalId,
    expires_at: Timestamp,
  })
  .meta({ id: "SharedSession" });
export type SharedSession = z.infer<typeof SharedSession>;

export const getShared = route({
  id: "shared.get",
  summary: "A shared session",
  method: "GET",
  path: "/v1/shared/:token",
  params: shared,
  ok: SharedSession,
  refusals: GONE,
  access: "public",
});
export const getSharedConversation = route({
  id: "shared.conversation",
  summary: "The conversation of a shared session, in the same windows as `sessions.conversation`",
  method: "GET",
  path: "/v1/shared/:token/conversation",
  params: shared,
  query: ConversationQuery,
  ok: page(ConversationItem).extend({ last_seq: z.int(), prev_cursor: z.string().nullable() }).meta({ id: "SharedConversationPage" }),
  refusals: { ...GONE, cursor_in_future: 400 },
  access: "public",
});
export const getSharedTimeline = route({
  id: "shared.timeline",
  summary: "Every moment of a shared session",
  method: "GET",
  path: "/v1/shared/:token/timeline",
  params: shared,
  query: z.object({ after_seq: z.coerce.number().int().min(0).default(0) }),
  ok: Timeline,
  refusals: { ...GONE, cursor_in_future: 400 },
  access: "public",
});
export const getSharedAt = route({
  id: "shared.at",
  summary: "How a shared session stood at a moment",
  method: "GET",
  path: "/v1/shared/:token/at",
  params: shared,
  query: z.object({ seq: z.coerce.number().int().min(0).optional(), time: Timestamp.optional() }),
  ok: SessionAt,
  refusals: { ...GONE, cursor_in_future: 400, moment_not_named: 400 },
  access: "public",
});

/** An event of the session, without what only its organization needs (hashes, correlation, idempotency). */
export const SharedEvent = z
  .object({
    seq: z.int(),
    at: Timestamp,
    type: z.string(),
    subject: z.string(),
    run_id: z.string().nullable(),
    principal: z.object({ id: z.string(), type: z.string() }),
    data: z.json(),
  })
  .meta({ id: "SharedEvent" });
export type SharedEvent = z.infer<typeof SharedEvent>;

export const streamShared = route({
  id: "shared.stream",
  summary: "Events of a shared session as they happen, until the link ends",
  method: "GET",
  path: "/v1/shared/:token/stream",
  params: shared,
  query: z.object({ from_seq: z.coerce.number().int().min(0).optional() }),
  ok: SharedEvent,
  stream: "sse",
  refusals: { ...GONE, cursor_in_future: 400 },
  access: "public",
});
