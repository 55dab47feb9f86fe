import type { InvitationId, PrincipalId } from "@signalbox/contract/primitives";
import { expect, test } from "vitest";
import { invitation, type Invitation, type InvitationCommand } from "./invitation.ts";

const ID = `inv_${"0".repeat(26)}` as InvitationId;
const [ANNA, BO] = ["usr_anna", "usr_bo"] as PrincipalId[] as [PrincipalId, PrincipalId];
const create: InvitationCommand = {
  type: "create",
  id: ID,
  email: "anna@example.com",
  role: "member",
  expiresAt: "2030-01-08T00:00:00.000Z",
};
const acceptBy = (principalId: PrincipalId, provenEmail: string | null, now = "2030-01-01T00:00:00.000Z"): InvitationCommand => ({
  type: "accept",
  principalId,
  provenEmail,
  now,
});

const HISTORY = {
  none: [],
  open: [create],
  accepted: [create, acceptBy(ANNA, "anna@example.com")],
  revoked: [create, { type: "revoke" }],
} as const satisfies Record<string, readonly InvitationCommand[]>;
const COMMAND = {
  send_again: { type: "send_again", expiresAt: "2030-02-01T00:00:00.000Z" },
  revoke: { type: "revoke" },
  accept: acceptBy(ANNA, "anna@example.com"),
  accept_unproven: acceptBy(ANNA, null),
  accept_by_another: acceptBy(BO, "bo@example.com"),
  accept_late: acceptBy(ANNA, "anna@example.com", "2030-01-08T00:00:00.000Z"),
} as const satisfies Record<string, InvitationCommand>;

const MACHINE: Record<keyof typeof HISTORY, Record<keyof typeof COMMAND, string>> = {
  none: {
    send_again: "invitation_not_found",
    revoke: "invitation_not_found",
    accept: "invitation_not_found",
    accept_unproven: "invitation_not_found",
    accept_by_another: "invitation_not_found",
    accept_late: "invitation_not_found",
  },
  open: {
    send_again: "invitation.sent_again",
    revoke: "invitation.revoked",
    accept: "invitation.accepted",
    accept_unproven: "invitation_for_another",
    accept_by_another: "invitation_for_another",
    accept_late: "invitation_expired",
  },
  accepted: {
    send_again: "invitation_closed",
    revoke: "invitation_closed",
    accept: "",
    accept_unproven: "",
    accept_by_another: "invitation_closed",
    accept_late: "",
  },
  revoked: {
    send_again: "invitation_closed",
    revoke: "invitation_closed",
    accept: "invitation_closed",
    accept_unproven: "invitation_closed",
    accept_by_another: "invitation_closed",
    accept_late: "invitation_closed",
  },
};

function run(state: Invitation, command: InvitationCommand): Invitation {
  const decision = invitation.decide(state, command);
  return decision.ok ? decision.events.reduce<Invitation>(invitation.evolve, state) : state;
}

for (const [history, row] of Object.entries(MACHINE) as [keyof typeof HISTORY, (typeof MACHINE)["none"]][]) {
  for (const [name, expected] of Object.entries(row) as [keyof typeof COMMAND, string][]) {
    test(`${history} + ${name} -> ${expected || "nothing"}`, () => {
      const state = (HISTORY[history] as readonly InvitationCommand[]).reduce<Invitation>(run, invitation.initial);
      const decision = invitation.decide(state, COMMAND[name]);
      expect(decision.ok ? decision.events.map((event) => event.type).join(" ") : decision.refusal.code).toBe(expected);
    });
  }
}

test("an erased invitation lets nobody in", () => {
  const erased = invitation.evolve(invitation.initial, { type: "invitation.created", data: { invitation_id: ID } as never });
  expect(invitation.decide(erased, acceptBy(ANNA, null))).toMatchObject({ ok: false, refusal: { code: "invitation_for_another" } });
});
