/* What an organization's admins set of its provider and its mail domains, and who may join by a domain. */
import { randomBytes } from "node:crypto";
import {
  changeDomain,
  checkDomain,
  claimDomain,
  getSingleSignOn,
  joinOfferedOrganization,
  listDomains,
  listOfferedOrganizations,
  releaseDomain,
  removeSingleSignOn,
  setSingleSignOn,
  testSingleSignOn,
  type DomainView,
  type SingleSignOnView,
} from "@signalbox/contract/single-sign-on";
import type { DomainId, OrganizationId, OrganizationRole } from "@signalbox/contract/primitives";
import { newId } from "@signalbox/kernel/id";
import { sql } from "kysely";
import type { z } from "zod";
import { hasRole } from "../../http/authenticate.ts";
import { handle, refused, type BoundRoute, type RequestContext } from "../../http/handle.ts";
import { accountEnds } from "../identity/public.ts";
import { domain, domainOf, type DomainCommand, normalDomain } from "./domain.ts";
import { provenEmail } from "./email.ts";
import type { AccountParts } from "./public.ts";
import { NOT_CONFIGURED } from "./routes.ts";
import { redirectUri, secretName, settingsOf } from "./sign-on-routes.ts";
import { singleSignOn, type SingleSignOnCommand, type SingleSignOnSettings } from "./single-sign-on.ts";

const MAX_DOMAINS = 50;

interface DomainRow {
  id: DomainId;
  domain: string;
  record: string;
  join_role: OrganizationRole | null;
  claimed_at: Date;
  proven_at: Date | null;
}
interface Holder {
  organization_id: OrganizationId;
  organization_name: string;
  join_role: OrganizationRole | null;
}
type Acting = Pick<RequestContext, "caller" | "origin">;

