/* What went wrong with a connection, said to whoever has to mend it: what, why, what to do. Never the key. */
import type { ModelConnectionKind } from "@signalbox/contract/events/models";
import type { UpstreamFailure } from "@signalbox/providers/model/port";

export interface Explained {
  readonly message: string;
  readonly fix: string;
}

const VENDOR: Readonly<Record<ModelConnectionKind, { name: string; keys: string | null }>> = {
  anthropic: { name: "Anthropic", keys: "https://console.anthropic.com/settings/keys (it begins with sk-ant-)" },
  openai: { name: "OpenAI", keys: "https://platform.openai.com/api-keys (it begins with sk-)" },
  "openai-compatible": { name: "The server", keys: null },
  ollama: { name: "Ollama", keys: null },
  demo: { name: "The demo", keys: null },
};

export function explain(kind: ModelConnectionKind, address: string, failure: UpstreamFailure, key?: string): Explained {
  const { name, keys } = VENDOR[kind];
  const { status } = failure;
  const said = vendorSays(failure, key);
  const because = said === null ? "" : ` It says: ${said}`;
  const checkAddress = `Check the address ${address}: it is the API's base and mostly ends in /v1.`;
  switch (failure.code) {
    case "http_status":
      break;
    case "timeout":
      return {
        message: `${name} took too long to answer at ${address}.`,
        fix: "Try again; if it stays so, check that the address is right and that this machine may reach it.",
      };
    case "aborted":
      return { message: "The check was called off.", fix: "Try again." };
    case "unsupported_endpoint":
      return { message: failure.message, fix: checkAddress };
    case "unreachable":
      return unreachableBecause(kind, name, address, failure);
  }
  if (status === 401 || status === 403) {
    return {
      message: `${name} does not accept ${kind === "ollama" || key === undefined ? "a request without a key" : "this key"} (${status}).${because}`,
      fix: keys === null ? "Check the key with whoever runs that server." : `Copy the key again from ${keys}.`,
    };
  }
  if (status === 402 || /insufficient_quota|credit balance|billing/i.test(bodyText(failure))) {
    return {
      message: `${name} accepts the key, but its account has no credit left (${status}).${because}`,
      fix: "Add credit or a payment method there, then try again.",
    };
  }
  if (status === 404 || status === 405) return { message: `There is no model API at ${address} (${status}).${because}`, fix: checkAddress };
  if (status === 429) {
    const wait = failure.retryAfterMs === undefined ? "in a minute" : `in ${Math.max(1, Math.ceil(failure.retryAfterMs / 1000))} s`;
    return {
      message: `${name} gets too many requests with this key right now (429).${because}`,
      fix: `Try again ${wait}; the key itself may well be right.`,
    };
  }
  if (status !== undefined && status >= 500)
    return {
      message: `${name} has a fault of its own (${status}).${because}`,
      fix: "Try again in a few minutes; nothing here can mend it.",
    };
  return { message: `${name} refused the request (${status ?? "no status"}).${because}`, fix: checkAddress };
}

function unreachableBecause(
  kind: ModelConnectionKind,
  name: string,
  address: string,
  { message, status, contentType }: UpstreamFailure,
): Explained {
  if (status !== undefined) {
    return contentType?.includes("html") === true
      ? {
          message: `${address} answers with a web page, not with a model API.`,
          fix: "Give the API's base instead of the site's address; it mostly ends in /v1.",
        }
      : { message: `${address} answers, but not with a list of models.`, fix: "Check the address and the kind of server." };
  }
  const code = /\(([A-Z_]+)\)/.exec(message)?.[1] ?? "";
  if (code === "ECONNREFUSED") {
    return {
      message: `Nothing listens at ${address}.`,
      fix: kind === "ollama" ? "Start Ollama (`ollama serve`), then try again." : "Start that server, or correct the address.",
    };
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return {
      message: `The name in ${address} is not known to this machine.`,
      fix: "Correct the address; if it is right, check this machine's network.",
    };
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code))
    return {
      message: `The certificate of ${address} is not trusted (${code}).`,
      fix: "Use an address with a valid certificate, or http on this machine.",
    };
  return {
    message: `${name} cannot be reached at ${address}${code === "" ? "" : ` (${code})`}.`,
    fix: "Check the address, and that this machine may reach it (firewall, proxy, network).",
  };
}

const bodyText = ({ body }: UpstreamFailure): string => body?.subarray(0, 8192).toString("utf8") ?? "";

/** The vendor's own sentence, if it is one; some echo the key back. */
function vendorSays(failure: UpstreamFailure, key: string | undefined): string | null {
  try {
    const parsed = JSON.parse(bodyText(failure)) as { error?: { message?: unknown } | string };
    const text = typeof parsed.error === "string" ? parsed.error : parsed.error?.message;
    if (typeof text !== "string" || text === "") return null;
    const clean = (key === undefined || key === "" ? text : text.replaceAll(key, "[key]")).replaceAll(/\b(sk|key)-[\w*-]{4,}/g, "[key]");
    const line = clean.replaceAll(/\s+/g, " ").trim().slice(0, 240);
    return /[.!?]$/.test(line) ? line : `${line}.`;
  } catch {
    return null; // not JSON: the status says enough
  }
}
