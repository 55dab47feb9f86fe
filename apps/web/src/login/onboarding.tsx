/* Signed in, and in no organization, or no longer in the one that they worked in: go on in another, come into one, or found one. */
import { acceptInvitation, listMyInvitations } from "@signalbox/contract/invitations";
import { createOrganization, switchOrganization } from "@signalbox/contract/organizations";
import type { InvitationId, OrganizationId } from "@signalbox/contract/primitives";
import { joinOfferedOrganization, listOfferedOrganizations } from "@signalbox/contract/single-sign-on";
import { Button } from "@signalbox/ui/button";
import { Field, inputLook } from "@signalbox/ui/field";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client } from "../data/api.ts";
import { signOut } from "../offline/sign-out.ts";
import { moveTo, organizationsQuery } from "../settings/organization-queries.ts";
import { Threshold } from "./threshold.tsx";

const enter = async (organization_id: OrganizationId): Promise<void> => {
  await client.call(switchOrganization, { body: { organization_id } });
  window.location.assign("/");
};

export function Onboarding() {
  const { data } = useQuery({ queryKey: ["my-invitations"], queryFn: ({ signal }) => client.call(listMyInvitations, { signal }) });
  const [name, setName] = useState("");
  const found = useMutation({
    mutationFn: async () => enter((await client.call(createOrganization, { body: { name: name.trim() } })).id),
  });
  const join = useMutation({
    mutationFn: async (id: InvitationId) => enter((await client.call(acceptInvitation, { params: { id }, body: {} })).organization_id),
  });
  const offers = useQuery({
    queryKey: ["offered-organizations"],
    queryFn: ({ signal }) => client.call(listOfferedOrganizations, { signal }),
  });
  const come = useMutation({
    mutationFn: async (id: OrganizationId) =>
      enter((await client.call(joinOfferedOrganization, { params: { id }, body: {} })).organization_id),
  });
  const own = useQuery(organizationsQuery);
  const move = useMutation({ mutationFn: moveTo });
  const theirs = own.data?.items ?? [];
  const invitations = data?.items ?? [];
  const offered = offers.data?.items ?? [];
  return (
    <Threshold title={theirs.length > 0 ? "Where do you want to continue?" : "Where do you belong?"}>
      <p className="text-ink-2">
        {theirs.length > 0
          ? "You are no longer in the organization that you worked in: you left it, were removed, or it was closed. These are yours."
          : "You are signed in, and in no organization."}
      </p>
      {theirs.length > 0 && (
        <ul className="divide-y divide-line rounded-md border border-line">
          {theirs.map(({ id, name, role }) => (
            <li key={id} className="flex items-center gap-3 px-3 py-2">
              <div className="min-w-0 flex-1">
                <p className="clamp-1 font-medium">{name}</p>
                <p className="text-sm text-ink-3">as {role}</p>
              </div>
              <Button size="sm" look="solid" busy={move.isPending && move.variables === id} onClick={() => move.mutate(id)}>
                Continue here
              </Button>
            </li>
          ))}
        </ul>
      )}
      {move.error !== null && <Trouble error={move.error} />}
      {invitations.length > 0 && (
        <ul className="divide-y divide-line rounded-md border border-line">
          {invitations.map(({ id, organization_name, role }) => (
            <li key={id} className="flex items-center gap-3 px-3 py-2">
              <div className="min-w-0 flex-1">
                <p className="clamp-1 font-medium">{organization_name}</p>
                <p className="text-sm text-ink-3">invites you as {role}</p>
              </div>
              <Button size="sm" look="solid" busy={join.isPending && join.variables === id} onClick={() => join.mutate(id)}>
                Come in
              </Button>
            </li>
          ))}
        </ul>
      )}
      {offered.map(({ id, name, role }) => (
        <div key={id} className="flex items-center gap-3 rounded-md border border-line px-3 py-2">
          <div className="min-w-0 flex-1">
            <p className="clamp-1 font-medium">{name}</p>
            <p className="text-sm text-ink-3">is open to your address, as {role}</p>
          </div>
          <Button size="sm" look="solid" busy={come.isPending} onClick={() => come.mutate(id)}>
            Join
          </Button>
        </div>
      ))}
      {join.error !== null && <Trouble error={join.error} />}
      {come.error !== null && <Trouble error={come.error} />}
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          found.mutate();
        }}
      >
        <Field
          label={theirs.length + invitations.length + offered.length > 0 ? "Or found one of your own" : "Found an organization"}
          hint="You can invite others afterwards."
        >
          {(props) => (
            <input
              {...props}
              required
              maxLength={200}
              placeholder="Its name"
              value={name}
              onChange={(event) => setName(event.target.value)}
              className={inputLook}
            />
          )}
        </Field>
        {found.error !== null && <Trouble error={found.error} />}
        <div className="flex flex-wrap gap-2">
          <Button
            type="submit"
            look={theirs.length + invitations.length + offered.length > 0 ? "plain" : "solid"}
            busy={found.isPending}
            disabled={name.trim() === ""}
          >
            Found it
          </Button>
          <Button look="quiet" onClick={() => void signOut()}>
            Sign out
          </Button>
        </div>
      </form>
    </Threshold>
  );
}
