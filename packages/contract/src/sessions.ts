import { z } from "zod";
import { QuestionOption } from "./events/questions.ts";
import { FileChange, HarnessName, SessionKind, SessionSource } from "./events/sessions.ts";
import { InvocationView } from "./gate.ts";
import {
  ImportId,
  Markdown,
  MicroUsd,
  OrganizationId,
  page,
  PageQuery,
  PrincipalId,
  RoomId,
  RunId,
  SandboxId,
  SessionId,
  ThreadId,
  Timestamp,
  Title,
} from "./primitives.ts";
import { route } from "./route.ts";
import { RunView, RunStatus } from "./runs.ts";

export const SessionStatus = z
  .enum(["creating", "running", "waiting", "pausing", "paused", "resuming", "migrating", "completed", "stopped", "failed"])
  .meta({ id: "SessionStatus" });
export type SessionStatus = z.infer<typeof SessionStatus>;

export const SessionView = z
  .object({
    id: SessionId,
    title: z.string(),
    kind: SessionKind,
    status: SessionStatus,
    /** Why it waits, stopped or failed, in a sentence. */
    status_reason: z.string().nullable(),
    source: SessionSource,
    harness: HarnessName,
    model: z.string(),
    /** False: the agent runs on a model of its own, whatever `model` says. */
    can_change_model: z.boolean(),
    room_id: RoomId,
    thread_id: ThreadId,
    agent_id: PrincipalId,
    created_by: PrincipalId,
    created_at: Timestamp,
    updated_at: Timestamp,
    /** The turn under way, if any. */
    current_run: z.object({ id: RunId, status: RunStatus, title: z.string().nullable() }).nullable(),
    latest_step: z.string().nullable(),
    latest_step_at: Timestamp.nullable(),
    /** How the last turn that ended did. */
    outcome: z.enum(["succeeded", "failed", "canceled"]).nullable(),
    /** What the agent said last in that turn, shortened. */
    summary: z.string().nullable(),
    /** The newest message of anybody, shortened. */
    last_message: z.string().nullable(),
    /** Prompts that wait for the turn under way. */
    queued_prompts: z.int(),
    /** How long turns that ended ran, in all. */
    active_seconds: z.int(),
    pending_questions: z.int(),
    pending_approvals: z.int(),
    tool_calls: z.int(),
    messages: z.int(),
    files_changed: z.array(FileChange),
    cost_micro_usd: MicroUsd,
    budget_micro_usd: MicroUsd,
    archived: z.boolean(),
    /** Set on a session that came with an imported log: read-only; who is in it is named there, and nobody here. */
    imported: z
      .object({ import_id: ImportId, from: OrganizationId, names: z.record(z.string(), z.string()) })
      .nullable()
      .optional(),
  })
  .meta({ id: "Session" });
export type SessionView = z.infer<typeof SessionView>;

const session = z.object({ id: SessionId });
const read = { resource: "session", role: "viewer", scopes: ["read"] } as const;
const write = { resource: "session", role: "member", scopes: ["write"] } as const;

