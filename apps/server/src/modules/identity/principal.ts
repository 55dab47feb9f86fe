/*
 * A principal: known by its name from its first registration on. Whether it may call, and as what,
 * is its membership's to say (`organization.ts`).
 *
 *   principal:     (none) ──register──► registered ──log_in, make_link, open_login, end_login──► registered
 *                                           └──delete (their account is)──► deleted
 *
 * Registering again is accepted and changes nothing, so that callers need not look first; so is ending a sign-in again,
 * since whoever ends it tells it at once and the row's deletion tells it for certain (migration 0850). Whoever is deleted
 * does not come back under that id: what was on its way while it happened is refused.
 */
import type { IdentityEvent } from "@signalbox/contract/events/identity";
import type { OrganizationRole, PrincipalId, PrincipalType } from "@signalbox/contract/primitives";
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";

export type PrincipalState =
  | { readonly status: "none" | "deleted" }
  | {
      readonly status: "registered";
      /** Ids of sign-ins that are over. */
      readonly ended: ReadonlySet<string>;
    };
export type PrincipalCommand =
  | {
      readonly type: "register";
      readonly id: PrincipalId;
      readonly principalType: PrincipalType;
      readonly displayName: string;
      readonly role?: OrganizationRole | undefined;
    }
  | { readonly type: "log_in" | "make_link" | "delete"; readonly id: PrincipalId }
  | { readonly type: "open_login"; readonly id: PrincipalId; readonly loginId: string; readonly method: string }
  | { readonly type: "end_login"; readonly id: PrincipalId; readonly loginId: string };
const NONE: ReadonlySet<string> = new Set();
type PrincipalEvent = Extract<IdentityEvent, { type: `principal.${string}` | `login.${string}` }>;

export const principal: Decider<PrincipalState, PrincipalCommand, PrincipalEvent, { code: "principal_not_found" }> = {
  initial: { status: "none" },

  decide(state, command) {
    if (state.status === "deleted") return command.type === "delete" ? accept() : refuse({ code: "principal_not_found" });
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
      case "make_link":
        return state.status === "none"
          ? refuse({ code: "principal_not_found" })
          : accept({ type: "login.link_made", data: { principal_id: command.id } });
      case "delete":
        return state.status === "none"
          ? refuse({ code: "principal_not_found" })
          : accept({ type: "principal.deleted", data: { principal_id: command.id } });
      case "open_login":
      case "end_login": {
        if (state.status !== "registered") return refuse({ code: "principal_not_found" });
        const login = { principal_id: command.id, login_id: command.loginId };
        if (command.type === "open_login") return accept({ type: "login.opened", data: { ...login, method: command.method } });
        return state.ended.has(command.loginId) ? accept() : accept({ type: "login.ended", data: login });
      }
      default:
        return unreachable(command);
    }
  },

  evolve(state, event) {
    if (event.type === "principal.deleted") return { status: "deleted" };
    const ended = state.status === "registered" ? state.ended : NONE;
    return { status: "registered", ended: event.type === "login.ended" ? new Set(ended).add(event.data.login_id) : ended };
  },
};
