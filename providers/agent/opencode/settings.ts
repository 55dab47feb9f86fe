/* What OpenCode is told at its start: one config file, one set of variables. Shared with its ACP form. */
import { join } from "node:path/posix";
import type { AgentHost, StartOptions } from "../port.ts";

export const PROVIDER = "signalbox";

export type OpenCodePaths = { config: string; instructions: string; models: string; workspace: string };

export function openCodePaths(host: AgentHost): OpenCodePaths {
  const directory = join(host.home, ".config", "signalbox");
  return {
    config: join(directory, "opencode.json"),
    instructions: join(directory, "instructions.md"),
    models: join(directory, "models.json"),
    workspace: host.workspace,
  };
}

/** `questions`: there is somebody to answer them. Through ACP there is no way to ask. */
export async function writeOpenCodeFiles(
  host: AgentHost,
  options: StartOptions,
  paths: OpenCodePaths,
  { questions = false }: { questions?: boolean } = {},
): Promise<void> {
  await host.writeFile(paths.config, openCodeConfig(options, paths, questions), 0o600);
  // Without a catalogue of its own it reads the one that it was built with, of every model there is: 2 of the 3.4 s until its
  // first word, and 200 MB of its memory. The configuration names all that it may use.
  await host.writeFile(paths.models, "{}");
  if (options.instructions !== undefined) await host.writeFile(paths.instructions, options.instructions, 0o600);
  // At every start it would have npm install its plugin library into its own configuration folder, which offline is
  // a refused connection and a minute of retries. It takes the folder for done when these two say so.
  const own = join(host.home, ".config", "opencode");
  await host.writeFile(
    join(own, "package-lock.json"),
    JSON.stringify({ lockfileVersion: 3, packages: { "": { dependencies: { "@opencode-ai/plugin": "*" } } } }),
  );
  await host.writeFile(join(own, "node_modules", ".keep"), "");
}

/** Its content is the same for the same options, so a restart after a resume writes the same file again. */
export function openCodeConfig(options: StartOptions, paths: OpenCodePaths, questions = false): string {
  const { model } = options;
  const id = `${PROVIDER}/${model.modelId}`;
  return JSON.stringify({
    $schema: "https://opencode.ai/config.json",
    provider: {
      [PROVIDER]: {
        npm: "@ai-sdk/openai-compatible",
        name: "Signalbox",
        options: { baseURL: model.baseUrl, apiKey: model.apiKey },
        models: Object.fromEntries(
          [model, ...(options.otherModels ?? [])].map((one) => [
            one.modelId,
            {
              name: one.modelId,
              tool_call: true,
              limit: { context: one.contextLimit ?? 128_000, output: one.outputLimit ?? 8_192 },
            },
          ]),
        ),
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
    // What a repository says to agents would be read by itself, were its own configuration not switched off.
    instructions: [join(paths.workspace, "AGENTS.md"), ...(options.instructions === undefined ? [] : [paths.instructions])],
    // The sandbox is the wall and the gate decides what leaves it, so inside nothing asks unless told to. Order counts: the last match wins.
    permission: {
      "*": "allow",
      ...Object.fromEntries((options.askFor ?? []).map((tool) => [tool, "ask"])),
      // Without somebody who brings the answer it would wait for ever.
      question: questions ? "allow" : "deny",
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
    OPENCODE_MODELS_PATH: paths.models,
    OPENCODE_DISABLE_AUTOUPDATE: "1",
    OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
    OPENCODE_DISABLE_SHARE: "1",
    // Sign-in to other providers, a person's own ~/.claude, a web interface that nobody sees, and a watch over the
    // whole workspace whose events are not read here.
    OPENCODE_DISABLE_DEFAULT_PLUGINS: "1",
    OPENCODE_DISABLE_CLAUDE_CODE: "1",
    OPENCODE_DISABLE_EXTERNAL_SKILLS: "1",
    OPENCODE_DISABLE_EMBEDDED_WEB_UI: "1",
    OPENCODE_EXPERIMENTAL_DISABLE_FILEWATCHER: "1",
    // A push waits for a person for minutes; its own limit for a command is two.
    OPENCODE_EXPERIMENTAL_BASH_DEFAULT_TIMEOUT_MS: "600000",
    ...(password !== undefined && { OPENCODE_SERVER_PASSWORD: password }),
  };
}
