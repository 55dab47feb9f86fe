/*
 * An organization's own way in: its OpenID provider, its mail domains, and how its people's roles
 * follow from what the provider says of them. `specs/single-sign-on.md`.
 */
import { z } from "zod";
import { RoleMapping } from "./events/single-sign-on.ts";
import { DomainId, OrganizationId, OrganizationRole, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

const done = z.object({ ok: z.literal(true) });
const admin = { resource: "organization", role: "admin", scopes: ["admin"] } as const;

export const SingleSignOnView = z
  .object({
    issuer: z.string(),
    client_id: z.string(),
    role_claim: z.string().nullable().describe("Name of the claim that roles follow from; a dotted path leads into objects."),
    role_mapping: z.array(RoleMapping),
    default_role: OrganizationRole.nullable().describe("Of those whom no mapping names; null: they stay out."),
    is_required: z.boolean().describe("Members but owners come in through the provider only."),
    trusts_email: z.boolean().describe("Takes an address for verified when the provider does not say whether it is."),
    has_worked: z.boolean().describe("Somebody signed in through it since issuer or client last changed."),
    changed_at: Timestamp,
  })
  .meta({ id: "SingleSignOn" });
export const DomainView = z
  .object({
    id: DomainId,
    domain: z.string(),
    is_proven: z.boolean(),
    record_name: z.string(),
    record_value: z.string().describe("What a TXT record of that name must say."),
    join_role: OrganizationRole.nullable().describe(
      "What people with a proven address of the domain may join as; null: they are not offered to.",
    ),
    claimed_at: Timestamp,
  })
  .meta({ id: "OrganizationDomain" });

export const getSingleSignOn = route({
  id: "single_sign_on.get",
  summary: "How the organization's people sign in through its provider",
  method: "GET",
  path: "/v1/organization/single-sign-on",
  ok: z
    .object({ configuration: SingleSignOnView.nullable(), redirect_uri: z.string().describe("To be registered with the provider.") })
    .meta({ id: "SingleSignOnState" }),
  refusals: {},
  access: admin,
});
export const setSingleSignOn = route({
  id: "single_sign_on.set",
  summary: "Configure it; the client's secret is kept sealed and never shown again",
  method: "PUT",
  path: "/v1/organization/single-sign-on",
  body: z.object({
    issuer: z.url().max(500),
    client_id: z.string().trim().min(1).max(500),
    client_secret: z.string().min(1).max(2000).optional().describe("Left out: the one that is kept."),
    role_claim: z.string().trim().min(1).max(200).nullable().default(null),
    role_mapping: z.array(RoleMapping).max(100).default([]),
    default_role: OrganizationRole.nullable().default("member"),
    is_required: z.boolean().default(false),
    trusts_email: z.boolean().default(false),
  }),
  ok: SingleSignOnView,
  refusals: {
    accounts_not_configured: 409,
    issuer_refused: 422,
    client_secret_missing: 422,
    role_too_low: 403,
    single_sign_on_untried: 409,
    secrets_sealed: 409,
  },
  access: admin,
});
export const removeSingleSignOn = route({
  id: "single_sign_on.remove",
  summary: "Forget it; who came in through it stays a member",
  method: "DELETE",
  path: "/v1/organization/single-sign-on",
  ok: done,
  refusals: { single_sign_on_not_found: 404 },
  access: admin,
});
export const testSingleSignOn = route({
  id: "single_sign_on.test",
  summary: "Ask the provider for what it says of itself, and for its keys",
  method: "POST",
  path: "/v1/organization/single-sign-on/test",
  body: z.object({}),
  ok: z.object({ works: z.boolean(), problem: z.string().nullable() }).meta({ id: "SingleSignOnTest" }),
  refusals: { single_sign_on_not_found: 404 },
  access: admin,
});

export const listDomains = route({
  id: "domains.list",
  summary: "Mail domains of the organization",
  method: "GET",
  path: "/v1/organization/domains",
  ok: z.object({ items: z.array(DomainView) }).meta({ id: "OrganizationDomainList" }),
  refusals: {},
  access: admin,
});
export const claimDomain = route({
  id: "domains.claim",
  summary: "Claim a mail domain; a TXT record proves it",
  method: "POST",
  path: "/v1/organization/domains",
  body: z.object({ domain: z.string().trim().min(3).max(253) }),
  ok: DomainView,
  okStatus: 201,
  refusals: { domain_invalid: 422, domain_claimed: 409, too_many_domains: 409 },
  access: admin,
});
const domainParams = z.object({ id: DomainId });
export const checkDomain = route({
  id: "domains.check",
  summary: "Look for the TXT record, and take the domain as proven if it is there",
  method: "POST",
  path: "/v1/organization/domains/:id/check",
  params: domainParams,
  body: z.object({}),
  ok: DomainView,
  refusals: { domain_not_found: 404, domain_unproven: 422, domain_taken: 409 },
  access: admin,
});
export const changeDomain = route({
  id: "domains.change",
  summary: "Offer people with a proven address of the domain to join, or do not",
  method: "PATCH",
  path: "/v1/organization/domains/:id",
  params: domainParams,
  body: z.object({ join_role: z.enum(["viewer", "member"]).nullable() }),
  ok: DomainView,
  refusals: { domain_not_found: 404, domain_unproven: 422 },
  access: admin,
});
export const releaseDomain = route({
  id: "domains.release",
  summary: "Give the claim up",
  method: "DELETE",
  path: "/v1/organization/domains/:id",
  params: domainParams,
  ok: done,
  refusals: { domain_not_found: 404 },
  access: admin,
});

export const listOfferedOrganizations = route({
  id: "organizations.offered",
  summary: "Organizations that people with your address may join",
  method: "GET",
  path: "/v1/organizations/offered",
  ok: z
    .object({ items: z.array(z.object({ id: OrganizationId, name: z.string(), role: OrganizationRole })) })
    .meta({ id: "OfferedOrganizationList" }),
  refusals: {},
  access: "person",
});
export const joinOfferedOrganization = route({
  id: "organizations.join",
  summary: "Join one of them",
  method: "POST",
  path: "/v1/organizations/offered/:id/join",
  params: z.object({ id: OrganizationId }),
  body: z.object({}),
  ok: z.object({ organization_id: OrganizationId, role: OrganizationRole }).meta({ id: "JoinedOrganization" }),
  refusals: { organization_not_found: 404 },
  access: "person",
});

export const startSingleSignOn = route({
  id: "auth.single_sign_on.start",
  summary: "Where to send the browser so that its organization's provider vouches for the person",
  method: "POST",
  path: "/api/auth/sso/start",
  body: z.object({
    email: z.string().trim().min(3).max(255).optional().describe("The organization is found by its domain."),
    organization_id: OrganizationId.optional(),
    next: z.string().max(2000).optional().describe("A path of ours to go on to; default /."),
  }),
  ok: z
    .object({ url: z.string().nullable().describe("Null: nobody's provider vouches for such an address.") })
    .meta({ id: "SingleSignOnStart" }),
  refusals: { accounts_not_configured: 409, provider_unreachable: 502 },
  access: "public",
});
export const finishSingleSignOn = route({
  id: "auth.single_sign_on.finish",
  summary: "Where the provider sends the browser back to; signs in and leads on, or back to /login?error=…",
  method: "GET",
  path: "/api/auth/sso/callback",
  stream: "bytes",
  raw: true,
  ok: z.unknown(),
  refusals: {},
  access: "public",
});
