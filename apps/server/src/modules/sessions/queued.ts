/*
 * Changing what waits. Each change is an event of the run that it is about, so that it and the hub's start of that run
 * exclude each other: whoever comes second is decided again, and then sees the other's.
 */
import { cancelPrompt, editPrompt, listPrompts, movePrompt } from "@signalbox/contract/session-queue";
import type { EventLog, Unit } from "@signalbox/eventlog/log";
import { handle, refused, type BoundRoute, type RequestContext } from "../../http/handle.ts";
import { message } from "../rooms/public.ts";
import { run, type RunCommand } from "../runs/public.ts";
import { firstLine, PROMPT_TITLE_CHARS } from "./prompting.ts";
import type { SessionQueries, SessionRow } from "./queries.ts";

export interface QueueDeps {
  readonly log: EventLog;
  readonly queries: SessionQueries;
  readonly visible: (caller: RequestContext["caller"], sessionId: string) => Promise<SessionRow | null>;
  /** Throws the shell's `forbidden` for whoever may only watch. */
  readonly writable: (caller: RequestContext["caller"], sessionId: string) => Promise<SessionRow | null>;
}

const NO_SESSION = refused("session_not_found");
const NO_PROMPT = refused("prompt_not_found", {
  message: "No prompt of this session has that id.",
  fix: "GET /v1/sessions/:id/prompts lists those that wait.",
});
const STARTED = refused("prompt_already_started", {
  message: "It does not wait any more: the agent has begun, or it was withdrawn.",
  fix: "Cancel the turn, or send another message.",
});

export function queueRoutes({ log, queries, visible, writable }: QueueDeps): BoundRoute[] {
  const queue = async (organizationId: string, sessionId: string) => ({ items: await queries.prompts(organizationId, sessionId) });

  async function change(
    { caller, origin }: RequestContext,
    { id: sessionId, run_id: runId }: { readonly id: string; readonly run_id: string },
    command: (by: string) => Extract<RunCommand, { type: "edit" | "move" | "withdraw" }>,
    also: (unit: Unit, of: { roomId: string; threadId: string }) => Promise<void> = () => Promise.resolve(),
  ) {
    const { organizationId } = caller;
    const found = await writable(caller, sessionId);
    if (found === null) return NO_SESSION;
    if (!(await queries.isTurnOf(organizationId, sessionId, runId))) return NO_PROMPT;
    const { room_id: roomId, thread_id: threadId } = found.view;
    const { value } = await log.unit({ organizationId, origin: { ...origin, roomId, threadId, sessionId, runId } }, async (unit) => {
      const decision = await unit.decide(run, { type: "room", id: roomId }, `run:${runId}`, command(caller.principal.id));
      if (!decision.ok) return decision.refusal.code === "run_not_found" ? NO_PROMPT : STARTED;
      await also(unit, { roomId, threadId });
      return null;
    });
    return value ?? queue(organizationId, sessionId);
  }

  return [
    handle(listPrompts, async ({ caller, params }) =>
      (await visible(caller, params.id)) === null ? NO_SESSION : queue(caller.organizationId, params.id),
    ),
    handle(editPrompt, async (request) => {
      const { params, body, caller } = request;
      const waiting = (await queries.prompts(caller.organizationId, params.id)).find(({ run_id }) => run_id === params.run_id);
      return change(
        request,
        params,
        (by) => ({ type: "edit", runId: params.run_id, title: firstLine(body.content_md, PROMPT_TITLE_CHARS), by: by as never }),
        async (unit, { roomId, threadId }) => {
          // Its message was erased: there is nothing of which this would be another version.
          if (waiting === undefined || waiting.message_id === null) return;
          await unit.decide(message, { type: "room", id: roomId }, `message:${waiting.message_id}`, {
            type: "edit",
            id: waiting.message_id as never,
            roomId: roomId as never,
            threadId: threadId as never,
            contentMd: body.content_md,
            by: caller.principal.id as never,
          });
        },
      );
    }),
    handle(cancelPrompt, async (request) =>
      change(request, request.params, (by) => ({
        type: "withdraw",
        runId: request.params.run_id,
        by: by as never,
        reason: "Taken out of the queue.",
      })),
    ),
    handle(movePrompt, async (request) => {
      const { params, body, caller } = request;
      const before = body.before_run_id;
      if (before !== null && !(await queries.isTurnOf(caller.organizationId, params.id, before))) {
        return (await visible(caller, params.id)) === null ? NO_SESSION : NO_PROMPT;
      }
      return change(request, params, (by) => ({
        type: "move",
        runId: params.run_id,
        sessionId: params.id,
        beforeRunId: before,
        by: by as never,
      }));
    }),
  ];
}
