import { z } from "zod";
import { CapabilityGrant, CapabilityKind } from "../capabilities.ts";
import { CapabilityId, PrincipalId, Timestamp } from "../primitives.ts";

/** What somebody tried to make of a capability and may not. */
export const DelegationDenial = z.enum(["wider", "outlives", "too_deep", "revoked", "expired"]);
export type DelegationDenial = z.infer<typeof DelegationDenial>;

const capability_id = CapabilityId;
/** Subject `capability:<id>` of the organization's stream. Tokens are never in here. */
export const CapabilityEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("capability.issued"),
    data: z.object({
      capability_id,
      kind: CapabilityKind,
      name: z.string(),
      principal_id: PrincipalId,
      grant: CapabilityGrant,
      expires_at: Timestamp,
      replaces: CapabilityId.optional(),
      by: PrincipalId,
    }),
  }),
  /** By its holder; `offline` when they asked nobody, and this is its first use. */
  z.object({
    type: z.literal("capability.delegated"),
    data: z.object({
      capability_id,
      kind: CapabilityKind,
      name: z.string(),
      principal_id: PrincipalId,
      parent_id: CapabilityId,
      /** From the root to itself. */
      path: z.array(CapabilityId),
      grant: CapabilityGrant,
      expires_at: Timestamp,
      offline: z.boolean(),
    }),
  }),
  z.object({
    type: z.literal("capability.revoked"),
    data: z.object({ capability_id, reason: z.enum(["revoked", "replaced"]), by: PrincipalId }),
  }),
  /** Recorded on the parent. */
  z.object({
    type: z.literal("capability.delegation_denied"),
    data: z.object({ capability_id, reason: DelegationDenial, name: z.string(), grant: CapabilityGrant.optional(), by: PrincipalId }),
  }),
]);
export type CapabilityEvent = z.infer<typeof CapabilityEvent>;
