/* What OpenCode is told at its start: one config file, one set of variables. Shared with its ACP form. */
import type { StartOptions } from "../port.ts";

export const PROVIDER = "signalbox";

export type OpenCodePaths = { config: string; instructions: string };

/** Its content is the same for the same options, so a restart after a resume writes the same file again. */
export function openCodeConfig(options: StartOptions, paths: OpenCodePaths): string {
  const { model } = options;
  const id = `${PROVIDER}/${model.modelId}`;
  return JSON.stringify({
    $schema: "https://opencode.ai/config.json",
    provider: {
      [PROVIDER]: {
        npm: "@ai-sdk/openai-compatible",
        name: "Signalbox",
        options: { baseURL: model.baseUrl, apiKey: model.apiKey },
        models: {
          [model.modelId]: {
            name: model.modelId,
            tool_call: true,
            limit: { context: model.contextLimit ?? 128_000, output: model.outputLimit ?? 8_192 },
          },
        },
      },
    },
    // Anything else that it knows would be looked for in the environment and on the network.
    enabled_providers: [PROVIDER],
    model: id,
    small_model: id,
    share: "disabled",
    autoupdate: false,
    // Diffs are git's; its own snapshots cost a second index of the whole workspace.
    snapshot: false,
    lsp: false,
    formatter: false,
    ...(options.instructions !== undefined && { instructions: [paths.instructions] }),
    // The sandbox is the wall and the gate decides what leaves it, so inside nothing asks unless told to. Order counts: the last match wins.
    permission: {
      "*": "allow",
      ...Object.fromEntries((options.askFor ?? []).map((tool) => [tool, "ask"])),
      // It would wait for a person at a terminal.
      question: "deny",
    },
    ...(options.mcpServers && {
      mcp: Object.fromEntries(
        options.mcpServers.map((server) => [
          server.name,
          { type: "remote", url: server.url, enabled: true, oauth: false, ...(server.headers && { headers: server.headers }) },
        ]),
      ),
    }),
  });
}

export function openCodeEnv(options: StartOptions, paths: OpenCodePaths, password: string | undefined): Record<string, string> {
  return {
    ...options.env,
    OPENCODE_CONFIG: paths.config,
    // A repository's own `.opencode/` would make it install a plugin from npm at the first request, and hang offline.
    OPENCODE_DISABLE_PROJECT_CONFIG: "1",
    OPENCODE_DISABLE_MODELS_FETCH: "1",
    OPENCODE_DISABLE_AUTOUPDATE: "1",
    OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
    OPENCODE_DISABLE_SHARE: "1",
    ...(password !== undefined && { OPENCODE_SERVER_PASSWORD: password }),
  };
}
