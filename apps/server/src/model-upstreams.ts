import type { ModelUpstream } from "@signalbox/providers/model/port";
import { createUpstream } from "@signalbox/providers/model/upstreams";
import type { Config } from "./config.ts";

/** What the configuration offers, in the order of precedence; the scripted demonstration is always there, and last. */
export function upstreamsOf(config: Config): readonly ModelUpstream[] {
  const upstreams: ModelUpstream[] = [];
  const { anthropicApiKey, openaiApiKey, compatibleBaseUrl, ollamaUrl } = config;
  if (anthropicApiKey !== undefined)
    upstreams.push(createUpstream({ kind: "anthropic", name: "anthropic", apiKey: anthropicApiKey, baseUrl: config.anthropicBaseUrl }));
  if (openaiApiKey !== undefined)
    upstreams.push(createUpstream({ kind: "openai", name: "openai", apiKey: openaiApiKey, baseUrl: config.openaiBaseUrl }));
  if (compatibleBaseUrl !== undefined)
    upstreams.push(
      createUpstream({ kind: "openai-compatible", name: "compatible", baseUrl: compatibleBaseUrl, apiKey: config.compatibleApiKey }),
    );
  if (ollamaUrl !== undefined) upstreams.push(createUpstream({ kind: "ollama", name: "ollama", baseUrl: ollamaUrl }));
  upstreams.push(createUpstream({ kind: "demo", name: "demo" }));
  return upstreams;
}
