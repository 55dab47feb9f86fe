import { z } from "zod";
import { MicroUsd, ModelKeyId, SessionId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

export const HealthPart = z.object({ name: z.string(), ok: z.boolean(), detail: z.string().nullable() }).meta({ id: "HealthPart" });
export const HealthView = z.object({ ok: z.boolean(), version: z.string(), parts: z.array(HealthPart) }).meta({ id: "Health" });
/** Green only when every part is; 503 otherwise, with the same body. */
export const getHealth = route({
  id: "health.get",
  summary: "Whether every part works",
  method: "GET",
  path: "/v1/health",
  ok: HealthView,
  refusals: {},
  access: "public",
});

export const ModelView = z
  .object({
    id: z.string(),
    name: z.string(),
    upstream: z.string(),
    /** A scripted demonstration, not an AI model. */
    is_demo: z.boolean(),
    is_default: z.boolean(),
    input_micro_usd_per_million: MicroUsd.nullable(),
    output_micro_usd_per_million: MicroUsd.nullable(),
  })
  .meta({ id: "Model" });
export const listModels = route({
  id: "models.list",
  summary: "Models that a session may use",
  method: "GET",
  path: "/v1/models",
  ok: z
    .object({ items: z.array(ModelView), problems: z.array(z.object({ upstream: z.string(), message: z.string() })) })
    .meta({ id: "Models" }),
  refusals: {},
  access: { resource: "model", role: "viewer", scopes: ["read"] },
});

/** A small repository with a failing test, and a bare remote of it: something to try an agent on. */
export const SampleView = z
  .object({ repository_url: z.string(), remote_url: z.string(), branch: z.string(), commit: z.string(), prompt: z.string() })
  .meta({ id: "Sample" });
export const createSample = route({
  id: "samples.create",
  summary: "Make a sample repository on the server's machine",
  method: "POST",
  path: "/v1/samples",
  body: z.object({}),
  ok: SampleView,
  okStatus: 201,
  refusals: {},
  access: { resource: "sample", role: "member", scopes: ["write"] },
});
/** For tools outside the sandbox: any official client, pointed at `/llm/v1` of this server, spends from the session's budget with it. */
export const issueModelKey = route({
  id: "models.issue_key",
  summary: "A virtual key for a session's models, shown once",
  method: "POST",
  path: "/v1/sessions/:id/model-keys",
  params: z.object({ id: SessionId }),
  body: z.object({}),
  ok: z.object({ key_id: ModelKeyId, key: z.string(), models: z.array(z.string()), expires_at: Timestamp }).meta({ id: "ModelKey" }),
  okStatus: 201,
  refusals: { session_not_found: 404, session_ended: 409 },
  access: { resource: "session", role: "member", scopes: ["write"] },
});
