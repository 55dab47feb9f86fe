/*
 * Signing in through an organization's provider.
 *
 *   address ─► organization ─► provider ─► back, with state, nonce and verifier of this browser ─► who?
 *   who? ─► linked before: that account
 *        ─► an address of a domain that the organization has proven, and verified: that account, or a new one
 *        ─► else nobody: no provider vouches for addresses of others
 *   account ─► member, with the role that the claims lead to ─► a sign-in that acts in that organization alone
 *
 * Each step can be repeated: killed between two of them, a person begins again and ends the same.
 */
import { createHash, randomBytes } from "node:crypto";
import { finishSingleSignOn, startSingleSignOn } from "@signalbox/contract/single-sign-on";
import type { OrganizationId, OrganizationRole, PrincipalId } from "@signalbox/contract/primitives";
import { plusMs } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import { sql } from "kysely";
import { SESSION_COOKIE } from "../../http/authenticate.ts";
import { handle, refused, type BoundRoute, type RawAnswer, type RequestContext } from "../../http/handle.ts";
import { ShellRefused } from "../../http/refusal.ts";
import { accountEnds } from "../identity/public.ts";
import { LIMITS } from "./attempts.ts";
import { domainOf } from "./domain.ts";
import { normalEmail } from "./email.ts";
import { type Client, type OpenId, providerKey, reasonOf, type Vouched } from "./openid.ts";
import type { AccountParts } from "./public.ts";
import { NOT_CONFIGURED } from "./routes.ts";
import { roleFrom, singleSignOn, type SingleSignOnSettings } from "./single-sign-on.ts";

const FLOW_TTL_MS = 10 * 60_000;
const CALLBACK = "/api/auth/sso/callback";
/** Which browser began: sent back to nothing but the callback, also from the provider's page. */
const FLOW_COOKIE = "signalbox_sso";
/** Bound to the issuer: another one is never shown it, whatever is killed while it is changed. */
export const secretName = (issuer: string): string =>
  `single_sign_on:${createHash("sha256").update(issuer).digest("base64url").slice(0, 22)}`;

export const redirectUri = (publicUrl: string): string => new URL(CALLBACK, publicUrl).href;

/** Why nobody was signed in, for the sign-in page. */
type Failure =
  | "sso_expired"
  | "sso_refused"
  | "sso_invalid"
  | "sso_not_configured"
  | "sso_email_unverified"
  | "sso_email_foreign"
  | "sso_no_role";

