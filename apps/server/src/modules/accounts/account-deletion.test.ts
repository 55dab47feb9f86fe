import type { OrganizationId, PrincipalId } from "@signalbox/contract/primitives";
import { expect, test } from "vitest";
import { accountDeletion } from "./account-deletion.ts";

const principalId = "usr_01J00000000000000000000000" as PrincipalId;
const request = { type: "request", principalId } as const;
const stop = { type: "stop", principalId, organizationIds: ["ws_dev" as OrganizationId] } as const;

test("a deletion is requested once, stopped once, and may be requested again after that", () => {
  let state = accountDeletion.initial;
  const told: string[] = [];
  for (const command of [stop, request, request, stop, stop, request]) {
    const decision = accountDeletion.decide(state, command);
    if (!decision.ok) throw new Error("it is never refused");
    for (const event of decision.events) state = accountDeletion.evolve(state, event);
    told.push(decision.events.map(({ type }) => type.replace("account.deletion_", "")).join());
  }
  expect(told).toEqual(["", "requested", "", "stopped", "", "requested"]);
  expect(state.status).toBe("requested");
});
