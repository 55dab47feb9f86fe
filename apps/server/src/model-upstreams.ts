import type { ModelUpstream } from "@signalbox/providers/model/port";
import { createUpstream, type UpstreamConfig } from "@signalbox/providers/model/upstreams";
import type { Config } from "./config/settings.ts";
import type { ConfiguredConnection } from "./modules/models/public.ts";

/** What the configuration offers, in the order of precedence; the scripted demonstration is always there, and last. */
export function upstreamsOf(config: Config): readonly ModelUpstream[] {
  return configs(config).map(createUpstream);
}

/** The same for people to see: keys by their last four characters. */
export function configuredConnections(config: Config): readonly ConfiguredConnection[] {
  return configs(config).map((one) => {
    const apiKey = "apiKey" in one ? one.apiKey : undefined;
    return {
      name: one.name,
      kind: one.kind,
      baseUrl: "baseUrl" in one ? one.baseUrl : undefined,
      hasKey: apiKey !== undefined,
      keyHint: apiKey !== undefined && apiKey.length >= 12 ? apiKey.slice(-4) : null,
    };
  });
}

function configs(config: Config): readonly UpstreamConfig[] {
  const { anthropicApiKey, openaiApiKey, compatibleBaseUrl, ollamaUrl } = config;
  return [
    ...(anthropicApiKey === undefined
      ? []
      : [{ kind: "anthropic", name: "anthropic", apiKey: anthropicApiKey, baseUrl: config.anthropicBaseUrl } as const]),
    ...(openaiApiKey === undefined
      ? []
      : [{ kind: "openai", name: "openai", apiKey: openaiApiKey, baseUrl: config.openaiBaseUrl } as const]),
    ...(compatibleBaseUrl === undefined
      ? []
      : [{ kind: "openai-compatible", name: "compatible", baseUrl: compatibleBaseUrl, apiKey: config.compatibleApiKey } as const]),
    ...(ollamaUrl === undefined ? [] : [{ kind: "ollama", name: "ollama", baseUrl: ollamaUrl } as const]),
    { kind: "demo", name: "demo" },
  ];
}
