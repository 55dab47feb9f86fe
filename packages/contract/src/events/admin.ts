import { z } from "zod";
import { ImpersonationId, OrganizationId, PrincipalId, Timestamp } from "../primitives.ts";

/** What the operator of the installation does to organizations and people; each in the log of the organization that it concerns, a person's suspension in the installation's own. */
export const AdminEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("impersonation.started"),
    data: z.object({
      impersonation_id: ImpersonationId,
      principal_id: PrincipalId,
      operator_id: PrincipalId,
      login_id: z.string(),
      reason: z.string(),
      expires_at: Timestamp,
    }),
  }),
  z.object({
    type: z.literal("impersonation.stopped"),
    data: z.object({ impersonation_id: ImpersonationId, principal_id: PrincipalId, operator_id: PrincipalId }),
  }),
  z.object({ type: z.literal("organization.suspended"), data: z.object({ organization_id: OrganizationId, reason: z.string() }) }),
  z.object({ type: z.literal("organization.restored"), data: z.object({ organization_id: OrganizationId }) }),
  z.object({ type: z.literal("principal.suspended"), data: z.object({ principal_id: PrincipalId, reason: z.string() }) }),
  z.object({ type: z.literal("principal.restored"), data: z.object({ principal_id: PrincipalId }) }),
  /** By hand; rings rotate by themselves too. `dropped`: what the keys before had signed ended. In the installation's own log. */
  z.object({ type: z.literal("key_ring.rotated"), data: z.object({ ring: z.string(), kid: z.string(), dropped: z.boolean() }) }),
]);
export type AdminEvent = z.infer<typeof AdminEvent>;
