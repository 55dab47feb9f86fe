import type { ModelConnectionKind } from "@signalbox/contract/events/models";
import {
  checkModelConnection,
  deleteModelConnection,
  discoverModelConnections,
  listModelConnections,
  saveModelConnection,
  setDefaultModel,
  type ModelConnectionView,
} from "@signalbox/contract/model-connections";
import type { PrincipalId } from "@signalbox/contract/primitives";
import type { ModelView } from "@signalbox/contract/system";
import type { ModelUpstream } from "@signalbox/providers/model/port";
import type { z } from "zod";
import { type BoundRoute, handle, refused } from "../../http/handle.ts";
import { addressOf, type Candidate, checkConnection, readBaseUrl } from "./check.ts";
import { connection, defaultModel } from "./connection.ts";
import { type ConfiguredConnection, type Connections, keyHint, keyName } from "./connections.ts";
import { discoverOllama, ollamaAddress } from "./discover.ts";
import { explain } from "./explain.ts";
import type { ModelsDeps } from "./public.ts";
import type { RegisteredModel, Registry } from "./registry.ts";

type RouteDeps = ModelsDeps & {
  connections: Connections;
  registry: Registry;
  modelView: (model: RegisteredModel, preferred: RegisteredModel | null) => z.input<typeof ModelView>;
};
type View = z.input<typeof ModelConnectionView>;

const NO_CONNECTION = refused("connection_not_found", {
  message: "There is no saved connection of that name.",
  fix: "List them with GET /v1/model-connections.",
});
const CONFIGURED = refused("connection_configured", {
  message: "A connection of that name comes from the server's configuration.",
  fix: "Change it in the server's environment, or choose another name.",
});

