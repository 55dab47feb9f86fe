import { z } from "zod";
import { OrganizationId, OrganizationRole, PrincipalId, PrincipalType, Timestamp, TokenId } from "../primitives.ts";

/** Stored for ever. A shape never changes in place: add a new type, or a version with an upcaster. */
export const IdentityEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("organization.created"), data: z.object({ organization_id: OrganizationId, name: z.string() }) }),
  z.object({
    type: z.literal("principal.registered"),
    data: z.object({
      principal_id: PrincipalId,
      principal_type: PrincipalType,
      display_name: z.string(),
      role: OrganizationRole.optional(),
    }),
  }),
  /** They deleted their account: the name is erased from `principal.registered`, and nobody gets this id again. */
  z.object({ type: z.literal("principal.deleted"), data: z.object({ principal_id: PrincipalId }) }),
  z.object({
    type: z.literal("token.created"),
    data: z.object({
      token_id: TokenId,
      name: z.string(),
      principal_id: PrincipalId,
      scopes: z.array(z.string()),
      expires_at: Timestamp.optional(),
    }),
  }),
  z.object({ type: z.literal("token.revoked"), data: z.object({ token_id: TokenId }) }),
  z.object({
    type: z.literal("login.opened"),
    data: z.object({ principal_id: PrincipalId, login_id: z.string(), method: z.string() }),
  }),
  z.object({ type: z.literal("login.ended"), data: z.object({ principal_id: PrincipalId, login_id: z.string() }) }),
  /** A link was made that signs its holder in once. */
  z.object({ type: z.literal("login.link_made"), data: z.object({ principal_id: PrincipalId }) }),
  z.object({ type: z.literal("login.succeeded"), data: z.object({ principal_id: PrincipalId, method: z.enum(["login_link"]) }) }),
]);
export type IdentityEvent = z.infer<typeof IdentityEvent>;
