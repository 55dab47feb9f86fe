/* What is held about whoever asks, and the end of it. For a person in a browser: what a program holds stands for them in one organization alone. */
import { deleteAccount, exportAccount, type AccountExport } from "@signalbox/contract/own-account";
import type { z } from "zod";
import { SESSION_COOKIE } from "../../http/authenticate.ts";
import { handle, refused, type BoundRoute, type Caller } from "../../http/handle.ts";
import type { Deletion, Place } from "./delete-account.ts";
import { normalEmail } from "./email.ts";
import type { AccountParts } from "./public.ts";
import { loginsOf } from "./routes.ts";

/** As adding a passkey: what cannot be taken back is nothing for a browser that somebody left open. */
const FRESH_MS = 24 * 3_600_000;

interface UserRow {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly email_verified: boolean;
  readonly image: string | null;
  readonly created_at: Date;
}
type Exported = z.input<typeof AccountExport>;
type InvitationRow = Omit<Exported["invitations"][number], "expires_at"> & { readonly expires_at: Date };

export function ownAccountRoutes(parts: AccountParts, deletion: Deletion): readonly BoundRoute[] {
  const { anywhere, clock, identity } = parts;

  async function userOf(id: string): Promise<UserRow | undefined> {
    return (await anywhere.query<UserRow>("select * from auth_users where id = $1", [id])).rows[0];
  }
  /** A sign-in that one organization's provider vouched for says nothing about the others. */
  function refusal({ credential }: Caller, places: readonly Place[]) {
    if (credential?.kind !== "session") return NOT_A_BROWSER;
    const { onlyIn } = credential;
    if (onlyIn !== undefined && places.some((place) => place.organization_id !== onlyIn && place.role !== null && !place.is_deleted))
      return CONFINED;
    return null;
  }
  async function isFresh(loginId: string): Promise<boolean> {
    const { rows } = await anywhere.query<{ created_at: Date }>("select created_at from idn_sessions where id = $1", [loginId]);
    return rows[0] !== undefined && clock.nowMs() - rows[0].created_at.getTime() < FRESH_MS;
  }

  async function organization(place: Place, person: string, browsers: readonly BrowserRow[]): Promise<Exported["organizations"][number]> {
    const id = place.organization_id;
    const held = await identity.departures.held(id, person);
    return {
      id,
      name: place.name,
      is_deleted: place.is_deleted,
      display_name: place.display_name,
      role: place.role,
      joined_at: place.joined_at?.toISOString() ?? null,
      team_ids: held.teamIds as Exported["organizations"][number]["team_ids"],
      tokens: [...held.tokens],
      capabilities: [...(await parts.capabilitiesOf(id, person))],
      browsers: browsers
        .filter((row) => row.organization_id === id)
        .map(({ label, created_at }) => ({ label, created_at: created_at.toISOString() })),
      changes: held.changes.map(({ eventId, type, at, detail }) => ({ event_id: eventId, type, at, detail })),
    };
  }

  return [
    handle(exportAccount, async ({ caller, now, responseHeaders }) => {
      const { id, displayName } = caller.principal;
      const places = await deletion.placesOf(id);
      const no = refusal(caller, places);
      if (no !== null) return no;
      const user = await userOf(id);
      const ask = async <Row>(text: string, value: string): Promise<readonly Row[]> => (await anywhere.query<Row>(text, [value])).rows;
      const [accounts, passkeys, invitations, browsers] = await Promise.all([
        ask<{ provider_id: string; account_id: string; created_at: Date }>(
          "select provider_id, account_id, created_at from auth_accounts where user_id = $1 order by created_at",
          id,
        ),
        ask<{ id: string; name: string | null; created_at: Date | null }>(
          "select id, name, created_at from auth_passkeys where user_id = $1 order by created_at",
          id,
        ),
        user?.email_verified === true ? ask<InvitationRow>("select * from acc_invitations_of($1)", user.email) : [],
        ask<BrowserRow>("select * from acc_browsers_of($1)", id),
      ]);
      const organizations: Exported["organizations"] = [];
      for (const place of places) organizations.push(await organization(place, id, browsers));
      if (responseHeaders !== undefined) {
        responseHeaders["content-disposition"] = 'attachment; filename="signalbox-account.json"';
        responseHeaders["cache-control"] = "no-store";
      }
      return {
        exported_at: now,
        person: {
          id,
          name: user?.name ?? displayName,
          email: user?.email ?? null,
          is_email_proven: user?.email_verified ?? false,
          picture_url: user?.image ?? null,
          created_at: user?.created_at.toISOString() ?? null,
          has_password: accounts.some(({ provider_id }) => provider_id === "credential"),
        },
        sign_ins: await loginsOf(parts, id, caller.credential?.id),
        passkeys: passkeys.map((row) => ({ id: row.id, name: row.name, created_at: row.created_at?.toISOString() ?? null })),
        providers: accounts
          .filter(({ provider_id }) => provider_id !== "credential")
          .map((row) => ({ provider: row.provider_id, subject: row.account_id, linked_at: row.created_at.toISOString() })),
        invitations: invitations.map((row) => ({
          id: row.id,
          organization_id: row.organization_id,
          organization_name: row.organization_name,
          email: row.email,
          role: row.role,
          status: row.status,
          expires_at: row.expires_at.toISOString(),
        })),
        organizations,
      };
    }),

    handle(deleteAccount, async ({ caller, body, origin, responseHeaders }) => {
      if (!parts.isOn) return NO_ACCOUNTS;
      const { id, displayName } = caller.principal;
      const places = await deletion.placesOf(id);
      const no = refusal(caller, places);
      if (no !== null) return no;
      const user = await userOf(id);
      if (user === undefined) return NO_ACCOUNT;
      if (!(await isFresh(caller.credential!.id))) return TOO_OLD;
      if (normalEmail(body.confirm) !== user.email && ![user.name, displayName].some((name) => name.trim() === body.confirm))
        return MISMATCH;
      const owned = places.filter((place) => place.is_last_owner);
      if (owned.length > 0) return lastOwner(owned);
      const held = await deletion.request(id, origin);
      if (held.length > 0) return lastOwner(held);
      if (responseHeaders !== undefined) responseHeaders["set-cookie"] = `${SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`;
      return { ok: true as const };
    }),
  ];
}

