/*
 * A mail domain of an organization: (none) ──claim──► claimed ──prove──► proven     release: released
 *
 * Claiming says nothing; only a proven one lets a provider vouch for its addresses, or people join by them.
 */
import type { SingleSignOnEvent } from "@signalbox/contract/events/single-sign-on";
import type { DomainId, OrganizationRole } from "@signalbox/contract/primitives";
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";

export type Domain =
  | { readonly status: "none" | "released" }
  | {
      readonly status: "claimed" | "proven";
      readonly id: DomainId;
      readonly domain: string;
      readonly joinRole: OrganizationRole | null;
    };
export type DomainCommand =
  | { readonly type: "claim"; readonly id: DomainId; readonly domain: string; readonly record: string }
  /** Its record was found. */
  | { readonly type: "prove" }
  | { readonly type: "set_joining"; readonly role: OrganizationRole | null }
  | { readonly type: "release" };
type DomainEvent = Extract<SingleSignOnEvent, { type: `domain.${string}` }>;
export type DomainRefusal = { code: "domain_not_found" | "domain_unproven" };

export const domain: Decider<Domain, DomainCommand, DomainEvent, DomainRefusal> = {
  initial: { status: "none" },

  decide(state, command) {
    if (!("id" in state)) {
      if (command.type !== "claim" || state.status === "released") return refuse({ code: "domain_not_found" });
      return accept({ type: "domain.claimed", data: { domain_id: command.id, domain: command.domain, record: command.record } });
    }
    switch (command.type) {
      case "claim":
        return accept();
      case "prove":
        return state.status === "proven"
          ? accept()
          : accept({ type: "domain.proven", data: { domain_id: state.id, domain: state.domain } });
      case "set_joining":
        if (state.status === "claimed") return refuse({ code: "domain_unproven" });
        return state.joinRole === command.role
          ? accept()
          : accept({ type: "domain.joining_set", data: { domain_id: state.id, role: command.role } });
      case "release":
        return accept({ type: "domain.released", data: { domain_id: state.id } });
      default:
        return unreachable(command);
    }
  },

  evolve(state, event) {
    if (event.type === "domain.claimed") return { status: "claimed", id: event.data.domain_id, domain: event.data.domain, joinRole: null };
    if (!("id" in state)) return state;
    switch (event.type) {
      case "domain.proven":
        return { ...state, status: "proven" };
      case "domain.joining_set":
        return { ...state, joinRole: event.data.role };
      case "domain.released":
        return { status: "released" };
      default:
        return unreachable(event);
    }
  },
};

/** As it stands behind the @ of an address; null: none that mail could go to. */
export function normalDomain(text: string): string | null {
  const lower = text.normalize("NFKC").trim().replace(/^@/, "").replace(/\.$/, "").toLowerCase();
  return lower.length <= 253 &&
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/.test(lower) &&
    !/^[0-9.]+$/.test(lower)
    ? lower
    : null;
}
export const domainOf = (email: string): string => email.slice(email.lastIndexOf("@") + 1);
