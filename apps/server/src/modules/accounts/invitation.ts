/*
 * An invitation: (none) ──create──► open ──accept──► accepted        open ──revoke──► revoked
 *
 * Expiry is a deadline, checked at every use; sending again moves it. Whether the address is the one
 * that was invited is decided here, from the history: whoever holds the link but not the address
 * stays out. Two who accept at once race for the version; the second finds it accepted.
 */
import type { InvitationEvent } from "@signalbox/contract/events/invitations";
import type { InvitationId, OrganizationRole, PrincipalId } from "@signalbox/contract/primitives";
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";

export type Invitation =
  | { readonly status: "none" | "revoked" }
  | { readonly status: "accepted"; readonly principalId: PrincipalId; readonly role: OrganizationRole | null }
  | {
      readonly status: "open";
      readonly id: InvitationId;
      /** Null: erased. */
      readonly email: string | null;
      readonly role: OrganizationRole | null;
      readonly expiresAt: string | null;
    };
export type InvitationCommand =
  | {
      readonly type: "create";
      readonly id: InvitationId;
      readonly email: string;
      readonly role: OrganizationRole;
      readonly expiresAt: string;
    }
  | { readonly type: "send_again"; readonly expiresAt: string }
  | { readonly type: "revoke" }
  | { readonly type: "accept"; readonly principalId: PrincipalId; readonly provenEmail: string | null; readonly now: string };
export type InvitationRefusal = {
  code: "invitation_not_found" | "invitation_closed" | "invitation_expired" | "invitation_for_another";
};

export const invitation: Decider<Invitation, InvitationCommand, InvitationEvent, InvitationRefusal> = {
  initial: { status: "none" },

  decide(state, command) {
    switch (state.status) {
      case "none": {
        if (command.type !== "create") return refuse({ code: "invitation_not_found" });
        const { id, email, role, expiresAt } = command;
        return accept({ type: "invitation.created", data: { invitation_id: id, email, role, expires_at: expiresAt } });
      }
      case "open":
        return decideOpen(state, command);
      case "accepted":
        // Pressed twice by the one who is in: the same answer.
        return command.type === "accept" && command.principalId === state.principalId ? accept() : refuse({ code: "invitation_closed" });
      case "revoked":
        return refuse({ code: "invitation_closed" });
      default:
        return unreachable(state);
    }
  },

  evolve(state, event) {
    switch (event.type) {
      case "invitation.created": {
        const { invitation_id: id, email, role, expires_at } = event.data;
        return { status: "open", id, email: email ?? null, role: role ?? null, expiresAt: expires_at ?? null };
      }
      case "invitation.sent_again":
        return state.status === "open" ? { ...state, expiresAt: event.data.expires_at } : state;
      case "invitation.revoked":
        return { status: "revoked" };
      case "invitation.accepted":
        return { status: "accepted", principalId: event.data.principal_id, role: state.status === "open" ? state.role : null };
      default:
        return unreachable(event);
    }
  },
};

function decideOpen(state: Extract<Invitation, { status: "open" }>, command: InvitationCommand) {
  switch (command.type) {
    case "create":
      return accept<InvitationEvent>();
    case "send_again":
      return accept<InvitationEvent>({
        type: "invitation.sent_again",
        data: { invitation_id: state.id, expires_at: command.expiresAt },
      });
    case "revoke":
      return accept<InvitationEvent>({ type: "invitation.revoked", data: { invitation_id: state.id } });
    case "accept":
      if (state.email === null || command.provenEmail !== state.email) return refuse({ code: "invitation_for_another" as const });
      if (state.expiresAt === null || state.expiresAt <= command.now) return refuse({ code: "invitation_expired" as const });
      return accept<InvitationEvent>({
        type: "invitation.accepted",
        data: { invitation_id: state.id, principal_id: command.principalId },
      });
    default:
      return unreachable(command);
  }
}
