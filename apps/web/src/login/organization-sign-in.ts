/* Signing in through an organization's own provider: asked for an address, or for the organization that wants it. */
import type { OrganizationId } from "@signalbox/contract/primitives";
import { startSingleSignOn } from "@signalbox/contract/single-sign-on";
import { client } from "../data/api.ts";

export async function providerFor(of: { email?: string; organization_id?: OrganizationId; next: string }): Promise<string | null> {
  const { url } = await client.call(startSingleSignOn, { body: of });
  return url;
}

/** What the way back from a provider says when it led to nobody. */
export const SIGN_IN_FAILURES: Readonly<Record<string, string>> = {
  sso_expired: "That way in is used up: it works once, within ten minutes, in the browser that began it. Begin again.",
  sso_refused: "Your organization's provider did not let you through.",
  sso_invalid: "What your organization's provider sent cannot be trusted: ask an admin to look at it.",
  sso_not_configured: "Your organization's provider is not configured any more.",
  sso_email_unverified: "Your organization's provider does not say that your address is verified.",
  sso_email_foreign: "Your organization's provider may not vouch for your address: it is of another domain. Ask for an invitation.",
  sso_no_role: "Your organization's provider knows you, but there is no role here for you. Ask an admin.",
};
