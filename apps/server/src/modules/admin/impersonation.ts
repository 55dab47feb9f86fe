/*
 * The operator acts as somebody: (none) ──start──► open ──stop──► stopped        its time: over
 *
 * Being over is not a state: the deadline is asked at every use. Who may be acted as is the shell's to look up.
 */
import type { AdminEvent } from "@signalbox/contract/events/admin";
import type { ImpersonationId, PrincipalId } from "@signalbox/contract/primitives";
import { accept, refuse, type Decider } from "@signalbox/kernel/decider";

export type Impersonation =
  | { readonly status: "none" }
  | {
      readonly status: "open" | "stopped";
      readonly id: ImpersonationId;
      readonly principalId: PrincipalId;
      readonly operatorId: PrincipalId;
    };
export type ImpersonationCommand =
  | {
      readonly type: "start";
      readonly id: ImpersonationId;
      readonly principalId: PrincipalId;
      readonly operatorId: PrincipalId;
      readonly loginId: string;
      readonly reason: string;
      readonly expiresAt: string;
    }
  | { readonly type: "stop" };
export type ImpersonationEvent = Extract<AdminEvent, { type: `impersonation.${string}` }>;

export const impersonation: Decider<Impersonation, ImpersonationCommand, ImpersonationEvent, { code: "impersonation_not_found" }> = {
  initial: { status: "none" },

  decide(state, command) {
    if (command.type === "start") {
      if (state.status !== "none") return accept();
      const { id, principalId, operatorId, loginId, reason, expiresAt } = command;
      return accept({
        type: "impersonation.started",
        data: {
          impersonation_id: id,
          principal_id: principalId,
          operator_id: operatorId,
          login_id: loginId,
          reason,
          expires_at: expiresAt,
        },
      });
    }
    if (state.status === "none") return refuse({ code: "impersonation_not_found" });
    if (state.status === "stopped") return accept();
    return accept({
      type: "impersonation.stopped",
      data: { impersonation_id: state.id, principal_id: state.principalId, operator_id: state.operatorId },
    });
  },

  evolve(state, event) {
    if (event.type === "impersonation.started") {
      const { impersonation_id: id, principal_id: principalId, operator_id: operatorId } = event.data;
      return { status: "open", id, principalId, operatorId };
    }
    return state.status === "none" ? state : { ...state, status: "stopped" };
  },
};
