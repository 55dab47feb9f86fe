import type { PrincipalId, TokenId } from "@signalbox/contract/primitives";
import { expect, test } from "vitest";
import { token, type Token, type TokenCommand } from "./token.ts";

const ID = `tok_${"0".repeat(26)}` as TokenId;
const OWNER = "usr_owner" as PrincipalId;
const create: TokenCommand = {
  type: "create",
  id: ID,
  name: "CI",
  principalId: OWNER,
  scopes: ["read"],
  held: ["read", "write"],
  now: "2030-01-01T00:00:00.000Z",
};

const HISTORY: Record<Token["status"], TokenCommand[]> = { none: [], active: [create], revoked: [create, { type: "revoke", by: OWNER }] };
const COMMAND = {
  create,
  revoke: { type: "revoke", by: OWNER },
  revoke_by_admin: { type: "revoke", by: null },
  revoke_by_other: { type: "revoke", by: "usr_other" as PrincipalId },
} as const;

/** What becomes of it: the state afterwards, or the refusal. */
const MACHINE: Record<Token["status"], Record<keyof typeof COMMAND, string>> = {
  none: { create: "active", revoke: "token_not_found", revoke_by_admin: "token_not_found", revoke_by_other: "token_not_found" },
  active: { create: "active", revoke: "revoked", revoke_by_admin: "revoked", revoke_by_other: "token_not_found" },
  revoked: { create: "revoked", revoke: "revoked", revoke_by_admin: "revoked", revoke_by_other: "token_not_found" },
};

const run = (state: Token, command: TokenCommand): Token | string => {
  const decision = token.decide(state, command);
  return decision.ok ? decision.events.reduce<Token>((at, event) => token.evolve(at, event), state) : decision.refusal.code;
};
const stateOf = (status: Token["status"]): Token =>
  HISTORY[status].reduce<Token>((state, command) => run(state, command) as Token, token.initial);

for (const [status, row] of Object.entries(MACHINE) as [Token["status"], (typeof MACHINE)["none"]][]) {
  for (const [name, expected] of Object.entries(row) as [keyof typeof COMMAND, string][]) {
    test(`${status} + ${name} -> ${expected}`, () => {
      const outcome = run(stateOf(status), COMMAND[name]);
      expect(typeof outcome === "string" ? outcome : outcome.status).toBe(expected);
    });
  }
}

test("nobody gives away what they do not hold", () => {
  expect(token.decide(token.initial, { ...create, scopes: ["read", "admin"] })).toMatchObject({
    ok: false,
    refusal: { code: "scope_not_held", details: { scopes: ["admin"] } },
  });
});

test("a token cannot begin after its end", () => {
  expect(token.decide(token.initial, { ...create, expiresAt: create.now })).toMatchObject({
    ok: false,
    refusal: { code: "expires_at_invalid" },
  });
});
