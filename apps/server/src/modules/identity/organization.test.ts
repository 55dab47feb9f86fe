import type { OrganizationId, OrganizationRole, PrincipalId } from "@signalbox/contract/primitives";
import { expect, test } from "vitest";
import { organization, type Organization, type OrganizationCommand, type OrganizationOwnEvent } from "./organization.ts";

const ID = "ws_a" as OrganizationId;
const [OWNER, ADMIN, GUEST] = ["usr_owner", "usr_admin", "usr_guest"] as PrincipalId[] as [PrincipalId, PrincipalId, PrincipalId];
const added = (principal_id: PrincipalId, role: OrganizationRole): OrganizationOwnEvent => ({
  type: "member.added",
  data: { organization_id: ID, principal_id, role, joined_by: "founding" },
});
const created: OrganizationOwnEvent[] = [{ type: "organization.created", data: { organization_id: ID, name: "A" } }];
const alone = [...created, added(OWNER, "owner")];
const staffed = [...alone, added(ADMIN, "admin")];
const shared = [...alone, added(ADMIN, "owner")];
const deleted: OrganizationOwnEvent[] = [...alone, { type: "organization.deleted", data: { organization_id: ID, by: OWNER } }];

const HISTORY = { none: [], created, alone, staffed, shared, deleted } as const satisfies Record<string, readonly OrganizationOwnEvent[]>;
/** Those who get in nowhere: nobody, or the admin, who owns `shared` too. */
const NOBODY: ReadonlySet<string> = new Set();
const THE_ADMIN: ReadonlySet<string> = new Set([ADMIN]);
const COMMAND = {
  create: { type: "create", organizationId: ID, name: "A" },
  add_guest: { type: "add", principalId: GUEST, role: "member", joinedBy: "invitation" },
  begin: { type: "add", principalId: GUEST, role: "owner", joinedBy: "founding", onlyFirst: true },
  guest_signs_on: { type: "sign_on", principalId: GUEST, role: "member", isMapped: true, suspended: NOBODY },
  guest_signs_on_unmapped: { type: "sign_on", principalId: GUEST, role: null, isMapped: false, suspended: NOBODY },
  owner_signs_on_as_viewer: { type: "sign_on", principalId: OWNER, role: "viewer", isMapped: true, suspended: NOBODY },
  owner_signs_on_by_default: { type: "sign_on", principalId: OWNER, role: "viewer", isMapped: false, suspended: NOBODY },
  demote_owner: { type: "set_role", principalId: OWNER, role: "member", by: OWNER, suspended: NOBODY },
  admin_demotes_owner: { type: "set_role", principalId: OWNER, role: "member", by: ADMIN, suspended: NOBODY },
  admin_becomes_owner: { type: "set_role", principalId: ADMIN, role: "owner", by: ADMIN, suspended: NOBODY },
  remove_admin: { type: "remove", principalId: ADMIN, by: OWNER, suspended: NOBODY },
  stranger_removes: { type: "remove", principalId: OWNER, by: GUEST, suspended: NOBODY },
  owner_leaves: { type: "leave", principalId: OWNER, suspended: NOBODY },
  guest_leaves: { type: "leave", principalId: GUEST, suspended: NOBODY },
  transfer: { type: "transfer", from: OWNER, to: ADMIN, suspended: NOBODY },
  transfer_to_suspended: { type: "transfer", from: OWNER, to: ADMIN, suspended: THE_ADMIN },
  owner_leaves_the_suspended: { type: "leave", principalId: OWNER, suspended: THE_ADMIN },
  demote_owner_beside_suspended: { type: "set_role", principalId: OWNER, role: "member", by: OWNER, suspended: THE_ADMIN },
  owner_signs_on_beside_suspended: { type: "sign_on", principalId: OWNER, role: "viewer", isMapped: true, suspended: THE_ADMIN },
  suspended_is_removed: { type: "remove", principalId: ADMIN, by: OWNER, suspended: THE_ADMIN },
  suspended_leaves: { type: "leave", principalId: ADMIN, suspended: THE_ADMIN },
  rename: { type: "rename", name: "B" },
  delete: { type: "delete", by: OWNER, typedName: "A" },
  delete_mistyped: { type: "delete", by: OWNER, typedName: "a" },
  delete_by_admin: { type: "delete", by: ADMIN, typedName: "A" },
} as const satisfies Record<string, OrganizationCommand>;
type Row = Record<keyof typeof COMMAND, string>;

