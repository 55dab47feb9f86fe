import { z } from "zod";
import { DomainId, OrganizationId, OrganizationRole, PrincipalId } from "../primitives.ts";

/** Whoever's claim holds `value` gets `role`; of several the highest. */
export const RoleMapping = z.object({ value: z.string().min(1).max(300), role: OrganizationRole }).meta({ id: "RoleMapping" });

/** How an organization's people sign in through its own OpenID provider, and which mail domains are its own. The client's secret is sealed elsewhere. */
export const SingleSignOnEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("single_sign_on.configured"),
    data: z.object({
      organization_id: OrganizationId,
      issuer: z.string(),
      client_id: z.string(),
      secret_changed: z.boolean(),
      role_claim: z.string().optional(),
      role_mapping: z.array(RoleMapping),
      default_role: OrganizationRole.optional(),
      is_required: z.boolean(),
      trusts_email: z.boolean(),
    }),
  }),
  z.object({ type: z.literal("single_sign_on.removed"), data: z.object({ organization_id: OrganizationId }) }),
  /** The first sign-in through a configuration: from then on it may be required. */
  z.object({
    type: z.literal("single_sign_on.worked"),
    data: z.object({ organization_id: OrganizationId, principal_id: PrincipalId }),
  }),
  z.object({ type: z.literal("domain.claimed"), data: z.object({ domain_id: DomainId, domain: z.string(), record: z.string() }) }),
  z.object({ type: z.literal("domain.proven"), data: z.object({ domain_id: DomainId, domain: z.string() }) }),
  z.object({ type: z.literal("domain.joining_set"), data: z.object({ domain_id: DomainId, role: OrganizationRole.nullable() }) }),
  z.object({ type: z.literal("domain.released"), data: z.object({ domain_id: DomainId }) }),
]);
export type SingleSignOnEvent = z.infer<typeof SingleSignOnEvent>;