export const createSession = route({
  id: "sessions.create",
  summary: "Start a session with an agent",
  method: "POST",
  path: "/v1/sessions",
  body: z.object({
    source: SessionSource,
    title: Title.optional(),
    /** First thing said to the agent. */
    prompt: Markdown.optional(),
    model: z.string().min(1).max(200).optional(),
    harness: HarnessName.default("opencode"),
    kind: SessionKind.default("coding"),
    sandbox: z.enum(["deferred", "immediate"]).default("immediate"),
    budget_micro_usd: MicroUsd.min(1).max(1_000_000_000).optional(),
    room_id: RoomId.optional(),
  }),
  ok: SessionView,
  okStatus: 201,
  refusals: {
    source_not_found: 422,
    source_not_allowed: 422,
    model_not_found: 422,
    no_model_configured: 422,
    room_not_found: 404,
    kill_switch_active: 403,
    sandbox_unavailable: 422,
  },
  access: write,
  idempotent: true,
  bodyLimit: 8_388_608,
});
export const listSessions = route({
  id: "sessions.list",
  summary: "Sessions, newest first unless sorted otherwise",
  method: "GET",
  path: "/v1/sessions",
  query: PageQuery.extend({
    /** One, or several with commas between. */
    status: z.union([SessionStatus, z.string().regex(/^[a-z]+(,[a-z]+){0,9}$/)]).optional(),
    model: z.string().min(1).max(200).optional(),
    /** Exactly this address. */
    repository: z.string().min(1).max(2000).optional(),
    created_by: PrincipalId.optional(),
    outcome: z.enum(["succeeded", "failed", "canceled"]).optional(),
    sort: z.enum(["created_at", "updated_at", "cost"]).default("created_at"),
    /** In title, source and first prompt, or an id. */
    q: z.string().max(200).optional(),
    archived: z.enum(["true", "false"]).default("false"),
  }),
  ok: page(SessionView).meta({ id: "SessionPage" }),
  refusals: {},
  access: read,
});
export const getSession = route({
  id: "sessions.get",
  summary: "One session",
  method: "GET",
  path: "/v1/sessions/:id",
  params: session,
  ok: SessionView,
  refusals: { session_not_found: 404 },
  access: read,
});
export const getSessionStatus = route({
  id: "sessions.status",
  summary: "State of a session; never boots anything",
  method: "GET",
  path: "/v1/sessions/:id/status",
  params: session,
  ok: z
    .object({ state: SessionStatus, reason: z.string().nullable(), sandbox_alive: z.boolean(), sandbox_id: SandboxId.nullable() })
    .meta({ id: "SessionStatusReport" }),
  refusals: { session_not_found: 404 },
  access: read,
});
export const renameSession = route({
  id: "sessions.rename",
  summary: "Change a session: its title, its model from the next turn on, what it may spend",
  method: "PATCH",
  path: "/v1/sessions/:id",
  params: session,
  body: z.object({
    title: Title.optional(),
    model: z.string().min(1).max(200).optional(),
    budget_micro_usd: MicroUsd.min(1).max(1_000_000_000).optional(),
  }),
  ok: SessionView,
  refusals: { session_not_found: 404, session_ended: 409, model_not_found: 422, model_fixed: 409, budget_below_spent: 409 },
  access: write,
});
export const promptSession = route({
  id: "sessions.prompt",
  summary: "Say something to the agent; queued while it works",
  method: "POST",
  path: "/v1/sessions/:id/messages",
  params: session,
  body: z.object({ content_md: Markdown }),
  ok: RunView,
  okStatus: 202,
  refusals: { session_not_found: 404, session_ended: 409, kill_switch_active: 403 },
  access: write,
  idempotent: true,
  bodyLimit: 8_388_608,
});
export const cancelTurn = route({
  id: "sessions.cancel",
  summary: "Cancel the turn under way",
  method: "POST",
  path: "/v1/sessions/:id/cancel",
  params: session,
  body: z.object({ reason: z.string().max(500).optional() }),
  ok: SessionView,
  refusals: { session_not_found: 404, no_turn_running: 409 },
  access: write,
});
export const stopSession = route({
  id: "sessions.stop",
  summary: "End the session and its sandbox",
  method: "POST",
  path: "/v1/sessions/:id/stop",
  params: session,
  body: z.object({ reason: z.string().max(500).optional() }),
  ok: SessionView,
  refusals: { session_not_found: 404, session_ended: 409 },
  access: write,
});
export const resumeSession = route({
  id: "sessions.resume",
  summary: "Bring a paused or stopped session back with its files and conversation",
  method: "POST",
  path: "/v1/sessions/:id/resume",
  params: session,
  body: z.object({}),
  ok: SessionView,
  refusals: { session_not_found: 404, session_not_resumable: 409, kill_switch_active: 403 },
  access: write,
});
export const archiveSession = route({
  id: "sessions.archive",
  summary: "Hide an ended session from the list",
  method: "POST",
  path: "/v1/sessions/:id/archive",
  params: session,
  body: z.object({}),
  ok: SessionView,
  refusals: { session_not_found: 404, session_not_ended: 409 },
  access: write,
});
export const unarchiveSession = route({
  id: "sessions.unarchive",
  summary: "Bring an archived session back into the list",
  method: "POST",
  path: "/v1/sessions/:id/unarchive",
  params: session,
  body: z.object({}),
  ok: SessionView,
  refusals: { session_not_found: 404 },
  access: write,
});