const NOWHERE = "organization_not_found";
const OPEN = {
  create: "",
  guest_signs_on: "member.added",
  guest_signs_on_unmapped: "member_not_found",
  add_guest: "member.added",
  rename: "organization.renamed",
  delete_mistyped: "name_mismatch",
} as const;
/** Beside an admin who is suspended: the owner counts alone, whatever the other's role. */
const BESIDE_SUSPENDED = {
  transfer_to_suspended: "person_suspended",
  owner_leaves_the_suspended: "last_owner",
  demote_owner_beside_suspended: "last_owner",
  owner_signs_on_beside_suspended: "",
  suspended_is_removed: "member.removed",
  suspended_leaves: "member.left",
} as const;
const MACHINE: Record<keyof typeof HISTORY, Row> = {
  none: { ...(Object.fromEntries(Object.keys(COMMAND).map((name) => [name, NOWHERE])) as Row), create: "organization.created" },
  created: {
    ...OPEN,
    ...BESIDE_SUSPENDED,
    owner_signs_on_as_viewer: "member.added",
    owner_signs_on_by_default: "member.added",
    begin: "member.added",
    demote_owner: "member_not_found",
    admin_demotes_owner: "member_not_found",
    admin_becomes_owner: "member_not_found",
    remove_admin: "member_not_found",
    stranger_removes: "member_not_found",
    owner_leaves: "member_not_found",
    guest_leaves: "member_not_found",
    transfer: "role_too_low",
    transfer_to_suspended: "role_too_low",
    owner_leaves_the_suspended: "member_not_found",
    demote_owner_beside_suspended: "member_not_found",
    owner_signs_on_beside_suspended: "member.added",
    suspended_is_removed: "member_not_found",
    suspended_leaves: "member_not_found",
    delete: "role_too_low",
    delete_by_admin: "role_too_low",
  },
  alone: {
    ...OPEN,
    ...BESIDE_SUSPENDED,
    owner_signs_on_as_viewer: "",
    owner_signs_on_by_default: "",
    begin: "",
    demote_owner: "last_owner",
    admin_demotes_owner: "role_too_low",
    admin_becomes_owner: "member_not_found",
    remove_admin: "member_not_found",
    stranger_removes: "role_too_low",
    owner_leaves: "last_owner",
    guest_leaves: "member_not_found",
    transfer: "member_not_found",
    transfer_to_suspended: "member_not_found",
    owner_leaves_the_suspended: "last_owner",
    demote_owner_beside_suspended: "last_owner",
    owner_signs_on_beside_suspended: "",
    suspended_is_removed: "member_not_found",
    suspended_leaves: "member_not_found",
    delete: "organization.deleted",
    delete_by_admin: "role_too_low",
  },
  staffed: {
    ...OPEN,
    ...BESIDE_SUSPENDED,
    owner_signs_on_as_viewer: "",
    owner_signs_on_by_default: "",
    begin: "",
    demote_owner: "last_owner",
    admin_demotes_owner: "role_too_low",
    admin_becomes_owner: "role_too_low",
    remove_admin: "member.removed",
    stranger_removes: "role_too_low",
    owner_leaves: "last_owner",
    guest_leaves: "member_not_found",
    transfer: "organization.ownership_transferred",
    delete: "organization.deleted",
    delete_by_admin: "role_too_low",
  },
  shared: {
    ...OPEN,
    ...BESIDE_SUSPENDED,
    owner_signs_on_as_viewer: "member.role_changed",
    owner_signs_on_by_default: "",
    begin: "",
    demote_owner: "member.role_changed",
    admin_demotes_owner: "member.role_changed",
    admin_becomes_owner: "",
    remove_admin: "member.removed",
    stranger_removes: "role_too_low",
    owner_leaves: "member.left",
    guest_leaves: "member_not_found",
    transfer: "organization.ownership_transferred",
    delete: "organization.deleted",
    delete_by_admin: "organization.deleted",
  },
  deleted: { ...(Object.fromEntries(Object.keys(COMMAND).map((name) => [name, NOWHERE])) as Row), create: "" },
};

for (const [history, row] of Object.entries(MACHINE) as [keyof typeof HISTORY, Row][]) {
  for (const [name, expected] of Object.entries(row) as [keyof typeof COMMAND, string][]) {
    test(`${history} + ${name} -> ${expected || "nothing"}`, () => {
      const state = (HISTORY[history] as readonly OrganizationOwnEvent[]).reduce<Organization>(organization.evolve, organization.initial);
      const decision = organization.decide(state, COMMAND[name]);
      expect(decision.ok ? decision.events.map((event) => event.type).join(" ") : decision.refusal.code).toBe(expected);
    });
  }
}