export function signOnRoutes(parts: AccountParts): readonly BoundRoute[] {
  const { log, db, anywhere, clock, attempts, identity, openId, publicUrl, secrets, logger } = parts;
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();

  async function clientOf(organizationId: string): Promise<(Client & { readonly settings: SingleSignOnSettings }) | null> {
    const settings = await settingsOf(parts, organizationId);
    if (settings === null) return null;
    const secret = await secrets.get(organizationId, secretName(settings.issuer));
    if (!secret.ok) return null;
    return { issuer: settings.issuer, clientId: settings.clientId, clientSecret: secret.value, settings };
  }

  async function organizationFor(body: {
    email?: string | undefined;
    organization_id?: OrganizationId | undefined;
  }): Promise<string | null> {
    if (body.organization_id !== undefined) return body.organization_id;
    const email = normalEmail(body.email ?? "");
    if (email === null) return null;
    const { rows } = await anywhere.query<{ organization_id: string }>("select * from acc_domain_holder($1)", [domainOf(email)]);
    return rows[0]?.organization_id ?? null;
  }

  /** Who it is; made or linked if it may be. `mayMake` false: only somebody who is in already. */
  async function accountOf(
    organizationId: string,
    client: Client & { settings: SingleSignOnSettings },
    vouched: Vouched,
    mayMake: boolean,
  ): Promise<{ readonly id: string } | { readonly failure: Failure }> {
    const provider = providerKey(organizationId, client.issuer);
    const signOn = async (email: string | null): Promise<string | null> => {
      const name = vouched.name?.trim().slice(0, 200) || (email?.split("@")[0] ?? "");
      const { rows } = await anywhere.query<{ id: string | null }>("select acc_sign_on($1, $2, $3, $4, $5, $6, $7) as id", [
        provider,
        vouched.subject,
        email,
        name,
        clock.now(),
        newId("usr"),
        newId("auth"),
      ]);
      return rows[0]?.id ?? null;
    };
    const isIn = async (id: string | undefined): Promise<boolean> =>
      id !== undefined && (await identity.roleOf(organizationId, id)) !== null;
    const known = await signOn(null);
    if (known !== null) return mayMake || (await isIn(known)) ? { id: known } : { failure: "sso_no_role" };
    const email = normalEmail(vouched.email ?? "");
    const isVerified = vouched.emailVerified === true || (client.settings.trustsEmail && vouched.emailVerified === undefined);
    if (email === null || !isVerified) return { failure: "sso_email_unverified" };
    const { rows: holders } = await anywhere.query<{ organization_id: string }>("select * from acc_domain_holder($1)", [domainOf(email)]);
    if (holders[0]?.organization_id !== organizationId) return { failure: "sso_email_foreign" };
    if (!mayMake) {
      const { rows } = await anywhere.query<{ id: string }>("select id from auth_users where email = $1", [email]);
      if (!(await isIn(rows[0]?.id))) return { failure: "sso_no_role" };
    }
    const id = await signOn(email);
    return id === null ? { failure: "sso_invalid" } : { id };
  }

  async function admitted(
    organizationId: string,
    id: string,
    of: { role: OrganizationRole | null; isMapped: boolean },
    context: RequestContext,
  ) {
    const { rows } = await anywhere.query<{ name: string }>("select name from auth_users where id = $1", [id]);
    const origin = { ...context.origin, principal: { id, type: "user" as const } };
    const suspended = await identity.suspendedMembers(organizationId);
    const admit = () =>
      log.unit({ organizationId, origin }, async (unit) => {
        await identity.signOn(unit, { organizationId, id, displayName: rows[0]?.name ?? id, ...of, suspended });
        await unit.decide(singleSignOn, { type: "organization", id: organizationId }, `single_sign_on:${organizationId}`, {
          type: "worked",
          principalId: id as PrincipalId,
        });
      });
    await identity.admission.give(id, admit, accountEnds);
    identity.changed(id);
    return identity.openConfined({ organizationId, principalId: id, method: "single_sign_on", from: context.from });
  }

  return [
    handle(startSingleSignOn, async ({ body, from, responseHeaders }) => {
      if (!parts.isOn) return NOT_CONFIGURED;
      await insist(attempts.take(LIMITS.address, from?.address ?? ""));
      const organizationId = await organizationFor(body);
      const client = organizationId === null ? null : await clientOf(organizationId);
      if (organizationId === null || client === null) return { url: null };
      let begun: Awaited<ReturnType<OpenId["begin"]>>;
      try {
        begun = await openId.begin(client, redirectUri(publicUrl()));
      } catch (error) {
        logger.warn({ organization_id: organizationId, reason: reasonOf(error) }, "an organization's provider cannot be reached");
        return refused("provider_unreachable", {
          message: "Your organization's provider does not answer as it should.",
          fix: "Try again in a while, or ask an admin of the organization to test it in the settings.",
        });
      }
      // One secret a browser, so that two tabs do not end each other's way.
      const known = from?.cookies[FLOW_COOKIE];
      const browser = known !== undefined && /^[\w-]{43}$/.test(known) ? known : randomBytes(32).toString("base64url");
      await db.inOrganization(organizationId, (tx) =>
        sql`insert into acc_sign_on_flows (organization_id, state_hash, browser_hash, nonce, code_verifier, next, expires_at)
            values (${organizationId}, ${hash(begun.state)}, ${hash(browser)}, ${begun.nonce}, ${begun.codeVerifier}, ${ownPath(body.next)}, ${plusMs(clock.now(), FLOW_TTL_MS)})`.execute(
          tx,
        ),
      );
      if (responseHeaders !== undefined)
        responseHeaders["set-cookie"] =
          `${FLOW_COOKIE}=${browser}; Path=/api/auth/sso; HttpOnly; SameSite=Lax; Max-Age=${FLOW_TTL_MS / 1000}${isSecure(publicUrl()) ? "; Secure" : ""}`;
      return { url: begun.url };
    }),

    handle(finishSingleSignOn, async (context) => {
      if (!parts.isOn) return back("sso_not_configured");
      const { from, raw, responseHeaders } = context;
      await insist(attempts.take(LIMITS.address, from?.address ?? ""));
      const state = raw?.query.get("state") ?? "";
      const { rows } = await anywhere.query<{ organization_id: string; nonce: string; code_verifier: string; next: string }>(
        "select * from acc_use_sign_on_flow($1, $2, $3)",
        [hash(state), hash(from?.cookies[FLOW_COOKIE] ?? ""), clock.now()],
      );
      const flow = rows[0];
      // Unknown, used, too old, or another browser's: nothing tells which.
      if (flow === undefined) return back("sso_expired");
      const { organization_id: organizationId } = flow;
      const failed = (failure: Failure, reason: string): RawAnswer => {
        logger.info({ organization_id: organizationId, reason }, "a sign-in through a provider was refused");
        return back(failure);
      };
      const client = await clientOf(organizationId);
      if (client === null) return failed("sso_not_configured", "it is not configured any more, or its secret cannot be opened");
      let vouched: Vouched;
      try {
        const at = new URL(`${redirectUri(publicUrl())}?${raw?.query ?? ""}`);
        vouched = await openId.finish(client, at, { state, nonce: flow.nonce, codeVerifier: flow.code_verifier });
      } catch (error) {
        return failed(raw?.query.get("error") == null ? "sso_invalid" : "sso_refused", reasonOf(error));
      }
      const { role, isMapped } = roleFrom(client.settings, vouched.claims);
      if (role === null && isMapped) return failed("sso_no_role", "no role follows from what the provider says");
      const account = await accountOf(organizationId, client, vouched, role !== null);
      if ("failure" in account) return failed(account.failure, "the provider may not vouch for this person");
      const opened = await admitted(organizationId, account.id, { role, isMapped }, context);
      if (responseHeaders !== undefined)
        responseHeaders["set-cookie"] =
          `${SESSION_COOKIE}=${opened.secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${opened.ttlS}${isSecure(publicUrl()) ? "; Secure" : ""}`;
      return { status: 302, headers: { location: flow.next, "cache-control": "no-store" } };
    }),
  ];

  /** A path of ours and nothing that a browser could read as another site. */
  function ownPath(next: string | undefined): string {
    if (next === undefined || !/^\/(?![/\\])[\x21-\x7e]{0,1999}$/.test(next)) return "/";
    const url = URL.canParse(next, publicUrl()) ? new URL(next, publicUrl()) : null;
    return url !== null && url.origin === new URL(publicUrl()).origin ? url.pathname + url.search + url.hash : "/";
  }
}

