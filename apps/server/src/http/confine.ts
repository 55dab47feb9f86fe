/*
 * What a capability reaches of the API, beside the role and the scopes that every caller needs. Fails closed: a route
 * that is not named here, by its resource or by its id, is for people and their own tokens.
 */
import { allowsAction } from "@signalbox/capability/grant";
import type { CapabilityGrant } from "@signalbox/contract/capabilities";
import type { Route } from "@signalbox/contract/route";

/** Work in rooms. What is in a room is asked about by the room (`rooms/access.ts`), so a capability's rooms hold for all of these. */
const IN_ROOMS: ReadonlySet<string> = new Set([
  "room",
  "run",
  "session",
  "stream",
  "approval",
  "question",
  "invocation",
  "event",
  "search",
  "attention",
  "worker",
]);
/** Of the organization, and nobody's secret in it. Not for a capability that is confined to rooms. */
const OF_THE_ORGANIZATION: ReadonlySet<string> = new Set(["policy", "model", "principal", "quota"]);
/** Whatever it is confined to: about itself. */
const ALWAYS: ReadonlySet<string> = new Set(["me.get", "capabilities.delegate", "capabilities.inspect", "capabilities.revoke"]);
/** These make something that outlives a capability, or lets somebody else in. */
const NEVER: ReadonlySet<string> = new Set(["shares.create", "models.issue_key", "previews.create", "terminals.create"]);
/** They make a room, which is none of those that a capability is confined to. */
const MAKES_ROOMS: ReadonlySet<string> = new Set(["rooms.create"]);

/** Null when admitted; otherwise what is missing, in words. */
export function outside(route: Route, grant: CapabilityGrant): { readonly message: string; readonly fix: string } | null {
  if (ALWAYS.has(route.id)) return null;
  const { access } = route;
  if (
    typeof access === "string" ||
    access.role === "admin" ||
    access.role === "owner" ||
    NEVER.has(route.id) ||
    !(IN_ROOMS.has(access.resource) || OF_THE_ORGANIZATION.has(access.resource))
  )
    return { message: "A capability does not reach this.", fix: "Use an API token, or sign in." };
  if (grant.rooms !== undefined && (!IN_ROOMS.has(access.resource) || MAKES_ROOMS.has(route.id)))
    return {
      message: "This capability is for some rooms only, and this is in none of them.",
      fix: "Use one that is not confined to rooms.",
    };
  if (!allowsAction(grant, route.id))
    return {
      message: `This capability does not allow ${route.id}.`,
      fix: "Use one whose actions name it; signalbox capability inspect shows what this one allows.",
    };
  return null;
}