export function connectionRoutes({
  log,
  clock,
  secrets,
  upstreams,
  configured = [],
  ollamaUrl,
  connections,
  registry,
  modelView,
}: RouteDeps): readonly BoundRoute[] {
  const isConfigured = (name: string): boolean => upstreams.some((upstream) => upstream.name === name);

  function statusOf(
    kind: ModelConnectionKind,
    baseUrl: string | null,
    upstream: ModelUpstream,
  ): Pick<View, "status" | "message" | "models"> {
    const listing = registry.listing(upstream);
    if (listing === null) return { status: "unknown", message: "It has not answered yet.", models: 0 };
    if (listing.failure === null) return { status: "ok", message: null, models: listing.models.length };
    const { message, fix } = explain(kind, addressOf(kind, baseUrl), listing.failure);
    return { status: "error", message: `${message} ${fix}`, models: listing.models.length };
  }

  async function list(organizationId: string): Promise<{ items: View[]; default_model: string | null }> {
    const preferred = await registry.defaultModel(organizationId);
    const isDefault = (upstream: ModelUpstream | null): boolean => upstream !== null && preferred?.upstream === upstream;
    const described = new Map(configured.map((one): [string, ConfiguredConnection] => [one.name, one]));
    const fromConfiguration = upstreams.map((upstream): View => {
      const facts = described.get(upstream.name);
      const baseUrl = facts?.baseUrl ?? null;
      return {
        name: upstream.name,
        kind: upstream.kind,
        base_url: baseUrl,
        from: "configuration",
        has_key: facts?.hasKey ?? false,
        key_hint: facts?.keyHint ?? null,
        ...statusOf(upstream.kind, baseUrl, upstream),
        is_default: isDefault(upstream),
      };
    });
    const saved = (await connections.saved(organizationId)).map((one): View => ({
      name: one.name,
      kind: one.kind,
      base_url: one.baseUrl,
      from: "settings",
      has_key: one.hasKey,
      key_hint: one.keyHint,
      ...(one.upstream === null
        ? { status: "error" as const, message: one.problem, models: 0 }
        : statusOf(one.kind, one.baseUrl, one.upstream)),
      is_default: isDefault(one.upstream),
    }));
    const demo = (view: View): boolean => view.kind === "demo";
    return {
      items: [...fromConfiguration.filter((view) => !demo(view)), ...saved, ...fromConfiguration.filter(demo)],
      default_model: preferred?.id ?? null,
    };
  }

  /** The key that a saved connection has; for a change or a check that does not bring one. */
  async function heldKey(organizationId: string, name: string): Promise<string | undefined> {
    const held = await secrets.get(organizationId, keyName(name));
    return held.ok ? held.value : undefined;
  }

  return [
    handle(listModelConnections, async ({ caller: { organizationId } }) => {
      const { items, default_model } = await list(organizationId);
      return { items, default_model, problems: items.flatMap((one) => (one.status === "error" ? [`${one.name}: ${one.message}`] : [])) };
    }),

    handle(checkModelConnection, async ({ caller: { organizationId }, body, signal }) => {
      let { kind, api_key: apiKey, base_url: baseUrl } = body;
      if (body.name !== undefined) {
        const saved = (await connections.saved(organizationId)).find(({ name }) => name === body.name);
        if (saved === undefined) return NO_CONNECTION;
        baseUrl ??= saved.baseUrl ?? undefined;
        // Never to another address than the one it was saved for: that would hand it to whoever listens there.
        if (apiKey === undefined && kind === saved.kind && (body.base_url === undefined || body.base_url === saved.baseUrl))
          apiKey = await heldKey(organizationId, saved.name);
      }
      const candidate = candidateOf(kind, apiKey, baseUrl);
      if ("problem" in candidate) return { ok: false, message: candidate.problem, fix: candidate.fix, models: [], latency_ms: 0 };
      return checkConnection(candidate, signal);
    }),

    handle(saveModelConnection, async ({ caller, params: { name }, body, origin, signal }) => {
      const { organizationId } = caller;
      if (isConfigured(name)) return CONFIGURED;
      if (body.kind === "demo")
        return refused("connection_invalid", { message: "The demo is always there.", fix: "Choose another kind of connection." });
      const before = (await connections.saved(organizationId)).find((one) => one.name === name);
      const baseUrl = body.base_url ?? (before?.kind === body.kind ? (before.baseUrl ?? undefined) : undefined);
      const candidate = candidateOf(body.kind, body.api_key, baseUrl);
      if ("problem" in candidate) return refused("connection_invalid", { message: candidate.problem, fix: candidate.fix });
      const keepsKey = before !== undefined && before.kind === body.kind && (candidate.baseUrl ?? null) === before.baseUrl;
      const key = candidate.apiKey ?? (keepsKey ? await heldKey(organizationId, name) : undefined);
      if (key === undefined && (body.kind === "anthropic" || body.kind === "openai"))
        return refused("connection_key_missing", { message: "There is no key for it.", fix: "Paste the API key." });
      if (candidate.baseUrl === undefined && body.kind === "openai-compatible")
        return refused("connection_address_missing", {
          message: "There is no address for it.",
          fix: "Give the API's base, like http://127.0.0.1:8000/v1.",
        });
      if (body.force !== true) {
        const checked = await checkConnection({ ...candidate, apiKey: key }, signal);
        if (!checked.ok)
          return refused("connection_check_failed", {
            message: checked.message,
            ...(checked.fix === null ? {} : { fix: checked.fix }),
            details: checked,
          });
      }
      const keyChanged = candidate.apiKey !== undefined && candidate.apiKey !== (await heldKey(organizationId, name));
      // Before its event: a sealed key that no connection names does nothing.
      if (key !== undefined && (keyChanged || before === undefined)) {
        const kept = await secrets.put(organizationId, keyName(name), key);
        if (!kept.ok) return refused("secrets_unavailable", { message: `The key cannot be kept: ${kept.reason}` });
      } else if (key === undefined) await secrets.delete(organizationId, keyName(name));
      await log.run(
        connection,
        { organizationId, origin, stream: { type: "organization", id: organizationId }, subject: `model_connection:${name}` },
        {
          type: "save",
          name,
          kind: body.kind,
          baseUrl: candidate.baseUrl,
          hasKey: key !== undefined,
          keyChanged,
          by: caller.principal.id as PrincipalId,
        },
      );
      connections.changed(organizationId);
      const view = (await list(organizationId)).items.find((one) => one.name === name);
      if (view === undefined) throw new Error("a connection was saved but is not in the list");
      return { ...view, key_hint: key === undefined ? null : keyHint(key) };
    }),

    handle(deleteModelConnection, async ({ caller, params: { name }, origin }) => {
      const { organizationId } = caller;
      if (isConfigured(name)) return CONFIGURED;
      const decision = await log.run(
        connection,
        { organizationId, origin, stream: { type: "organization", id: organizationId }, subject: `model_connection:${name}` },
        { type: "remove", name, by: caller.principal.id as PrincipalId },
      );
      if (!decision.ok) return NO_CONNECTION;
      await secrets.delete(organizationId, keyName(name));
      connections.changed(organizationId);
      return { ok: true };
    }),

    handle(discoverModelConnections, async ({ caller: { organizationId } }) => {
      const address = ollamaAddress(ollamaUrl);
      const [found, saved] = await Promise.all([discoverOllama(address), connections.saved(organizationId)]);
      const connected = upstreams.some(({ kind }) => kind === "ollama") || saved.some(({ kind }) => kind === "ollama");
      return { items: [{ kind: "ollama" as const, base_url: address, ...found, models: [...found.models], connected }] };
    }),

    handle(setDefaultModel, async ({ caller, body, origin }) => {
      const { organizationId } = caller;
      const model = body.model === null ? null : await registry.resolve(organizationId, body.model);
      if (body.model !== null && model === null)
        return refused("model_not_found", {
          message: `There is no model ${body.model}.`,
          fix: "`GET /v1/models` lists those that there are.",
        });
      await log.run(
        defaultModel,
        { organizationId, origin, stream: { type: "organization", id: organizationId }, subject: "model_default:organization" },
        { model: model?.id ?? null, by: caller.principal.id as PrincipalId },
      );
      connections.changed(organizationId);
      const preferred = await registry.defaultModel(organizationId);
      return { model: preferred === null ? null : modelView(preferred, preferred), set_at: clock.now() };
    }),
  ];
}

function candidateOf(
  kind: ModelConnectionKind,
  apiKey: string | undefined,
  baseUrl: string | undefined,
): Candidate | { readonly problem: string; readonly fix: string } {
  if (baseUrl === undefined) return { kind, apiKey, baseUrl: undefined };
  const read = readBaseUrl(baseUrl);
  return "problem" in read ? read : { kind, apiKey, baseUrl: read.url };
}
