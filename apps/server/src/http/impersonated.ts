/*
 * What an operator reaches who acts as somebody. Fails closed: they look at whatever that person may
 * look at, and work where that person works; a change of anything that is not named here (identities,
 * roles, tokens, keys, secrets, policies, approvals, the organization itself) is that person's own.
 */
import type { Route } from "@signalbox/contract/route";

const WORK: ReadonlySet<string> = new Set(["room", "run", "session", "question", "attention", "search", "event", "sync", "sample"]);
/** These make something that outlives it, or lets somebody else in. */
const NEVER: ReadonlySet<string> = new Set(["shares.create", "models.issue_key", "previews.create"]);
const OWN: ReadonlySet<string> = new Set(["auth.impersonation.stop", "auth.logout"]);

export function reachedByImpersonation(route: Route): boolean {
  // All of somebody in one file, beyond the organization that they are acted as in.
  if (route.access === "operator" || route.id === "account.export") return false;
  if (OWN.has(route.id) || route.method === "GET") return true;
  return (
    typeof route.access !== "string" &&
    route.access.role !== "admin" &&
    route.access.role !== "owner" &&
    WORK.has(route.access.resource) &&
    !NEVER.has(route.id)
  );
}
