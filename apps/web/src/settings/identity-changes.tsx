/* What changed about who is who, in words: the security page's lists. */
import type { getSecurity } from "@signalbox/contract/security";
import type { Output } from "@signalbox/contract/route";
import { Disclosure } from "@signalbox/ui/disclosure";
import { List } from "@signalbox/ui/list-row";
import { Timestamp } from "@signalbox/ui/timestamp";

type Change = Output<typeof getSecurity>["changes"][number];

const SAYS: Readonly<Record<string, string>> = {
  "account.created": "Account made",
  "account.deleted": "Account deleted",
  "account.deletion_requested": "Asked for the account to be deleted",
  "account.deletion_stopped": "Account kept: the last owner of an organization",
  "account.email_proven": "Address proven",
  "account.email_changed": "Address changed",
  "account.password_set": "Password set",
  "account.password_changed": "Password changed",
  "account.password_removed": "Password removed",
  "account.provider_linked": "Sign-in through a provider added",
  "account.provider_unlinked": "Sign-in through a provider removed",
  "account.passkey_added": "Passkey added",
  "account.passkey_renamed": "Passkey renamed",
  "account.passkey_removed": "Passkey removed",
  "login.link_made": "Sign-in link made",
  "login.opened": "Signed in",
  "login.succeeded": "Signed in",
  "login.ended": "Sign-in ended",
  "token.created": "API token made",
  "token.revoked": "API token revoked",
  "capability.issued": "Capability made",
  "capability.revoked": "Capability revoked",
  "invitation.created": "Somebody invited",
  "invitation.accepted": "Invitation accepted",
  "invitation.revoked": "Invitation taken back",
  "member.added": "Member added",
  "member.role_changed": "Role changed",
  "member.removed": "Member removed",
  "member.left": "Member left",
  "organization.ownership_transferred": "Ownership handed over",
  "single_sign_on.configured": "Single sign-on set",
  "single_sign_on.removed": "Single sign-on removed",
  "single_sign_on.worked": "Single sign-on worked for the first time",
  "domain.claimed": "Domain claimed",
  "domain.proven": "Domain proven",
  "domain.joining_set": "Joining by domain changed",
  "domain.released": "Domain released",
  "impersonation.started": "The operator began to act as",
  "impersonation.stopped": "The operator stopped acting as",
  "organization.suspended": "Organization suspended",
  "organization.restored": "Organization let in again",
  "principal.deleted": "Deleted their account",
  "principal.suspended": "Person suspended",
  "principal.restored": "Person let in again",
  "key_ring.rotated": "Signing key rotated",
};
const DETAIL: Readonly<Record<string, string>> = {
  login_link: "by the printed link",
  code: "by a mailed code",
  password: "by password",
  passkey: "by passkey",
  provider: "through a provider",
  single_sign_on: "through the organization's provider",
  confirmed_address: "by confirming the address",
  reset: "by a mailed link",
  changed: "with the one before",
  github: "GitHub",
  google: "Google",
};
const FIRST = 8;

export function Changes({ label, items, isMine }: { label: string; items: readonly Change[]; isMine: boolean }) {
  if (items.length === 0) return <p className="text-ink-2">Nothing has changed yet.</p>;
  const [first, rest] = [items.slice(0, FIRST), items.slice(FIRST)];
  return (
    <div className="space-y-3">
      <Rows label={label} items={first} isMine={isMine} />
      {rest.length > 0 && (
        <Disclosure summary={`${rest.length} earlier`}>
          <Rows label={`${label}, earlier`} items={rest} isMine={isMine} />
        </Disclosure>
      )}
    </div>
  );
}

function Rows({ label, items, isMine }: { label: string; items: readonly Change[]; isMine: boolean }) {
  return (
    <List label={label}>
      {items.map((change) => (
        <li key={change.event_id} className="flex flex-wrap items-baseline gap-x-4 gap-y-0.5 px-4 py-2">
          <p className="min-w-0 flex-1 basis-64">
            <span className="font-medium">{SAYS[change.type] ?? change.type}</span>
            {!isMine && change.about !== null && <span> · {change.about.name}</span>}
            {change.detail !== null && <span className="text-ink-2"> · {DETAIL[change.detail] ?? change.detail}</span>}
            {(change.about === null || change.about.id !== change.by.id) && <span className="text-ink-3"> · by {change.by.name}</span>}
          </p>
          <span className="text-sm text-ink-3">
            <Timestamp at={change.at} />
          </span>
        </li>
      ))}
    </List>
  );
}