export function signOnSettingsRoutes(parts: AccountParts): readonly BoundRoute[] {
  const { log, db, anywhere, identity, openId, secrets, publicUrl } = parts;
  const stream = (id: string) => ({ type: "organization" as const, id });

  const change = ({ caller: { organizationId }, origin }: Acting, command: SingleSignOnCommand) =>
    log.run(singleSignOn, { organizationId, origin, stream: stream(organizationId), subject: `single_sign_on:${organizationId}` }, command);
  const changeOf = ({ caller: { organizationId }, origin }: Acting, id: string, command: DomainCommand) =>
    log.run(domain, { organizationId, origin, stream: stream(organizationId), subject: `domain:${id}` }, command);

  const domainRows = async (organizationId: string): Promise<DomainRow[]> =>
    (await db.inOrganization(organizationId, (tx) => sql<DomainRow>`select * from proj_domains order by claimed_at, id`.execute(tx))).rows;
  const domainRow = async (organizationId: string, id: string) => (await domainRows(organizationId)).find((row) => row.id === id);
  const holderOf = async (name: string): Promise<Holder | undefined> =>
    (await anywhere.query<Holder>("select * from acc_domain_holder($1)", [name])).rows[0];

  /** What somebody may join by the address that they have proven. One at most: a domain is one organization's. */
  async function offeredTo(
    principalId: string,
  ): Promise<{ readonly holder: Holder; readonly role: OrganizationRole; readonly name: string } | null> {
    const person = await provenEmail(anywhere, principalId);
    const holder = person === null ? undefined : await holderOf(domainOf(person.email));
    if (person === null || holder === undefined || holder.join_role === null) return null;
    // Where the provider is the only way in, it is the way in.
    if ((await settingsOf(parts, holder.organization_id))?.isRequired === true) return null;
    if ((await identity.roleOf(holder.organization_id, principalId)) !== null) return null;
    return { holder, role: holder.join_role, name: person.name };
  }

  return [
    handle(getSingleSignOn, async ({ caller }) => {
      const settings = await settingsOf(parts, caller.organizationId);
      return { configuration: settings === null ? null : view(settings), redirect_uri: redirectUri(publicUrl()) };
    }),

    handle(setSingleSignOn, async (request) => {
      const { caller, body } = request;
      const { organizationId } = caller;
      if (!parts.isOn) return NOT_CONFIGURED;
      const problem = openId.issuerProblem(body.issuer);
      if (problem !== null)
        return refused("issuer_refused", {
          message: problem,
          fix: "Give the issuer as the provider names it, on an https address that everybody can reach; the operator may allow others with SIGNALBOX_SSO_ALLOW_PRIVATE=true.",
        });
      const tooHigh = [body.default_role, ...body.role_mapping.map(({ role }) => role)].find(
        (role) => role !== null && !hasRole(caller.role, role),
      );
      if (tooHigh !== undefined)
        return refused("role_too_low", {
          message: `You are ${caller.role} and cannot have anybody made ${tooHigh}.`,
          fix: "Map to roles up to your own.",
        });
      const kept = await secrets.get(organizationId, secretName(body.issuer));
      if (body.client_secret === undefined && !kept.ok)
        return kept.code === "sealed"
          ? refused("secrets_sealed", { message: kept.reason })
          : refused("client_secret_missing", {
              message: "The client's secret is missing: this issuer's was not given yet.",
              fix: "Give the one that the provider shows.",
            });
      const settings: SingleSignOnSettings = {
        issuer: body.issuer,
        clientId: body.client_id,
        roleClaim: body.role_claim,
        roleMapping: body.role_mapping,
        defaultRole: body.default_role,
        isRequired: body.is_required,
        trustsEmail: body.trusts_email,
      };
      const before = await settingsOf(parts, organizationId);
      if (body.client_secret !== undefined) {
        const put = await secrets.put(organizationId, secretName(body.issuer), body.client_secret);
        if (!put.ok) return refused("secrets_sealed", { message: put.reason });
      }
      const decision = await change(request, {
        type: "configure",
        organizationId: organizationId as OrganizationId,
        settings,
        secretChanged: body.client_secret !== undefined,
      });
      if (!decision.ok)
        return refused("single_sign_on_untried", {
          message: "Nobody has signed in through it yet, so requiring it might lock everybody out.",
          fix: "Save it without, sign in through it once, then require it.",
        });
      if (before !== null && before.issuer !== body.issuer) await secrets.delete(organizationId, secretName(before.issuer));
      // Before the answer: whoever came another way is out from here on.
      if (settings.isRequired && before?.isRequired !== true) await identity.reconnect(organizationId);
      return view((await settingsOf(parts, organizationId))!);
    }),

    handle(removeSingleSignOn, async (request) => {
      const { organizationId } = request.caller;
      const before = await settingsOf(parts, organizationId);
      const decision = await change(request, { type: "remove" });
      if (!decision.ok) return NOT_FOUND;
      if (before !== null) await secrets.delete(organizationId, secretName(before.issuer));
      return DONE;
    }),

    handle(testSingleSignOn, async ({ caller: { organizationId } }) => {
      const settings = await settingsOf(parts, organizationId);
      if (settings === null) return NOT_FOUND;
      const secret = await secrets.get(organizationId, secretName(settings.issuer));
      if (!secret.ok) return { works: false, problem: secret.code === "sealed" ? secret.reason : "Its secret is missing: save it again." };
      const problem = await openId.check({ issuer: settings.issuer, clientId: settings.clientId, clientSecret: secret.value });
      return { works: problem === null, problem };
    }),

    handle(listDomains, async ({ caller }) => ({ items: (await domainRows(caller.organizationId)).map(domainView) })),

    handle(claimDomain, async (request) => {
      const { organizationId } = request.caller;
      const name = normalDomain(request.body.domain);
      if (name === null)
        return refused("domain_invalid", {
          message: "That is not a mail domain.",
          fix: "Write what stands behind the @, like example.com; of other scripts the xn-- form.",
        });
      const rows = await domainRows(organizationId);
      if (rows.some((row) => row.domain === name)) return refused("domain_claimed", { message: "It is claimed already." });
      if (rows.length >= MAX_DOMAINS)
        return refused("too_many_domains", { message: `There are ${MAX_DOMAINS} already.`, fix: "Release one that you do not need." });
      const id = newId("dom") as DomainId;
      await changeOf(request, id, { type: "claim", id, domain: name, record: `signalbox-domain=${randomBytes(18).toString("base64url")}` });
      return domainView((await domainRow(organizationId, id))!);
    }),

    handle(checkDomain, async (request) => {
      const { organizationId } = request.caller;
      const row = await domainRow(organizationId, request.params.id);
      if (row === undefined) return NO_DOMAIN;
      const found = await parts.textRecords(recordName(row.domain));
      if (!found.includes(row.record))
        return refused("domain_unproven", {
          message: `There is no TXT record ${recordName(row.domain)} that says so${found.length === 0 ? "" : "; others of that name are there"}.`,
          fix: `Add a TXT record named ${recordName(row.domain)} with the value ${row.record}, wait until it is published, and check again.`,
        });
      const holder = await holderOf(row.domain);
      if (holder !== undefined && holder.organization_id !== organizationId)
        return refused("domain_taken", {
          message: "Another organization of this installation has proven it before.",
          fix: "Have it released there first.",
        });
      const decision = await changeOf(request, row.id, { type: "prove" });
      return decision.ok ? domainView((await domainRow(organizationId, row.id))!) : NO_DOMAIN;
    }),

    handle(changeDomain, async (request) => {
      const { params, body, caller } = request;
      const decision = await changeOf(request, params.id, { type: "set_joining", role: body.join_role });
      if (!decision.ok)
        return decision.refusal.code === "domain_not_found"
          ? NO_DOMAIN
          : refused("domain_unproven", { message: "It is not proven yet.", fix: "Add the TXT record and check it first." });
      return domainView((await domainRow(caller.organizationId, params.id))!);
    }),

    handle(releaseDomain, async (request) => {
      const decision = await changeOf(request, request.params.id, { type: "release" });
      return decision.ok ? DONE : NO_DOMAIN;
    }),

    handle(listOfferedOrganizations, async ({ caller }) => {
      const offered = await offeredTo(caller.principal.id);
      if (offered === null) return { items: [] };
      const { holder, role } = offered;
      return { items: [{ id: holder.organization_id, name: holder.organization_name, role }] };
    }),

    handle(joinOfferedOrganization, async ({ caller, params, origin }) => {
      const offered = await offeredTo(caller.principal.id);
      if (offered === null || offered.holder.organization_id !== params.id)
        return refused("organization_not_found", {
          message: "No such organization is offered to you.",
          fix: "Ask somebody in it for an invitation.",
        });
      const { role, name } = offered;
      const join = () =>
        log.unit({ organizationId: params.id, origin }, (unit) =>
          identity.addMember(unit, { organizationId: params.id, id: caller.principal.id, displayName: name, role, joinedBy: "domain" }),
        );
      await identity.admission.give(caller.principal.id, join, accountEnds);
      identity.changed(caller.principal.id);
      return { organization_id: params.id, role };
    }),
  ];
}

