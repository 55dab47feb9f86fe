/* What the installation holds about the person who asks, and its end. */
import { z } from "zod";
import { LoginView } from "./accounts.ts";
import { CapabilityView } from "./capabilities.ts";
import { TokenView } from "./identity.ts";
import { EventId, InvitationId, OrganizationId, OrganizationRole, PrincipalId, TeamId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

export const AccountExport = z
  .object({
    exported_at: Timestamp,
    person: z.object({
      id: PrincipalId,
      name: z.string(),
      email: z.string().nullable().describe("Null, as what follows: somebody without an account, who signs in by the printed link."),
      is_email_proven: z.boolean(),
      picture_url: z.string().nullable(),
      created_at: Timestamp.nullable(),
      has_password: z.boolean(),
    }),
    sign_ins: z.array(LoginView),
    passkeys: z.array(z.object({ id: z.string(), name: z.string().nullable(), created_at: Timestamp.nullable() })),
    providers: z.array(z.object({ provider: z.string(), subject: z.string(), linked_at: Timestamp })),
    invitations: z
      .array(
        z.object({
          id: InvitationId,
          organization_id: OrganizationId,
          organization_name: z.string(),
          email: z.string(),
          role: OrganizationRole,
          status: z.enum(["open", "accepted", "revoked"]),
          expires_at: Timestamp,
        }),
      )
      .describe("To the address, whatever became of them."),
    organizations: z
      .array(
        z.object({
          id: OrganizationId,
          name: z.string(),
          is_deleted: z.boolean(),
          display_name: z.string().describe("Yours, as it is shown there."),
          role: OrganizationRole.nullable().describe("Null: you are not in it any more."),
          joined_at: Timestamp.nullable(),
          team_ids: z.array(TeamId),
          tokens: z.array(TokenView),
          capabilities: z.array(CapabilityView).describe("Those that you issued."),
          browsers: z.array(z.object({ label: z.string().nullable(), created_at: Timestamp })).describe("That get notes."),
          changes: z.array(z.object({ event_id: EventId, type: z.string(), at: Timestamp, detail: z.string().nullable() })),
        }),
      )
      .describe("Every one that knows you. What you wrote in it is in its log: GET /v1/audit/export."),
  })
  .meta({ id: "AccountExport" });
export type AccountExport = z.infer<typeof AccountExport>;

const refusals = { not_a_browser: 409, sign_in_confined: 409 } as const;

export const exportAccount = route({
  id: "account.export",
  summary: "Everything that is held about you, as a JSON file; no secrets",
  method: "GET",
  path: "/v1/account/export",
  ok: AccountExport,
  refusals,
  access: "person",
});
export const deleteAccount = route({
  id: "account.delete",
  summary:
    "Delete your account: what you prove yourself with, your memberships, name and address. What you wrote in a log stays, by a deleted person",
  method: "POST",
  path: "/v1/account/delete",
  body: z.object({ confirm: z.string().trim().min(1).max(255).describe("Your address or your name, typed again.") }),
  ok: z.object({ ok: z.literal(true) }),
  okStatus: 202,
  refusals: {
    ...refusals,
    accounts_not_configured: 409,
    account_not_found: 404,
    sign_in_too_old: 403,
    confirmation_mismatch: 409,
    last_owner: 409,
  },
  access: "person",
});
