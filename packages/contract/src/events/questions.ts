import { z } from "zod";
import { PrincipalId, QuestionId, RunId, SessionId, ThreadId } from "../primitives.ts";

export const QuestionOption = z.object({ label: z.string(), description: z.string().optional() }).meta({ id: "QuestionOption" });

/** What an agent wants to know of a person in the middle of a turn; subject `question:<id>`. */
export const QuestionEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("question.asked"),
    data: z.object({
      question_id: QuestionId,
      session_id: SessionId,
      run_id: RunId,
      thread_id: ThreadId.optional(),
      /** A few words that name it, when the agent gave some. */
      header: z.string().optional(),
      text: z.string(),
      options: z.array(QuestionOption),
      /** More than one option may be chosen. */
      multiple: z.boolean(),
      /** An answer in one's own words is possible. */
      free_text: z.boolean(),
      asked_by: PrincipalId,
    }),
  }),
  z.object({
    type: z.literal("question.answered"),
    data: z.object({ question_id: QuestionId, options: z.array(z.string()), text: z.string().optional(), by: PrincipalId }),
  }),
  /** Nobody will answer: a person said so, or the turn that asked has ended. */
  z.object({
    type: z.literal("question.dismissed"),
    data: z.object({ question_id: QuestionId, reason: z.string().optional(), by: PrincipalId }),
  }),
]);
export type QuestionEvent = z.infer<typeof QuestionEvent>;
