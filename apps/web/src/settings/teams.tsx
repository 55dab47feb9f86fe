import { addTeamMember, createTeam, deleteTeam, removeTeamMember } from "@signalbox/contract/organizations";
import { isPrincipalId } from "@signalbox/contract/ids";
import type { PrincipalId } from "@signalbox/contract/primitives";
import { Button } from "@signalbox/ui/button";
import { Combobox } from "@signalbox/ui/combobox";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useState } from "react";
import { client } from "../data/api.ts";
import { AddForm } from "./add-form.tsx";
import { refreshMembers, teamsQuery, type Member, type Team } from "./organization-queries.ts";
import { Panel } from "./panel.tsx";

export function Teams({ mayManage, members }: { mayManage: boolean; members: readonly Member[] }) {
  const { data, error, refetch } = useQuery(teamsQuery);
  const [name, setName] = useState("");
  const make = useMutation({
    mutationFn: () => client.call(createTeam, { body: { name: name.trim() } }),
    onSuccess: () => {
      setName("");
      refreshMembers();
    },
  });
  return (
    <Panel title="Teams" note="Names for groups of members.">
      <div className="space-y-4">
        {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
        {data === undefined && error === null && <Skeleton rows={1} className="h-10" />}
        {data?.items.length === 0 && <p className="text-ink-2">There is no team.</p>}
        <ul className="divide-y divide-line">
          {data?.items.map((team) => (
            <TeamRow key={team.id} team={team} mayManage={mayManage} members={members} />
          ))}
        </ul>
        {mayManage && (
          <AddForm
            label="Name of a new team"
            placeholder="New team…"
            deed="Make"
            value={name}
            onChange={setName}
            onAdd={() => make.mutate()}
            busy={make.isPending}
          />
        )}
        {make.error !== null && <Trouble error={make.error} />}
      </div>
    </Panel>
  );
}

function TeamRow({ team, mayManage, members }: { team: Team; mayManage: boolean; members: readonly Member[] }) {
  const [isLeaving, setLeaving] = useState(false);
  const add = useMutation({
    mutationFn: (principal_id: PrincipalId) => client.call(addTeamMember, { params: { id: team.id }, body: { principal_id } }),
    onSuccess: refreshMembers,
  });
  const take = useMutation({
    mutationFn: (principal_id: PrincipalId) => client.call(removeTeamMember, { params: { id: team.id, principal_id } }),
    onSuccess: refreshMembers,
  });
  const remove = useMutation({ mutationFn: () => client.call(deleteTeam, { params: { id: team.id } }), onSuccess: refreshMembers });
  const nameOf = (id: string): string => members.find(({ principal_id }) => principal_id === id)?.display_name ?? id;
  const others = members.filter(({ principal_id }) => !team.member_ids.includes(principal_id));
  const trouble = add.error ?? take.error;
  return (
    <li className="space-y-2 py-3 first:pt-0">
      <div className="flex items-center gap-3">
        <p className="clamp-1 min-w-0 flex-1 font-medium">{team.name}</p>
        {mayManage && (
          <Button size="sm" look="danger" onClick={() => setLeaving(true)} aria-label={`Delete ${team.name}`}>
            Delete
          </Button>
        )}
      </div>
      <ul className="flex flex-wrap gap-1.5">
        {team.member_ids.map((id) => (
          <li key={id} className="flex items-center gap-1 rounded-md border border-line bg-sunken py-0.5 pr-1 pl-2 text-sm">
            <span className="clamp-1">{nameOf(id)}</span>
            {mayManage && (
              <button
                type="button"
                className="rounded p-0.5 hover:bg-chosen"
                aria-label={`Take ${nameOf(id)} out`}
                onClick={() => take.mutate(id)}
              >
                <X size={12} aria-hidden />
              </button>
            )}
          </li>
        ))}
        {team.member_ids.length === 0 && <li className="text-sm text-ink-3">Nobody is in it.</li>}
      </ul>
      {mayManage && others.length > 0 && (
        <div className="max-w-xs">
          <Combobox
            aria-label={`Put somebody into ${team.name}`}
            placeholder="Put somebody in…"
            options={others.map(({ principal_id, display_name, role }) => ({ value: principal_id, label: display_name, detail: role }))}
            value=""
            onChange={(id) => {
              if (isPrincipalId(id)) add.mutate(id);
            }}
          />
        </div>
      )}
      {trouble !== null && <Trouble error={trouble} />}
      {isLeaving && (
        <ConfirmDialog
          title={`Delete the team “${team.name}”?`}
          description="Its members stay in the organization."
          confirm="Delete the team"
          danger
          busy={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate()}
          onClose={() => setLeaving(false)}
        />
      )}
    </li>
  );
}
