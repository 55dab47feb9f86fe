/*
 * An organization and who is in it: one subject, so that whatever counts owners sees all of them.
 *
 *   (none) ──create──► open ──add, set_role, remove, leave, transfer, rename──► open ──delete──► deleted
 *
 * Invariant: once somebody owns it, somebody does until it is deleted. Two owners who leave at once
 * race for the subject's version; the second decides again on the history with the first gone.
 * Nobody gives, changes or takes away a role above their own; `by` null is the installation itself.
 * Somebody suspended owns nothing that would let another owner go: `suspended` are members who get in nowhere. Who they
 * are is not in this history; suspending is the operator's, refused for nobody, and taken back by the operator.
 *
 * An organization that was created before membership was recorded has no members in its history:
 * its first `add` (at boot, the local owner's) begins it.
 */
import type { IdentityEvent } from "@signalbox/contract/events/identity";
import type { JoinedBy, MembershipEvent } from "@signalbox/contract/events/organizations";
import type { OrganizationId, OrganizationRole, PrincipalId } from "@signalbox/contract/primitives";
import { accept, refuse, unreachable, type Decider, type Decision } from "@signalbox/kernel/decider";
import { hasRole } from "../../http/authenticate.ts";

export type Organization =
  | { readonly status: "none" }
  | { readonly status: "deleted" }
  | {
      readonly status: "open";
      readonly id: OrganizationId;
      readonly name: string | null;
      readonly members: ReadonlyMap<string, OrganizationRole>;
      /** Whether anybody was ever a member. */
      readonly isFounded: boolean;
    };

type By = PrincipalId | null;
interface AmongSuspended {
  readonly suspended: ReadonlySet<string>;
}
export type OrganizationCommand =
  | { readonly type: "create"; readonly organizationId: OrganizationId; readonly name: string }
  /** `only_first`: nothing when anybody was ever a member. */
  | {
      readonly type: "add";
      readonly principalId: PrincipalId;
      readonly role: OrganizationRole;
      readonly joinedBy: JoinedBy;
      readonly onlyFirst?: boolean;
    }
  /** A provider vouched for them. Newcomers come in as `role`; who is in gets it when it is `isMapped` from the provider's word, never the last owner. */
  | (AmongSuspended & {
      readonly type: "sign_on";
      readonly principalId: PrincipalId;
      readonly role: OrganizationRole | null;
      readonly isMapped: boolean;
    })
  | (AmongSuspended & { readonly type: "set_role"; readonly principalId: PrincipalId; readonly role: OrganizationRole; readonly by: By })
  | (AmongSuspended & { readonly type: "remove"; readonly principalId: PrincipalId; readonly by: By })
  | (AmongSuspended & { readonly type: "leave"; readonly principalId: PrincipalId })
  | (AmongSuspended & { readonly type: "transfer"; readonly from: PrincipalId; readonly to: PrincipalId })
  | { readonly type: "rename"; readonly name: string }
  | { readonly type: "delete"; readonly by: PrincipalId; readonly typedName: string };

export type OrganizationOwnEvent =
  | Extract<IdentityEvent, { type: "organization.created" }>
  | Extract<MembershipEvent, { type: `organization.${string}` | `member.${string}` }>;
export type OrganizationRefusal =
  | { code: "organization_not_found" }
  | { code: "member_not_found" }
  | { code: "last_owner" }
  | { code: "person_suspended" }
  | { code: "role_too_low"; details: { needs: OrganizationRole } }
  | { code: "name_mismatch" };

type Open = Extract<Organization, { status: "open" }>;
type Decided = Decision<OrganizationOwnEvent, OrganizationRefusal>;

export const organization: Decider<Organization, OrganizationCommand, OrganizationOwnEvent, OrganizationRefusal> = {
  initial: { status: "none" },

  decide(state, command) {
    switch (state.status) {
      case "none":
        return command.type === "create"
          ? accept({ type: "organization.created", data: { organization_id: command.organizationId, name: command.name } })
          : refuse({ code: "organization_not_found" });
      case "open":
        return decideOpen(state, command);
      case "deleted":
        return command.type === "create" ? accept() : refuse({ code: "organization_not_found" });
      default:
        return unreachable(state);
    }
  },

  evolve(state, event) {
    if (event.type === "organization.created") {
      // An erased one still opened it: `data` is then empty.
      const { organization_id: id, name } = event.data;
      return { status: "open", id, name: name ?? null, members: new Map(), isFounded: false };
    }
    if (event.type === "organization.deleted") return { status: "deleted" };
    if (state.status !== "open") throw new Error(`${event.type} in an organization that is ${state.status}`);
    const members = new Map(state.members);
    switch (event.type) {
      case "organization.renamed":
        return { ...state, name: event.data.name ?? null };
      case "organization.ownership_transferred":
        members.set(event.data.from, "admin").set(event.data.to, "owner");
        return { ...state, members };
      case "member.added":
        members.set(event.data.principal_id, event.data.role);
        return { ...state, id: event.data.organization_id, members, isFounded: true };
      case "member.role_changed":
        members.set(event.data.principal_id, event.data.to);
        return { ...state, members };
      case "member.removed":
      case "member.left":
        members.delete(event.data.principal_id);
        return { ...state, members };
      default:
        return unreachable(event);
    }
  },
};

