/* Where an invitation's link leads. */
import { acceptInvitation, showInvitation } from "@signalbox/contract/invitations";
import { isId } from "@signalbox/contract/ids";
import { switchOrganization } from "@signalbox/contract/organizations";
import { ApiError } from "@signalbox/client/client";
import { Button, LinkButton } from "@signalbox/ui/button";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { client, isRefusal } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";
import { signOut } from "../offline/sign-out.ts";
import { SignIn } from "./sign-in.tsx";
import { Threshold } from "./threshold.tsx";

const route = getRouteApi("/invite/$invitationId");
const WHY = {
  expired: "It was good for a week. Ask for it to be sent again.",
  accepted: "It was used already. If that was you, sign in.",
  revoked: "It was taken back.",
} as const;

export function InvitePage() {
  const { invitationId } = route.useParams();
  const me = useQuery(meQuery);
  const isInvitation = isId("inv", invitationId);
  const shown = useQuery({
    queryKey: ["invite", invitationId],
    queryFn: ({ signal }) => client.call(showInvitation, { params: { id: invitationId }, signal }),
    enabled: isInvitation,
  });
  const accept = useMutation({
    mutationFn: async () => {
      const { organization_id } = await client.call(acceptInvitation, { params: { id: invitationId }, body: {} });
      await client.call(switchOrganization, { body: { organization_id } });
    },
    onSuccess: () => window.location.assign("/"),
  });
  if (!isInvitation || isRefusal(shown.error, "invitation_not_found"))
    return (
      <Threshold title="There is no such invitation">
        <p className="text-ink-2">The link may be cut short: check that you have all of it, or ask whoever sent it for another.</p>
        <LinkButton href="/" look="plain">
          Sign in to Signalbox
        </LinkButton>
      </Threshold>
    );
  if (shown.error !== null)
    return (
      <Threshold title="The invitation cannot be read">
        <Trouble error={shown.error} onRetry={() => void shown.refetch()} />
      </Threshold>
    );
  if (shown.data === undefined || me.isPending) return null;
  const { organization_name, email_hint, role, status } = shown.data;
  if (status !== "open")
    return (
      <Threshold title="This invitation is over">
        <p className="text-ink-2">{WHY[status]}</p>
        <LinkButton href="/" look="plain">
          Go to Signalbox
        </LinkButton>
      </Threshold>
    );
  const isSignedOut = me.error instanceof ApiError && me.error.status === 401;
  if (isSignedOut)
    return (
      <SignIn
        next={`/invite/${invitationId}`}
        why={
          <p className="text-ink-2">
            You are invited to <span className="font-medium text-ink">{organization_name}</span>. Sign in as {email_hint} to accept.
          </p>
        }
      />
    );
  return (
    <Threshold title={`Come into ${organization_name}?`}>
      <p className="text-ink-2">
        You are invited as {role}. The invitation is for {email_hint}.
      </p>
      {accept.error !== null && <Trouble error={accept.error} />}
      <div className="flex flex-wrap gap-2">
        <Button look="solid" busy={accept.isPending} onClick={() => accept.mutate()}>
          Accept
        </Button>
        {isRefusal(accept.error, "invitation_for_another") && <Button onClick={() => void signOut()}>Sign in with another address</Button>}
      </div>
    </Threshold>
  );
}
