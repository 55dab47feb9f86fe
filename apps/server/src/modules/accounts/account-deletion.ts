/*
 * That somebody wants their account deleted, in the installation's own log: what is done about it (`delete-account.ts`)
 * rests on this alone, so that whoever dies in between goes on from it.
 *
 *   none ──request──► requested        requested ──stop──► none: they were the last owner of something after all
 *
 * Requesting twice is once; nothing follows `requested` but that it is done.
 */
import type { AccountDeletionEvent } from "@signalbox/contract/events/accounts";
import type { OrganizationId, PrincipalId } from "@signalbox/contract/primitives";
import { accept, type Decider } from "@signalbox/kernel/decider";

interface AccountDeletion {
  readonly status: "none" | "requested";
}
type AccountDeletionCommand =
  | { readonly type: "request"; readonly principalId: PrincipalId }
  | { readonly type: "stop"; readonly principalId: PrincipalId; readonly organizationIds: readonly OrganizationId[] };

export const accountDeletion: Decider<AccountDeletion, AccountDeletionCommand, AccountDeletionEvent, never> = {
  initial: { status: "none" },
  decide(state, command) {
    if (command.type === "request")
      return state.status === "requested"
        ? accept()
        : accept({ type: "account.deletion_requested", data: { principal_id: command.principalId } });
    return state.status === "none"
      ? accept()
      : accept({
          type: "account.deletion_stopped",
          data: { principal_id: command.principalId, organization_ids: [...command.organizationIds] },
        });
  },
  evolve: (_state, event) => ({ status: event.type === "account.deletion_requested" ? "requested" : "none" }),
};