export async function settingsOf(
  { db }: Pick<AccountParts, "db">,
  organizationId: string,
): Promise<(SingleSignOnSettings & { readonly hasWorked: boolean; readonly changedAt: Date }) | null> {
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<{
      issuer: string;
      client_id: string;
      role_claim: string | null;
      role_mapping: SingleSignOnSettings["roleMapping"];
      default_role: OrganizationRole | null;
      is_required: boolean;
      trusts_email: boolean;
      has_worked: boolean;
      changed_at: Date;
    }>`select * from proj_single_sign_on`.execute(tx),
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    issuer: row.issuer,
    clientId: row.client_id,
    roleClaim: row.role_claim,
    roleMapping: row.role_mapping,
    defaultRole: row.default_role,
    isRequired: row.is_required,
    trustsEmail: row.trusts_email,
    hasWorked: row.has_worked,
    changedAt: row.changed_at,
  };
}

const back = (failure: Failure): RawAnswer => ({
  status: 302,
  headers: { location: `/login?error=${failure}`, "cache-control": "no-store" },
});
const isSecure = (publicUrl: string): boolean => publicUrl.startsWith("https:");

async function insist(ok: Promise<boolean>): Promise<void> {
  if (!(await ok)) throw new ShellRefused("rate_limited", "Too many tries.", { fix: "Wait a minute." });
}
