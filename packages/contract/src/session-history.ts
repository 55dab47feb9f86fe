/*
 * A session, or a room, at any moment: what the timeline scrubber shows.
 *
 * A moment is a seq of the room's stream. `timeline` tells all of them at once, compactly; `at` says how things
 * stood right after one; `sessions.conversation` with `as_of_seq` says what had been said by then.
 */
import { z } from "zod";
import { ApprovalView } from "./approvals.ts";
import { FileChange } from "./events/sessions.ts";
import { MemberView } from "./rooms.ts";
import { ArtifactId, MicroUsd, RoomId, RunId, SessionId, ThreadId, Timestamp } from "./primitives.ts";
import { QuestionView } from "./questions.ts";
import { route } from "./route.ts";
import { RunStatus } from "./runs.ts";
import { SessionStatus } from "./sessions.ts";

const session = z.object({ id: SessionId });
const room = z.object({ id: RoomId });
const readSession = { resource: "session", role: "viewer", scopes: ["read"] } as const;
const readRoom = { resource: "room", role: "viewer", scopes: ["read"] } as const;

/** In the order of their numbers in `Timeline.events.kind`; more may be added at the end. */
export const TIMELINE_KINDS = [
  "prompt",
  "message",
  "thought",
  "tool",
  "approval",
  "failure",
  "change",
  "state",
  "cost",
  "other",
  "question",
  "plan",
] as const;
export type TimelineKind = (typeof TIMELINE_KINDS)[number];
/** In the order of their numbers in `Timeline.events.outcome`. */
export const TIMELINE_OUTCOMES = [
  "none",
  "started",
  "succeeded",
  "failed",
  "canceled",
  "pending",
  "approved",
  "denied",
  "expired",
  "answered",
] as const;
export type TimelineOutcome = (typeof TIMELINE_OUTCOMES)[number];

const column = z.array(z.int());
/**
 * Columns, one entry an event, all of one length and in the order of seq. `label` and `ref` are places in
 * `labels` and `refs` (so that what repeats is sent once); -1 is none. `at_ms` counts from `started_at`.
 */
export const Timeline = z
  .object({
    room_id: RoomId,
    session_id: SessionId.nullable(),
    /** Of the room's first event, also in an increment. */
    started_at: Timestamp.nullable(),
    /** Exclusive: the answer begins after it. */
    after_seq: z.int(),
    /** Seq of the newest event told here; the next increment is asked for with it. */
    last_seq: z.int(),
    kinds: z.array(z.string()),
    outcomes: z.array(z.string()),
    labels: z.array(z.string()),
    /** Ids of what an event is about: run, message, tool call, approval, question … */
    refs: z.array(z.string()),
    events: z.object({ seq: column, at_ms: column, kind: column, label: column, ref: column, outcome: column }),
    /** What had been spent in all at that moment; `seq` is the newest event of the room by then. Whole also in an increment. */
    cost: z.object({ seq: column, at_ms: column, micro_usd: column }),
    /** Turns and other runs. `end_seq` -1: still under way. `status` is the run's, as it is now. Those that began or ended after `after_seq`. */
    turns: z.object({ ref: column, label: column, start_seq: column, end_seq: column, status: z.array(z.string()) }),
    tools: z.object({ ref: column, label: column, start_seq: column, end_seq: column, status: z.array(z.string()) }),
  })
  .meta({ id: "Timeline" });
export type Timeline = z.infer<typeof Timeline>;

const increment = z.object({ after_seq: z.coerce.number().int().min(0).default(0) });

export const getSessionTimeline = route({
  id: "sessions.timeline",
  summary: "Every moment of a session, compactly: for the scrubber",
  method: "GET",
  path: "/v1/sessions/:id/timeline",
  params: session,
  query: increment,
  ok: Timeline,
  refusals: { session_not_found: 404, cursor_in_future: 400 },
  access: readSession,
});
export const getRoomTimeline = route({
  id: "rooms.timeline",
  summary: "Every moment of a room, compactly",
  method: "GET",
  path: "/v1/rooms/:id/timeline",
  params: room,
  query: increment,
  ok: Timeline,
  refusals: { room_not_found: 404, cursor_in_future: 400 },
  access: readRoom,
});

/** Exactly one of the two. */
const moment = z.object({ seq: z.coerce.number().int().min(0).optional(), time: Timestamp.optional() });

export const RunAt = z
  .object({
    id: RunId,
    status: RunStatus,
    title: z.string().nullable(),
    kind: z.string(),
    created_seq: z.int(),
    started_seq: z.int().nullable(),
    ended_seq: z.int().nullable(),
    created_at: Timestamp,
    started_at: Timestamp.nullable(),
    ended_at: Timestamp.nullable(),
  })
  .meta({ id: "RunAt" });
const PlanEntry = z.object({ content: z.string(), status: z.enum(["pending", "in_progress", "completed"]) });

export const SessionAt = z
  .object({
    /** 0 and no `at`: before the first event. */
    seq: z.int(),
    at: Timestamp.nullable(),
    last_seq: z.int(),
    /** Null before the session was created. */
    status: SessionStatus.nullable(),
    status_reason: z.string().nullable(),
    title: z.string().nullable(),
    model: z.string().nullable(),
    current_run: z.object({ id: RunId, status: RunStatus, title: z.string().nullable() }).nullable(),
    runs: z.array(RunAt),
    files_changed: z.array(FileChange),
    /** What the last turn by then left behind, as a patch. */
    patch_artifact_id: ArtifactId.nullable(),
    cost_micro_usd: MicroUsd,
    budget_micro_usd: MicroUsd,
    tool_calls: z.int(),
    messages: z.int(),
    pending_approvals: z.array(ApprovalView),
    pending_questions: z.array(QuestionView),
    plan: z.array(PlanEntry),
    /** Grants in force then. There are none yet; scoped approvals count as approvals. */
    grants: z.array(z.json()),
  })
  .meta({ id: "SessionAt" });
export type SessionAt = z.infer<typeof SessionAt>;

const MOMENT = { cursor_in_future: 400, moment_not_named: 400 } as const;

export const getSessionAt = route({
  id: "sessions.at",
  summary: "How a session stood at a moment",
  method: "GET",
  path: "/v1/sessions/:id/at",
  params: session,
  query: moment,
  ok: SessionAt,
  refusals: { session_not_found: 404, ...MOMENT },
  access: readSession,
});

export const RoomAt = z
  .object({
    seq: z.int(),
    at: Timestamp.nullable(),
    last_seq: z.int(),
    title: z.string().nullable(),
    threads: z.array(z.object({ id: ThreadId, title: z.string().nullable(), created_seq: z.int(), messages: z.int() })),
    messages: z.int(),
    members: z.array(MemberView),
    runs: z.array(RunAt),
    pending_approvals: z.array(ApprovalView),
    cost_micro_usd: MicroUsd,
  })
  .meta({ id: "RoomAt" });
export type RoomAt = z.infer<typeof RoomAt>;

export const getRoomAt = route({
  id: "rooms.at",
  summary: "How a room stood at a moment",
  method: "GET",
  path: "/v1/rooms/:id/at",
  params: room,
  query: moment,
  ok: RoomAt,
  refusals: { room_not_found: 404, ...MOMENT },
  access: readRoom,
});
