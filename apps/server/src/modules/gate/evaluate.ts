/*
 * The gate's judgement: one pure function of the input, the facts and the policies in force.
 * Enforcement, `POST /v1/policy/evaluate` and tests call this one and no other.
 *
 *   identity → capability → kill switch → registry → Cedar → approval
 *
 * Cedar: a matching forbid wins; among permits one annotated require_approval beats plain ones;
 * nothing matching is a denial, and so is a policy that could not be evaluated (an erring forbid
 * must not be a permit). The first stage that says no ends it.
 */
import * as cedar from "@cedar-policy/cedar-wasm/nodejs";
import { allowsAction, allowsData, allowsHost, allowsRoom, allowsTool } from "@signalbox/capability/grant";
import type { CapabilityGrant } from "@signalbox/contract/capabilities";
import { type PolicyDecision, type PolicyInput, REASON_CODES, type ReasonCode } from "@signalbox/contract/gate";
import { canonicalJson, type Json, sha256 } from "@signalbox/kernel/canonical";
import type { LoadedPolicies, Policy } from "./policy-set.ts";
import { registeredAction, type RegisteredAction } from "./registry.ts";

/** What has to be looked up before judging. All of it is data, so that a judgement can be repeated. */
export interface GateFacts {
  readonly principalIsKnown: boolean;
  /** Undefined: the input names no session. Null: there is no such session. */
  readonly session: { readonly agentId: string; readonly hasEnded: boolean } | null | undefined;
  /** Undefined: the input names none. Null: there is none of that id. */
  readonly capability?: CapabilityFacts | null | undefined;
  readonly killSwitch: "off" | "engaged" | "unknown";
  /** An approval that speaks for exactly this call. */
  readonly approvalId: string | null;
}

export interface CapabilityFacts {
  readonly grant: CapabilityGrant;
  readonly principalId: string;
  readonly status: "active" | "expired" | "revoked";
}

interface Verdict {
  readonly decision: PolicyDecision["decision"];
  readonly reason: ReasonCode;
  readonly policyIds: readonly string[];
}

export function evaluate(policies: LoadedPolicies, input: PolicyInput, facts: GateFacts): PolicyDecision {
  const { decision, reason, policyIds } = judge(policies, input, facts);
  return {
    decision,
    reason_code: reason,
    reason: REASON_CODES[reason],
    policy_ids: [...policyIds],
    policy_version: policies.version,
    evaluation_hash: sha256(
      canonicalJson({
        input: input as unknown as Json,
        policy_version: policies.version,
        decision,
        reason_code: reason,
        policy_ids: policyIds,
      }),
    ),
    obligations: decision === "require_approval" ? ["obtain_approval"] : [],
  };
}

function judge(policies: LoadedPolicies, input: PolicyInput, facts: GateFacts): Verdict {
  const denial = identityDenial(input, facts) ?? capabilityDenial(input, facts);
  if (denial !== null) return deny(denial);
  const action = registeredAction(input.action);
  // Unknown actions are stopped like any effect: nobody knows what they do.
  if (action?.scope !== "session" && action?.scope !== "narrowing" && facts.killSwitch !== "off")
    return deny(facts.killSwitch === "engaged" ? "kill_switch_active" : "kill_switch_unknown");
  if (action === undefined) return deny("unknown_action");
  const verdict = rememberedVerdict(policies, input, action);
  if (verdict.decision === "require_approval" && facts.approvalId !== null)
    return { ...verdict, decision: "allow", reason: "approval_allows_action" };
  return verdict;
}

function identityDenial(input: PolicyInput, { principalIsKnown, session }: GateFacts): ReasonCode | null {
  if (!principalIsKnown) return "identity_unknown";
  if (session === undefined) return null;
  if (session === null) return "identity_mismatch";
  // An agent acts in its own session; people and services act where their roles allow, which the routes check.
  if (input.principal.type === "agent" && session.agentId !== input.principal.id) return "identity_mismatch";
  return session.hasEnded ? "session_ended" : null;
}

