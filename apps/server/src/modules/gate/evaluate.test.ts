import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { CapabilityGrant } from "@signalbox/contract/capabilities";
import { PolicyInput, REASON_CODES } from "@signalbox/contract/gate";
import { canonicalJson, type Json, sha256 } from "@signalbox/kernel/canonical";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { evaluate, type GateFacts } from "./evaluate.ts";
import { loadPolicies, POLICY_VERSION } from "./policy-set.ts";
import { ACTION_REGISTRY } from "./registry.ts";

const policies = loadPolicies();
const HASH = `sha256:${"a".repeat(64)}`;
const SESSION = "ses_01J00000000000000000000001";

const ask = (action: string, more: Partial<Record<keyof PolicyInput, unknown>> = {}): PolicyInput =>
  PolicyInput.parse({
    principal: { id: "agt_1", type: "agent" },
    action,
    resource: { type: "remote", id: "https://git.example/a" },
    call_hash: HASH,
    ...more,
  });
const facts = (more: Partial<GateFacts> = {}): GateFacts => ({
  principalIsKnown: true,
  session: undefined,
  killSwitch: "off",
  approvalId: null,
  ...more,
});
const judge = (input: PolicyInput, more: Partial<GateFacts> = {}) => {
  const { decision, reason_code } = evaluate(policies, input, facts(more));
  return `${decision} ${reason_code}`;
};

test.each([
  ["git.fetch", {}, "allow default_allow"],
  ["external.read", {}, "allow default_allow"],
  ["git.push", {}, "require_approval external_write_requires_approval"],
  ["external.write", {}, "require_approval external_write_requires_approval"],
  // ✗ approvals unlocked only one action type; ✗ kill switch ignored payments and mail.
  ["email.send", {}, "require_approval external_write_requires_approval"],
  ["payment.execute", {}, "require_approval external_write_requires_approval"],
  ["git.push.force", {}, "deny danger_denied"],
  ["resource.delete", {}, "deny danger_denied"],
  ["session.write", {}, "allow session_internal"],
  ["session.execute", {}, "allow session_internal"],
  ["egress.request", { host_allowed: true }, "allow egress_host_allowed"],
  ["egress.request", { host_allowed: false }, "deny egress_host_not_allowed"],
  ["egress.request", {}, "deny egress_host_not_allowed"],
  ["egress.request", { host_allowed: true, address: "private" }, "deny egress_private_address"],
  ["egress.request", { host_allowed: false, address: "private" }, "deny egress_private_address"],
  ["egress.request", { host_allowed: true, address: "metadata" }, "deny egress_metadata_address"],
  ["egress.request", { host_allowed: false, address: "metadata" }, "deny egress_metadata_address"],
  ["model.call", { within_budget: true }, "allow policy_permits"],
  ["model.call", { within_budget: false }, "deny budget_exhausted"],
  ["model.call", {}, "deny budget_exhausted"],
  ["tool.bash", {}, "allow session_internal"],
  ["tool.external_directory", {}, "allow session_internal"],
  ["tool.doom_loop", {}, "deny danger_denied"],
  ["tool.", {}, "deny unknown_action"],
  ["made.up", {}, "deny unknown_action"],
])("%s with %j is answered: %s", (action, context, expected) => {
  expect(judge(ask(action, { context }))).toBe(expected);
});

test("the allow-list is changed by people, never by an agent; under the kill switch it is only narrowed", () => {
  const person = { principal: { id: "usr_boss" as PolicyInput["principal"]["id"], type: "user" as const }, session_id: undefined };
  expect(judge(ask("egress.rule.add", person))).toBe("allow policy_permits");
  expect(judge(ask("egress.rule.add"))).toBe("deny policy_forbids");
  expect(judge(ask("egress.rule.remove"))).toBe("deny policy_forbids");
  expect(judge(ask("egress.rule.add", person), { killSwitch: "engaged" })).toBe("deny kill_switch_active");
  expect(judge(ask("egress.rule.remove", person), { killSwitch: "engaged" })).toBe("allow policy_permits");
});

const EFFECTS = [...ACTION_REGISTRY.values()]
  .filter(({ scope }) => scope !== "session" && scope !== "narrowing")
  .map(({ action }) => action);
const WRITES = [...ACTION_REGISTRY.values()]
  .filter(({ scope, risk }) => scope === "outside" && risk === "write")
  .map(({ action }) => action);

