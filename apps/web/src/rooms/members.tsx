import { addMember, removeMember } from "@signalbox/contract/rooms";
import { isPrincipalId } from "@signalbox/contract/ids";
import type { RoomId } from "@signalbox/contract/primitives";
import { Avatar } from "@signalbox/ui/avatar";
import { Button } from "@signalbox/ui/button";
import { Combobox } from "@signalbox/ui/combobox";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { Drawer } from "@signalbox/ui/drawer";
import { Select } from "@signalbox/ui/select";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { meQuery, useNames } from "../data/queries.ts";
import { membersQuery, principalsQuery, type Member } from "./room-queries.ts";

const ROLES = [
  { value: "viewer", label: "Viewer" },
  { value: "member", label: "Member" },
  { value: "approver", label: "Approver" },
  { value: "owner", label: "Owner" },
] as const;
const KIND: Readonly<Record<string, "person" | "agent" | "service">> = { usr: "person", agt: "agent", svc: "service" };

/** Who may read the room, and what else they may. Admins of the organization own every room. */
export function Members({ roomId, onClose }: { roomId: RoomId; onClose(): void }) {
  const nameOf = useNames();
  const { data: me } = useQuery(meQuery);
  const { data: members, error, refetch } = useQuery(membersQuery(roomId));
  const { data: principals } = useQuery(principalsQuery);
  const [added, setAdded] = useState("");
  const [leaving, setLeaving] = useState<Member | null>(null);
  const mayManage = me?.role === "admin" || me?.role === "owner";
  const refresh = (): void => {
    void queries.invalidateQueries({ queryKey: ["room", roomId] });
    setAdded("");
    setLeaving(null);
  };
  const set = useMutation({
    mutationFn: (member: Member) => client.call(addMember, { params: { id: roomId }, body: member }),
    onSuccess: refresh,
  });
  const remove = useMutation({
    mutationFn: (member: Member) => client.call(removeMember, { params: { id: roomId, principal_id: member.principal_id } }),
    onSuccess: refresh,
  });
  const others = (principals?.items ?? []).filter(({ id }) => members?.every((member) => member.principal_id !== id) === true);
  const isChosen = isPrincipalId(added);
  return (
    <Drawer title="Members" onClose={onClose}>
      <div className="space-y-4 p-5">
        {(set.error ?? remove.error) !== null && <Trouble error={(set.error ?? remove.error)!} />}
        {error !== null && members === undefined && <Trouble error={error} onRetry={() => void refetch()} />}
        {members === undefined && error === null && <Skeleton rows={3} className="h-10" />}
        <ul className="divide-y divide-line">
          {members?.map((member) => (
            <li key={member.principal_id} className="flex items-center gap-3 py-2">
              <Avatar name={nameOf(member.principal_id)} kind={KIND[member.principal_id.slice(0, 3)] ?? "person"} size="sm" />
              <span className="clamp-1 flex-1">{nameOf(member.principal_id)}</span>
              {mayManage ? (
                <>
                  <Select
                    aria-label={`Role of ${nameOf(member.principal_id)}`}
                    small
                    className="w-32"
                    options={ROLES}
                    value={member.role}
                    onChange={(role) => set.mutate({ ...member, role })}
                  />
                  <Button size="sm" look="danger" onClick={() => setLeaving(member)}>
                    Remove
                  </Button>
                </>
              ) : (
                <span className="text-sm text-ink-2">{member.role}</span>
              )}
            </li>
          ))}
        </ul>
        {mayManage && others.length > 0 && (
          <form
            className="flex items-center gap-2"
            onSubmit={(event) => {
              event.preventDefault();
              if (isChosen) set.mutate({ principal_id: added, role: "member" });
            }}
          >
            <div className="flex-1">
              <Combobox
                aria-label="Add someone"
                placeholder="Add someone…"
                options={others.map(({ id, display_name, type }) => ({ value: id, label: display_name, detail: type }))}
                value={added}
                onChange={setAdded}
              />
            </div>
            <Button type="submit" busy={set.isPending} disabled={!isChosen}>
              Add
            </Button>
          </form>
        )}
        <p className="text-sm text-ink-3">Admins and owners of the organization own every room, whether they are listed or not.</p>
      </div>
      {leaving !== null && (
        <ConfirmDialog
          title={`Remove ${nameOf(leaving.principal_id)}?`}
          description="Their open feeds of this room end at once."
          confirm="Remove"
          danger
          busy={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate(leaving)}
          onClose={() => setLeaving(null)}
        />
      )}
    </Drawer>
  );
}
