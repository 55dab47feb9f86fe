/*
 * What people and programs ask of sessions. One creation service for every way in; each command is one unit, and what
 * has to be done about it is a job of the same transaction or is seen by the hub in the log.
 */
import type { SessionSource, HarnessName, SessionKind } from "@signalbox/contract/events/sessions";
import type { Origin, StreamRef, Unit } from "@signalbox/eventlog/log";
import { newId } from "@signalbox/kernel/id";
import type { z } from "zod";
import { ShellRefused } from "../../http/refusal.ts";
import type { Deps } from "../../module.ts";
import { approval, type ApprovalsModule } from "../approvals/public.ts";
import { invocation } from "../actions/public.ts";
import type { ForgeModule } from "../forge/public.ts";
import type { GateModule } from "../gate/public.ts";
import { SYSTEM, type IdentityModule } from "../identity/public.ts";
import type { LedgerModule } from "../ledger/public.ts";
import type { ModelsModule } from "../models/public.ts";
import type { QuotasModule } from "../quotas/public.ts";
import type { RoomCommands } from "../rooms/public.ts";
import { run } from "../runs/public.ts";
import { isEnded, session, type Session, type SessionRefusal } from "./session.ts";
import type { HarnessEntry } from "./ports.ts";
import type { SessionQueries } from "./queries.ts";

export interface CommandDeps extends Deps {
  readonly identity: Pick<IdentityModule, "ensurePrincipal">;
  readonly rooms: RoomCommands;
  readonly models: Pick<ModelsModule, "createVirtualKey" | "revokeVirtualKey" | "resolve" | "defaultModel">;
  readonly ledger: Pick<LedgerModule, "setBudget" | "changeBudget">;
  readonly gate: Pick<GateModule, "killSwitch">;
  readonly quotas: Pick<QuotasModule, "withSeat" | "admitWork">;
  readonly approvals: Pick<ApprovalsModule, "list">;
  readonly forge: Pick<ForgeModule, "check">;
  readonly queries: SessionQueries;
  /** Whether sandboxes can be made here; what to do about it otherwise. */
  readonly sandboxCheck: () => Promise<{ ok: true } | { ok: false; reason: string; fix: string }>;
  readonly harnesses: Readonly<Record<string, HarnessEntry>>;
  readonly defaultBudgetMicroUsd: number;
}

type By = {
  readonly organizationId: string;
  readonly principal: { readonly id: string; readonly type: "user" | "agent" | "service" };
  readonly origin: Origin;
};
type Idempotency = { readonly key: string; readonly bodyHash: string } | undefined;

export interface CreateSession {
  readonly source: z.infer<typeof SessionSource>;
  readonly title?: string | undefined;
  readonly prompt?: string | undefined;
  readonly model?: string | undefined;
  readonly harness: z.infer<typeof HarnessName>;
  readonly kind: z.infer<typeof SessionKind>;
  readonly sandbox: "deferred" | "immediate";
  readonly budgetMicroUsd?: number | undefined;
  /** Asked about already: whether the caller may write there. */
  readonly roomId?: string | undefined;
}

type Refused<Code extends string> = {
  readonly ok: false;
  readonly refusal: { readonly code: Code; readonly message?: string; readonly fix?: string; readonly details?: unknown };
};
const refused = <Code extends string>(code: Code, extra: { message?: string; fix?: string; details?: unknown } = {}): Refused<Code> => ({
  ok: false,
  refusal: { code, ...extra },
});

export type CreateRefusal =
  | "source_not_found"
  | "source_not_allowed"
  | "model_not_found"
  | "no_model_configured"
  | "kill_switch_active"
  | "sandbox_unavailable";
type Ended = "session_not_found" | "session_ended";

export interface SessionCommands {
  create(by: By, request: CreateSession, idempotency?: Idempotency): Promise<{ ok: true; sessionId: string } | Refused<CreateRefusal>>;
  prompt(
    by: By,
    sessionId: string,
    text: string,
    idempotency?: Idempotency,
  ): Promise<{ ok: true; runId: string } | Refused<Ended | "kill_switch_active">>;
  /** The platform speaks; once for each `key`, an id of something that happened. False when it was said before or the session has ended. */
  tell(organizationId: string, sessionId: string, key: string, text: string): Promise<boolean>;
  cancel(by: By, sessionId: string, reason?: string): Promise<{ ok: true } | Refused<"session_not_found" | "no_turn_running">>;
  stop(by: By, sessionId: string, reason?: string): Promise<{ ok: true } | Refused<Ended>>;
  resume(by: By, sessionId: string): Promise<{ ok: true } | Refused<"session_not_found" | "session_not_resumable" | "kill_switch_active">>;
  /** All of it or none: title, model from the next turn on, what it may spend. */
  change(
    by: By,
    sessionId: string,
    to: { title?: string | undefined; model?: string | undefined; budgetMicroUsd?: number | undefined },
  ): Promise<{ ok: true } | Refused<Ended | "model_not_found" | "model_fixed" | "budget_below_spent">>;
  delete(by: By, sessionId: string): Promise<{ ok: true } | Refused<"session_not_found" | "session_not_ended">>;
  archive(by: By, sessionId: string): Promise<{ ok: true } | Refused<"session_not_found" | "session_not_ended">>;
  unarchive(by: By, sessionId: string): Promise<{ ok: true } | Refused<"session_not_found">>;
}

