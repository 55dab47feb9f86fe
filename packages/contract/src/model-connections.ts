/* Connections to models: what the configuration offers, and what people add in the settings. A key goes in and never comes out. */
import { z } from "zod";
import { ModelConnectionKind, ModelConnectionName } from "./events/models.ts";
import { Timestamp } from "./primitives.ts";
import { route } from "./route.ts";
import { ModelView } from "./system.ts";

export const ModelConnectionView = z
  .object({
    name: ModelConnectionName,
    kind: ModelConnectionKind,
    /** Null: the vendor's own address. */
    base_url: z.string().nullable(),
    /** `configuration`: environment of the server, changed there; `settings`: saved here. */
    from: z.enum(["configuration", "settings"]),
    has_key: z.boolean(),
    /** The key's last four characters. */
    key_hint: z.string().nullable(),
    /** `unknown`: it has not been asked yet. */
    status: z.enum(["ok", "error", "unknown"]),
    /** What is wrong, why and what to do, in a sentence or two. */
    message: z.string().nullable(),
    /** How many models it offers. */
    models: z.int().min(0),
    /** The default model comes from it. */
    is_default: z.boolean(),
  })
  .meta({ id: "ModelConnection" });
export type ModelConnectionView = z.infer<typeof ModelConnectionView>;

const ApiKey = z.string().trim().min(1).max(4096);
const BaseUrl = z.string().trim().min(1).max(2000);

export const ModelConnectionCheck = z
  .object({
    ok: z.boolean(),
    message: z.string(),
    /** What to do about it; null when all is well. */
    fix: z.string().nullable(),
    models: z.array(z.object({ id: z.string(), name: z.string() })),
    latency_ms: z.int().min(0),
  })
  .meta({ id: "ModelConnectionCheck" });
export type ModelConnectionCheck = z.infer<typeof ModelConnectionCheck>;

const read = { resource: "model", role: "viewer", scopes: ["read"] } as const;
const admin = { resource: "model", role: "admin", scopes: ["admin"] } as const;

export const listModelConnections = route({
  id: "model_connections.list",
  summary: "Connections to models, in the order of precedence",
  method: "GET",
  path: "/v1/model-connections",
  ok: z
    .object({ items: z.array(ModelConnectionView), default_model: z.string().nullable(), problems: z.array(z.string()) })
    .meta({ id: "ModelConnections" }),
  refusals: {},
  access: read,
});
/** Stores nothing. A real call: the model list, and one token of an answer where that costs next to nothing. */
export const checkModelConnection = route({
  id: "model_connections.check",
  summary: "Try a connection with a real call, without saving it",
  method: "POST",
  path: "/v1/model-connections/check",
  body: z.object({
    kind: ModelConnectionKind,
    api_key: ApiKey.optional(),
    base_url: BaseUrl.optional(),
    /** Try a saved connection with the key it has. */
    name: ModelConnectionName.optional(),
  }),
  ok: ModelConnectionCheck,
  refusals: { connection_not_found: 404 },
  access: admin,
});
/** Checked first; `force` saves it whatever the check says. */
export const saveModelConnection = route({
  id: "model_connections.save",
  summary: "Add a connection, or change it",
  method: "PUT",
  path: "/v1/model-connections/:name",
  params: z.object({ name: ModelConnectionName }),
  body: z.object({
    kind: ModelConnectionKind,
    /** Left out of a change: the key stays. */
    api_key: ApiKey.optional(),
    base_url: BaseUrl.optional(),
    force: z.boolean().optional(),
  }),
  ok: ModelConnectionView,
  refusals: {
    connection_configured: 409,
    connection_check_failed: 422,
    connection_key_missing: 422,
    connection_address_missing: 422,
    connection_invalid: 422,
    secrets_unavailable: 409,
  },
  access: admin,
});
export const deleteModelConnection = route({
  id: "model_connections.delete",
  summary: "Remove a saved connection and forget its key",
  method: "DELETE",
  path: "/v1/model-connections/:name",
  params: z.object({ name: ModelConnectionName }),
  ok: z.object({ ok: z.literal(true) }),
  refusals: { connection_not_found: 404, connection_configured: 409 },
  access: admin,
});
/** Answers within half a second. */
export const discoverModelConnections = route({
  id: "model_connections.discover",
  summary: "Look for an Ollama server on this machine",
  method: "GET",
  path: "/v1/model-connections/discover",
  ok: z
    .object({
      items: z.array(
        z.object({
          kind: z.literal("ollama"),
          base_url: z.string(),
          found: z.boolean(),
          models: z.array(z.object({ id: z.string(), name: z.string() })),
          /** Why not, or what to do next. */
          message: z.string(),
          /** It is connected already. */
          connected: z.boolean(),
        }),
      ),
    })
    .meta({ id: "DiscoveredModels" }),
  refusals: {},
  access: admin,
});
/** `null` goes back to the configured default, else the first real model. */
export const setDefaultModel = route({
  id: "models.set_default",
  summary: "The model of sessions that name none",
  method: "PUT",
  path: "/v1/models/default",
  body: z.object({ model: z.string().min(1).max(200).nullable() }),
  ok: z.object({ model: ModelView.nullable(), set_at: Timestamp }).meta({ id: "DefaultModel" }),
  refusals: { model_not_found: 422 },
  access: admin,
});
