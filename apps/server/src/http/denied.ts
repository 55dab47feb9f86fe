/* What somebody is told whose request is not let in: what is missing, and how they come by it. */
import type { Denial } from "./authenticate.ts";
import { ShellRefused } from "./refusal.ts";

export function denied(denial: Denial): ShellRefused {
  if (typeof denial === "object")
    return new ShellRefused("single_sign_on_required", "This organization lets its members in through its own provider only.", {
      fix: "Sign in through it: the sign-in page finds it by your address.",
      details: { organization_id: denial.organizationId },
    });
  switch (denial) {
    case "unauthenticated":
      return new ShellRefused("unauthenticated", "No valid credential was given.", {
        fix: "Send Authorization: Bearer <API token>, or log in with the printed link.",
      });
    case "cross_site":
      return new ShellRefused("forbidden", "The request came from another site's page.", {
        fix: "Act from this server's own pages, or use an API token.",
      });
    case "organization_not_found":
      return new ShellRefused("not_found", "There is no such organization, or you are not in it.", {
        fix: "Correct or leave out x-workspace-id.",
      });
    case "organization_lost":
      return new ShellRefused("organization_required", "You are no longer in the organization that you worked in.", {
        fix: "Go on in another of yours: POST /v1/organizations/switch, or name it in x-workspace-id.",
      });
    case "organization_required":
      return new ShellRefused("organization_required", "You are signed in, and in no organization yet.", {
        fix: "Accept an invitation, or found an organization with POST /v1/organizations.",
      });
  }
}