function decideOpen(state: Open, command: OrganizationCommand): Decided {
  switch (command.type) {
    case "create":
      return accept();
    case "add":
      return add(state, command);
    case "sign_on":
      return signOn(state, command);
    case "set_role":
      return setRole(state, command);
    case "remove":
      return remove(state, command);
    case "leave":
      if (!state.members.has(command.principalId)) return refuse({ code: "member_not_found" });
      if (isLastOwner(state, command)) return refuse({ code: "last_owner" });
      return accept({ type: "member.left", data: { organization_id: state.id, principal_id: command.principalId } });
    case "transfer":
      return transfer(state, command);
    case "rename":
      return command.name === state.name
        ? accept()
        : accept({ type: "organization.renamed", data: { organization_id: state.id, name: command.name } });
    case "delete":
      if (state.name !== null && command.typedName !== state.name) return refuse({ code: "name_mismatch" });
      if (state.members.get(command.by) !== "owner") return refuse({ code: "role_too_low", details: { needs: "owner" } });
      return accept({ type: "organization.deleted", data: { organization_id: state.id, by: command.by } });
    default:
      return unreachable(command);
  }
}

/** Somebody who is in already keeps what they have: an invitation accepted twice raises nobody. */
function add(state: Open, { principalId, role, joinedBy, onlyFirst }: Extract<OrganizationCommand, { type: "add" }>): Decided {
  if (state.members.has(principalId) || (onlyFirst === true && state.isFounded)) return accept();
  return accept({
    type: "member.added",
    data: { organization_id: state.id, principal_id: principalId, role, joined_by: joinedBy },
  });
}

function signOn(state: Open, command: Extract<OrganizationCommand, { type: "sign_on" }>): Decided {
  const { principalId, role, isMapped } = command;
  const from = state.members.get(principalId);
  if (from === undefined)
    return role === null
      ? refuse({ code: "member_not_found" })
      : add(state, { type: "add", principalId, role, joinedBy: "single_sign_on" });
  if (role === null || !isMapped || role === from || isLastOwner(state, command)) return accept();
  return accept({ type: "member.role_changed", data: { organization_id: state.id, principal_id: principalId, from, to: role } });
}

function setRole(state: Open, command: Extract<OrganizationCommand, { type: "set_role" }>): Decided {
  const { principalId, role, by } = command;
  const from = state.members.get(principalId);
  if (from === undefined) return refuse({ code: "member_not_found" });
  const tooLow = above(state, by, from) ?? above(state, by, role);
  if (tooLow !== null) return tooLow;
  if (from === role) return accept();
  if (isLastOwner(state, command)) return refuse({ code: "last_owner" });
  return accept({ type: "member.role_changed", data: { organization_id: state.id, principal_id: principalId, from, to: role } });
}

function remove(state: Open, command: Extract<OrganizationCommand, { type: "remove" }>): Decided {
  const { principalId, by } = command;
  const role = state.members.get(principalId);
  if (role === undefined) return refuse({ code: "member_not_found" });
  const tooLow = above(state, by, role);
  if (tooLow !== null) return tooLow;
  if (isLastOwner(state, command)) return refuse({ code: "last_owner" });
  return accept({ type: "member.removed", data: { organization_id: state.id, principal_id: principalId } });
}

function transfer(state: Open, { from, to, suspended }: Extract<OrganizationCommand, { type: "transfer" }>): Decided {
  if (state.members.get(from) !== "owner") return refuse({ code: "role_too_low", details: { needs: "owner" } });
  if (!state.members.has(to)) return refuse({ code: "member_not_found" });
  if (from === to) return accept();
  if (suspended.has(to)) return refuse({ code: "person_suspended" });
  return accept({ type: "organization.ownership_transferred", data: { organization_id: state.id, from, to } });
}

/** Null when `by` may deal with that role. Read from the history itself: the token's role may be a second old. */
function above(state: Open, by: By, role: OrganizationRole): Decided | null {
  if (by === null) return null;
  const own = state.members.get(by);
  if (own !== undefined && hasRole(own, "admin") && hasRole(own, role)) return null;
  return refuse({ code: "role_too_low", details: { needs: hasRole(role, "admin") ? role : "admin" } });
}

function isLastOwner(state: Open, { principalId, suspended }: AmongSuspended & { readonly principalId: PrincipalId }): boolean {
  if (state.members.get(principalId) !== "owner") return false;
  return ![...state.members].some(([id, role]) => role === "owner" && id !== principalId && !suspended.has(id));
}