/** What the caller says of the call is what is checked: a part that the capability narrows and the call does not name is not covered. */
function capabilityDenial(input: PolicyInput, { capability }: GateFacts): ReasonCode | null {
  if (input.capability_id === undefined) return null;
  if (capability == null || capability.principalId !== input.principal.id) return "capability_unknown";
  if (capability.status !== "active") return capability.status === "revoked" ? "capability_revoked" : "capability_expired";
  const { grant } = capability;
  const named = (key: string): string | undefined => {
    const value = input.context[key];
    return typeof value === "string" ? value : undefined;
  };
  const covers = (narrowed: unknown, what: string | undefined, allows: (what: string) => boolean): boolean =>
    narrowed === undefined || (what !== undefined && allows(what));
  const isEgress = input.action === "egress.request";
  const tool = /^tool\.(.+)$/.exec(input.action)?.[1];
  const [read, write] = [named("data_read"), named("data_write")];
  const isCovered =
    allowsAction(grant, input.action) &&
    covers(grant.rooms, named("room_id"), (roomId) => allowsRoom(grant, roomId)) &&
    (tool === undefined || allowsTool(grant, tool)) &&
    (!isEgress || covers(grant.egress, hostOf(input.resource.id), (host) => allowsHost(grant, host))) &&
    (read === undefined || allowsData(grant, "read", read)) &&
    (write === undefined || allowsData(grant, "write", write));
  return isCovered ? null : "capability_scope";
}

const hostOf = (text: string): string => (URL.canParse(text) ? new URL(text).hostname : text.replace(/:\d+$/, ""));

/**
 * Cedar's answer depends on nothing but its arguments, so it is asked once for each: a call of it
 * costs some 45 µs, a look here 2 µs, and model calls of one session all ask the same. Bounded; a
 * session's questions are few, so emptying it whole now and then costs nothing.
 */
const remembered = new WeakMap<LoadedPolicies, Map<string, Verdict>>();
const REMEMBERED = 2_000;

function rememberedVerdict(policies: LoadedPolicies, input: PolicyInput, action: RegisteredAction): Verdict {
  let verdicts = remembered.get(policies);
  if (verdicts === undefined) remembered.set(policies, (verdicts = new Map()));
  const { principal, resource, context, zone } = input;
  const key = JSON.stringify([principal.type, principal.id, input.action, resource.type, resource.id, zone, context]);
  let verdict = verdicts.get(key);
  if (verdict === undefined) {
    verdict = askCedar(policies, input, action);
    if (verdicts.size >= REMEMBERED) verdicts.clear();
    verdicts.set(key, verdict);
  }
  return verdict;
}

const ENTITY = { user: "User", agent: "Agent", service: "Service" } as const;

function askCedar(policies: LoadedPolicies, input: PolicyInput, action: RegisteredAction): Verdict {
  const answer = cedar.statefulIsAuthorized({
    principal: { type: ENTITY[input.principal.type], id: input.principal.id },
    action: { type: "Action", id: input.action },
    resource: { type: "Resource", id: `${input.resource.type}/${input.resource.id}` },
    // The registry's word stands above what a caller says about its own action.
    context: {
      ...(input.context as cedar.Context),
      risk: action.risk,
      scope: action.scope,
      reversible: action.reversible,
      zone: input.zone,
    },
    preparsedPolicySetId: policies.preparsed,
    entities: [],
  });
  // Context that Cedar cannot read (a fraction, a null): nothing can be said for it.
  if (answer.type === "failure") return deny("no_policy_permits");
  const { decision, diagnostics } = answer.response;
  if (diagnostics.errors.length > 0) return deny("policy_forbids", diagnostics.errors.map((e) => e.policyId).toSorted());
  const matching = diagnostics.reason.toSorted().flatMap((id) => policies.policies.get(id) ?? []);
  if (matching.length === 0) return deny("no_policy_permits");
  if (decision === "deny") return deny(reasonOf(matching) ?? "policy_forbids", idsOf(matching));
  const asking = matching.filter((policy) => policy.decision === "require_approval");
  return asking.length > 0
    ? { decision: "require_approval", reason: reasonOf(asking) ?? "policy_requires_approval", policyIds: idsOf(asking) }
    : { decision: "allow", reason: reasonOf(matching) ?? "policy_permits", policyIds: idsOf(matching) };
}

/**
 * Of several policies the last by id that gives a reason: `egress-private` and `egress-metadata`
 * say more than `egress-any-other`.
 */
const reasonOf = (matching: readonly Policy[]): ReasonCode | null => matching.findLast((policy) => policy.reason !== null)?.reason ?? null;
const idsOf = (matching: readonly Policy[]): string[] => matching.map((policy) => policy.id);
const deny = (reason: ReasonCode, policyIds: readonly string[] = []): Verdict => ({ decision: "deny", reason, policyIds });
