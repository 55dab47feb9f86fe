/* The upstreams there are, each a few facts over `httpUpstream`, and the demo. */
import { z } from "zod";
import { createDemoUpstream } from "./demo/upstream.ts";
import { httpUpstream } from "./http.ts";
import type { ModelInfo, ModelUpstream, UpstreamTimeouts } from "./port.ts";
import { unreachable } from "@signalbox/kernel/decider";

export type UpstreamConfig =
  | {
      kind: "openai-compatible";
      name: string;
      baseUrl: string;
      apiKey?: string | undefined;
      responses?: boolean | undefined;
      timeouts?: Partial<UpstreamTimeouts> | undefined;
    }
  | { kind: "openai"; name: string; apiKey: string; baseUrl?: string | undefined; timeouts?: Partial<UpstreamTimeouts> | undefined }
  | { kind: "anthropic"; name: string; apiKey: string; baseUrl?: string | undefined; timeouts?: Partial<UpstreamTimeouts> | undefined }
  | { kind: "ollama"; name: string; baseUrl?: string | undefined; timeouts?: Partial<UpstreamTimeouts> | undefined }
  | { kind: "demo"; name: string; chunkDelayMs?: number | undefined };

export function createUpstream(config: UpstreamConfig): ModelUpstream {
  switch (config.kind) {
    case "openai-compatible":
      return httpUpstream({
        ...shared(config),
        baseUrl: config.baseUrl,
        auth: "bearer",
        apiKey: config.apiKey,
        endpoints: { "chat/completions": "/chat/completions", ...(config.responses && { responses: "/responses" }) },
        models: { path: "models", read: readOpenAiModels },
      });
    case "openai":
      return httpUpstream({
        ...shared(config),
        baseUrl: config.baseUrl ?? "https://api.openai.com/v1",
        auth: "bearer",
        apiKey: config.apiKey,
        endpoints: { "chat/completions": "/chat/completions", responses: "/responses" },
        models: { path: "models", read: readOpenAiModels },
      });
    case "anthropic":
      return httpUpstream({
        ...shared(config),
        baseUrl: config.baseUrl ?? "https://api.anthropic.com/v1",
        auth: "x-api-key",
        apiKey: config.apiKey,
        // A client that names its own version keeps it.
        extraHeaders: { "anthropic-version": "2023-06-01" },
        endpoints: { messages: "/messages" },
        models: { path: "models?limit=1000", read: readAnthropicModels },
      });
    case "ollama": {
      const root = (config.baseUrl ?? "http://127.0.0.1:11434").replace(/\/+$/, "").replace(/\/v1$/, "");
      return httpUpstream({
        ...shared(config),
        baseUrl: `${root}/v1`,
        auth: "bearer",
        apiKey: undefined,
        endpoints: { "chat/completions": "/chat/completions" },
        // Its OpenAI list leaves out what it knows; `tags` is its own.
        models: { path: `${root}/api/tags`, read: readOllamaTags },
      });
    }
    case "demo":
      return createDemoUpstream({ name: config.name, chunkDelayMs: config.chunkDelayMs });
    default:
      return unreachable(config);
  }
}

const shared = <K extends string>(config: { kind: K; name: string; timeouts?: Partial<UpstreamTimeouts> | undefined }) => ({
  kind: config.kind,
  name: config.name,
  timeouts: config.timeouts,
});

const OpenAiModels = z.object({ data: z.array(z.object({ id: z.string(), owned_by: z.string().optional() })) });
const AnthropicModels = z.object({ data: z.array(z.object({ id: z.string(), display_name: z.string().optional() })) });
const OllamaTags = z.object({ models: z.array(z.object({ name: z.string() })) });

const info = (id: string, name: string, ownedBy: string): ModelInfo => ({
  id,
  name,
  ownedBy,
  contextTokens: undefined,
  maxOutputTokens: undefined,
  scripted: false,
});

const readOpenAiModels = (json: unknown): ModelInfo[] =>
  OpenAiModels.parse(json).data.map((model) => info(model.id, model.id, model.owned_by ?? "unknown"));
const readAnthropicModels = (json: unknown): ModelInfo[] =>
  AnthropicModels.parse(json).data.map((model) => info(model.id, model.display_name ?? model.id, "anthropic"));
const readOllamaTags = (json: unknown): ModelInfo[] => OllamaTags.parse(json).models.map((model) => info(model.name, model.name, "ollama"));