/** One entry of the conversation, oldest first: what was said and done, completed. Live parts come over `sync:v1`. */
export const ConversationItem = z
  .discriminatedUnion("type", [
    z.object({
      type: z.literal("message"),
      seq: z.int(),
      at: Timestamp,
      id: z.string(),
      role: z.enum(["user", "agent"]),
      author: PrincipalId,
      run_id: RunId.nullable(),
      content_md: z.string(),
      edited_at: Timestamp.nullable().optional(),
    }),
    z.object({ type: z.literal("thought"), seq: z.int(), at: Timestamp, id: z.string(), run_id: RunId.nullable(), text: z.string() }),
    z.object({
      type: z.literal("tool_call"),
      seq: z.int(),
      at: Timestamp,
      id: z.string(),
      run_id: RunId.nullable(),
      name: z.string(),
      title: z.string().nullable(),
      status: z.enum(["invoked", "succeeded", "failed"]),
      arguments: z.json(),
      output: z.string().nullable(),
      output_truncated: z.boolean(),
      error: z.string().nullable(),
      artifact_id: z.string().nullable(),
      duration_ms: z.int().nullable(),
      step_id: z.string().nullable().optional(),
      /** Seq of the event that ended it; null while it runs. */
      ended_seq: z.int().nullable().optional(),
      /** What the gate said about something that this call wanted of the world outside. */
      decision: z
        .object({
          decision: z.enum(["allow", "deny", "require_approval"]),
          action: z.string(),
          reason_code: z.string(),
          approval_id: z.string().nullable(),
          invocation_id: z.string().nullable(),
        })
        .nullable()
        .optional(),
    }),
    z.object({
      type: z.literal("plan"),
      seq: z.int(),
      at: Timestamp,
      id: z.string(),
      run_id: RunId.nullable(),
      entries: z.array(z.object({ content: z.string(), status: z.enum(["pending", "in_progress", "completed"]) })),
    }),
    z.object({
      type: z.literal("approval"),
      seq: z.int(),
      at: Timestamp,
      id: z.string(),
      run_id: RunId.nullable(),
      approval_id: z.string(),
      title: z.string().nullable().optional(),
      status: z.enum(["pending", "held", "approved", "denied", "expired"]).optional(),
      decided_by: PrincipalId.nullable().optional(),
      /** Seq of the verdict. */
      ended_seq: z.int().nullable().optional(),
    }),
    z.object({
      type: z.literal("question"),
      seq: z.int(),
      at: Timestamp,
      id: z.string(),
      run_id: RunId.nullable(),
      question_id: z.string(),
      header: z.string().nullable(),
      text: z.string(),
      options: z.array(QuestionOption),
      multiple: z.boolean(),
      free_text: z.boolean(),
      status: z.enum(["open", "answered", "dismissed"]),
      answer: z.object({ options: z.array(z.string()), text: z.string().nullable() }).nullable(),
      closed_by: PrincipalId.nullable(),
      ended_seq: z.int().nullable(),
    }),
    z.object({
      type: z.literal("run_ended"),
      seq: z.int(),
      at: Timestamp,
      id: z.string(),
      run_id: RunId,
      status: RunStatus,
      message: z.string().nullable(),
    }),
    z.object({
      type: z.literal("notice"),
      seq: z.int(),
      at: Timestamp,
      id: z.string(),
      run_id: RunId.nullable(),
      level: z.enum(["info", "warning", "error"]),
      text: z.string(),
    }),
  ])
  .meta({ id: "ConversationItem" });
