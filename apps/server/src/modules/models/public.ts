/*
 * The model proxy: every call that leaves for a model passes here, with a caller, the gate's word and
 * money held for it. See specs/model-proxy.md.
 */
import path from "node:path";
import type { PolicyInput } from "@signalbox/contract/gate";
import type { ModelKeyEvent } from "@signalbox/contract/events/ledger";
import { issueModelKey, listModels } from "@signalbox/contract/system";
import { erasable } from "@signalbox/eventlog/erasable";
import type { Origin, StreamRef, Unit } from "@signalbox/eventlog/log";
import { plusMs } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import type { ModelUpstream } from "@signalbox/providers/model/port";
import { priceOf, type PriceRule } from "@signalbox/providers/model/prices";
import { handle, refused } from "../../http/handle.ts";
import { ShellRefused } from "../../http/refusal.ts";
import type { Deps, Module } from "../../module.ts";
import { hasRoomRole, type RoleInSession } from "../rooms/public.ts";
import type { GateModule } from "../gate/public.ts";
import type { LedgerModule } from "../ledger/public.ts";
import type { SecretsModule } from "../secrets/public.ts";
import { CalledOff, DEFAULT_ATTEMPTS, forwardCall, sendError, type Attempts, type Client } from "./call.ts";
import { createCallers, type ModelCaller } from "./callers.ts";
import { connectionRoutes } from "./connection-routes.ts";
import { type ConfiguredConnection, createConnections } from "./connections.ts";
import { modelConnections } from "./connections.projection.ts";
import { worstCase } from "./cost.ts";
import { createHandler, modelNotFound, type ModelHandler } from "./handler.ts";
import { modelKeys, modelSessions } from "./keys.projection.ts";
import { hashKey, mintKey, modelKey } from "./model-key.ts";
import { createRegistry, type RegisteredModel } from "./registry.ts";
import type { ModelRequest } from "./request.ts";
import type { ProxyError } from "./vendor-error.ts";

export type { ConfiguredConnection } from "./connections.ts";
export type { ModelHandler, SandboxCaller } from "./handler.ts";
export type { RegisteredModel } from "./registry.ts";

/** Virtual host under which a sandbox finds the proxy: `http://model.signalbox.invalid/llm/v1`. */
export const MODEL_HOST = "model.signalbox.invalid";

export interface ModelsDeps extends Deps {
  readonly ledger: Pick<LedgerModule, "reserve" | "settle" | "release" | "remaining">;
  readonly gate: Pick<GateModule, "decide" | "onKillSwitch" | "provideContext">;
  /** In the order of their precedence; `demo` last. */
  readonly upstreams: readonly ModelUpstream[];
  /** What the configuration says of them, for the list of connections. */
  readonly configured?: readonly ConfiguredConnection[] | undefined;
  /** Where Ollama is looked for. */
  readonly ollamaUrl?: string | undefined;
  readonly secrets: Pick<SecretsModule, "put" | "get" | "delete">;
  readonly prices?: readonly PriceRule[] | undefined;
  readonly defaultModel?: string | undefined;
  /** The turn under way, so that its cost is told as the run's. */
  readonly currentRun?: ((organizationId: string, sessionId: string) => Promise<string | undefined>) | undefined;
  readonly attempts?: Partial<Attempts> | undefined;
  /** Null: no such session, or in a room that the caller is not in. */
  readonly roleInSession: RoleInSession;
}

export interface NewVirtualKey {
  readonly organizationId: string;
  readonly sessionId: string;
  readonly roomId?: string | undefined;
  /** The agent's principal. */
  readonly principalId: string;
  /** Ids of the registry that it may call; empty means all. */
  readonly models: readonly string[];
  /** RFC 3339; it expires 24 h later. */
  readonly now: string;
}

export interface ModelsModule extends Module {
  /** Needs no Fastify: `/llm/v1/*` of the server, and the internal destination `MODEL_HOST` of the egress proxy. */
  readonly handler: ModelHandler;
  /** The key is shown once, here; only its hash is stored. Keep it out of the unit's value, which is stored too. */
  createVirtualKey(unit: Unit, key: NewVirtualKey): Promise<{ keyId: string; key: string; expiresAt: string }>;
  revokeVirtualKey(unit: Unit, key: { organizationId: string; keyId: string; reason: string }): Promise<void>;
  resolve(organizationId: string, modelId: string): Promise<RegisteredModel | null>;
  defaultModel(organizationId: string): Promise<RegisteredModel | null>;
  /** Ends the calls under way of an organization (null: all) or of one session; returns how many. */
  cut(organizationId: string | null, sessionId: string | null, error: ProxyError): number;
}