test.each(EFFECTS)("the kill switch stops %s, whatever else speaks for it", (action) => {
  const input = ask(action, { context: { host_allowed: true, within_budget: true } });
  expect(judge(input, { killSwitch: "engaged", approvalId: "appr_1" })).toBe("deny kill_switch_active");
  expect(judge(input, { killSwitch: "unknown", approvalId: "appr_1" })).toBe("deny kill_switch_unknown");
});

test.each([
  ["git.fetch", {}, { scopes: [] }, "allow default_allow"],
  ["git.fetch", {}, { scopes: [], actions: ["git.*"] }, "allow default_allow"],
  ["git.fetch", {}, { scopes: [], actions: ["external.read"] }, "deny capability_scope"],
  ["git.fetch", {}, { scopes: [], actions: [] }, "deny capability_scope"],
  // It never allows more than the policies do.
  ["git.push", {}, { scopes: [], actions: ["*"] }, "require_approval external_write_requires_approval"],
  ["git.fetch", { room_id: "room_1" }, { scopes: [], rooms: ["room_1"] }, "allow default_allow"],
  ["git.fetch", { room_id: "room_2" }, { scopes: [], rooms: ["room_1"] }, "deny capability_scope"],
  ["git.fetch", {}, { scopes: [], rooms: ["room_1"] }, "deny capability_scope"],
  ["tool.bash", {}, { scopes: [], tools: ["bash"] }, "allow session_internal"],
  ["tool.edit", { tool: "bash" }, { scopes: [], tools: ["bash"] }, "deny capability_scope"],
  ["egress.request", { host_allowed: true }, { scopes: [], egress: ["git.example"] }, "allow egress_host_allowed"],
  ["egress.request", { host_allowed: true, host: "other.example" }, { scopes: [], egress: ["other.example"] }, "deny capability_scope"],
  ["git.fetch", { data_read: "internal" }, { scopes: [], data: { read: ["internal"], write: [] } }, "allow default_allow"],
  ["git.fetch", { data_write: "internal" }, { scopes: [], data: { read: ["internal"], write: [] } }, "deny capability_scope"],
] as [string, object, CapabilityGrant, string][])("%s with %j under the capability %j: %s", (action, context, grant, expected) => {
  const input = ask(action, { context, capability_id: `cap_${"0".repeat(26)}` });
  const held = { grant, principalId: "agt_1", status: "active" as const };
  expect(judge(input, { capability: held })).toBe(expected);
  expect(judge(input, { capability: { ...held, status: "revoked" } })).toBe("deny capability_revoked");
  expect(judge(input, { capability: { ...held, status: "expired" } })).toBe("deny capability_expired");
  expect(judge(input, { capability: { ...held, principalId: "agt_2" } })).toBe("deny capability_unknown");
  expect(judge(input, { capability: null })).toBe("deny capability_unknown");
  expect(judge(input)).toBe("deny capability_unknown");
});

test("the kill switch leaves the inside of a session alone, and stops what nobody knows", () => {
  expect(judge(ask("session.write"), { killSwitch: "engaged" })).toBe("allow session_internal");
  expect(judge(ask("made.up"), { killSwitch: "engaged" })).toBe("deny kill_switch_active");
});

test.each(WRITES)("an approval of exactly that call lets %s through", (action) => {
  expect(judge(ask(action), { approvalId: "appr_1" })).toBe("allow approval_allows_action");
});

test("no approval lets a dangerous action through", () => {
  expect(judge(ask("git.push.force"), { approvalId: "appr_1" })).toBe("deny danger_denied");
});

test.each<[string, Partial<GateFacts>, string]>([
  ["an unknown principal", { principalIsKnown: false }, "deny identity_unknown"],
  ["a session that does not exist", { session: null }, "deny identity_mismatch"],
  ["another agent's session", { session: { agentId: "agt_2", hasEnded: false } }, "deny identity_mismatch"],
  ["a session that has ended", { session: { agentId: "agt_1", hasEnded: true } }, "deny session_ended"],
  ["its own session", { session: { agentId: "agt_1", hasEnded: false } }, "allow session_internal"],
])("an agent acting as or in %s is answered: %s", (_who, more, expected) => {
  expect(judge(ask("session.write", { session_id: SESSION }), more)).toBe(expected);
});

test("a caller cannot talk its own risk down, nor its scope away", () => {
  expect(judge(ask("git.push", { context: { risk: "read", scope: "session", reversible: true } }))).toBe(
    "require_approval external_write_requires_approval",
  );
  expect(judge(ask("git.push.force", { context: { risk: "read" } }))).toBe("deny danger_denied");
});

