import { z } from "zod";
import { MODEL_CONNECTION_NAME } from "../ids.ts";
import { PrincipalId } from "../primitives.ts";

export const ModelConnectionKind = z
  .enum(["anthropic", "openai", "openai-compatible", "ollama", "demo"])
  .meta({ id: "ModelConnectionKind" });
export type ModelConnectionKind = z.infer<typeof ModelConnectionKind>;

/** Also the upstream's name, so `<name>/<model>` names a model exactly. */
export const ModelConnectionName = z.string().regex(MODEL_CONNECTION_NAME, "expected lower-case letters, digits and dashes, at most 40");

/** The key itself is in no event: it is sealed in the secrets (specs/secrets.md). */
export const ModelConnectionEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("model_connection.saved"),
    data: z.object({
      name: z.string(),
      kind: ModelConnectionKind,
      base_url: z.string().optional(),
      has_key: z.boolean(),
      /** It is new, or replaces the one before. */
      key_changed: z.boolean(),
      by: PrincipalId,
    }),
  }),
  z.object({ type: z.literal("model_connection.removed"), data: z.object({ name: z.string(), by: PrincipalId }) }),
  /** `model` absent: back to the configured one. */
  z.object({ type: z.literal("model.default_set"), data: z.object({ model: z.string().optional(), by: PrincipalId }) }),
]);
export type ModelConnectionEvent = z.infer<typeof ModelConnectionEvent>;
