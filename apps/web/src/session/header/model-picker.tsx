import { renameSession, type SessionView } from "@signalbox/contract/sessions";
import { DropdownMenu } from "@signalbox/ui/dropdown-menu";
import { toast } from "@signalbox/ui/toasts";
import { useQuery } from "@tanstack/react-query";
import { ChevronDown } from "lucide-react";
import { client } from "../../data/api.ts";
import { modelsQuery } from "../../data/queries.ts";
import { useLever } from "./lever.ts";

/** Which model answers; another one takes over with the next turn, where the agent can be told. */
export function ModelPicker({ session, canChange }: { session: SessionView; canChange: boolean }) {
  const { data: models } = useQuery({ ...modelsQuery, enabled: canChange && session.can_change_model });
  const nameOf = (id: string): string => models?.items.find((model) => model.id === id)?.name ?? id;
  const change = useLever(
    (model: string) => client.call(renameSession, { params: { id: session.id }, body: { model } }),
    ({ model, current_run }) =>
      toast(
        current_run === null
          ? `The next turn runs on ${nameOf(model)}`
          : `This turn goes on as it is; the next one runs on ${nameOf(model)}`,
      ),
  );
  if (!session.can_change_model) return <span className="clamp-1">the agent’s own model</span>;
  if (!canChange) return <span className="clamp-1">{session.model}</span>;
  return (
    <DropdownMenu
      trigger={
        <button
          type="button"
          aria-label={`Model: ${nameOf(session.model)}. Change it`}
          disabled={change.isPending}
          className="inline-flex max-w-56 min-w-0 items-center gap-1 rounded-sm px-1 hover:bg-chosen hover:text-ink"
        >
          <span className="clamp-1">{nameOf(session.model)}</span>
          <ChevronDown size={13} aria-hidden className="shrink-0" />
        </button>
      }
      entries={[
        { kind: "heading", label: "From the next turn on" },
        ...(models?.items ?? []).map((model) => ({
          kind: "check" as const,
          label: model.is_demo ? `${model.name} (scripted demo)` : model.name,
          checked: model.id === session.model,
          onChange: () => model.id !== session.model && change.mutate(model.id),
        })),
      ]}
    />
  );
}
