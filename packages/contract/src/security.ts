/* What a person wants to see when they ask whether somebody else has been at it; and whoever answers for the organization, of all in it. */
import { z } from "zod";
import { LoginView } from "./accounts.ts";
import { TokenView } from "./identity.ts";
import { EventId, PrincipalId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

const Who = z.object({ id: PrincipalId, name: z.string() });
export const IdentityChange = z
  .object({
    event_id: EventId,
    type: z.string().describe("Of the event: the reference of events says what it means."),
    at: Timestamp,
    by: Who,
    about: Who.nullable().describe("Null: of the organization itself."),
    detail: z.string().nullable().describe("A role, a method, a provider, a domain, the name of a key: what the type leaves open."),
  })
  .meta({ id: "IdentityChange" });
export type IdentityChange = z.infer<typeof IdentityChange>;

export const getSecurity = route({
  id: "security.get",
  summary: "Your sign-ins, keys and what changed about your identity, newest first; admins also get their organization's",
  method: "GET",
  path: "/v1/security",
  ok: z
    .object({
      sign_ins: z.array(LoginView).describe("Yours, in every organization. DELETE /v1/logins/:id ends one."),
      tokens: z.array(TokenView).describe("Yours here that work. DELETE /v1/tokens/:id revokes one."),
      changes: z.array(IdentityChange).describe("About you here; 50 at most."),
      single_sign_on: z.object({ issuer: z.string(), is_required: z.boolean(), has_worked: z.boolean() }).nullable(),
      organization: z
        .object({
          changes: z.array(IdentityChange).describe("About anybody and the organization itself; 100 at most."),
          tokens: z.array(TokenView.extend({ principal_name: z.string() })).describe("Everybody's that work; 200 at most."),
          domains: z.array(z.object({ domain: z.string(), is_proven: z.boolean() })),
        })
        .nullable()
        .describe("Null for whoever is not an admin."),
    })
    .meta({ id: "Security" }),
  refusals: {},
  access: { resource: "security", role: "viewer", scopes: ["admin"] },
});
