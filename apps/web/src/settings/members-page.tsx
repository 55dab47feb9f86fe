import { getSignInMethods } from "@signalbox/contract/accounts";
import { removeMember, setMemberRole } from "@signalbox/contract/organizations";
import type { OrganizationRole } from "@signalbox/contract/primitives";
import { Avatar } from "@signalbox/ui/avatar";
import { Button } from "@signalbox/ui/button";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { List } from "@signalbox/ui/list-row";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { SearchInput } from "@signalbox/ui/search-input";
import { Select } from "@signalbox/ui/select";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { Invitations } from "./invitations.tsx";
import { membersQuery, refreshMembers, teamsQuery, type Member } from "./organization-queries.ts";
import { Teams } from "./teams.tsx";

const ROLES = ["viewer", "member", "approver", "admin", "owner"] as const satisfies readonly OrganizationRole[];
const mayManage = (mine: OrganizationRole | undefined, theirs: OrganizationRole): boolean =>
  mine === "owner" || (mine === "admin" && theirs !== "owner");

export function MembersPage() {
  const [q, setQ] = useState("");
  const { data: me } = useQuery(meQuery);
  const { data: methods } = useQuery({ queryKey: ["sign-in-methods"], queryFn: ({ signal }) => client.call(getSignInMethods, { signal }) });
  const { data, error, refetch } = useQuery(membersQuery(q));
  return (
    <Page title="Members" lead="Who is in this organization, and what they may do.">
      <div className="space-y-5">
        <SearchInput label="Find a member" value={q} onChange={setQ} />
        {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
        {data === undefined && error === null && <Skeleton rows={3} className="h-14" />}
        {data?.items.length === 0 && (
          <div className="rounded-lg border border-line bg-panel">
            <Empty title="Nobody is called that">Try a part of the name.</Empty>
          </div>
        )}
        {data !== undefined && data.items.length > 0 && (
          <List label="Members">
            {data.items.map((member) => (
              <Row key={member.principal_id} member={member} mine={me?.role} isMe={me?.principal.id === member.principal_id} />
            ))}
          </List>
        )}
        {data !== undefined && data.next_cursor !== null && (
          <p className="text-sm text-ink-3">The first {data.items.length} are shown. Search for others by name.</p>
        )}
        {methods?.accounts === true && (me?.role === "admin" || me?.role === "owner") && <Invitations mine={me.role} />}
        <Teams mayManage={me?.role === "admin" || me?.role === "owner"} members={data?.items ?? []} />
      </div>
    </Page>
  );
}

function Row({ member, mine, isMe }: { member: Member; mine: OrganizationRole | undefined; isMe: boolean }) {
  const [isLeaving, setLeaving] = useState(false);
  const { data: teams } = useQuery(teamsQuery);
  const change = useMutation({
    mutationFn: (role: OrganizationRole) => client.call(setMemberRole, { params: { id: member.principal_id }, body: { role } }),
    onSuccess: ({ display_name, role }) => {
      toast(`${display_name} is ${role} now`);
      refreshMembers();
    },
  });
  const remove = useMutation({
    mutationFn: () => client.call(removeMember, { params: { id: member.principal_id } }),
    onSuccess: () => {
      toast(`${member.display_name} is out`);
      setLeaving(false);
      refreshMembers();
    },
  });
  const inTeams = (teams?.items ?? []).filter(({ id }) => member.team_ids.includes(id)).map(({ name }) => name);
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3">
      <Avatar name={member.display_name} kind="person" size="sm" />
      <div className="min-w-0 flex-1 basis-48">
        <p className="clamp-1 font-medium" title={member.display_name}>
          {member.display_name} {isMe && <span className="font-normal text-ink-3">(you)</span>}
        </p>
        <p className="clamp-1 text-sm text-ink-3">
          came in <Timestamp at={member.joined_at} />
          {inTeams.length > 0 && ` · ${inTeams.join(", ")}`}
        </p>
      </div>
      {mayManage(mine, member.role) ? (
        <>
          <div className="w-32">
            <Select<OrganizationRole>
              aria-label={`Role of ${member.display_name}`}
              value={member.role}
              onChange={(role) => change.mutate(role)}
              options={ROLES.filter((role) => mayManage(mine, role)).map((role) => ({
                value: role,
                label: role.charAt(0).toUpperCase() + role.slice(1),
              }))}
            />
          </div>
          {!isMe && (
            <Button size="sm" look="danger" onClick={() => setLeaving(true)} aria-label={`Remove ${member.display_name}`}>
              Remove
            </Button>
          )}
        </>
      ) : (
        <span className="text-sm text-ink-2 capitalize">{member.role}</span>
      )}
      {change.error !== null && (
        <div className="basis-full">
          <Trouble error={change.error} />
        </div>
      )}
      {isLeaving && (
        <ConfirmDialog
          title={`Remove ${member.display_name}?`}
          description="Their tokens here are refused from now on, and what they have open closes. What they did stays in the log."
          confirm="Remove them"
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
