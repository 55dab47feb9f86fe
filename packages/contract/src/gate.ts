import { z } from "zod";
import { HostPattern } from "./egress-hosts.ts";
import { GateDecision, Risk } from "./events/gate.ts";
import {
  ApprovalId,
  CapabilityId,
  CallHash,
  InvocationId,
  JsonObject,
  page,
  PageQuery,
  PrincipalId,
  PrincipalType,
  RunId,
  SandboxId,
  SessionId,
  Timestamp,
  Zone,
} from "./primitives.ts";
import { route } from "./route.ts";

/** The closed list of why the gate decided as it did. Additive only. */
export const REASON_CODES = {
  default_allow: "Nothing speaks against it.",
  policy_permits: "A policy permits it.",
  approval_allows_action: "An approval covers exactly this call.",
  session_internal: "It stays inside the session.",
  egress_host_allowed: "The host is on the allow-list.",
  external_write_requires_approval: "It writes to the outside world, so a person must approve it first.",
  policy_requires_approval: "A policy asks for a person's approval.",
  policy_forbids: "A policy forbids it.",
  no_policy_permits: "No policy permits it, and effects are denied by default.",
  danger_denied: "It is classed as dangerous, and dangerous actions are denied.",
  kill_switch_active: "The kill switch is on: nothing may leave.",
  kill_switch_unknown: "The state of the kill switch is not known freshly enough, so nothing may leave.",
  identity_unknown: "The caller is not a registered principal of this organization.",
  identity_mismatch: "The caller does not own this session or run.",
  capability_unknown: "The capability that was presented is none of this principal in this organization.",
  capability_revoked: "The capability that was presented has been revoked, or one that it was made of.",
  capability_expired: "The capability that was presented has expired.",
  capability_scope: "The capability that was presented does not cover this.",
  quota_exceeded: "A quota is used up.",
  budget_exhausted: "The budget does not cover the worst case of this call.",
  egress_host_not_allowed: "The host is not on the allow-list.",
  egress_private_address: "The host resolves to a private or internal address.",
  egress_metadata_address: "The host is a cloud metadata address.",
  egress_resolution_failed: "The host name does not resolve.",
  egress_invalid_destination: "The destination is not a valid http(s) address.",
  session_ended: "The session has ended.",
  unknown_action: "The action is not in the registry.",
  approval_denied: "A person denied it.",
  approval_lapsed: "The approval's time was over before it could be executed.",
  approval_spent: "The approval was spent on another call already.",
  call_altered: "The stored call is not the one that was asked about (a secret in it was redacted), so it is not executed.",
} as const;
export type ReasonCode = keyof typeof REASON_CODES;
export const ReasonCode = z.enum(Object.keys(REASON_CODES) as [ReasonCode, ...ReasonCode[]]).meta({ id: "ReasonCode" });

export const PolicyInput = z
  .object({
    principal: z.object({ id: PrincipalId, type: PrincipalType }),
    /** A name of the action registry (`git.push`, `egress.request`, `model.call`, `external.write` …). */
    action: z.string().min(1).max(200),
    resource: z.object({ type: z.string().min(1).max(100), id: z.string().min(1).max(2000) }),
    context: JsonObject.default({}),
    zone: Zone.default("supervised"),
    session_id: SessionId.optional(),
    run_id: RunId.optional(),
    /** What the principal acts with, when that is a capability: nothing is allowed that it does not cover. */
    capability_id: CapabilityId.optional(),
    /** Of the exact call, when an approval may cover it. */
    call_hash: CallHash.optional(),
  })
  .meta({ id: "PolicyInput" });
export type PolicyInput = z.infer<typeof PolicyInput>;
export const PolicyDecision = z
  .object({
    decision: GateDecision,
    reason_code: ReasonCode,
    reason: z.string(),
    policy_ids: z.array(z.string()),
    policy_version: z.int(),
    /** Same input and policy version, same hash. */
    evaluation_hash: z.string(),
    obligations: z.array(z.string()),
  })
  .meta({ id: "PolicyDecision" });
export type PolicyDecision = z.infer<typeof PolicyDecision>;

const read = { resource: "policy", role: "viewer", scopes: ["read"] } as const;
const admin = { resource: "policy", role: "admin", scopes: ["admin"] } as const;

export const evaluatePolicy = route({
  id: "policy.evaluate",
  summary: "Ask the gate without doing anything",
  method: "POST",
  path: "/v1/policy/evaluate",
  body: PolicyInput,
  ok: PolicyDecision,
  refusals: {},
  access: read,
});
export const PolicySet = z
  .object({
    version: z.int(),
    policies: z.array(
      z.object({
        id: z.string(),
        effect: z.enum(["permit", "forbid"]),
        decision: z.string().nullable(),
        description: z.string(),
        text: z.string(),
      }),
    ),
  })
  .meta({ id: "PolicySet" });
export const getPolicy = route({
  id: "policy.get",
  summary: "The policies in force",
  method: "GET",
  path: "/v1/policy",
  ok: PolicySet,
  refusals: {},
  access: read,
});

export const ActionRegistryEntry = z
  .object({
    action: z.string(),
    description: z.string(),
    risk: Risk,
    reversible: z.boolean(),
    compensating_action: z.string().nullable(),
    zone: Zone,
    cost_class: z.enum(["none", "low", "medium", "high"]),
  })
  .meta({ id: "ActionRegistryEntry" });
export const listActions = route({
  id: "actions.registry",
  summary: "Every action the gate knows",
  method: "GET",
  path: "/v1/action-registry",
  ok: z.object({ items: z.array(ActionRegistryEntry) }).meta({ id: "ActionRegistry" }),
  refusals: {},
  access: read,
});

