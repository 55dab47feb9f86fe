import {
  createOrganization,
  deleteOrganization,
  leaveOrganization,
  renameOrganization,
  transferOwnership,
} from "@signalbox/contract/organizations";
import { isPrincipalId } from "@signalbox/contract/ids";
import type { PrincipalId } from "@signalbox/contract/primitives";
import { Button } from "@signalbox/ui/button";
import { Combobox } from "@signalbox/ui/combobox";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { Field, inputLook } from "@signalbox/ui/field";
import { Skeleton } from "@signalbox/ui/placeholder";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { AddForm } from "./add-form.tsx";
import { OrganizationList } from "./organization-list.tsx";
import { membersQuery, moveTo, organizationQuery, organizationsQuery, refreshMembers, startAnew } from "./organization-queries.ts";
import { Panel } from "./panel.tsx";
import { Quotas } from "./quotas.tsx";

export function OrganizationPage() {
  const { data: organization, error, refetch } = useQuery(organizationQuery);
  const isAdmin = organization?.role === "admin" || organization?.role === "owner";
  return (
    <Page title="Organization" lead="The one that you act in here, and your others.">
      <div className="space-y-5">
        {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
        {organization === undefined && error === null && <Skeleton rows={2} className="h-20" />}
        {organization !== undefined && (
          <Panel
            title={organization.name}
            note={`${organization.member_count} ${organization.member_count === 1 ? "member" : "members"}; you are ${organization.role}.`}
            actions={
              <Link to="/settings/members" className="text-sm underline underline-offset-4">
                Members
              </Link>
            }
          >
            {isAdmin ? <Rename name={organization.name} /> : <p className="text-ink-2">An admin can rename it.</p>}
          </Panel>
        )}
        <Quotas />
        <Mine currentId={organization?.id} />
        {organization !== undefined && <Leaving {...organization} seq={organization.stream_seq} />}
      </div>
    </Page>
  );
}

function Rename({ name: current }: { name: string }) {
  const [name, setName] = useState(current);
  const rename = useMutation({
    mutationFn: () => client.call(renameOrganization, { body: { name: name.trim() } }),
    onSuccess: () => {
      toast("Renamed");
      for (const key of ["organization", "organizations", "me"]) void queries.invalidateQueries({ queryKey: [key] });
    },
  });
  return (
    <form
      className="space-y-3"
      onSubmit={(event) => {
        event.preventDefault();
        rename.mutate();
      }}
    >
      <div className="flex flex-wrap items-end gap-2">
        <div className="min-w-0 flex-1 basis-60">
          <Field label="Name">
            {(props) => (
              <input
                {...props}
                required
                maxLength={200}
                value={name}
                onChange={(event) => setName(event.target.value)}
                className={inputLook}
              />
            )}
          </Field>
        </div>
        <Button type="submit" busy={rename.isPending} disabled={name.trim() === "" || name.trim() === current}>
          Rename
        </Button>
      </div>
      {rename.error !== null && <Trouble error={rename.error} />}
    </form>
  );
}

function Mine({ currentId }: { currentId: string | undefined }) {
  const { data, error, refetch } = useQuery(organizationsQuery);
  const [name, setName] = useState("");
  const found = useMutation({
    mutationFn: async () => moveTo((await client.call(createOrganization, { body: { name: name.trim() } })).id),
  });
  return (
    <Panel
      title="Your organizations"
      note="One is open at a time in this browser; switching shows the other's sessions, rooms and settings."
    >
      <div className="space-y-4">
        {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
        {data === undefined && error === null && <Skeleton rows={1} className="h-12" />}
        {data !== undefined && <OrganizationList label="Your organizations" organizations={data.items} currentId={currentId} />}
        <AddForm
          label="Name of a new organization"
          placeholder="Found another…"
          deed="Found"
          value={name}
          onChange={setName}
          onAdd={() => found.mutate()}
          busy={found.isPending}
        />
        {found.error !== null && <Trouble error={found.error} />}
      </div>
    </Panel>
  );
}

function Leaving({ id, name, role, seq }: { id: string; name: string; role: string; seq: number }) {
  const { data: me } = useQuery(meQuery);
  const { data: members } = useQuery({ ...membersQuery(""), enabled: role === "owner" });
  const [asking, setAsking] = useState<"leave" | "transfer" | "delete" | null>(null);
  const [heir, setHeir] = useState("");
  const [typed, setTyped] = useState("");
  const [hasExport, setHasExport] = useState(false);
  const leave = useMutation({ mutationFn: () => client.call(leaveOrganization, { body: {} }), onSuccess: startAnew });
  const transfer = useMutation({
    mutationFn: (to: PrincipalId) => client.call(transferOwnership, { body: { to } }),
    onSuccess: () => {
      toast("Handed over; you are an admin now");
      setAsking(null);
      void queries.invalidateQueries({ queryKey: ["me"] });
      refreshMembers();
    },
  });
  const remove = useMutation({
    mutationFn: () => client.call(deleteOrganization, { body: { name: typed, exported_seq: hasExport ? seq : 0 } }),
    onSuccess: startAnew,
  });
  const others = (members?.items ?? []).filter(({ principal_id }) => principal_id !== me?.principal.id);
  const isLastOwner = role === "owner" && members?.next_cursor === null && !others.some((other) => other.role === "owner");
  return (
    <Panel title="Leaving" note="What cannot be taken back.">
      <div className="flex flex-wrap gap-2">
        <Button disabled={isLastOwner} onClick={() => setAsking("leave")}>
          Leave…
        </Button>
        {role === "owner" && <Button onClick={() => setAsking("transfer")}>Hand over…</Button>}
        {role === "owner" && id !== "ws_dev" && (
          <Button look="danger" onClick={() => setAsking("delete")}>
            Delete…
          </Button>
        )}
      </div>
      {isLastOwner && <p className="mt-2 text-sm text-ink-3">You are its only owner: hand it over before you leave.</p>}
      {asking === "leave" && (
        <ConfirmDialog
          title={`Leave “${name}”?`}
          description="Your tokens here are refused from now on. Somebody in it would have to let you in again."
          confirm="Leave"
          danger
          busy={leave.isPending}
          error={leave.error}
          onConfirm={() => leave.mutate()}
          onClose={() => setAsking(null)}
        />
      )}
      {asking === "transfer" && (
        <ConfirmDialog
          title={`Hand “${name}” over?`}
          description="They own it from then on; you stay as an admin."
          confirm="Hand over"
          danger
          disabled={!isPrincipalId(heir)}
          busy={transfer.isPending}
          error={transfer.error}
          onConfirm={() => isPrincipalId(heir) && transfer.mutate(heir)}
          onClose={() => setAsking(null)}
        >
          <Combobox
            aria-label="The new owner"
            placeholder="To whom…"
            options={others.map(({ principal_id, display_name, role }) => ({ value: principal_id, label: display_name, detail: role }))}
            value={heir}
            onChange={setHeir}
          />
        </ConfirmDialog>
      )}
      {asking === "delete" && (
        <ConfirmDialog
          title={`Delete “${name}”?`}
          description="Rooms, sessions, secrets and tokens end for everybody in it. The log stays, closed, with a tombstone."
          confirm="Delete it for good"
          danger
          disabled={typed !== name}
          busy={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate()}
          onClose={() => setAsking(null)}
        >
          <div className="space-y-3">
            <p>
              <a href="/v1/audit/export" download className="underline underline-offset-4" onClick={() => setHasExport(true)}>
                Export the log first
              </a>
              {hasExport && <span className="text-ink-2"> · keep that file</span>}
            </p>
            <Field label={`Type “${name}”`}>
              {(props) => <input {...props} value={typed} onChange={(event) => setTyped(event.target.value)} className={inputLook} />}
            </Field>
          </div>
        </ConfirmDialog>
      )}
    </Panel>
  );
}
