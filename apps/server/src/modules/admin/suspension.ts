/* An organization, or a person: (none) ──suspend──► suspended ──restore──► (none). Both again are nothing. */
import type { AdminEvent } from "@signalbox/contract/events/admin";
import type { OrganizationId, PrincipalId } from "@signalbox/contract/primitives";
import { accept, type Decider } from "@signalbox/kernel/decider";

export type Suspension = { readonly isSuspended: boolean };
export type Suspended =
  | { readonly kind: "organization"; readonly id: OrganizationId }
  | { readonly kind: "person"; readonly id: PrincipalId };
export type SuspensionCommand = Suspended & ({ readonly type: "suspend"; readonly reason: string } | { readonly type: "restore" });
export type SuspensionEvent = Extract<AdminEvent, { type: `${"organization" | "principal"}.${string}` }>;

export const suspension: Decider<Suspension, SuspensionCommand, SuspensionEvent, never> = {
  initial: { isSuspended: false },

  decide(state, command) {
    if (state.isSuspended === (command.type === "suspend")) return accept();
    const isOrganization = command.kind === "organization";
    if (command.type === "suspend")
      return isOrganization
        ? accept({ type: "organization.suspended", data: { organization_id: command.id, reason: command.reason } })
        : accept({ type: "principal.suspended", data: { principal_id: command.id, reason: command.reason } });
    return isOrganization
      ? accept({ type: "organization.restored", data: { organization_id: command.id } })
      : accept({ type: "principal.restored", data: { principal_id: command.id } });
  },

  evolve: (_state, event) => ({ isSuspended: event.type.endsWith(".suspended") }),
};
