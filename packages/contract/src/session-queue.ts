/* Prompts that wait for the turn under way, who else is looking, and taking a session away for good. */
import { z } from "zod";
import { Markdown, MessageId, PrincipalId, RunId, SessionId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

const session = z.object({ id: SessionId });
const prompt = session.extend({ run_id: RunId });
const read = { resource: "session", role: "viewer", scopes: ["read"] } as const;
const write = { resource: "session", role: "member", scopes: ["write"] } as const;

export const QueuedPrompt = z
  .object({
    run_id: RunId,
    message_id: MessageId.nullable(),
    content_md: z.string(),
    author: PrincipalId,
    created_at: Timestamp,
    edited_at: Timestamp.nullable(),
    /** 0 is the next one. */
    position: z.int().min(0),
  })
  .meta({ id: "QueuedPrompt" });
export const PromptQueue = z.object({ items: z.array(QueuedPrompt) }).meta({ id: "PromptQueue" });

const QUEUED = { session_not_found: 404, prompt_not_found: 404, prompt_already_started: 409 } as const;

export const listPrompts = route({
  id: "sessions.prompts.list",
  summary: "Prompts that wait, in the order in which they will run",
  method: "GET",
  path: "/v1/sessions/:id/prompts",
  params: session,
  ok: PromptQueue,
  refusals: { session_not_found: 404 },
  access: read,
});
export const editPrompt = route({
  id: "sessions.prompts.edit",
  summary: "Change a prompt that waits; the agent gets the new text",
  method: "PATCH",
  path: "/v1/sessions/:id/prompts/:run_id",
  params: prompt,
  body: z.object({ content_md: Markdown }),
  ok: PromptQueue,
  refusals: QUEUED,
  access: write,
  bodyLimit: 8_388_608,
});
export const cancelPrompt = route({
  id: "sessions.prompts.cancel",
  summary: "Take a prompt that waits out of the queue",
  method: "DELETE",
  path: "/v1/sessions/:id/prompts/:run_id",
  params: prompt,
  ok: PromptQueue,
  refusals: QUEUED,
  access: write,
});
export const movePrompt = route({
  id: "sessions.prompts.move",
  summary: "Let a prompt that waits run before another one, or last (null)",
  method: "POST",
  path: "/v1/sessions/:id/prompts/:run_id/move",
  params: prompt,
  body: z.object({ before_run_id: RunId.nullable() }),
  ok: PromptQueue,
  refusals: QUEUED,
  access: write,
});

/** One a principal, however many windows they have open. */
export const Viewer = z.object({ principal_id: PrincipalId, display_name: z.string(), since: Timestamp }).meta({ id: "Viewer" });
export const Presence = z.object({ viewers: z.array(Viewer) }).meta({ id: "Presence" });
export type Presence = z.infer<typeof Presence>;

/** Live over `sync:v1` as the topic `presence:<session id>`, whose every update is the whole of it. */
export const getPresence = route({
  id: "sessions.presence",
  summary: "Who follows a session live, this moment",
  method: "GET",
  path: "/v1/sessions/:id/presence",
  params: session,
  ok: Presence,
  refusals: { session_not_found: 404 },
  access: read,
});
export const deleteSession = route({
  id: "sessions.delete",
  summary: "Delete a session that has ended, with its files; the log keeps its events",
  method: "DELETE",
  path: "/v1/sessions/:id",
  params: session,
  ok: z.object({ ok: z.literal(true) }),
  refusals: { session_not_found: 404, session_not_ended: 409 },
  access: write,
});
