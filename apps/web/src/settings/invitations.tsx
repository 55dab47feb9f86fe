import { createInvitation, listInvitations, resendInvitation, revokeInvitation } from "@signalbox/contract/invitations";
import type { InvitationId, OrganizationRole } from "@signalbox/contract/primitives";
import { Button } from "@signalbox/ui/button";
import { CopyButton } from "@signalbox/ui/copy-button";
import { List } from "@signalbox/ui/list-row";
import { Select } from "@signalbox/ui/select";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { AddForm } from "./add-form.tsx";
import { Panel } from "./panel.tsx";

const ROLES = ["viewer", "member", "approver", "admin", "owner"] as const satisfies readonly OrganizationRole[];

/** Only for admins: others may not list them. */
export function Invitations({ mine }: { mine: "admin" | "owner" }) {
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<OrganizationRole>("member");
  const { data, error, refetch } = useQuery({
    queryKey: ["invitations"],
    queryFn: ({ signal }) => client.call(listInvitations, { query: { limit: 100 }, signal }),
  });
  const refresh = (): void => void queries.invalidateQueries({ queryKey: ["invitations"] });
  const invite = useMutation({
    mutationFn: () => client.call(createInvitation, { body: { email: email.trim(), role } }),
    onSuccess: (made) => {
      toast(`Invited: ${made.email}`);
      setEmail("");
      refresh();
    },
  });
  const again = useMutation({
    mutationFn: (id: InvitationId) => client.call(resendInvitation, { params: { id }, body: {} }),
    onSuccess: (sent) => {
      toast(`Sent again to ${sent.email}`);
      refresh();
    },
  });
  const revoke = useMutation({ mutationFn: (id: InvitationId) => client.call(revokeInvitation, { params: { id } }), onSuccess: refresh });
  const waiting = data?.items.filter(({ status }) => status === "open" || status === "expired") ?? [];
  const trouble = invite.error ?? again.error ?? revoke.error;
  return (
    <Panel title="Invitations" note="A link goes to the address, and only its holder can accept, within a week.">
      <div className="space-y-4">
        <AddForm
          type="email"
          label="E-mail address of whom to invite"
          placeholder="name@example.com"
          deed="Invite"
          maxLength={255}
          value={email}
          onChange={setEmail}
          onAdd={() => invite.mutate()}
          busy={invite.isPending}
        >
          <Select<OrganizationRole>
            aria-label="Role of the invited"
            className="w-32"
            value={role}
            onChange={setRole}
            options={ROLES.filter((each) => mine === "owner" || each !== "owner").map((value) => ({
              value,
              label: value.charAt(0).toUpperCase() + value.slice(1),
            }))}
          />
        </AddForm>
        {trouble !== null && <Trouble error={trouble} />}
        {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
        {waiting.length > 0 && (
          <List label="Open invitations">
            {waiting.map(({ id, email, role, status, expires_at, url }) => (
              <li key={id} className="flex flex-wrap items-center gap-x-3 gap-y-2 px-4 py-2.5">
                <div className="min-w-0 flex-1 basis-56">
                  <p className="clamp-1 font-medium" title={email}>
                    {email}
                  </p>
                  <p className="text-sm text-ink-3">
                    {role} · {status === "expired" ? "expired" : "until"}{" "}
                    {new Date(expires_at).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" })}
                  </p>
                </div>
                <CopyButton text={url} label={`Copy the link for ${email}`} />
                <Button
                  size="sm"
                  busy={again.isPending && again.variables === id}
                  onClick={() => again.mutate(id)}
                  aria-label={`Send again to ${email}`}
                >
                  Send again
                </Button>
                <Button
                  size="sm"
                  look="danger"
                  busy={revoke.isPending && revoke.variables === id}
                  onClick={() => revoke.mutate(id)}
                  aria-label={`Take back from ${email}`}
                >
                  Take back
                </Button>
              </li>
            ))}
          </List>
        )}
      </div>
    </Panel>
  );
}
