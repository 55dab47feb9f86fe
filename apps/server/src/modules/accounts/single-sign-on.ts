/*
 * An organization's own provider, and what a sign-in through it makes of somebody.
 *
 *   (none) ──configure──► untried ──worked──► tried        remove: (none)
 *
 * Only what worked can be required, so that a typing error locks nobody out; another issuer or
 * client is untried again. Whether somebody may give a role is the caller's to check: no mapping
 * leads above the role of whoever configures it.
 */
import type { SingleSignOnEvent } from "@signalbox/contract/events/single-sign-on";
import type { OrganizationId, OrganizationRole, PrincipalId } from "@signalbox/contract/primitives";
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";
import { hasRole } from "../../http/authenticate.ts";

export interface SingleSignOnSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly roleClaim: string | null;
  readonly roleMapping: readonly { readonly value: string; readonly role: OrganizationRole }[];
  readonly defaultRole: OrganizationRole | null;
  readonly isRequired: boolean;
  readonly trustsEmail: boolean;
}

export type SingleSignOn =
  | { readonly status: "none" }
  | { readonly status: "untried" | "tried"; readonly organizationId: OrganizationId; readonly settings: SingleSignOnSettings };
export type SingleSignOnCommand =
  | {
      readonly type: "configure";
      readonly organizationId: OrganizationId;
      readonly settings: SingleSignOnSettings;
      readonly secretChanged: boolean;
    }
  | { readonly type: "remove" }
  | { readonly type: "worked"; readonly principalId: PrincipalId };
type OwnEvent = Extract<SingleSignOnEvent, { type: `single_sign_on.${string}` }>;
export type SingleSignOnRefusal = { code: "single_sign_on_not_found" | "single_sign_on_untried" };

export const singleSignOn: Decider<SingleSignOn, SingleSignOnCommand, OwnEvent, SingleSignOnRefusal> = {
  initial: { status: "none" },

  decide(state, command) {
    switch (command.type) {
      case "configure": {
        const { organizationId, settings, secretChanged } = command;
        const isTried = state.status === "tried" && isSameProvider(state.settings, settings);
        if (settings.isRequired && !isTried) return refuse({ code: "single_sign_on_untried" });
        const { roleClaim, roleMapping, defaultRole } = settings;
        return accept({
          type: "single_sign_on.configured",
          data: {
            organization_id: organizationId,
            issuer: settings.issuer,
            client_id: settings.clientId,
            secret_changed: secretChanged,
            ...(roleClaim === null ? {} : { role_claim: roleClaim }),
            role_mapping: [...roleMapping],
            ...(defaultRole === null ? {} : { default_role: defaultRole }),
            is_required: settings.isRequired,
            trusts_email: settings.trustsEmail,
          },
        });
      }
      case "remove":
        return state.status === "none"
          ? refuse({ code: "single_sign_on_not_found" })
          : accept({ type: "single_sign_on.removed", data: { organization_id: state.organizationId } });
      case "worked":
        if (state.status === "none") return refuse({ code: "single_sign_on_not_found" });
        return state.status === "tried"
          ? accept()
          : accept({
              type: "single_sign_on.worked",
              data: { organization_id: state.organizationId, principal_id: command.principalId },
            });
      default:
        return unreachable(command);
    }
  },

  evolve(state, event) {
    switch (event.type) {
      case "single_sign_on.configured": {
        const { data } = event;
        const settings: SingleSignOnSettings = {
          issuer: data.issuer,
          clientId: data.client_id,
          roleClaim: data.role_claim ?? null,
          // An erased one maps nobody and lets nobody in.
          roleMapping: data.role_mapping ?? [],
          defaultRole: data.default_role ?? null,
          isRequired: data.is_required ?? false,
          trustsEmail: data.trusts_email ?? false,
        };
        const isTried = state.status === "tried" && isSameProvider(state.settings, settings);
        return { status: isTried ? "tried" : "untried", organizationId: data.organization_id, settings };
      }
      case "single_sign_on.worked":
        return state.status === "none" ? state : { ...state, status: "tried" };
      case "single_sign_on.removed":
        return { status: "none" };
      default:
        return unreachable(event);
    }
  },
};

const isSameProvider = (a: SingleSignOnSettings, b: SingleSignOnSettings): boolean => a.issuer === b.issuer && a.clientId === b.clientId;

/**
 * What the provider's word makes of somebody. `isMapped`: roles follow from claims, so the role is
 * set at every sign-in; otherwise it is what newcomers get. Null: nothing here for them.
 */
export function roleFrom(
  settings: Pick<SingleSignOnSettings, "roleClaim" | "roleMapping" | "defaultRole">,
  claims: Readonly<Record<string, unknown>>,
): { readonly role: OrganizationRole | null; readonly isMapped: boolean } {
  const { roleClaim, roleMapping, defaultRole } = settings;
  if (roleClaim === null) return { role: defaultRole, isMapped: false };
  const said = claimAt(claims, roleClaim);
  const values = new Set((Array.isArray(said) ? said : [said]).filter((value) => typeof value === "string"));
  const roles = roleMapping.filter(({ value }) => values.has(value)).map(({ role }) => role);
  const highest = roles.reduce<OrganizationRole | null>((best, role) => (best === null || hasRole(role, best) ? role : best), null);
  return { role: highest ?? defaultRole, isMapped: true };
}

/** `https://example.com/roles` is a name with dots, `realm_access.roles` a path: the name counts first. */
function claimAt(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let at: unknown = claims;
  for (const part of name.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string, unknown>)[part];
  }
  return at;
}
