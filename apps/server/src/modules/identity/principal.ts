/*
 * A principal: known by its name from its first registration on. Whether it may call, and as what,
 * is its membership's to say (`organization.ts`).
 *
 *   principal:     (none) ──register──► registered ──logged_in──► registered
 *
 * Registering again is accepted and changes nothing, so that callers need not look first.
 */
import type { IdentityEvent } from "@signalbox/contract/events/identity";
import type { OrganizationRole, PrincipalId, PrincipalType } from "@signalbox/contract/primitives";
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";

export type PrincipalState = { readonly status: "none" } | { readonly status: "registered" };
export type PrincipalCommand =
  | {
      readonly type: "register";
      readonly id: PrincipalId;
      readonly principalType: PrincipalType;
      readonly displayName: string;
      readonly role?: OrganizationRole | undefined;
    }
  | { readonly type: "log_in"; readonly id: PrincipalId }
  | { readonly type: "open_login"; readonly id: PrincipalId; readonly loginId: string; readonly method: string }
  | { readonly type: "end_login"; readonly id: PrincipalId; readonly loginId: string };
type PrincipalEvent = Extract<IdentityEvent, { type: "principal.registered" | `login.${string}` }>;

export const principal: Decider<PrincipalState, PrincipalCommand, PrincipalEvent, { code: "principal_not_found" }> = {
  initial: { status: "none" },

  decide(state, command) {
    switch (command.type) {
      case "register": {
        if (state.status === "registered") return accept();
        const { id, principalType, displayName, role } = command;
        return accept({
          type: "principal.registered",
          data: { principal_id: id, principal_type: principalType, display_name: displayName, ...(role === undefined ? {} : { role }) },
        });
      }
      case "log_in":
        return state.status === "none"
          ? refuse({ code: "principal_not_found" })
          : accept({ type: "login.succeeded", data: { principal_id: command.id, method: "login_link" } });
      case "open_login":
      case "end_login": {
        if (state.status === "none") return refuse({ code: "principal_not_found" });
        const login = { principal_id: command.id, login_id: command.loginId };
        return command.type === "open_login"
          ? accept({ type: "login.opened", data: { ...login, method: command.method } })
          : accept({ type: "login.ended", data: login });
      }
      default:
        return unreachable(command);
    }
  },

  evolve: () => ({ status: "registered" }),
};