test("context that Cedar cannot read permits nothing", () => {
  expect(judge(ask("git.fetch", { context: { weight: 0.5 } }))).toBe("deny no_policy_permits");
  expect(judge(ask("egress.request", { context: { host_allowed: "yes" } }))).toMatch(/^deny /);
});

test("a forbid that cannot be evaluated is no permit", () => {
  const directory = mkdtempSync(path.join(tmpdir(), "signalbox-policies-"));
  try {
    writeFileSync(
      path.join(directory, "a.cedar"),
      `@id("all") permit (principal, action, resource);\n@id("broken") forbid (principal, action, resource) when { context.weight > 5 };`,
    );
    const broken = loadPolicies(directory);
    expect(evaluate(broken, ask("git.fetch", { context: { weight: 1 } }), facts())).toMatchObject({ decision: "allow" });
    expect(evaluate(broken, ask("git.fetch"), facts())).toMatchObject({ decision: "deny", policy_ids: ["broken"] });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test.each([
  ["permit (principal, action, resource);", "needs an @id"],
  [`@id("a") permit (principal, action, resource);\n@id("a") permit (principal, action, resource);`, "needs an @id of its own"],
  [`@id("a") @reason("because") permit (principal, action, resource);`, "because is not a reason code"],
  [`@id("a") @decision("maybe") permit (principal, action, resource);`, "only ever"],
  ["permit (", "cannot be read"],
])("policies like %j are refused at start", (text, why) => {
  const directory = mkdtempSync(path.join(tmpdir(), "signalbox-policies-"));
  try {
    writeFileSync(path.join(directory, "a.cedar"), text);
    expect(() => loadPolicies(directory)).toThrow(why);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("whatever the input, nothing outside is allowed without an approval but reads, listed hosts and paid-for models", () => {
  const plain = fc.record(
    { host_allowed: fc.boolean(), within_budget: fc.boolean(), address: fc.constantFrom("public", "private", "metadata") },
    { requiredKeys: [] },
  );
  const wild = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.boolean(), fc.double(), fc.constant(null)), { maxKeys: 3 });
  fc.assert(
    fc.property(fc.constantFrom(...ACTION_REGISTRY.keys(), "made.up"), fc.oneof(plain, wild), (action, context) => {
      const entry = ACTION_REGISTRY.get(action);
      const { decision } = evaluate(policies, ask(action, { context: JSON.parse(JSON.stringify(context)) as object }), facts());
      if (decision !== "allow") return;
      const stated = context as { host_allowed?: boolean; within_budget?: boolean };
      expect(
        entry?.scope === "session" ||
          (entry?.scope === "outside" && entry.risk === "read") ||
          (entry?.scope === "egress" && stated.host_allowed === true) ||
          (entry?.scope === "model" && stated.within_budget === true),
      ).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("the same input and policy version give the same hash; another input or decision another", () => {
  const hash = (input: PolicyInput, more: Partial<GateFacts> = {}) => evaluate(policies, input, facts(more)).evaluation_hash;
  const one = hash(ask("git.push", { context: { a: 1, b: "x" } }));
  expect(hash(ask("git.push", { context: { b: "x", a: 1 } }))).toBe(one);
  expect(evaluate(loadPolicies(), ask("git.push", { context: { a: 1, b: "x" } }), facts()).evaluation_hash).toBe(one);
  expect(hash(ask("git.push", { context: { a: 2, b: "x" } }))).not.toBe(one);
  expect(hash(ask("git.push", { context: { a: 1, b: "x" } }), { approvalId: "appr_1" })).not.toBe(one);
});

test("a changed policy text or registry needs a new policy version", () => {
  // Change both together: the version is what says that a replayed decision may differ.
  const hash = sha256(policies.hash + canonicalJson([...ACTION_REGISTRY.values()] as unknown as Json));
  expect({ version: POLICY_VERSION, hash }).toEqual({
    version: 2,
    hash: "sha256:0fe08b5dc1f9ad8c2b951b529b4398f2584fa49eb7c33a5ea6ec472201197598",
  });
});

test("every reason that policies give is one of the contract's, and every policy says what it is for", () => {
  for (const policy of policies.policies.values()) {
    expect(policy.description, policy.id).not.toBe("");
    expect(Object.keys(REASON_CODES), policy.id).toContain(policy.reason);
  }
});