type Issued = Extract<ModelKeyEvent, { type: "model_key.issued" }>["data"];

const KEY_LIFETIME_MS = 24 * 3600_000;
/** A refused loop is written down once in this time, not once a try. */
const DENIAL_RECORD_MS = 10_000;
const STOP_MS = 10_000;
const KILLED: ProxyError = {
  status: 403,
  code: "kill_switch_active",
  message: "The kill switch is on: nothing may leave. Ask an administrator to release it.",
};

export function createModels(deps: ModelsDeps): ModelsModule {
  const { db, clock, gate, ledger, logger } = deps;
  const connections = createConnections(deps);
  const registry = createRegistry({
    upstreams: connections.upstreams,
    priceOf: (upstream, model) => priceOf(upstream.kind, model, { overrides: deps.prices }),
    preferred: connections.preferredModels,
  });
  const callers = createCallers(db, clock.nowMs);
  const attempts = { ...DEFAULT_ATTEMPTS, ...deps.attempts };
  const active = new Set<{ readonly caller: ModelCaller; readonly called: AbortController }>();
  const settling = new Set<Promise<void>>();
  const deniedAt = new Map<string, number>();
  /** Questions of enforcement, told by identity from those that anybody may put to the gate. */
  const onTheirWay = new WeakSet<PolicyInput>();

  const originOf = (caller: ModelCaller, runId: string | undefined): Origin => ({
    principal: { id: caller.agentId, type: "agent" },
    zone: "sandbox",
    sessionId: caller.sessionId,
    ...(caller.roomId === null ? {} : { roomId: caller.roomId }),
    ...(runId === undefined ? {} : { runId }),
  });

  /** Null when it may go. */
  async function ruling(caller: ModelCaller, model: RegisteredModel): Promise<ProxyError | null> {
    const stream: StreamRef =
      caller.roomId === null ? { type: "organization", id: caller.organizationId } : { type: "room", id: caller.roomId };
    const key = `${caller.sessionId} ${model.id}`;
    const now = performance.now();
    const input: PolicyInput = {
      principal: { id: caller.agentId as PolicyInput["principal"]["id"], type: "agent" },
      action: "model.call",
      resource: { type: "model", id: model.id },
      context: { upstream: model.upstream.name },
      zone: "sandbox",
      session_id: caller.sessionId as NonNullable<PolicyInput["session_id"]>,
    };
    onTheirWay.add(input);
    const record = now - (deniedAt.get(key) ?? Number.NEGATIVE_INFINITY) > DENIAL_RECORD_MS;
    const decision = await gate.decide({
      organizationId: caller.organizationId,
      input,
      stream,
      origin: originOf(caller, undefined),
      target: model.id,
      record,
    });
    if (decision.decision === "allow") return null;
    if (record) {
      if (deniedAt.size > 10_000) deniedAt.clear();
      deniedAt.set(key, now);
    }
    // Not read for a second, as on a machine that is very busy: the client's own retry finds it read again. A 403 would end its turn.
    const status = decision.reason_code === "kill_switch_unknown" ? 503 : 403;
    return { status, code: decision.reason_code, message: `The policy does not let this call through: ${decision.reason}` };
  }

  async function call(
    caller: ModelCaller,
    request: ModelRequest,
    headers: Record<string, string>,
    called: AbortController,
    client: Client,
  ): Promise<void> {
    const answer = (error: ProxyError) => sendError(request.endpoint, error, client);
    const model = await registry.resolve(caller.organizationId, request.model);
    if (model === null) return answer(modelNotFound(request.model));
    if (caller.models.length > 0 && !caller.models.includes(model.id)) {
      return answer({ status: 403, code: "model_not_allowed", message: `This key may call ${caller.models.join(", ")}, not ${model.id}.` });
    }
    if (!model.upstream.endpoints.includes(request.endpoint)) return answer(wrongEndpoint(model, request));
    const entry = { caller, called };
    active.add(entry);
    try {
      const [denied, runId] = await Promise.all([ruling(caller, model), deps.currentRun?.(caller.organizationId, caller.sessionId)]);
      if (denied !== null) return answer(denied);
      await paid(caller, model, request, headers, runId, called, client, answer);
    } finally {
      active.delete(entry);
    }
  }

  async function paid(
    caller: ModelCaller,
    model: RegisteredModel,
    request: ModelRequest,
    headers: Record<string, string>,
    runId: string | undefined,
    called: AbortController,
    client: Client,
    answer: (error: ProxyError) => void,
  ): Promise<void> {
    const { organizationId, sessionId } = caller;
    const amount = worstCase(request, model, model.price);
    const held = await ledger.reserve({ organizationId, sessionId, runId, model: model.id, amount, origin: originOf(caller, runId) });
    if (!held.ok) return answer(notCovered(held.refusal));
    const startedAt = performance.now();
    const end = await forwardCall({ request, model, headers, signal: called.signal, attempts }, client).catch((error: unknown) => {
      logger.error({ err: error, sessionId, model: model.id }, "a model call failed in the proxy");
      client.destroy();
      // What was spent is not known, so all of it is taken to be.
      return {
        bill: { cost: amount, usage: { input_tokens: 0, output_tokens: 0, source: "counted" as const }, outcome: "cut" as const },
        reason: "fault",
      };
    });
    const durationMs = performance.now() - startedAt;
    const ended =
      end.bill === null
        ? ledger.release(held.reservation, end.reason)
        : ledger.settle(held.reservation, { upstream: model.upstream.name, durationMs, ...end.bill });
    settling.add(ended);
    await ended.finally(() => settling.delete(ended));
  }

  function cut(organizationId: string | null, sessionId: string | null, error: ProxyError): number {
    const hit = [...active].filter(
      ({ caller }) =>
        (organizationId ?? caller.organizationId) === caller.organizationId && (sessionId ?? caller.sessionId) === caller.sessionId,
    );
    for (const { called } of hit) called.abort(new CalledOff(error));
    return hit.length;
  }

  gate.provideContext("model.call", async (organizationId, input) => {
    // For a call on its way that is the ledger's word, given a moment later and binding.
    if (onTheirWay.has(input)) return { within_budget: true };
    const { session_id: sessionId, context } = input;
    const left = sessionId === undefined ? null : await ledger.remaining(organizationId, sessionId);
    const needed = context["needed_micro_usd"];
    return { within_budget: left !== null && left >= (typeof needed === "number" ? needed : 1) };
  });
  const stopWatching = gate.onKillSwitch(({ organizationId, engaged }) => {
    if (engaged) cut(organizationId, null, KILLED);
  });

  const createVirtualKey: ModelsModule["createVirtualKey"] = async (
    unit,
    { organizationId, sessionId, roomId, principalId, models, now },
  ) => {
    const keyId = newId("vk");
    const key = mintKey(organizationId);
    const expiresAt = plusMs(now, KEY_LIFETIME_MS);
    const data = {
      key_id: keyId,
      session_id: sessionId,
      ...(roomId === undefined ? {} : { room_id: roomId }),
      principal_id: principalId,
      key_hash: hashKey(key),
      models: [...models],
      expires_at: expiresAt,
    } as Issued;
    const decision = await unit.decide(
      modelKey,
      { type: "ledger", id: organizationId },
      `model_key:${keyId}`,
      { type: "issue", data },
      { sessionId },
    );
    if (!decision.ok) throw new Error(`a virtual key could not be issued: ${decision.refusal.code}`);
    return { keyId, key, expiresAt };
  };

  return {
    routes: [
      handle(issueModelKey, async ({ caller, params, origin, now }) => {
        const { organizationId } = caller;
        const role = await deps.roleInSession(caller, params.id);
        if (role === null) return refused("session_not_found");
        if (!hasRoomRole(role, "member"))
          throw new ShellRefused("forbidden", "You may read this session, not spend from its budget.", {
            fix: "Ask an owner of its room to make you a member.",
          });
        const found = await callers.ofSession(organizationId, params.id);
        if (found === null) return refused("session_not_found");
        if (!found.ok) return refused("session_ended");
        const { agentId: principalId, roomId, models } = found.caller;
        // Kept out of the unit's value, which the log may store.
        let issued: Awaited<ReturnType<typeof createVirtualKey>> | undefined;
        await deps.log.unit({ organizationId, origin }, async (unit) => {
          issued = await createVirtualKey(unit, {
            organizationId,
            sessionId: params.id,
            roomId: roomId ?? undefined,
            principalId,
            models,
            now,
          });
        });
        if (issued === undefined) throw new Error("a virtual key was committed but not kept");
        return { key_id: issued.keyId, key: issued.key, models: [...models], expires_at: issued.expiresAt };
      }),
      handle(listModels, async ({ caller: { organizationId } }) => {
        const { models, problems } = await registry.list(organizationId);
        const preferred = await registry.defaultModel(organizationId);
        return { items: models.map((model) => modelView(model, preferred)), problems: [...problems] };
      }),
      ...connectionRoutes({ ...deps, connections, registry, modelView }),
    ],
    projections: [
      erasable(modelKeys),
      erasable(modelSessions, { bySubject: { proj_model_sessions: "session_id" } }),
      erasable(modelConnections),
    ],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {},

    handler: createHandler({
      authenticate: async (key, identity) => {
        if (identity !== undefined) return callers.bySandbox(identity);
        return key === null ? { ok: false, code: "no_key" } : callers.byKey(key);
      },
      models: async (caller) =>
        (await registry.list(caller.organizationId)).models.filter(
          (model) => caller.models.length === 0 || caller.models.includes(model.id),
        ),
      call,
      onFault: (error) => logger.error({ err: error }, "the model proxy failed"),
    }),

    createVirtualKey,

    async revokeVirtualKey(unit, { organizationId, keyId, reason }) {
      const decision = await unit.decide(modelKey, { type: "ledger", id: organizationId }, `model_key:${keyId}`, {
        type: "revoke",
        reason,
      });
      if (!decision.ok) throw new Error(`virtual key ${keyId} could not be revoked: ${decision.refusal.code}`);
    },

    resolve: registry.resolve,
    defaultModel: registry.defaultModel,
    cut,

    async start() {
      // So that the first session does not wait for it; what went wrong shows in the list and in health.
      void registry.list(null);
    },

    async health() {
      const { models, problems } = await registry.list(null);
      return {
        ok: models.length > 0,
        detail: problems.length === 0 ? null : problems.map(({ upstream, message }) => `${upstream}: ${message}`).join("; "),
      };
    },

    async stop() {
      stopWatching();
      cut(null, null, { status: 503, code: "server_stopping", message: "The server is stopping. Ask again in a moment." });
      // What is not settled by then is reconciled when the next process finds it.
      const deadline = performance.now() + STOP_MS;
      while ((active.size > 0 || settling.size > 0) && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
      await connections.close();
      await Promise.all(deps.upstreams.map((upstream) => upstream.close()));
    },
  };
}

function wrongEndpoint(model: RegisteredModel, request: ModelRequest): ProxyError {
  const offered = model.upstream.endpoints.map((endpoint) => `/llm/v1/${endpoint}`).join(" or ");
  return {
    status: 400,
    code: "unsupported_endpoint",
    message: `${model.id} is served by ${model.upstream.name}, which does not speak /llm/v1/${request.endpoint}. Use ${offered} for it.`,
  };
}

function notCovered(refusal: Extract<Awaited<ReturnType<LedgerModule["reserve"]>>, { ok: false }>["refusal"]): ProxyError {
  if (refusal.code !== "budget_exhausted") {
    return { status: 402, code: refusal.code, message: "This session has no budget for model calls. Start a session with one." };
  }
  const usd = (microUsd: number) => `$${(microUsd / 1e6).toFixed(4)}`;
  const { needed, remaining, cap } = refusal.details;
  return {
    status: 402,
    code: "budget_exhausted",
    message: `This call may cost up to ${usd(needed)}, and ${usd(remaining)} of the session's ${usd(cap)} are left. Raise the budget, or allow fewer output tokens.`,
  };
}

const modelView = (model: RegisteredModel, preferred: RegisteredModel | null) => ({
  id: model.id,
  name: model.name,
  upstream: model.upstream.name,
  is_demo: model.isDemo,
  is_default: model.id === preferred?.id,
  input_micro_usd_per_million: model.price.input,
  output_micro_usd_per_million: model.price.output,
});