export const KillSwitchView = z
  .object({
    organization: z.boolean(),
    global: z.boolean(),
    forced_by_environment: z.boolean(),
    reason: z.string().nullable(),
    by: PrincipalId.nullable(),
    since: Timestamp.nullable(),
    epoch: z.int(),
  })
  .meta({ id: "KillSwitch" });
export const getKillSwitch = route({
  id: "kill_switch.get",
  summary: "Whether effects are stopped",
  method: "GET",
  path: "/v1/kill-switch",
  ok: KillSwitchView,
  refusals: {},
  access: read,
});
export const setKillSwitch = route({
  id: "kill_switch.set",
  summary: "Stop every effect of the organization, or let them go on",
  method: "POST",
  path: "/v1/kill-switch",
  body: z.object({ engaged: z.boolean(), reason: z.string().max(500).optional() }),
  ok: KillSwitchView,
  refusals: { kill_switch_forced: 409 },
  access: admin,
});

export const InvocationStatus = z
  .enum(["pending", "approved", "executing", "completed", "failed", "unknown", "denied", "expired"])
  .meta({ id: "InvocationStatus" });
export type InvocationStatus = z.infer<typeof InvocationStatus>;
export const InvocationView = z
  .object({
    id: InvocationId,
    status: InvocationStatus,
    action: z.string(),
    title: z.string(),
    risk: Risk,
    params: z.json(),
    target: z.json().nullable(),
    call_hash: CallHash,
    session_id: SessionId.nullable(),
    run_id: RunId.nullable(),
    approval_id: ApprovalId.nullable(),
    requested_by: PrincipalId,
    decision: GateDecision,
    reason_code: z.string(),
    result: z.json().nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    created_at: Timestamp,
    ended_at: Timestamp.nullable(),
  })
  .meta({ id: "Invocation" });
export const listInvocations = route({
  id: "invocations.list",
  summary: "Invocations, newest first",
  method: "GET",
  path: "/v1/invocations",
  query: PageQuery.extend({ session_id: SessionId.optional(), status: InvocationStatus.optional() }),
  ok: page(InvocationView).meta({ id: "InvocationPage" }),
  refusals: {},
  access: { resource: "invocation", role: "viewer", scopes: ["read"] },
});
export const getInvocation = route({
  id: "invocations.get",
  summary: "One invocation",
  method: "GET",
  path: "/v1/invocations/:id",
  params: z.object({ id: InvocationId }),
  ok: InvocationView,
  refusals: { invocation_not_found: 404 },
  access: { resource: "invocation", role: "viewer", scopes: ["read"] },
});

/** Evidence that only a person has: what became of an invocation whose outcome is unknown. */
export const resolveInvocation = route({
  id: "invocations.resolve",
  summary: "Say what became of an invocation of unknown outcome",
  method: "POST",
  path: "/v1/invocations/:id/resolve",
  params: z.object({ id: InvocationId }),
  body: z.object({ outcome: z.enum(["completed", "failed"]), comment: z.string().max(2000).optional() }),
  ok: InvocationView,
  refusals: { invocation_not_found: 404, invocation_not_unknown: 409 },
  access: { resource: "invocation", role: "approver", scopes: ["approve"] },
});

export const EgressRequestView = z
  .object({
    id: z.string(),
    at: Timestamp,
    session_id: SessionId.nullable(),
    sandbox_id: SandboxId.nullable(),
    method: z.string(),
    scheme: z.enum(["http", "https"]),
    host: z.string(),
    port: z.int(),
    path: z.string().nullable(),
    decision: z.enum(["allow", "deny"]),
    reason_code: z.string(),
    status: z.int().nullable(),
    bytes_sent: z.int(),
    bytes_received: z.int(),
    duration_ms: z.int(),
  })
  .meta({ id: "EgressRequest" });
export const listEgressRequests = route({
  id: "egress.requests.list",
  summary: "Outbound requests of sandboxes, newest first",
  method: "GET",
  path: "/v1/egress/requests",
  query: PageQuery.extend({ session_id: SessionId.optional(), decision: z.enum(["allow", "deny"]).optional() }),
  ok: page(EgressRequestView).meta({ id: "EgressRequestPage" }),
  refusals: {},
  access: { resource: "egress", role: "viewer", scopes: ["read"] },
});
export const EgressRule = z
  .object({ host: HostPattern, session_id: SessionId.nullable(), added_by: PrincipalId, added_at: Timestamp })
  .meta({ id: "EgressRule" });
export const listEgressRules = route({
  id: "egress.rules.list",
  summary: "The allow-list",
  method: "GET",
  path: "/v1/egress/rules",
  query: z.object({ session_id: SessionId.optional() }),
  ok: z.object({ items: z.array(EgressRule) }).meta({ id: "EgressRules" }),
  refusals: {},
  access: { resource: "egress", role: "viewer", scopes: ["read"] },
});
export const addEgressRule = route({
  id: "egress.rules.add",
  summary: "Allow a host",
  method: "POST",
  path: "/v1/egress/rules",
  body: z.object({ host: HostPattern, session_id: SessionId.optional() }),
  ok: EgressRule,
  okStatus: 201,
  refusals: { session_not_found: 404, action_denied: 403 },
  access: { resource: "egress", role: "admin", scopes: ["admin"] },
});
export const removeEgressRule = route({
  id: "egress.rules.remove",
  summary: "Take a host off the allow-list",
  method: "POST",
  path: "/v1/egress/rules/remove",
  body: z.object({ host: HostPattern, session_id: SessionId.optional() }),
  ok: z.object({ removed: z.boolean() }),
  refusals: { action_denied: 403 },
  access: { resource: "egress", role: "admin", scopes: ["admin"] },
});