interface BrowserRow {
  readonly organization_id: string;
  readonly label: string | null;
  readonly created_at: Date;
}

const lastOwner = (places: readonly Place[]) =>
  refused("last_owner", {
    message: `You are the only owner of ${LIST.format(places.map(({ name }) => `“${name}”`))}: an organization always has one.`,
    fix: "Transfer the ownership, make somebody else an owner too, or delete the organization; then delete your account.",
    details: { organizations: places.map(({ organization_id, name }) => ({ id: organization_id, name })) },
  });
const NO_ACCOUNTS = refused("accounts_not_configured", {
  message: "Here one signs in with the link that the server prints: its owner is the installation itself, and has no account to delete.",
  fix: "To delete everything, stop the server and remove its data directory.",
});
const LIST = new Intl.ListFormat("en");
const NOT_A_BROWSER = refused("not_a_browser", {
  message: "Only you, signed in with a browser, can do this: a token is for one organization.",
  fix: "Sign in on the web, and open Settings → Account.",
});
const CONFINED = refused("sign_in_confined", {
  message: "This sign-in is good for one organization, which vouched for you, and you are in others.",
  fix: "Sign out, and sign in another way.",
});
const NO_ACCOUNT = refused("account_not_found", {
  message: "You came in by a link and have no account.",
  fix: "An administrator can remove you from the organization.",
});
const TOO_OLD = refused("sign_in_too_old", {
  message: "You signed in more than a day ago.",
  fix: "Sign out, sign in again, and delete your account then.",
});
const MISMATCH = refused("confirmation_mismatch", {
  message: "That is neither your address nor your name.",
  fix: "Type the address that you sign in with, or your name exactly as it is shown.",
});
