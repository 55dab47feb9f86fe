/* The little of OpenCode's API that is read here, checked at the border. Unknown members and events pass unseen. */
import { z } from "zod";

const ToolState = z.discriminatedUnion("status", [
  z.object({ status: z.literal("pending"), input: z.record(z.string(), z.unknown()).optional() }),
  z.object({
    status: z.literal("running"),
    input: z.record(z.string(), z.unknown()),
    title: z.string().optional(),
    metadata: z.record(z.string(), z.unknown()).optional(),
  }),
  z.object({
    status: z.literal("completed"),
    input: z.record(z.string(), z.unknown()),
    output: z.string(),
    title: z.string().optional(),
    metadata: z.record(z.string(), z.unknown()).optional(),
  }),
  z.object({
    status: z.literal("error"),
    input: z.record(z.string(), z.unknown()),
    error: z.string(),
    metadata: z.record(z.string(), z.unknown()).optional(),
  }),
]);

const Tokens = z.object({
  input: z.number(),
  output: z.number(),
  reasoning: z.number(),
  cache: z.object({ read: z.number(), write: z.number() }),
});

const place = { id: z.string(), messageID: z.string(), sessionID: z.string() };
const Part = z.discriminatedUnion("type", [
  z.object({
    ...place,
    type: z.literal("text"),
    text: z.string(),
    synthetic: z.boolean().optional(),
    ignored: z.boolean().optional(),
    time: z.object({ end: z.number().optional() }).optional(),
    metadata: z.record(z.string(), z.unknown()).optional(),
  }),
  z.object({ ...place, type: z.literal("reasoning"), text: z.string(), time: z.object({ end: z.number().optional() }).optional() }),
  z.object({ ...place, type: z.literal("tool"), callID: z.string(), tool: z.string(), state: ToolState }),
  z.object({ ...place, type: z.literal("step-finish"), tokens: Tokens }),
]);
export type Part = z.infer<typeof Part>;

const MessageError = z.object({ name: z.string(), data: z.object({ message: z.string().optional() }).optional() });
export type MessageError = z.infer<typeof MessageError>;

const Message = z.object({
  id: z.string(),
  sessionID: z.string(),
  role: z.enum(["user", "assistant"]),
  summary: z.unknown().optional(),
  error: MessageError.optional(),
  time: z.object({ completed: z.number().optional() }).optional(),
});
export type Message = z.infer<typeof Message>;

export const Permission = z.object({
  id: z.string(),
  sessionID: z.string(),
  permission: z.string(),
  patterns: z.array(z.string()),
  metadata: z.record(z.string(), z.unknown()),
  tool: z.object({ messageID: z.string(), callID: z.string() }).optional(),
});
export type Permission = z.infer<typeof Permission>;

export const Question = z.object({
  id: z.string(),
  /** Of any session of this agent: a subagent asks under its own. */
  questions: z
    .array(
      z.object({
        question: z.string(),
        header: z.string().optional(),
        options: z.array(z.object({ label: z.string(), description: z.string().optional() })).default([]),
        multiple: z.boolean().optional(),
        /** Own words are possible unless it says otherwise. */
        custom: z.boolean().optional(),
      }),
    )
    .default([]),
});
export type Question = z.infer<typeof Question>;

export const Status = z.discriminatedUnion("type", [
  z.object({ type: z.literal("idle") }),
  z.object({ type: z.literal("busy") }),
  z.object({ type: z.literal("retry"), attempt: z.number(), message: z.string() }),
]);

const event = <T extends string, P extends z.ZodType>(type: T, properties: P) => z.object({ type: z.literal(type), properties });
const OpenCodeEvent = z.discriminatedUnion("type", [
  event("server.connected", z.object({})),
  event("message.updated", z.object({ sessionID: z.string(), info: Message })),
  event("message.part.updated", z.object({ sessionID: z.string(), part: z.unknown() })),
  event(
    "message.part.delta",
    z.object({ sessionID: z.string(), messageID: z.string(), partID: z.string(), field: z.string(), delta: z.string() }),
  ),
  event("session.status", z.object({ sessionID: z.string(), status: Status })),
  event("session.idle", z.object({ sessionID: z.string() })),
  event("session.error", z.object({ sessionID: z.string().optional(), error: MessageError.optional() })),
  event("todo.updated", z.object({ sessionID: z.string(), todos: z.array(z.object({ content: z.string(), status: z.string() })) })),
  event("permission.asked", Permission),
  event("permission.replied", z.object({ requestID: z.string() })),
  event("question.asked", Question),
  event("question.replied", z.object({ requestID: z.string() })),
  event("question.rejected", z.object({ requestID: z.string() })),
]);
export type OpenCodeEvent = z.infer<typeof OpenCodeEvent>;

/** Null for every event that means nothing here. */
export function readEvent(text: string): OpenCodeEvent | null {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return null; // Not an event of this API; the next resync has whatever it said.
  }
  const parsed = OpenCodeEvent.safeParse(raw);
  return parsed.success ? parsed.data : null;
}

/** Null for kinds of part that mean nothing here (step-start, patch, snapshot …). */
export function readPart(raw: unknown): Part | null {
  const parsed = Part.safeParse(raw);
  return parsed.success ? parsed.data : null;
}

export const Session = z.object({ id: z.string() });
export const Statuses = z.record(z.string(), Status);
export const Permissions = z.array(Permission);
export const Questions = z.array(Question);
export const Messages = z.array(z.object({ info: Message, parts: z.array(z.unknown()) }));
export type Messages = z.infer<typeof Messages>;
