import { z } from "zod";
import { OrganizationId, PrincipalId } from "../primitives.ts";

/** `change_id`: the one change, which stands in the log of each organization that the person is in. */
const change = { principal_id: PrincipalId, change_id: z.uuid() };

/**
 * What changed about how somebody proves who they are: never an address, a name or anything secret. In the log of every
 * organization that they are in; of somebody in none, in the installation's own.
 */
export const AccountEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("account.created"), data: z.object(change) }),
  z.object({ type: z.literal("account.deleted"), data: z.object(change) }),
  z.object({ type: z.literal("account.email_proven"), data: z.object(change) }),
  z.object({ type: z.literal("account.email_changed"), data: z.object(change) }),
  z.object({ type: z.literal("account.password_set"), data: z.object(change) }),
  /** `reset`: by a mailed link; else whoever knew the one before. */
  z.object({ type: z.literal("account.password_changed"), data: z.object({ ...change, how: z.enum(["changed", "reset"]) }) }),
  z.object({ type: z.literal("account.password_removed"), data: z.object(change) }),
  /** `provider`: `github`, `google`, or `single_sign_on` for the organization's own. */
  z.object({ type: z.literal("account.provider_linked"), data: z.object({ ...change, provider: z.string() }) }),
  z.object({ type: z.literal("account.provider_unlinked"), data: z.object({ ...change, provider: z.string() }) }),
  z.object({ type: z.literal("account.passkey_added"), data: z.object({ ...change, passkey_id: z.string() }) }),
  z.object({ type: z.literal("account.passkey_renamed"), data: z.object({ ...change, passkey_id: z.string() }) }),
  z.object({ type: z.literal("account.passkey_removed"), data: z.object({ ...change, passkey_id: z.string() }) }),
]);
export type AccountEvent = z.infer<typeof AccountEvent>;

/** In the installation's own log: what is done about it, in each organization and to the account, follows (`principal.deleted`, `account.deleted`). */
export const AccountDeletionEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("account.deletion_requested"), data: z.object({ principal_id: PrincipalId }) }),
  /** They turned out to be the last owner of these: of two owners who went at once, the second. The account stays. */
  z.object({
    type: z.literal("account.deletion_stopped"),
    data: z.object({ principal_id: PrincipalId, organization_ids: z.array(OrganizationId) }),
  }),
]);
export type AccountDeletionEvent = z.infer<typeof AccountDeletionEvent>;
