/*
 * A capability, as far as the log knows it.
 *
 *   (none) ──issue──────► active ──revoke──► revoked
 *     └──delegate (checked by whoever holds the token: `chain.ts`)──► active
 *   active, revoked ──deny──► the same: somebody tried to make more of it than it is
 *
 * Its end is a part of it and checked at every use. That it ends with each of those it was made of is nobody's to
 * decide: whoever uses one presents all of them, and all are asked about.
 */
import type { CapabilityEvent } from "@signalbox/contract/events/capabilities";
import type { PrincipalId } from "@signalbox/contract/primitives";
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";

type Of<T extends CapabilityEvent["type"]> = Extract<CapabilityEvent, { type: T }>["data"];

export type Capability =
  | { readonly status: "none" }
  | { readonly status: "active" | "revoked"; readonly id: Of<"capability.issued">["capability_id"] };
export type CapabilityCommand =
  | { readonly type: "issue"; readonly data: Of<"capability.issued"> }
  | { readonly type: "delegate"; readonly data: Of<"capability.delegated"> }
  | { readonly type: "revoke"; readonly by: PrincipalId; readonly reason: Of<"capability.revoked">["reason"] }
  | { readonly type: "deny"; readonly data: Of<"capability.delegation_denied"> };

export const capability: Decider<Capability, CapabilityCommand, CapabilityEvent, { readonly code: "capability_not_found" }> = {
  initial: { status: "none" },
  decide(state, command) {
    if (state.status === "none") {
      if (command.type === "issue") return accept<CapabilityEvent>({ type: "capability.issued", data: command.data });
      if (command.type === "delegate") return accept<CapabilityEvent>({ type: "capability.delegated", data: command.data });
      return refuse({ code: "capability_not_found" });
    }
    switch (command.type) {
      case "issue":
      case "delegate":
        // Used first in two processes at once: one of them told it.
        return accept();
      case "revoke":
        return state.status === "revoked"
          ? accept()
          : accept<CapabilityEvent>({
              type: "capability.revoked",
              data: { capability_id: state.id, reason: command.reason, by: command.by },
            });
      case "deny":
        return accept<CapabilityEvent>({ type: "capability.delegation_denied", data: command.data });
      default:
        return unreachable(command);
    }
  },
  evolve(state, event) {
    switch (event.type) {
      case "capability.issued":
      case "capability.delegated":
        return { status: "active", id: event.data.capability_id };
      case "capability.revoked":
        return { status: "revoked", id: event.data.capability_id };
      case "capability.delegation_denied":
        return state;
      default:
        return unreachable(event);
    }
  },
};
