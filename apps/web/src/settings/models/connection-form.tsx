/* A connection to a model, tried with a real call before it is kept: the same form at the first run and in the settings. */
import { ApiError } from "@signalbox/client/client";
import type { ModelConnectionKind } from "@signalbox/contract/events/models";
import { MODEL_CONNECTION_NAME } from "@signalbox/contract/ids";
import { saveModelConnection, type ModelConnectionView } from "@signalbox/contract/model-connections";
import { Button } from "@signalbox/ui/button";
import { Field, Input } from "@signalbox/ui/field";
import { Progress } from "@signalbox/ui/progress";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Plug } from "lucide-react";
import { useState } from "react";
import { client } from "../../data/api.ts";
import { connectionsQuery, freeName, KINDS, refreshModels } from "./model-queries.ts";

interface ConnectionFormProps {
  kind: ModelConnectionKind;
  /** Given: it is changed. */
  existing?: ModelConnectionView;
  /** Filled in: where Ollama was found. */
  address?: string;
  /** Whether its name may be chosen; the first run does not ask. */
  asksName?: boolean;
  onSaved(connection: ModelConnectionView): void;
  onCancel?: () => void;
}

const ASKED_OF: Partial<Record<ModelConnectionKind, string>> = { anthropic: "api.anthropic.com", openai: "api.openai.com" };

export function ConnectionForm({ kind, existing, address: found, asksName = false, onSaved, onCancel }: ConnectionFormProps) {
  const { data: connections } = useQuery(connectionsQuery);
  const [key, setKey] = useState("");
  const [address, setAddress] = useState(existing?.base_url ?? found ?? "");
  const [chosenName, setName] = useState<string | null>(null);
  const name = existing?.name ?? chosenName ?? freeName(kind, connections?.items ?? []);
  const needsKey = (kind === "anthropic" || kind === "openai") && existing?.has_key !== true;
  const needsAddress = kind === "openai-compatible";
  const isName = MODEL_CONNECTION_NAME.test(name);

  const save = useMutation({
    mutationFn: (force: boolean) =>
      client.call(saveModelConnection, {
        params: { name },
        body: {
          kind,
          ...(key.trim() === "" ? {} : { api_key: key.trim() }),
          ...(address.trim() === "" ? {} : { base_url: address.trim() }),
          ...(force ? { force: true } : {}),
        },
      }),
    onSuccess: (connection) => {
      setKey("");
      refreshModels();
      onSaved(connection);
    },
  });
  const refusal = save.error instanceof ApiError ? save.error : null;
  const mayForce = refusal?.code === "connection_check_failed";
  const isComplete = isName && (!needsKey || key.trim() !== "") && (!needsAddress || address.trim() !== "");
  const host = address.trim() === "" ? (ASKED_OF[kind] ?? "it") : hostOf(address);

  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (isComplete && !save.isPending) save.mutate(false);
      }}
    >
      {asksName && existing === undefined && (
        <Field
          label="Name"
          hint="Lower-case letters, digits and dashes; it is part of its models' names."
          error={isName ? undefined : "At most 40 lower-case letters, digits and dashes."}
        >
          {(props) => (
            <Input {...props} spellCheck={false} autoComplete="off" value={name} onChange={(event) => setName(event.target.value)} />
          )}
        </Field>
      )}
      {(needsAddress || kind === "ollama" || address !== "" || asksName) && (
        <Field
          label="Address"
          hint={needsAddress ? "The API's base; what is pasted of an endpoint is cut to it." : "Empty: the vendor's own."}
        >
          {(props) => (
            <Input
              {...props}
              inputMode="url"
              spellCheck={false}
              autoComplete="off"
              required={needsAddress}
              placeholder={
                kind === "ollama"
                  ? "http://127.0.0.1:11434"
                  : needsAddress
                    ? "http://127.0.0.1:8000/v1"
                    : `https://${ASKED_OF[kind] ?? ""}/v1`
              }
              value={address}
              onChange={(event) => setAddress(event.target.value)}
            />
          )}
        </Field>
      )}
      {kind !== "ollama" && (
        <Field
          label="API key"
          hint={
            existing?.has_key === true
              ? `Empty: the one that ends in ${existing.key_hint ?? "…"} stays.`
              : "Sealed on this machine. Agents never see it, and it is never shown again."
          }
        >
          {(props) => (
            <Input
              {...props}
              type="password"
              autoComplete="off"
              spellCheck={false}
              data-1p-ignore
              required={needsKey}
              placeholder={KINDS[kind].keyStart}
              value={key}
              onChange={(event) => setKey(event.target.value)}
            />
          )}
        </Field>
      )}
      <div role="status">
        {save.isPending && (
          <div className="space-y-2">
            <p className="text-sm text-ink-2">Asking {host} for its models, and for one word of an answer…</p>
            <Progress label={`Asking ${host}`} value={null} />
          </div>
        )}
      </div>
      {save.error !== null && !save.isPending && <Trouble error={save.error} />}
      <div className="flex flex-wrap items-center gap-2">
        <Button type="submit" look="solid" busy={save.isPending} disabled={!isComplete}>
          <Plug size={16} aria-hidden /> {existing === undefined ? "Check and connect" : "Check and save"}
        </Button>
        {mayForce && !save.isPending && (
          <Button look="quiet" onClick={() => save.mutate(true)}>
            Keep it anyway
          </Button>
        )}
        {onCancel !== undefined && (
          <Button look="quiet" onClick={onCancel}>
            Cancel
          </Button>
        )}
      </div>
    </form>
  );
}

function hostOf(address: string): string {
  const text = /^[a-z]+:\/\//i.test(address) ? address : `http://${address}`;
  return URL.canParse(text) ? new URL(text).host : "it";
}
