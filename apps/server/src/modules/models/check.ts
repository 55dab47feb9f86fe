/*
 * Tries a connection for real: the model list, and then one token of an answer, because some servers
 * list their models to anybody. Stores nothing, and its upstream is closed at the end.
 */
import type { ModelConnectionKind } from "@signalbox/contract/events/models";
import type { ModelConnectionCheck } from "@signalbox/contract/model-connections";
import type { ModelInfo, ModelUpstream, UpstreamFailure } from "@signalbox/providers/model/port";
import { createUpstream } from "@signalbox/providers/model/upstreams";
import { upstreamConfig } from "./connections.ts";
import { explain } from "./explain.ts";

export interface Candidate {
  readonly kind: ModelConnectionKind;
  readonly apiKey: string | undefined;
  readonly baseUrl: string | undefined;
}

const LIST_MS = 10_000;
const TOKEN_MS = 15_000;
const ADDRESS: Partial<Readonly<Record<ModelConnectionKind, string>>> = {
  anthropic: "https://api.anthropic.com/v1",
  openai: "https://api.openai.com/v1",
  ollama: "http://127.0.0.1:11434",
};
export const addressOf = (kind: ModelConnectionKind, baseUrl: string | null | undefined): string => baseUrl ?? ADDRESS[kind] ?? "";

/** What people paste, as an API's base: endpoints cut off, http(s) only. Null with a reason when it cannot be one. */
export function readBaseUrl(text: string): { readonly url: string } | { readonly problem: string; readonly fix: string } {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const bad = { problem: `"${text.slice(0, 100)}" is not an address.`, fix: "Give one like https://api.example.com/v1." };
  if (!URL.canParse(withScheme)) return bad;
  const url = new URL(withScheme);
  if (url.protocol !== "http:" && url.protocol !== "https:") return bad;
  if (url.username !== "" || url.password !== "")
    return { problem: "The address carries a user name or password.", fix: "Leave them out; the key has a field of its own." };
  const path = url.pathname.replace(/\/(chat\/completions|completions|responses|messages|models)\/?$/, "").replace(/\/+$/, "");
  return { url: `${url.origin}${path}` };
}

export async function checkConnection(candidate: Candidate, signal: AbortSignal): Promise<ModelConnectionCheck> {
  const started = performance.now();
  const { kind, apiKey, baseUrl } = candidate;
  const done = (ok: boolean, message: string, fix: string | null, models: readonly ModelInfo[] = []): ModelConnectionCheck => ({
    ok,
    message,
    fix,
    models: models.map(({ id, name }) => ({ id, name })),
    latency_ms: Math.round(performance.now() - started),
  });
  const wrong = problemOf(candidate);
  if (wrong !== null) return done(false, wrong.message, wrong.fix);
  const upstream = createUpstream(
    upstreamConfig(kind, "check", baseUrl, apiKey, { connectMs: 5000, firstByteMs: TOKEN_MS, idleMs: TOKEN_MS }),
  );
  const failed = (failure: UpstreamFailure): ModelConnectionCheck => {
    const { message, fix } = explain(kind, addressOf(kind, baseUrl), failure, apiKey);
    return done(false, message, fix);
  };
  try {
    const listed = await upstream.models(AbortSignal.any([signal, AbortSignal.timeout(LIST_MS)]));
    // The list's own deadline looks like a client that went away.
    if (!listed.ok) return failed(listed.code === "aborted" && !signal.aborted ? { ...listed, code: "timeout" } : listed);
    if (listed.models.length === 0) {
      return kind === "ollama"
        ? done(false, "Ollama runs, but has no model yet.", "Pull one, for example `ollama pull qwen3-coder`, then try again.")
        : done(false, "It answers, but offers no model.", "Check the key's permissions and the address.");
    }
    const refused = await oneToken(upstream, kind, listed.models, signal);
    if (refused !== null) return { ...failed(refused), models: listed.models.map(({ id, name }) => ({ id, name })) };
    const count = listed.models.length;
    return done(true, `It works: ${count} model${count === 1 ? "" : "s"}.`, null, listed.models);
  } finally {
    await upstream.close();
  }
}

function problemOf({ kind, apiKey, baseUrl }: Candidate): { message: string; fix: string } | null {
  if (kind === "demo") return null;
  if ((kind === "anthropic" || kind === "openai") && apiKey === undefined)
    return { message: "There is no key.", fix: "Paste the API key." };
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey))
    return { message: "The key has blanks or signs that no key has.", fix: "Copy it again, without anything around it." };
  if (kind === "anthropic" && apiKey !== undefined && /^sk-(?!ant-)/.test(apiKey) && baseUrl === undefined)
    return { message: "This is an OpenAI key, not one of Anthropic.", fix: "Choose OpenAI, or paste the key that begins with sk-ant-." };
  if (kind === "openai" && apiKey?.startsWith("sk-ant-") === true)
    return { message: "This is an Anthropic key, not one of OpenAI.", fix: "Choose Anthropic, or paste OpenAI's key." };
  if (kind === "openai-compatible" && baseUrl === undefined)
    return { message: "There is no address.", fix: "Give the API's base, like http://127.0.0.1:8000/v1." };
  return null;
}

/** The cheapest by its name. Null: nothing cheap can be told, so nothing is asked. */
function cheapest(kind: ModelConnectionKind, models: readonly ModelInfo[]): ModelInfo | null {
  const like = (pattern: RegExp): ModelInfo | undefined => models.find(({ id }) => pattern.test(id));
  switch (kind) {
    case "anthropic":
      return like(/haiku/) ?? null;
    case "openai":
      return like(/^gpt-[\w.]*-nano/) ?? like(/^gpt-[\w.]*-mini$/) ?? null;
    case "openai-compatible":
      return models[0] ?? null;
    case "ollama": // loading a model may take minutes, and there is no key that could be wrong
    case "demo":
      return null;
  }
}

/** Only what a person has to mend counts: whose key it is, and whether it is paid for. */
async function oneToken(
  upstream: ModelUpstream,
  kind: ModelConnectionKind,
  models: readonly ModelInfo[],
  signal: AbortSignal,
): Promise<UpstreamFailure | null> {
  const model = cheapest(kind, models);
  if (model === null) return null;
  const endpoint = kind === "anthropic" ? "messages" : "chat/completions";
  const limit = kind === "openai" ? { max_completion_tokens: 1 } : { max_tokens: 1 };
  const answer = await upstream.forward({
    endpoint,
    body: Buffer.from(JSON.stringify({ model: model.id, messages: [{ role: "user", content: "Hi" }], ...limit })),
    headers: { "content-type": "application/json" },
    signal: AbortSignal.any([signal, AbortSignal.timeout(TOKEN_MS)]),
  });
  if (answer.ok) {
    // Leaving it early frees the connection; what it says does not matter.
    for await (const _ of answer.body) break;
    return null;
  }
  const unpaid =
    answer.status === 402 ||
    (answer.status === 429 && /insufficient_quota/.test(answer.body?.toString("utf8") ?? "")) ||
    (answer.status === 400 && /credit balance/i.test(answer.body?.toString("utf8") ?? ""));
  return answer.status === 401 || answer.status === 403 || unpaid ? answer : null;
}
