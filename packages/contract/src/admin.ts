/*
 * The operator's view of the whole installation. To everybody else these routes do not exist: 404.
 * Operators are the installation's owner, and whoever has proven an address of SIGNALBOX_OPERATORS.
 */
import { z } from "zod";
import { LoginView } from "./accounts.ts";
import { ImpersonationId, OrganizationId, OrganizationRole, page, PageQuery, PrincipalId, Timestamp } from "./primitives.ts";
import { QuotasView } from "./quotas.ts";
import { route } from "./route.ts";

const done = z.object({ ok: z.literal(true) });
const search = PageQuery.extend({ q: z.string().trim().max(200).optional().describe("In names, addresses and ids.") });
const reason = z.string().trim().min(10, "say why, in at least ten characters").max(500);
const Suspension = z.object({ reason: z.string(), at: Timestamp }).nullable();

export const AdminOrganizationView = z
  .object({
    id: OrganizationId,
    name: z.string(),
    state: z.enum(["open", "suspended", "deleted"]),
    suspension: Suspension,
    created_at: Timestamp,
    member_count: z.int(),
    live_session_count: z.int(),
    event_count: z.int(),
    /** What it may use, and uses. */
    quotas: QuotasView,
  })
  .meta({ id: "AdminOrganization" });
export const AdminPersonView = z
  .object({
    id: PrincipalId,
    name: z.string(),
    email: z.string().nullable().describe("Null: of before there were accounts."),
    is_email_proven: z.boolean(),
    suspension: Suspension,
    created_at: Timestamp,
    seen_at: Timestamp.nullable(),
    is_operator: z.boolean().describe("Operates the installation: is neither suspended nor acted as."),
    organizations: z.array(z.object({ id: OrganizationId, name: z.string(), role: OrganizationRole, is_suspended: z.boolean() })),
  })
  .meta({ id: "AdminPerson" });

export const getAdminStatus = route({
  id: "admin.status",
  summary: "Whether you operate this installation",
  method: "GET",
  path: "/v1/admin/status",
  ok: z.object({ is_operator: z.literal(true) }).meta({ id: "AdminStatus" }),
  refusals: {},
  access: "operator",
});
export const listAdminOrganizations = route({
  id: "admin.organizations.list",
  summary: "Organizations of the installation, the newest first",
  method: "GET",
  path: "/v1/admin/organizations",
  query: search,
  ok: page(AdminOrganizationView).meta({ id: "AdminOrganizationPage" }),
  refusals: {},
  access: "operator",
});
export const listAdminPeople = route({
  id: "admin.people.list",
  summary: "People of the installation, the newest first",
  method: "GET",
  path: "/v1/admin/people",
  query: search,
  ok: page(AdminPersonView).meta({ id: "AdminPersonPage" }),
  refusals: {},
  access: "operator",
});
export const listAdminLogins = route({
  id: "admin.logins.list",
  summary: "A person's open sign-ins",
  method: "GET",
  path: "/v1/admin/people/:id/logins",
  params: z.object({ id: PrincipalId }),
  ok: z.object({ items: z.array(LoginView) }).meta({ id: "AdminLoginList" }),
  refusals: { person_not_found: 404 },
  access: "operator",
});
export const suspendOrganization = route({
  id: "admin.organizations.suspend",
  summary: "Let nobody into an organization until it is restored; nothing in it is lost",
  method: "POST",
  path: "/v1/admin/organizations/:id/suspend",
  params: z.object({ id: OrganizationId }),
  body: z.object({ reason }),
  ok: done,
  refusals: { organization_not_found: 404, organization_is_local: 409 },
  access: "operator",
});
export const restoreOrganization = route({
  id: "admin.organizations.restore",
  summary: "Let its people in again",
  method: "POST",
  path: "/v1/admin/organizations/:id/restore",
  params: z.object({ id: OrganizationId }),
  body: z.object({}),
  ok: done,
  refusals: { organization_not_found: 404 },
  access: "operator",
});
export const suspendPerson = route({
  id: "admin.people.suspend",
  summary: "Let a person in nowhere until they are restored, by no credential",
  method: "POST",
  path: "/v1/admin/people/:id/suspend",
  params: z.object({ id: PrincipalId }),
  body: z.object({ reason }),
  ok: done,
  refusals: { person_not_found: 404, person_is_operator: 409 },
  access: "operator",
});
export const restorePerson = route({
  id: "admin.people.restore",
  summary: "Let them in again",
  method: "POST",
  path: "/v1/admin/people/:id/restore",
  params: z.object({ id: PrincipalId }),
  body: z.object({}),
  ok: done,
  refusals: { person_not_found: 404 },
  access: "operator",
});
export const listOutbox = route({
  id: "admin.outbox.list",
  summary: "Mails that wait for you to hand them over, since there is no mail server: codes, links, invitations",
  method: "GET",
  path: "/v1/admin/outbox",
  ok: z
    .object({
      items: z.array(
        z.object({ id: z.string(), to: z.string(), subject: z.string(), text: z.string(), created_at: Timestamp, expires_at: Timestamp }),
      ),
    })
    .meta({ id: "Outbox" }),
  refusals: {},
  access: "operator",
});
export const startImpersonation = route({
  id: "admin.impersonations.start",
  summary: "Act as somebody in one of their organizations, in this browser, for a while; both names are in every event",
  method: "POST",
  path: "/v1/admin/impersonations",
  body: z.object({
    organization_id: OrganizationId,
    principal_id: PrincipalId,
    reason,
    minutes: z.int().min(1).max(60).default(15),
  }),
  ok: z.object({ id: ImpersonationId, expires_at: Timestamp }).meta({ id: "StartedImpersonation" }),
  okStatus: 201,
  refusals: { person_not_found: 404, person_is_operator: 409, person_suspended: 409, organization_suspended: 409, not_a_browser: 409 },
  access: "operator",
});
export const stopImpersonation = route({
  id: "auth.impersonation.stop",
  summary: "Be yourself again",
  method: "POST",
  path: "/v1/auth/impersonation/stop",
  body: z.object({}),
  ok: done,
  refusals: { impersonation_not_found: 404 },
  access: "person",
});
