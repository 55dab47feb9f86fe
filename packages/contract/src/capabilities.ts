/*
 * Capabilities: signed tokens that let their bearer do a part of what somebody may, for a time. Whoever holds one can
 * make narrower ones of it, offline; none is wider than what it was made of, or lives longer. See specs/capability.md.
 */
import { z } from "zod";
import { TokenScope } from "./identity.ts";
import { CapabilityId, OrganizationId, page, PageQuery, PrincipalId, RoomId, Timestamp, Title } from "./primitives.ts";
import { route } from "./route.ts";

/** How far it may be handed on: a root, and three hands after it. */
export const MAX_DELEGATION_DEPTH = 3;
export const MAX_CAPABILITY_DAYS = 365;

/** A name, `prefix.*`, or `*`. */
const Pattern = z.string().regex(/^(\*|[A-Za-z0-9_.:/-]{1,120}(\.\*)?)$/, "expected a name, a name with .* at its end, or *");
/** A host, `*.host` for it and all below it, or `*`. */
const Domain = z
  .string()
  .max(253)
  .regex(/^(\*|(\*\.)?([a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63})$/, "expected a host name in small letters, or *. in front of one");
const DataClass = z.string().regex(/^(\*|[a-z][a-z0-9_]{0,60})$/, "expected a class like internal, or *");

/** What it lets one do. A part that is left out is not narrowed; an empty list is nothing at all. */
export const CapabilityGrant = z
  .strictObject({
    scopes: z.array(TokenScope).max(10),
    rooms: z.array(RoomId).max(100).optional(),
    /** Names of tools that calls may be recorded of. */
    tools: z.array(Pattern).max(100).optional(),
    /** Operation ids of this API (`runs.claim`, `runs.*`) and names of the action registry (`git.push`). */
    actions: z.array(Pattern).max(100).optional(),
    egress: z.array(Domain).max(100).optional(),
    data: z.strictObject({ read: z.array(DataClass).max(50), write: z.array(DataClass).max(50) }).optional(),
  })
  .meta({ id: "CapabilityGrant" });
export type CapabilityGrant = z.infer<typeof CapabilityGrant>;

/** `engine`: claims and reports runs; `worker`: a place where agents run; `api`: anything else. */
export const CapabilityKind = z.enum(["engine", "worker", "api"]).meta({ id: "CapabilityKind" });
export type CapabilityKind = z.infer<typeof CapabilityKind>;

export const CapabilityView = z
  .object({
    id: CapabilityId,
    kind: CapabilityKind,
    name: z.string(),
    /** As whom its bearer acts. */
    principal_id: PrincipalId,
    issued_by: PrincipalId,
    grant: CapabilityGrant,
    /** Of what it was made; null of a root. */
    parent_id: CapabilityId.nullable(),
    root_id: CapabilityId,
    depth: z.int(),
    /** Made by its holder alone; known since it was first used. */
    offline: z.boolean(),
    /** The one that ends when this is first used. */
    replaces: CapabilityId.nullable(),
    created_at: Timestamp,
    expires_at: Timestamp,
    last_used_at: Timestamp.nullable(),
    revoked_at: Timestamp.nullable(),
    /** `revoked` also when one that it was made of is. */
    status: z.enum(["active", "expired", "revoked"]),
  })
  .meta({ id: "Capability" });
export type CapabilityView = z.infer<typeof CapabilityView>;

const Token = z.string().min(1).max(12_000);
const Lifetime = z
  .int()
  .min(60)
  .max(MAX_CAPABILITY_DAYS * 86_400);
const made = CapabilityView.extend({ token: z.string() }).meta({ id: "NewCapability" });
const mine = { resource: "capability", role: "member", scopes: ["admin"] } as const;
const read = { resource: "capability", role: "viewer", scopes: [] } as const;

/** The server keeps no part of a token: it is shown this once. */
export const issueCapability = route({
  id: "capabilities.issue",
  summary: "Make a capability of what you may do yourself; its token is shown once",
  method: "POST",
  path: "/v1/capabilities",
  body: z.object({
    name: Title,
    kind: CapabilityKind.default("api"),
    grant: CapabilityGrant,
    expires_in_s: Lifetime.default(30 * 86_400),
    /** Of yours: it goes on working until this one is first used. */
    replaces: CapabilityId.optional(),
  }),
  ok: made,
  okStatus: 201,
  refusals: { scope_not_held: 403, capability_not_found: 404, room_not_found: 404 },
  access: mine,
});
/** A holder can do the same without asking (`signalbox capability delegate`); then it is listed from its first use on. */
export const delegateCapability = route({
  id: "capabilities.delegate",
  summary: "Make a narrower capability of one whose token you hold",
  method: "POST",
  path: "/v1/capabilities/delegate",
  body: z.object({ token: Token, name: Title, grant: CapabilityGrant, expires_in_s: Lifetime.optional() }),
  ok: made,
  okStatus: 201,
  refusals: {
    capability_invalid: 422,
    capability_wider: 403,
    capability_outlives: 403,
    delegation_depth_exceeded: 403,
    capability_sealed: 403,
  },
  access: read,
});
export const listCapabilities = route({
  id: "capabilities.list",
  summary: "Capabilities, newest first: yours, or for administrators all",
  method: "GET",
  path: "/v1/capabilities",
  query: PageQuery,
  ok: page(CapabilityView).meta({ id: "CapabilityPage" }),
  refusals: {},
  access: { resource: "capability", role: "member", scopes: ["read"] },
});
export const getCapability = route({
  id: "capabilities.get",
  summary: "One capability",
  method: "GET",
  path: "/v1/capabilities/:id",
  params: z.object({ id: CapabilityId }),
  ok: CapabilityView,
  refusals: { capability_not_found: 404 },
  access: { resource: "capability", role: "member", scopes: ["read"] },
});
export const CapabilityInspection = z
  .object({
    organization_id: OrganizationId,
    principal_id: PrincipalId,
    /** From the root on. */
    chain: z.array(z.object({ id: CapabilityId, name: z.string(), grant: CapabilityGrant, expires_at: Timestamp })),
    /** What its bearer may do: no more than any of the chain allows. */
    effective: CapabilityGrant,
    expires_at: Timestamp,
    status: z.enum(["active", "expired", "revoked"]),
  })
  .meta({ id: "CapabilityInspection" });
export const inspectCapability = route({
  id: "capabilities.inspect",
  summary: "What a token is, and whether it holds",
  method: "POST",
  path: "/v1/capabilities/inspect",
  body: z.object({ token: Token }),
  ok: CapabilityInspection,
  refusals: { capability_invalid: 422 },
  access: read,
});
export const revokeCapability = route({
  id: "capabilities.revoke",
  summary: "End a capability, and with it every one that was made of it",
  method: "DELETE",
  path: "/v1/capabilities/:id",
  params: z.object({ id: CapabilityId }),
  ok: CapabilityView,
  refusals: { capability_not_found: 404 },
  access: { resource: "capability", role: "member", scopes: [] },
});
/** A JWK set (RFC 7517): whoever has it can check a token without asking. */
export const listCapabilityKeys = route({
  id: "capabilities.keys",
  summary: "Public keys of capabilities",
  method: "GET",
  path: "/v1/capabilities/keys",
  ok: z
    .object({
      keys: z.array(
        z.object({
          kty: z.literal("OKP"),
          crv: z.literal("Ed25519"),
          alg: z.literal("EdDSA"),
          use: z.literal("sig"),
          kid: z.string(),
          x: z.string(),
        }),
      ),
    })
    .meta({ id: "CapabilityKeys" }),
  refusals: {},
  access: "public",
});
