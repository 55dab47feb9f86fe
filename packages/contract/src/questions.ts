import { z } from "zod";
import { QuestionOption } from "./events/questions.ts";
import { page, PageQuery, PrincipalId, QuestionId, RoomId, RunId, SessionId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

export const QuestionStatus = z.enum(["open", "answered", "dismissed"]).meta({ id: "QuestionStatus" });
export type QuestionStatus = z.infer<typeof QuestionStatus>;

export const QuestionView = z
  .object({
    id: QuestionId,
    status: QuestionStatus,
    session_id: SessionId,
    room_id: RoomId,
    run_id: RunId,
    header: z.string().nullable(),
    text: z.string(),
    options: z.array(QuestionOption),
    multiple: z.boolean(),
    free_text: z.boolean(),
    asked_by: PrincipalId,
    asked_at: Timestamp,
    /** Labels that were chosen; null while it is open, and when it was dismissed. */
    answer: z.object({ options: z.array(z.string()), text: z.string().nullable() }).nullable(),
    closed_by: PrincipalId.nullable(),
    closed_at: Timestamp.nullable(),
    /** Why it was dismissed. */
    reason: z.string().nullable(),
  })
  .meta({ id: "Question" });
export type QuestionView = z.infer<typeof QuestionView>;

const question = z.object({ id: QuestionId });
const read = { resource: "question", role: "viewer", scopes: ["read"] } as const;
const write = { resource: "question", role: "member", scopes: ["write"] } as const;

export const listQuestions = route({
  id: "questions.list",
  summary: "What agents ask, newest first",
  method: "GET",
  path: "/v1/questions",
  query: PageQuery.extend({ session_id: SessionId.optional(), status: QuestionStatus.optional() }),
  ok: page(QuestionView).meta({ id: "QuestionPage" }),
  refusals: {},
  access: read,
});
export const answerQuestion = route({
  id: "questions.answer",
  summary: "Answer an agent: options by their labels, own words, or both",
  method: "POST",
  path: "/v1/questions/:id/answer",
  params: question,
  body: z.object({ options: z.array(z.string().max(500)).max(50).optional(), text: z.string().min(1).max(20_000).optional() }),
  ok: QuestionView,
  refusals: { question_not_found: 404, question_closed: 409, answer_not_possible: 422 },
  access: write,
});
export const dismissQuestion = route({
  id: "questions.dismiss",
  summary: "Let an agent go on without an answer",
  method: "POST",
  path: "/v1/questions/:id/dismiss",
  params: question,
  body: z.object({ reason: z.string().max(500).optional() }),
  ok: QuestionView,
  refusals: { question_not_found: 404, question_closed: 409 },
  access: write,
});
