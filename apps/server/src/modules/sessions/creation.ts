/* Making a session: one way for every door. What has to be there is looked at first; then it is one unit, with its room, agent, key and budget. */
import type { Origin } from "@signalbox/eventlog/log";
import { newId } from "@signalbox/kernel/id";
import { type By, type CommandDeps, isKilled, KILLED, type Refused, refused } from "./command-context.ts";
import type { CreateRefusal, CreateSession, SessionCommands } from "./commands.ts";
import { firstLine, stagePrompt, wake } from "./prompting.ts";
import { session } from "./session.ts";

export function createCommand(deps: CommandDeps): Pick<SessionCommands, "create"> {
  const { log, rooms, clock } = deps;

  async function admitted(by: By, request: CreateSession): Promise<{ ok: true; model: string; budget: number } | Refused<CreateRefusal>> {
    if (await isKilled(deps, by.organizationId)) return refused("kill_switch_active", KILLED);
    if (deps.harnesses[request.harness] === undefined)
      return refused("sandbox_unavailable", {
        message: `The agent ${request.harness} is not installed on this server.`,
        fix: "Run `npm install` again, or choose another harness.",
      });
    const check = await deps.sandboxCheck();
    if (!check.ok) return refused("sandbox_unavailable", { message: check.reason, fix: check.fix });
    const model =
      request.model === undefined
        ? await deps.models.defaultModel(by.organizationId)
        : await deps.models.resolve(by.organizationId, request.model);
    if (model === null) {
      return request.model === undefined
        ? refused("no_model_configured", {
            message: "No model is configured.",
            fix: "Connect one under Settings, Models.",
          })
        : refused("model_not_found", {
            message: `There is no model ${request.model}.`,
            fix: "`GET /v1/models` lists those that there are.",
          });
    }
    if (request.source.type === "repository") {
      const source = await deps.forge.check({ url: request.source.url, ref: request.source.ref });
      if (!source.ok)
        return refused(source.code === "source_not_allowed" ? "source_not_allowed" : "source_not_found", {
          message: source.message,
          details: { reason: source.code },
        });
    }
    return { ok: true, model: model.id, budget: request.budgetMicroUsd ?? deps.defaultBudgetMicroUsd };
  }

  return {
    async create(by, request, idempotency) {
      const admission = await admitted(by, request);
      if (!admission.ok) return admission;
      const { organizationId } = by;
      const [sessionId, threadId, agentId] = [newId("ses"), newId("th"), newId("agt")];
      const [messageId, runId] = [newId("msg"), newId("run")];
      const roomId = request.roomId ?? newId("room");
      const title = request.title ?? titleOf(request);
      const origin: Origin = { ...by.origin, roomId, threadId, sessionId };
      const { value } = await deps.quotas.withSeat(organizationId, sessionId, (takeSeat) =>
        log.unit({ organizationId, origin, idempotency }, async (unit) => {
          await takeSeat();
          await deps.identity.ensurePrincipal(unit, {
            organizationId,
            id: agentId,
            type: "agent",
            displayName: `Agent: ${title}`.slice(0, 100),
          });
          if (request.roomId === undefined) await rooms.createRoom(unit, { id: roomId, title, by: by.principal.id, sessionId }, origin);
          await rooms.addMember(unit, { roomId, principalId: agentId, role: "member" }, origin);
          await rooms.createThread(unit, { id: threadId, roomId, title }, origin);
          const { keyId } = await deps.models.createVirtualKey(unit, {
            organizationId,
            sessionId,
            roomId,
            principalId: agentId,
            models: [admission.model],
            now: clock.now(),
          });
          await unit.decide(session, { type: "room", id: roomId }, `session:${sessionId}`, {
            type: "create",
            data: {
              session_id: sessionId,
              room_id: roomId,
              thread_id: threadId,
              title,
              kind: request.kind,
              source: request.source,
              harness: request.harness,
              model: admission.model,
              agent_id: agentId,
              created_by: by.principal.id,
              budget_micro_usd: admission.budget,
              sandbox: request.sandbox,
              model_key_id: keyId,
            } as never,
          });
          await deps.ledger.setBudget(unit, { organizationId, sessionId, capMicroUsd: admission.budget });
          const of = { organizationId, sessionId, roomId, threadId, messageId, runId, by: by.principal.id };
          if (request.prompt !== undefined) await stagePrompt(deps, unit, { ...of, text: request.prompt }, origin);
          else if (request.sandbox === "immediate") wake(unit, of);
          return { sessionId };
        }),
      );
      return { ok: true, sessionId: value.sessionId };
    },
  };
}

function titleOf(request: CreateSession): string {
  if (request.prompt !== undefined) return firstLine(request.prompt, 80);
  if (request.source.type === "scratch") return "New session";
  const name = request.source.url
    .replace(/\/+$/, "")
    .replace(/\.git$/, "")
    .split("/")
    .at(-1);
  return name === undefined || name === "" ? "New session" : name.slice(0, 80);
}
