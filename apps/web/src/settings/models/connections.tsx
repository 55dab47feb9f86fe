/* What the box asks for answers: each connection with its state, tried again at will, changed or removed here if it was added here. */
import {
  checkModelConnection,
  deleteModelConnection,
  type ModelConnectionCheck,
  type ModelConnectionView,
} from "@signalbox/contract/model-connections";
import type { ModelConnectionKind } from "@signalbox/contract/events/models";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { Dialog } from "@signalbox/ui/dialog";
import { DropdownMenu } from "@signalbox/ui/dropdown-menu";
import { count, duration } from "@signalbox/ui/format";
import { Lamp } from "@signalbox/ui/lamp";
import { List } from "@signalbox/ui/list-row";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { CircleCheck, Plus, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { client } from "../../data/api.ts";
import { ConnectionForm } from "./connection-form.tsx";
import { connectionsQuery, discoveredQuery, KINDS, refreshModels, useMayConnect } from "./model-queries.ts";

const ADDABLE: readonly ModelConnectionKind[] = ["anthropic", "openai", "openai-compatible", "ollama"];

export function AddConnection() {
  const [kind, setKind] = useState<ModelConnectionKind | null>(null);
  const { data: discovered } = useQuery({ ...discoveredQuery, enabled: kind === "ollama" });
  const ollama = discovered?.items[0];
  return (
    <>
      <DropdownMenu
        align="end"
        trigger={
          <Button look="solid" size="sm">
            <Plus size={14} aria-hidden /> Connect a model
          </Button>
        }
        entries={ADDABLE.map((each) => ({ label: KINDS[each].label, onSelect: () => setKind(each) }))}
      />
      {kind !== null && (
        <Dialog
          title={`Connect ${KINDS[kind].label === "Any OpenAI-compatible address" ? "an OpenAI-compatible address" : KINDS[kind].label}`}
          description={kind === "ollama" && ollama !== undefined ? ollama.message : KINDS[kind].hint}
          onClose={() => setKind(null)}
        >
          <ConnectionForm
            key={`${kind}:${ollama?.base_url ?? ""}`}
            kind={kind}
            asksName
            {...(kind === "ollama" && ollama !== undefined ? { address: ollama.base_url } : {})}
            onSaved={({ name, models }) => {
              toast(`Connected: ${name}, with ${count(models, "model")}`);
              setKind(null);
            }}
            onCancel={() => setKind(null)}
          />
        </Dialog>
      )}
    </>
  );
}

export function Connections() {
  const list = useQuery(connectionsQuery);
  if (list.error !== null && list.data === undefined) return <Trouble error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data === undefined) return <Skeleton rows={3} className="h-16" />;
  if (list.data.items.length === 0)
    return <Empty title="Nothing is connected">A key of Anthropic or OpenAI, an address, or Ollama on this machine.</Empty>;
  return (
    <List label="Connections">
      {list.data.items.map((connection) => (
        <Connection key={connection.name} connection={connection} />
      ))}
    </List>
  );
}

function Connection({ connection }: { connection: ModelConnectionView }) {
  const { name, kind, status, from } = connection;
  const mayChange = useMayConnect();
  const [asked, setAsked] = useState<"change" | "remove" | null>(null);
  const isSaved = from === "settings";
  const check = useMutation({
    mutationFn: () => client.call(checkModelConnection, { body: { kind, name } }),
    onSettled: refreshModels,
  });
  const remove = useMutation({
    mutationFn: () => client.call(deleteModelConnection, { params: { name } }),
    onSuccess: () => {
      toast(`Removed: ${name}; its key is forgotten`);
      setAsked(null);
      refreshModels();
    },
  });
  return (
    <li className="px-4 py-3.5">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-2">
        <span className="flex h-6 items-center">
          <Lamp state={status === "ok" ? "clear" : status === "error" ? "danger" : "dark"} />
        </span>
        <div className="min-w-0 flex-1 basis-64">
          <p className="flex flex-wrap items-center gap-2">
            <span className="clamp-1 font-semibold">{name}</span>
            {kind === "demo" && <Badge>scripted, not an AI</Badge>}
            {connection.is_default && <Badge>default model</Badge>}
          </p>
          <p className="text-sm text-ink-2">
            <span className="font-medium">{status === "ok" ? "Works" : status === "error" ? "Does not work" : "Not asked yet"}</span>
            {" · "}
            {KINDS[kind].label}
            {connection.base_url !== null && ` at ${connection.base_url}`} · {count(connection.models, "model")}
          </p>
          <p className="text-sm text-ink-3">
            {isSaved
              ? connection.has_key
                ? `Added here; its key ends in ${connection.key_hint ?? "…"}`
                : "Added here, without a key"
              : kind === "demo"
                ? "Part of every installation, and always last."
                : "From the server's configuration; changed there, in the environment it starts with."}
          </p>
          {status === "error" && connection.message !== null && (
            <p className="mt-1 flex items-start gap-2 text-sm text-danger-ink">
              <TriangleAlert size={14} aria-hidden className="mt-0.5 shrink-0" /> {connection.message}
            </p>
          )}
          <div role="status">{check.data !== undefined && !check.isPending && <Checked check={check.data} />}</div>
          {check.error !== null && <Trouble error={check.error} className="mt-2" />}
        </div>
        {mayChange && isSaved && (
          <div className="flex items-center gap-1.5">
            <Button size="sm" busy={check.isPending} onClick={() => check.mutate()} aria-label={`Check ${name}`}>
              Check
            </Button>
            <Button size="sm" onClick={() => setAsked("change")} aria-label={`Change ${name}`}>
              Change
            </Button>
            <Button size="sm" look="danger" onClick={() => setAsked("remove")} aria-label={`Remove ${name}`}>
              Remove
            </Button>
          </div>
        )}
      </div>
      {asked === "change" && (
        <Dialog
          title={`Change ${name}`}
          description="Another key or address is tried before it takes the place of this one."
          onClose={() => setAsked(null)}
        >
          <ConnectionForm
            kind={kind}
            existing={connection}
            asksName
            onSaved={() => {
              toast(`Saved: ${name}`);
              setAsked(null);
            }}
            onCancel={() => setAsked(null)}
          />
        </Dialog>
      )}
      {asked === "remove" && (
        <ConfirmDialog
          title={`Remove ${name}?`}
          description={`Its key is forgotten, and sessions cannot use its ${count(connection.models, "model")} any more. What they did stays.`}
          confirm={`Remove ${name}`}
          danger
          busy={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate()}
          onClose={() => setAsked(null)}
        />
      )}
    </li>
  );
}

function Checked({ check }: { check: ModelConnectionCheck }) {
  return (
    <p className={`mt-1 flex items-start gap-2 text-sm ${check.ok ? "text-clear-ink" : "text-danger-ink"}`}>
      {check.ok ? (
        <CircleCheck size={14} aria-hidden className="mt-0.5 shrink-0" />
      ) : (
        <TriangleAlert size={14} aria-hidden className="mt-0.5 shrink-0" />
      )}
      <span>
        {check.message} {check.fix} <span className="text-ink-3">({duration(check.latency_ms)})</span>
      </span>
    </p>
  );
}
