import { endLogin, endOtherLogins, getSignInMethods } from "@signalbox/contract/accounts";
import type { Output } from "@signalbox/contract/route";
import { getSecurity } from "@signalbox/contract/security";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { List } from "@signalbox/ui/list-row";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { client, queries } from "../data/api.ts";
import { Page } from "../frame/page.tsx";
import { Changes } from "./identity-changes.tsx";
import { addPasskey, arePasskeysPossible, deletePasskey, listPasskeys } from "../login/auth-calls.ts";
import { signOut } from "../offline/sign-out.ts";
import { Panel } from "./panel.tsx";
import { TokenList } from "./token-list.tsx";

const METHOD: Readonly<Record<string, string>> = {
  login_link: "by the printed link",
  code: "by a mailed code",
  password: "by password",
  passkey: "by passkey",
  provider: "through a provider",
  single_sign_on: "through your organization's provider",
  confirmed_address: "by confirming the address",
};

type Security = Output<typeof getSecurity>;
const refresh = (): void => void queries.invalidateQueries({ queryKey: ["security"] });

export function SecurityPage() {
  const { data: methods } = useQuery({ queryKey: ["sign-in-methods"], queryFn: ({ signal }) => client.call(getSignInMethods, { signal }) });
  const { data, error, refetch } = useQuery({ queryKey: ["security"], queryFn: ({ signal }) => client.call(getSecurity, { signal }) });
  return (
    <Page title="Security" lead="Where you are signed in, with what, and what changed.">
      <div className="space-y-5">
        {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
        {data === undefined && error === null && <Skeleton rows={4} className="h-12" />}
        {data !== undefined && <Logins items={data.sign_ins} provider={data.single_sign_on} />}
        {methods?.accounts === true && arePasskeysPossible && <Passkeys />}
        {data !== undefined && (
          <>
            <Panel title="API tokens" note="Yours, in this organization. Revoked, they are refused at once.">
              <Tokens label="Your API tokens" items={data.tokens} isMine />
            </Panel>
            <Panel
              title="What changed about you"
              note="From the organization's log. Something that was not you: end that sign-in, and tell an admin."
            >
              <Changes label="What changed about you" items={data.changes} isMine />
            </Panel>
            {data.organization !== null && <OfOrganization of={data.organization} provider={data.single_sign_on} />}
          </>
        )}
      </div>
    </Page>
  );
}

function OfOrganization({ of, provider }: { of: NonNullable<Security["organization"]>; provider: Security["single_sign_on"] }) {
  const proven = of.domains.filter(({ is_proven }) => is_proven).length;
  return (
    <>
      <Panel
        title="Single sign-on"
        note={
          provider === null
            ? "People sign in as they like: no provider is configured."
            : `Through ${provider.issuer}. ${proven} of ${of.domains.length} mail domains are proven.`
        }
        actions={
          <Badge tone={provider?.is_required === true ? "clear" : "plain"}>
            {provider === null ? "off" : provider.is_required ? "required" : provider.has_worked ? "offered" : "not tried yet"}
          </Badge>
        }
      >
        <Link to="/settings/single-sign-on" className="underline">
          Set it up
        </Link>
      </Panel>
      <Panel title="Everybody's API tokens" note="Those that work in this organization.">
        <Tokens label="Everybody's API tokens" items={of.tokens} />
      </Panel>
      <Panel title="What changed in the organization" note="Members, sign-ins, keys and the ways in, newest first.">
        <Changes label="What changed in the organization" items={of.changes} isMine={false} />
      </Panel>
    </>
  );
}

function Tokens(of: Parameters<typeof TokenList>[0]) {
  return of.items.length === 0 ? <p className="text-ink-2">There is none.</p> : <TokenList {...of} />;
}

function Logins({ items, provider }: { items: Security["sign_ins"]; provider: Security["single_sign_on"] }) {
  const end = useMutation({
    mutationFn: (id: (typeof items)[number]["id"]) => client.call(endLogin, { params: { id } }),
    onSuccess: refresh,
  });
  const endOthers = useMutation({
    mutationFn: () => client.call(endOtherLogins, { body: {} }),
    onSuccess: ({ ended }) => {
      toast(ended === 1 ? "One sign-in ended" : `${ended} sign-ins ended`);
      refresh();
    },
  });
  const trouble = end.error ?? endOthers.error;
  return (
    <Panel
      title="Signed in"
      note={`Each is a browser. Ended, it is out at once.${provider?.is_required === true ? " This organization lets its members in through its provider only." : ""}`}
      actions={
        items.length > 1 && (
          <Button size="sm" busy={endOthers.isPending} onClick={() => endOthers.mutate()}>
            End all others
          </Button>
        )
      }
    >
      <div className="space-y-3">
        {trouble !== null && <Trouble error={trouble} />}
        {items.length === 0 && <p className="text-ink-2">No browser is.</p>}
        {items.length > 0 && (
          <List label="Sign-ins">
            {items.map((login) => (
              <li key={login.id} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2.5">
                <div className="min-w-0 flex-1 basis-56">
                  <p className="clamp-1 font-medium" title={login.user_agent ?? undefined}>
                    {browserOf(login.user_agent)} {login.is_this && <span className="font-normal text-ink-3">(this one)</span>}
                  </p>
                  <p className="text-sm text-ink-3">
                    {METHOD[login.method] ?? login.method}
                    {login.ip_address !== null && ` from ${login.ip_address}`} · seen <Timestamp at={login.seen_at} />
                  </p>
                </div>
                <Button
                  size="sm"
                  busy={end.isPending && end.variables === login.id}
                  onClick={() => (login.is_this ? void signOut() : end.mutate(login.id))}
                  aria-label={`End ${browserOf(login.user_agent)}`}
                >
                  {login.is_this ? "Sign out" : "End"}
                </Button>
              </li>
            ))}
          </List>
        )}
      </div>
    </Panel>
  );
}

function Passkeys() {
  const { data, error, refetch } = useQuery({ queryKey: ["passkeys"], queryFn: listPasskeys, retry: false });
  const changed = (): void => {
    void queries.invalidateQueries({ queryKey: ["passkeys"] });
    refresh();
  };
  const add = useMutation({ mutationFn: () => addPasskey(browserOf(navigator.userAgent)), onSuccess: changed });
  const remove = useMutation({ mutationFn: deletePasskey, onSuccess: changed });
  const trouble = add.error ?? remove.error;
  return (
    <Panel
      title="Passkeys"
      note="Sign in with this device's lock or a security key instead of a code."
      actions={
        <Button size="sm" busy={add.isPending} onClick={() => add.mutate()}>
          Add a passkey
        </Button>
      }
    >
      <div className="space-y-3">
        {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
        {trouble !== null && <Trouble error={trouble} />}
        {data?.length === 0 && <p className="text-ink-2">There is none.</p>}
        {data !== undefined && data.length > 0 && (
          <List label="Passkeys">
            {data.map(({ id, name, createdAt }) => (
              <li key={id} className="flex items-center gap-4 px-4 py-2.5">
                <div className="min-w-0 flex-1">
                  <p className="clamp-1 font-medium">{name ?? "A passkey"}</p>
                  {createdAt !== undefined && (
                    <p className="text-sm text-ink-3">
                      added <Timestamp at={createdAt} />
                    </p>
                  )}
                </div>
                <Button
                  size="sm"
                  look="danger"
                  busy={remove.isPending && remove.variables === id}
                  onClick={() => remove.mutate(id)}
                  aria-label={`Remove ${name ?? "the passkey"}`}
                >
                  Remove
                </Button>
              </li>
            ))}
          </List>
        )}
      </div>
    </Panel>
  );
}

/** What a person calls it; the whole line is in the title. */
function browserOf(userAgent: string | null): string {
  if (userAgent === null || userAgent === "") return "A browser";
  const browser = /(Firefox|Edg|OPR|Chrome|Safari)\//.exec(userAgent)?.[1];
  const system = /(Android|iPhone|iPad|Windows|Mac OS|Linux)/.exec(userAgent)?.[1];
  const named = { Edg: "Edge", OPR: "Opera" }[browser ?? ""] ?? browser ?? "A browser";
  return system === undefined ? named : `${named} on ${system === "Mac OS" ? "macOS" : system}`;
}
