/* First: who answers. A key tried with a real call, Ollama on this machine, or the labelled demo. */
import type { ModelConnectionKind } from "@signalbox/contract/events/models";
import { Badge } from "@signalbox/ui/badge";
import { count } from "@signalbox/ui/format";
import { RadioGroup, type Choice } from "@signalbox/ui/radio-group";
import { useQuery } from "@tanstack/react-query";
import { CircleCheck } from "lucide-react";
import { useState } from "react";
import { ConnectionForm } from "../settings/models/connection-form.tsx";
import { DefaultModel } from "../settings/models/default-model.tsx";
import { connectionsQuery, discoveredQuery, KINDS, useMayConnect } from "../settings/models/model-queries.ts";
import { DEMO_WORDS } from "../sessions/start/model-field.tsx";

const ORDER: readonly ModelConnectionKind[] = ["anthropic", "openai", "openai-compatible", "ollama", "demo"];

export function ModelStep() {
  const mayConnect = useMayConnect();
  const { data: connections } = useQuery(connectionsQuery);
  const { data: discovered } = useQuery({ ...discoveredQuery, enabled: mayConnect });
  const [chosen, setChosen] = useState<ModelConnectionKind>();
  const [said, setSaid] = useState<string | null>(null);
  const ready = (connections?.items ?? []).filter(({ kind, models: many }) => kind !== "demo" && many > 0);
  const ollama = discovered?.items.find(({ kind }) => kind === "ollama");
  const connectedKinds = new Set(ready.map(({ kind }) => kind));

  const choices = ORDER.map((kind): Choice<ModelConnectionKind> => {
    const isReady = connectedKinds.has(kind) || kind === "demo";
    return {
      value: kind,
      label: (
        <span className="flex flex-wrap items-center gap-2">
          {KINDS[kind].label}
          {kind === "demo" && <Badge>not an AI</Badge>}
          {kind === "ollama" && ollama?.found === true && !connectedKinds.has("ollama") && (
            <Badge tone="clear">found on this machine</Badge>
          )}
          {isReady && kind !== "demo" && <Badge tone="clear">connected</Badge>}
        </span>
      ),
      hint: KINDS[kind].hint,
    };
  });

  return (
    <div className="space-y-5">
      {ready.length > 0 && (
        <div className="space-y-3 rounded-md border border-line bg-raised px-4 py-3">
          <p className="flex items-start gap-2">
            <CircleCheck size={18} aria-hidden className="mt-0.5 shrink-0 text-clear-ink" />
            <span>
              <strong className="font-semibold">{said ?? "A model is ready."}</strong>{" "}
              <span className="text-ink-2">{ready.map(({ name, models: many }) => `${name} (${count(many, "model")})`).join(", ")}</span>
            </span>
          </p>
          <DefaultModel />
        </div>
      )}
      {!mayConnect && (
        <p className="text-sm text-ink-2">
          {ready.length > 0
            ? "An admin connects others."
            : "No model is connected yet: an admin of your organization does that. The demo works meanwhile."}
        </p>
      )}
      {mayConnect && (
        <>
          <RadioGroup<ModelConnectionKind>
            legend={ready.length > 0 ? "Connect another" : "Who answers"}
            choices={choices}
            value={chosen}
            onChange={setChosen}
          />
          {chosen !== undefined && chosen !== "demo" && chosen !== "ollama" && (
            <Panel title={KINDS[chosen].label}>
              <ConnectionForm
                key={chosen}
                kind={chosen}
                onSaved={({ name, models: many }) => {
                  setSaid(`It works: ${name} offers ${count(many, "model")}.`);
                  setChosen(undefined);
                }}
              />
            </Panel>
          )}
          {chosen === "ollama" && (
            <Panel title="Ollama">
              <p role="status" className="mb-3 text-sm text-ink-2">
                {ollama?.message ?? "Looking for it on this machine…"}
              </p>
              {ollama?.found === true && ollama.models.length > 0 && (
                <p className="mb-3 text-sm text-ink-2">{ollama.models.map(({ name }) => name).join(", ")}</p>
              )}
              {ollama?.connected === true ? (
                <p className="text-sm font-medium text-clear-ink">It is connected.</p>
              ) : (
                <ConnectionForm
                  key={ollama?.base_url}
                  kind="ollama"
                  {...(ollama === undefined ? {} : { address: ollama.base_url })}
                  onSaved={({ models: many }) => {
                    setSaid(`It works: Ollama offers ${count(many, "model")}.`);
                    setChosen(undefined);
                  }}
                />
              )}
            </Panel>
          )}
          {chosen === "demo" && (
            <Panel title="The scripted demo">
              <p className="text-sm text-ink-2">
                {DEMO_WORDS} It needs no key and sends nothing anywhere. It is ready: go on to the sample repository.
              </p>
            </Panel>
          )}
        </>
      )}
    </div>
  );
}

const Panel = ({ title, children }: { title: string; children: React.ReactNode }) => (
  <section aria-label={title} className="rounded-md border border-line bg-raised px-4 py-4">
    {children}
  </section>
);
