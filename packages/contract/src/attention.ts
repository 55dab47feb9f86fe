/* "Needs you": one list of what waits for a person, and what they have done with it. */
import { z } from "zod";
import { ApprovalView } from "./approvals.ts";
import { ApprovalId, page, PageQuery, RoomId, RunId, SessionId, Timestamp } from "./primitives.ts";
import { QuestionView } from "./questions.ts";
import { route } from "./route.ts";

export const ATTENTION_KINDS = [
  "approval",
  "question",
  "environment_request",
  "run_failed",
  "run_needs_human",
  "run_stuck",
  "session_failed",
  "invocation_unknown",
  "projection_drifted",
] as const;
export const AttentionKind = z.enum(ATTENTION_KINDS).meta({ id: "AttentionKind" });
export type AttentionKind = z.infer<typeof AttentionKind>;

/** `<kind>:<id of its subject>`; opaque to clients. */
export const AttentionId = z.string().min(1).max(120);

export const AttentionItem = z
  .object({
    id: AttentionId,
    kind: AttentionKind,
    /** Since when it waits. */
    at: Timestamp,
    title: z.string(),
    detail: z.string().nullable(),
    room_id: RoomId.nullable(),
    session: z.object({ id: SessionId, title: z.string() }).nullable(),
    run_id: RunId.nullable(),
    /** Of kind `approval`. */
    approval: ApprovalView.nullable(),
    /** Of kind `question`. */
    question: QuestionView.nullable(),
    /** Of kind `invocation_unknown`. */
    invocation_id: z.string().nullable(),
    /** Until when a dismissal can be taken back; null when there is none. */
    undoable_until: Timestamp.nullable(),
    dismissed_at: Timestamp.nullable(),
    /** How it ended, when somebody or something settled it: `approved`, `denied`, `expired`, `retried`, `resolved`, `canceled`, `answered`, `repaired`. */
    outcome: z.string().nullable(),
    done_at: Timestamp.nullable(),
  })
  .meta({ id: "AttentionItem" });
export type AttentionItem = z.infer<typeof AttentionItem>;

export const AttentionCounts = z
  .object({ total: z.int(), by_kind: z.partialRecord(AttentionKind, z.int()) })
  .meta({ id: "AttentionCounts" });

const read = { resource: "attention", role: "viewer", scopes: ["read"] } as const;
const write = { resource: "attention", role: "viewer", scopes: ["write"] } as const;
const item = z.object({ id: AttentionId });

export const listAttention = route({
  id: "attention.list",
  summary: "What waits for you, newest first; or what was done",
  method: "GET",
  path: "/v1/attention",
  query: PageQuery.extend({ state: z.enum(["open", "done"]).default("open"), kind: AttentionKind.optional() }),
  ok: page(AttentionItem)
    .extend({
      /** Of everything that is open, whatever the page shows. */
      counts: AttentionCounts,
    })
    .meta({ id: "AttentionPage" }),
  refusals: {},
  access: read,
});
/** Only hides it from the caller's list; an approval stays open for everybody else. */
export const dismissAttention = route({
  id: "attention.dismiss",
  summary: "Take something off your list",
  method: "POST",
  path: "/v1/attention/:id/dismiss",
  params: item,
  body: z.object({}),
  ok: AttentionItem,
  refusals: { attention_not_found: 404 },
  access: write,
});
export const restoreAttention = route({
  id: "attention.restore",
  summary: "Put something dismissed back on your list",
  method: "POST",
  path: "/v1/attention/:id/restore",
  params: item,
  body: z.object({}),
  ok: AttentionItem,
  refusals: { attention_not_found: 404 },
  access: write,
});
export const dismissManyAttention = route({
  id: "attention.dismiss_many",
  summary: "Take several things off your list",
  method: "POST",
  path: "/v1/attention/dismiss",
  body: z.object({ ids: z.array(AttentionId).min(1).max(200) }),
  ok: z
    .object({ dismissed: z.array(AttentionId), not_found: z.array(AttentionId), undoable_until: Timestamp })
    .meta({ id: "AttentionDismissed" }),
  refusals: {},
  access: write,
});

export const BulkDecision = z
  .object({
    id: ApprovalId,
    ok: z.boolean(),
    approval: ApprovalView.nullable(),
    /** As `approvals.decide` would refuse it, or `not_in_bulk`: what is dangerous is decided one at a time. */
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
  })
  .meta({ id: "BulkDecision" });
export const decideManyApprovals = route({
  id: "approvals.decide_many",
  summary: "Approve or deny several, each decided by itself",
  method: "POST",
  path: "/v1/approvals/decide",
  body: z.object({
    ids: z.array(ApprovalId).min(1).max(50),
    decision: z.enum(["approve", "deny"]),
    reason: z.string().max(500).optional(),
  }),
  ok: z.object({ items: z.array(BulkDecision), decided: z.int() }).meta({ id: "BulkDecisions" }),
  refusals: {},
  access: { resource: "approval", role: "approver", scopes: ["approve"] },
});