export type ConversationItem = z.infer<typeof ConversationItem>;
/**
 * A window of the conversation. Items are always in the order of seq within an answer.
 *
 * - `order=oldest`: from the beginning on; `next_cursor` goes on towards the end.
 * - `order=newest`: the end first; `next_cursor` goes on towards the beginning.
 * - `before_seq`, `after_seq` (exclusive): what is adjacent to that moment on that side.
 * - `around_seq`: half of `limit` up to and including it, half after it.
 * - `as_of_seq`: everything as it was right after that event of the room: later items are left out, a tool call
 *   that ended later runs, a message that was edited later has its older text, an approval is as it was then.
 */
export const ConversationQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(400).optional(),
  order: z.enum(["oldest", "newest"]).default("oldest"),
  before_seq: z.coerce.number().int().min(0).optional(),
  after_seq: z.coerce.number().int().min(0).optional(),
  around_seq: z.coerce.number().int().min(0).optional(),
  as_of_seq: z.coerce.number().int().min(0).optional(),
});
export type ConversationQuery = z.infer<typeof ConversationQuery>;
export const getConversation = route({
  id: "sessions.conversation",
  summary: "The conversation, in windows from either end or around a moment, also as it was then",
  method: "GET",
  path: "/v1/sessions/:id/conversation",
  params: session,
  query: ConversationQuery,
  ok: page(ConversationItem)
    .extend({
      last_seq: z.int(),
      /** Goes on at the other end of the window: before its first item where `next_cursor` goes on after the last, and the reverse. */
      prev_cursor: z.string().nullable(),
    })
    .meta({ id: "ConversationPage" }),
  refusals: { session_not_found: 404, cursor_in_future: 400 },
  access: read,
});
export const listTurns = route({
  id: "sessions.turns",
  summary: "Prompts of a session with their state, oldest first",
  method: "GET",
  path: "/v1/sessions/:id/turns",
  params: session,
  query: PageQuery,
  ok: page(RunView),
  refusals: { session_not_found: 404 },
  access: read,
});
export const getDiff = route({
  id: "sessions.diff",
  summary: "What the agent changed, as a unified diff against where it began",
  method: "GET",
  path: "/v1/sessions/:id/diff",
  params: session,
  ok: z
    .object({ base_commit: z.string().nullable(), files: z.array(FileChange), patch: z.string(), truncated: z.boolean() })
    .meta({ id: "SessionDiff" }),
  refusals: { session_not_found: 404, sandbox_not_running: 409 },
  access: read,
});
export const getUsage = route({
  id: "sessions.usage",
  summary: "Model calls of a session and what they cost",
  method: "GET",
  path: "/v1/sessions/:id/usage",
  params: session,
  ok: z
    .object({
      cap_micro_usd: MicroUsd,
      spent_micro_usd: MicroUsd,
      reserved_micro_usd: MicroUsd,
      calls: z.int(),
      /** What calls cost beyond what had been reserved for them. */
      overrun_micro_usd: MicroUsd,
      by_model: z.array(
        z.object({ model: z.string(), calls: z.int(), cost_micro_usd: MicroUsd, input_tokens: z.int(), output_tokens: z.int() }),
      ),
    })
    .meta({ id: "SessionUsage" }),
  refusals: { session_not_found: 404 },
  access: read,
});
export const listSessionActions = route({
  id: "sessions.actions",
  summary: "Invocations of a session, newest first",
  method: "GET",
  path: "/v1/sessions/:id/actions",
  params: session,
  query: PageQuery,
  ok: page(InvocationView),
  refusals: { session_not_found: 404 },
  access: read,
});
