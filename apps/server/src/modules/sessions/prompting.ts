/* What is said to a session, by people and by the platform: message, run and the wish that somebody does it, in one unit. */
import type { Origin, Unit } from "@signalbox/eventlog/log";
import { newId } from "@signalbox/kernel/id";
import { SYSTEM } from "../identity/public.ts";
import { run } from "../runs/public.ts";
import { type By, type CommandDeps, endedHint, isKilled, KILLED, placeOf, refused } from "./command-context.ts";
import type { SessionCommands } from "./commands.ts";
import { isEnded, session } from "./session.ts";

export function promptCommands(deps: CommandDeps): Pick<SessionCommands, "prompt" | "tell"> {
  const { log } = deps;
  return {
    async prompt(by, sessionId, text, idempotency) {
      const place = await placeOf(deps, by, sessionId);
      if (place === null) return refused("session_not_found");
      if (await isKilled(deps, by.organizationId)) return refused("kill_switch_active", KILLED);
      const [messageId, runId] = [newId("msg"), newId("run")];
      const stage = (admit: () => Promise<void>) =>
        log.unit({ organizationId: by.organizationId, origin: place.origin, idempotency }, async (unit) => {
          await admit();
          const state = await unit.load(session, place.stream, place.subject);
          if (isEnded(state.status)) return refused("session_ended", endedHint(state));
          if (state.status === "paused") await unit.decide(session, place.stream, place.subject, { type: "resume", by: by.principal.id });
          await stagePrompt(
            deps,
            unit,
            {
              organizationId: by.organizationId,
              sessionId,
              roomId: place.roomId,
              threadId: place.threadId,
              messageId,
              runId,
              text,
              by: by.principal.id,
            },
            place.origin,
          );
          return { ok: true as const, runId: runId };
        });
      // A paused one is woken, and runs with the others again.
      const { value } = await (place.status === "paused"
        ? deps.quotas.withSeat(by.organizationId, sessionId, stage)
        : stage(() => deps.quotas.admitWork(by.organizationId)));
      return value;
    },

    async tell(organizationId, sessionId, key, text) {
      const by: By = { organizationId, principal: SYSTEM, origin: { principal: SYSTEM } };
      const place = await placeOf(deps, by, sessionId);
      if (place === null) return false;
      const suffix = key.slice(key.indexOf("_") + 1);
      const [messageId, runId] = [`msg_${suffix}`, `run_${suffix}`];
      const { value } = await log.unit({ organizationId, origin: place.origin }, async (unit) => {
        const said = await unit.load(run, place.stream, `run:${runId}`);
        const state = await unit.load(session, place.stream, place.subject);
        if (said.status !== "none" || isEnded(state.status)) return false;
        if (state.status === "paused") await unit.decide(session, place.stream, place.subject, { type: "resume", by: SYSTEM.id });
        await stagePrompt(
          deps,
          unit,
          { organizationId, sessionId, roomId: place.roomId, threadId: place.threadId, messageId, runId, text, by: SYSTEM.id },
          place.origin,
        );
        return true;
      });
      return value;
    },
  };
}

/** In the caller's unit. */
export async function stagePrompt(
  { rooms }: Pick<CommandDeps, "rooms">,
  unit: Unit,
  of: {
    organizationId: string;
    sessionId: string;
    roomId: string;
    threadId: string;
    messageId: string;
    runId: string;
    text: string;
    by: string;
  },
  origin: Partial<Origin>,
): Promise<void> {
  const title = firstLine(of.text, PROMPT_TITLE_CHARS);
  const context = { ...origin, sessionId: of.sessionId, runId: of.runId };
  await rooms.postMessage(unit, { id: of.messageId, roomId: of.roomId, threadId: of.threadId, contentMd: of.text }, context);
  await unit.decide(
    run,
    { type: "room", id: of.roomId },
    `run:${of.runId}`,
    {
      type: "create",
      runId: of.runId as never,
      kind: "turn",
      requestedBy: of.by as never,
      title,
      input: { message_id: of.messageId },
      sessionId: of.sessionId as never,
    },
    { ...context, roomId: of.roomId, threadId: of.threadId },
  );
  wake(unit, of);
}

/** Somebody is to do what waits in it. */
export const wake = (unit: Unit, of: { organizationId: string; sessionId: string }): void =>
  unit.enqueue({ kind: "session.boot", organizationId: of.organizationId, payload: { session_id: of.sessionId }, key: of.sessionId });

export const PROMPT_TITLE_CHARS = 120;
export const firstLine = (text: string, limit: number): string => {
  const line = text.trim().split("\n", 1)[0]!.trim();
  return line.length <= limit ? line || "Message" : `${line.slice(0, limit - 1)}…`;
};