const KILLED = { message: "The kill switch is on: nothing may leave.", fix: "Ask an administrator to release it." };

export function createSessionCommands(deps: CommandDeps): SessionCommands {
  const { log, rooms, clock, queries } = deps;

  /** Where the session's events go, or null when this organization has none of that id. */
  async function placeOf(
    by: By,
    sessionId: string,
  ): Promise<{ stream: StreamRef; subject: string; origin: Origin; roomId: string; threadId: string; status: string } | null> {
    const found = await queries.get(by.organizationId, sessionId);
    if (found === null) return null;
    const { room_id: roomId, thread_id: threadId } = found.view;
    return {
      stream: { type: "room", id: roomId },
      subject: `session:${sessionId}`,
      roomId,
      threadId,
      status: found.view.status,
      origin: { ...by.origin, roomId, threadId, sessionId },
    };
  }

  /** Message, run and the wish that somebody does it, in the caller's unit. */
  async function stagePrompt(
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

  const wake = (unit: Unit, of: { organizationId: string; sessionId: string }): void =>
    unit.enqueue({ kind: "session.boot", organizationId: of.organizationId, payload: { session_id: of.sessionId }, key: of.sessionId });

  /** Not known is not on: whoever asks again finds out. */
  async function isKilled(organizationId: string): Promise<boolean> {
    const state = await deps.gate.killSwitch(organizationId);
    if (state === "unknown")
      throw new ShellRefused("unavailable", "The state of the kill switch could not be read for a second, so nothing is started.", {
        fix: "Try again.",
      });
    return state === "engaged";
  }

  async function admitted(by: By, request: CreateSession): Promise<{ ok: true; model: string; budget: number } | Refused<CreateRefusal>> {
    if (await isKilled(by.organizationId)) return refused("kill_switch_active", KILLED);
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
          if (request.prompt !== undefined) await stagePrompt(unit, { ...of, text: request.prompt }, origin);
          else if (request.sandbox === "immediate") wake(unit, of);
          return { sessionId };
        }),
      );
      return { ok: true, sessionId: value.sessionId };
    },

    async prompt(by, sessionId, text, idempotency) {
      const place = await placeOf(by, sessionId);
      if (place === null) return refused("session_not_found");
      if (await isKilled(by.organizationId)) return refused("kill_switch_active", KILLED);
      const [messageId, runId] = [newId("msg"), newId("run")];
      const stage = (admit: () => Promise<void>) =>
        log.unit({ organizationId: by.organizationId, origin: place.origin, idempotency }, async (unit) => {
          await admit();
          const state = await unit.load(session, place.stream, place.subject);
          if (isEnded(state.status)) return refused("session_ended", endedHint(state));
          if (state.status === "paused") await unit.decide(session, place.stream, place.subject, { type: "resume", by: by.principal.id });
          await stagePrompt(
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
      const place = await placeOf(by, sessionId);
      if (place === null) return false;
      const suffix = key.slice(key.indexOf("_") + 1);
      const [messageId, runId] = [`msg_${suffix}`, `run_${suffix}`];
      const { value } = await log.unit({ organizationId, origin: place.origin }, async (unit) => {
        const said = await unit.load(run, place.stream, `run:${runId}`);
        const state = await unit.load(session, place.stream, place.subject);
        if (said.status !== "none" || isEnded(state.status)) return false;
        if (state.status === "paused") await unit.decide(session, place.stream, place.subject, { type: "resume", by: SYSTEM.id });
        await stagePrompt(
          unit,
          { organizationId, sessionId, roomId: place.roomId, threadId: place.threadId, messageId, runId, text, by: SYSTEM.id },
          place.origin,
        );
        return true;
      });
      return value;
    },

    async cancel(by, sessionId, reason) {
      const place = await placeOf(by, sessionId);
      if (place === null) return refused("session_not_found");
      const { value } = await log.unit({ organizationId: by.organizationId, origin: place.origin }, async (unit) => {
        const running = (await queries.openTurns(by.organizationId, sessionId)).find((turn) => turn.status === "running");
        if (running === undefined) return refused("no_turn_running");
        const decision = await unit.decide(
          run,
          place.stream,
          `run:${running.runId}`,
          { type: "cancel", runId: running.runId as never, by: by.principal.id as never, reason },
          { runId: running.runId },
        );
        return decision.ok ? { ok: true as const } : refused("no_turn_running");
      });
      return value;
    },

    async stop(by, sessionId, reason = "Stopped.") {
      const place = await placeOf(by, sessionId);
      if (place === null) return refused("session_not_found");
      const { organizationId } = by;
      const { value } = await log.unit({ organizationId, origin: place.origin }, async (unit) => {
        const state = await unit.load(session, place.stream, place.subject);
        const decision = await unit.decide(session, place.stream, place.subject, { type: "stop", reason, by: by.principal.id });
        if (!decision.ok) return refused("session_ended", { details: { status: state.status } });
        for (const turn of await queries.openTurns(organizationId, sessionId)) {
          await unit.decide(
            run,
            place.stream,
            `run:${turn.runId}`,
            { type: "cancel", runId: turn.runId as never, by: by.principal.id as never, reason: "The session was stopped." },
            { runId: turn.runId },
          );
        }
        await denyOpen(unit, by, place.stream, sessionId);
        if (state.status !== "none" && state.modelKeyId !== null)
          await deps.models.revokeVirtualKey(unit, { organizationId, keyId: state.modelKeyId, reason: "the session was stopped" });
        unit.enqueue({ kind: "session.teardown", organizationId, payload: { session_id: sessionId }, key: sessionId });
        return { ok: true as const };
      });
      return value;
    },

    async resume(by, sessionId) {
      const place = await placeOf(by, sessionId);
      if (place === null) return refused("session_not_found");
      const { organizationId } = by;
      if (await isKilled(organizationId)) return refused("kill_switch_active", KILLED);
      const { value } = await deps.quotas.withSeat(organizationId, sessionId, (takeSeat) =>
        log.unit({ organizationId, origin: place.origin }, async (unit) => {
          await takeSeat();
          const state = await unit.load(session, place.stream, place.subject);
          // A paused session kept its key; an ended one's was revoked.
          const { principalId, models } =
            state.status === "none" ? { principalId: "", models: [] } : { principalId: state.about.agent_id, models: state.models };
          const mayResume = state.status === "stopped" || state.status === "failed";
          const modelKeyId =
            mayResume && !state.archived
              ? (
                  await deps.models.createVirtualKey(unit, {
                    organizationId,
                    sessionId,
                    roomId: place.roomId,
                    principalId,
                    models,
                    now: clock.now(),
                  })
                ).keyId
              : undefined;
          const decision = await unit.decide(session, place.stream, place.subject, { type: "resume", by: by.principal.id, modelKeyId });
          if (!decision.ok)
            return refused("session_not_resumable", "details" in decision.refusal ? { details: decision.refusal.details } : {});
          wake(unit, { organizationId, sessionId });
          return { ok: true as const };
        }),
      );
      return value;
    },

    async change(by, sessionId, { title, model, budgetMicroUsd }) {
      const place = await placeOf(by, sessionId);
      if (place === null) return refused("session_not_found");
      const { organizationId } = by;
      const found = model === undefined ? null : await deps.models.resolve(organizationId, model);
      if (model !== undefined && found === null)
        return refused("model_not_found", { message: `There is no model ${model}.`, fix: "`GET /v1/models` lists those that there are." });
      // What was staged before a refusal must not be written: a throw ends the unit, and is caught right here.
      class Declined extends Error {
        readonly refusal;
        constructor(refusal: Refused<Ended | "model_fixed" | "budget_below_spent">) {
          super(refusal.refusal.code);
          this.refusal = refusal;
        }
      }
      try {
        await log.unit({ organizationId, origin: place.origin }, async (unit) => {
          const state = await unit.load(session, place.stream, place.subject);
          if (state.status === "none" || state.deleted) throw new Declined(refused("session_not_found"));
          if (title !== undefined) await unit.decide(session, place.stream, place.subject, { type: "rename", title, by: by.principal.id });
          if (model !== undefined && deps.harnesses[state.about.harness]?.harness.choosesModel === false)
            throw new Declined(
              refused("model_fixed", {
                message: "The agent of this session runs on a model of its own.",
                fix: "Start a session with another agent to choose its model.",
              }),
            );
          if (found !== null && found.id !== state.model) {
            if (isEnded(state.status)) throw new Declined(refused("session_ended", endedHint(state)));
            // A turn under way goes on with its own model, so the new key speaks for both.
            const { keyId } = await deps.models.createVirtualKey(unit, {
              organizationId,
              sessionId,
              roomId: place.roomId,
              principalId: state.about.agent_id,
              models: [...new Set([...state.models, found.id])],
              now: clock.now(),
            });
            if (state.modelKeyId !== null)
              await deps.models.revokeVirtualKey(unit, {
                organizationId,
                keyId: state.modelKeyId,
                reason: "the session's model was changed",
              });
            await unit.decide(session, place.stream, place.subject, {
              type: "change_model",
              model: found.id,
              by: by.principal.id,
              modelKeyId: keyId,
            });
          }
          if (budgetMicroUsd !== undefined) {
            const done = await deps.ledger.changeBudget(unit, { organizationId, sessionId, capMicroUsd: budgetMicroUsd });
            if (!done.ok)
              throw new Declined(
                refused("budget_below_spent", {
                  message: `$${((done.spent + done.held) / 1e6).toFixed(4)} are spent or held already.`,
                  fix: "Choose a higher budget, or stop the session to spend nothing more.",
                  details: { spent_micro_usd: done.spent, reserved_micro_usd: done.held },
                }),
              );
          }
        });
      } catch (error) {
        if (error instanceof Declined) return error.refusal;
        throw error;
      }
      return { ok: true };
    },
    async delete(by, sessionId) {
      const place = await placeOf(by, sessionId);
      if (place === null) return refused("session_not_found");
      const { organizationId } = by;
      const { value } = await log.unit({ organizationId, origin: place.origin }, async (unit) => {
        const decision = await unit.decide(session, place.stream, place.subject, { type: "delete", by: by.principal.id });
        if (!decision.ok) return decision.refusal.code;
        if (decision.events.length > 0)
          unit.enqueue({ kind: "session.purge", organizationId, payload: { session_id: sessionId }, key: sessionId });
        return null;
      });
      if (value === null) return { ok: true };
      return value === "session_not_ended"
        ? refused("session_not_ended", { message: "Only a session that has ended can be deleted.", fix: "Stop it first." })
        : refused("session_not_found");
    },
    async archive(by, sessionId) {
      const refusal = await decideOn(by, sessionId, { type: "archive", by: by.principal.id });
      if (refusal === null) return { ok: true };
      return refusal.code === "session_not_found"
        ? refused("session_not_found")
        : refused("session_not_ended", { message: "Only a session that has ended can be archived.", fix: "Stop it first." });
    },
    async unarchive(by, sessionId) {
      const refusal = await decideOn(by, sessionId, { type: "unarchive", by: by.principal.id });
      return refusal === null ? { ok: true } : refused("session_not_found");
    },
  };

  async function decideOn(by: By, sessionId: string, command: Parameters<typeof session.decide>[1]): Promise<SessionRefusal | null> {
    const place = await placeOf(by, sessionId);
    if (place === null) return { code: "session_not_found" };
    const decision = await log.run(
      session,
      { organizationId: by.organizationId, origin: place.origin, stream: place.stream, subject: place.subject },
      command,
    );
    return decision.ok ? null : decision.refusal;
  }

  /** What the session still asked for must not be granted after its end. */
  async function denyOpen(unit: Unit, by: By, stream: StreamRef, sessionId: string): Promise<void> {
    const open = await deps.approvals.list(by.organizationId, { sessionId, status: "open" }, { limit: 200 });
    for (const { id, invocation_id } of open?.items ?? []) {
      await unit.decide(approval, stream, `approval:${id}`, {
        type: "deny",
        approvalId: id,
        by: by.principal.id as never,
        reason: "The session was stopped.",
        now: clock.now(),
      } as never);
      if (invocation_id !== null)
        await unit.decide(invocation, stream, `invocation:${invocation_id}`, {
          type: "deny",
          invocationId: invocation_id as never,
          reasonCode: "session_ended",
          by: by.principal.id as never,
        });
    }
  }
}

function endedHint(state: Session): { message: string; fix: string; details: unknown } {
  const fix = state.status === "completed" ? "Start a new session." : "Resume it, then send the message again.";
  return { message: `The session has ended (${state.status}).`, fix, details: { status: state.status } };
}

export const PROMPT_TITLE_CHARS = 120;
export const firstLine = (text: string, limit: number): string => {
  const line = text.trim().split("\n", 1)[0]!.trim();
  return line.length <= limit ? line || "Message" : `${line.slice(0, limit - 1)}…`;
};

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
