/*
 * A team: (none) ──create──► open ⇄ rename, add_member, remove_member ──delete──► deleted
 *
 * Whether somebody is a member of the organization is asked by the route; one who leaves the
 * organization is shown in no team any more, and comes back into none.
 */
import type { MembershipEvent } from "@signalbox/contract/events/organizations";
import type { PrincipalId, TeamId } from "@signalbox/contract/primitives";
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";

export type Team =
  | { readonly status: "none" | "deleted" }
  | { readonly status: "open"; readonly id: TeamId; readonly name: string | null; readonly members: ReadonlySet<string> };
export type TeamCommand =
  | { readonly type: "create"; readonly id: TeamId; readonly name: string }
  | { readonly type: "rename"; readonly name: string }
  | { readonly type: "add_member"; readonly principalId: PrincipalId }
  | { readonly type: "remove_member"; readonly principalId: PrincipalId }
  | { readonly type: "delete" };
export type TeamEvent = Extract<MembershipEvent, { type: `team.${string}` }>;

export const team: Decider<Team, TeamCommand, TeamEvent, { code: "team_not_found" }> = {
  initial: { status: "none" },

  decide(state, command) {
    if (state.status !== "open")
      return command.type === "create" && state.status === "none"
        ? accept({ type: "team.created", data: { team_id: command.id, name: command.name } })
        : refuse({ code: "team_not_found" });
    const { id: team_id } = state;
    switch (command.type) {
      case "create":
        return accept();
      case "rename":
        return command.name === state.name ? accept() : accept({ type: "team.renamed", data: { team_id, name: command.name } });
      case "add_member":
        return state.members.has(command.principalId)
          ? accept()
          : accept({ type: "team.member_added", data: { team_id, principal_id: command.principalId } });
      case "remove_member":
        return state.members.has(command.principalId)
          ? accept({ type: "team.member_removed", data: { team_id, principal_id: command.principalId } })
          : accept();
      case "delete":
        return accept({ type: "team.deleted", data: { team_id } });
      default:
        return unreachable(command);
    }
  },

  evolve(state, event) {
    if (event.type === "team.created") return { status: "open", id: event.data.team_id, name: event.data.name ?? null, members: new Set() };
    if (event.type === "team.deleted") return { status: "deleted" };
    if (state.status !== "open") throw new Error(`${event.type} in a team that is ${state.status}`);
    const members = new Set<string>(state.members);
    switch (event.type) {
      case "team.renamed":
        return { ...state, name: event.data.name ?? null };
      case "team.member_added":
        return { ...state, members: members.add(event.data.principal_id) };
      case "team.member_removed":
        members.delete(event.data.principal_id);
        return { ...state, members };
      default:
        return unreachable(event);
    }
  },
};
