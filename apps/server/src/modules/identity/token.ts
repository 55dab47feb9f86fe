/*
 * An API token: (none) ──create──► active ──revoke──► revoked
 *
 * Expiry is not a state: the deadline is part of the token and checked at every use.
 */
import type { IdentityEvent } from "@signalbox/contract/events/identity";
import type { PrincipalId, TokenId } from "@signalbox/contract/primitives";
import type { Scope } from "@signalbox/contract/route";
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";

export type Token =
  | { readonly status: "none" }
  | { readonly status: "active" | "revoked"; readonly id: TokenId; readonly principalId: PrincipalId };

export type TokenCommand =
  | {
      readonly type: "create";
      readonly id: TokenId;
      readonly name: string;
      readonly principalId: PrincipalId;
      readonly scopes: readonly Scope[];
      readonly held: readonly Scope[];
      readonly expiresAt?: string | undefined;
      readonly now: string;
    }
  /** `by` null: someone who may revoke anybody's. */
  | { readonly type: "revoke"; readonly by: PrincipalId | null };

type TokenEvent = Extract<IdentityEvent, { type: "token.created" | "token.revoked" }>;
export type TokenRefusal =
  | { code: "token_not_found" }
  | { code: "expires_at_invalid"; details: { now: string } }
  | { code: "scope_not_held"; details: { scopes: readonly Scope[] } };

export const token: Decider<Token, TokenCommand, TokenEvent, TokenRefusal> = {
  initial: { status: "none" },

  decide(state, command) {
    switch (state.status) {
      case "none":
        return command.type === "create" ? create(command) : refuse({ code: "token_not_found" });
      case "active":
        if (command.type === "create") return accept();
        return mayRevoke(state, command.by)
          ? accept({ type: "token.revoked", data: { token_id: state.id } })
          : refuse({ code: "token_not_found" });
      case "revoked":
        // Revoking twice is one revocation.
        return command.type === "create" || mayRevoke(state, command.by) ? accept() : refuse({ code: "token_not_found" });
      default:
        return unreachable(state);
    }
  },

  evolve(state, event) {
    if (event.type === "token.created") return { status: "active", id: event.data.token_id, principalId: event.data.principal_id };
    if (state.status === "none") throw new Error("token.revoked before token.created");
    return { ...state, status: "revoked" };
  },
};

const mayRevoke = (state: Exclude<Token, { status: "none" }>, by: PrincipalId | null): boolean => by === null || by === state.principalId;

function create(c: Extract<TokenCommand, { type: "create" }>) {
  if (c.expiresAt !== undefined && c.expiresAt <= c.now) return refuse({ code: "expires_at_invalid" as const, details: { now: c.now } });
  // A token must not hold more than what made it.
  const missing = c.scopes.filter((scope) => !c.held.includes(scope));
  if (missing.length > 0) return refuse({ code: "scope_not_held" as const, details: { scopes: missing } });
  return accept<TokenEvent>({
    type: "token.created",
    data: {
      token_id: c.id,
      name: c.name,
      principal_id: c.principalId,
      scopes: [...new Set(c.scopes)],
      ...(c.expiresAt === undefined ? {} : { expires_at: c.expiresAt }),
    },
  });
}
