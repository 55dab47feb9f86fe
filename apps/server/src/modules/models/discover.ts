/* Looks for an Ollama server on this machine, and does not keep anybody waiting for one that is not there. */
import { createUpstream } from "@signalbox/providers/model/upstreams";

const PATIENCE_MS = 450;

export interface Discovered {
  readonly found: boolean;
  readonly models: readonly { readonly id: string; readonly name: string }[];
  readonly message: string;
}

/** `OLLAMA_HOST` as Ollama itself reads it: host, host:port or a URL; 0.0.0.0 is where it listens, not where one asks. */
export function ollamaAddress(host: string | undefined): string {
  const text = host === undefined || host === "" ? "127.0.0.1:11434" : host;
  const url = new URL(/^https?:\/\//.test(text) ? text : `http://${text}`);
  if (url.port === "" && !/^https?:\/\//.test(text)) url.port = "11434";
  if (url.hostname === "0.0.0.0") url.hostname = "127.0.0.1";
  return url.href.replace(/\/+$/, "");
}

export async function discoverOllama(baseUrl: string): Promise<Discovered> {
  const upstream = createUpstream({
    kind: "ollama",
    name: "ollama",
    baseUrl,
    timeouts: { connectMs: PATIENCE_MS, firstByteMs: PATIENCE_MS, idleMs: PATIENCE_MS },
  });
  try {
    const listed = await upstream.models(AbortSignal.timeout(PATIENCE_MS));
    if (!listed.ok)
      return {
        found: false,
        models: [],
        message: `No Ollama answers at ${baseUrl}. Start it with \`ollama serve\`, or use another model.`,
      };
    const models = listed.models.map(({ id, name }) => ({ id, name }));
    const message =
      models.length === 0
        ? "Ollama runs, but has no model yet. Pull one, for example `ollama pull qwen3-coder`."
        : `Ollama runs with ${models.length} model${models.length === 1 ? "" : "s"}.`;
    return { found: true, models, message };
  } finally {
    await upstream.close();
  }
}