/** Those that the organization has claimed, proven or not. */
export async function domainsOf(
  { db }: Pick<AccountParts, "db">,
  organizationId: string,
): Promise<readonly { readonly domain: string; readonly isProven: boolean }[]> {
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<DomainRow>`select * from proj_domains order by claimed_at, id`.execute(tx),
  );
  return rows.map((row) => ({ domain: row.domain, isProven: row.proven_at !== null }));
}

const DONE = { ok: true as const };
const NOT_FOUND = refused("single_sign_on_not_found", { message: "No provider is configured." });
const NO_DOMAIN = refused("domain_not_found", { message: "There is no such domain.", fix: "List them with GET /v1/organization/domains." });

const recordName = (name: string): string => `_signalbox.${name}`;

const view = (of: NonNullable<Awaited<ReturnType<typeof settingsOf>>>): z.input<typeof SingleSignOnView> => ({
  issuer: of.issuer,
  client_id: of.clientId,
  role_claim: of.roleClaim,
  role_mapping: [...of.roleMapping],
  default_role: of.defaultRole,
  is_required: of.isRequired,
  trusts_email: of.trustsEmail,
  has_worked: of.hasWorked,
  changed_at: of.changedAt.toISOString(),
});
const domainView = (row: DomainRow): z.input<typeof DomainView> => ({
  id: row.id,
  domain: row.domain,
  is_proven: row.proven_at !== null,
  record_name: recordName(row.domain),
  record_value: row.record,
  join_role: row.join_role,
  claimed_at: row.claimed_at.toISOString(),
});
