import {
  discoverModelConnections,
  listModelConnections,
  setDefaultModel,
  type ModelConnectionView,
} from "@signalbox/contract/model-connections";
import type { ModelConnectionKind } from "@signalbox/contract/events/models";
import { toast } from "@signalbox/ui/toasts";
import { queryOptions, useMutation, useQuery } from "@tanstack/react-query";
import { client, queries } from "../../data/api.ts";
import { meQuery } from "../../data/queries.ts";

export const connectionsQuery = queryOptions({
  queryKey: ["model-connections"],
  queryFn: ({ signal }) => client.call(listModelConnections, { signal }),
});

export const discoveredQuery = queryOptions({
  queryKey: ["model-connections", "discovered"],
  queryFn: ({ signal }) => client.call(discoverModelConnections, { signal }),
  // It may be started while one looks.
  refetchInterval: 5_000,
});

export function refreshModels(): void {
  void queries.invalidateQueries({ queryKey: ["model-connections"] });
  void queries.invalidateQueries({ queryKey: ["models"] });
}

/** Whether one may connect models and choose the default. */
export function useMayConnect(): boolean {
  const { data: me } = useQuery(meQuery);
  return (me?.role === "admin" || me?.role === "owner") && me.scopes.includes("admin");
}

export function useSetDefault() {
  return useMutation({
    mutationFn: (model: string | null) => client.call(setDefaultModel, { body: { model } }),
    onSuccess: ({ model }) => {
      refreshModels();
      if (model !== null) toast(`Sessions that name none use ${model.name}`);
    },
    onError: (error) => toast(error.message, "danger"),
  });
}

export const KINDS: Record<ModelConnectionKind, { readonly label: string; readonly hint: string; readonly keyStart: string }> = {
  anthropic: { label: "Anthropic", hint: "Claude, with a key of console.anthropic.com.", keyStart: "sk-ant-…" },
  openai: { label: "OpenAI", hint: "GPT, with a key of platform.openai.com.", keyStart: "sk-…" },
  "openai-compatible": {
    label: "Any OpenAI-compatible address",
    hint: "vLLM, LM Studio, llama.cpp, OpenRouter, a proxy of your own…",
    keyStart: "if it asks for one",
  },
  ollama: { label: "Ollama", hint: "A model on your own machine; no key, no cost.", keyStart: "" },
  demo: {
    label: "The scripted demo",
    hint: "A demonstration, not an AI: one fixed task on the sample repository, with real tools.",
    keyStart: "",
  },
};

/** A name for a new connection: its kind's, or that with the first number that is free. */
export function freeName(kind: ModelConnectionKind, taken: readonly Pick<ModelConnectionView, "name">[]): string {
  const names = new Set(taken.map(({ name }) => name));
  const base = kind === "openai-compatible" ? "compatible" : kind;
  for (let n = 1; ; n++) {
    const name = n === 1 ? base : `${base}-${n}`;
    if (!names.has(name)) return name;
  }
}
