/*
 * What a capability allows, and when one allows no more than another.
 *
 *   covers(parent, child)   every single thing that the child allows the parent allows too
 *   allows…(grant, what)    one thing, asked
 *
 * A part that is left out is not narrowed; an empty list allows nothing. Both follow from one rule for each part, so
 * that `covers(a, b)` and `allows(b, x)` together give `allows(a, x)` (grant.test.ts tries it on random ones).
 */
import type { CapabilityGrant } from "@signalbox/contract/capabilities";

/** `pattern` is a name, `prefix.*` or `*`. */
const inPattern = (pattern: string, name: string): boolean =>
  pattern === "*" || pattern === name || (pattern.endsWith(".*") && name.startsWith(pattern.slice(0, -1)));
/** `*.x` is x and everything below it. */
const inDomain = (pattern: string, host: string): boolean =>
  pattern === "*" || pattern === host || (pattern.startsWith("*.") && (host === pattern.slice(2) || host.endsWith(pattern.slice(1))));
const inClass = (pattern: string, name: string): boolean => pattern === "*" || pattern === name;

type In = (pattern: string, name: string) => boolean;
/** A pattern of the child is one thing here: `runs.*` is in `runs.*` and in `*`, `*` in `*` alone, which all of these say. */
const allIn = (parent: readonly string[] | undefined, child: readonly string[] | undefined, within: In): boolean =>
  parent === undefined || (child !== undefined && child.every((one) => parent.some((pattern) => within(pattern, one))));
/** `*.x` must not pass for a host below `*.y` by its letters: it is below it if x is. */
const domainIn: In = (pattern, child) =>
  child === "*"
    ? pattern === "*"
    : child.startsWith("*.")
      ? pattern === child || (pattern !== child.slice(2) && inDomain(pattern, child.slice(2)))
      : inDomain(pattern, child);
const patternIn: In = (pattern, child) => (child === "*" ? pattern === "*" : inPattern(pattern, child));
const exactly: In = (pattern, child) => pattern === child;

export function covers(parent: CapabilityGrant, child: CapabilityGrant): boolean {
  return (
    allIn(parent.scopes, child.scopes, exactly) &&
    allIn(parent.rooms, child.rooms, exactly) &&
    allIn(parent.tools, child.tools, patternIn) &&
    allIn(parent.actions, child.actions, patternIn) &&
    allIn(parent.egress, child.egress, domainIn) &&
    (parent.data === undefined ||
      (child.data !== undefined &&
        allIn(parent.data.read, child.data.read, inClass) &&
        allIn(parent.data.write, child.data.write, inClass)))
  );
}

const some = (list: readonly string[] | undefined, what: string, within: In): boolean =>
  list === undefined || list.some((pattern) => within(pattern, what));

export const allowsRoom = (grant: CapabilityGrant, roomId: string): boolean => some(grant.rooms, roomId, exactly);
export const allowsTool = (grant: CapabilityGrant, tool: string): boolean => some(grant.tools, tool, inPattern);
export const allowsAction = (grant: CapabilityGrant, action: string): boolean => some(grant.actions, action, inPattern);
export const allowsHost = (grant: CapabilityGrant, host: string): boolean => some(grant.egress, host.toLowerCase(), inDomain);
export const allowsData = (grant: CapabilityGrant, way: "read" | "write", dataClass: string): boolean =>
  some(grant.data?.[way], dataClass, inClass);
