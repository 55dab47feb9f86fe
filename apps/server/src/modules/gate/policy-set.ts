/*
 * The policies in force: the files of `policies/`, read and parsed by Cedar once per process.
 * Annotations: @id (required, unique), @description, @reason (a reason code of the contract),
 * @decision("require_approval") on permits.
 *
 * A changed text needs a new POLICY_VERSION, or the same input and version could hash to another
 * decision; a test pins the two together.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import * as cedar from "@cedar-policy/cedar-wasm/nodejs";
import { REASON_CODES, type ReasonCode } from "@signalbox/contract/gate";
import { sha256 } from "@signalbox/kernel/canonical";

export const POLICY_VERSION = 2;

export interface Policy {
  readonly id: string;
  readonly effect: "permit" | "forbid";
  readonly decision: "require_approval" | null;
  readonly reason: ReasonCode | null;
  readonly description: string;
  readonly text: string;
}
export interface LoadedPolicies {
  readonly version: number;
  readonly hash: string;
  readonly policies: ReadonlyMap<string, Policy>;
  /** Its name inside Cedar. */
  readonly preparsed: string;
}

export function loadPolicies(directory = path.join(import.meta.dirname, "policies")): LoadedPolicies {
  const files = readdirSync(directory)
    .filter((name) => name.endsWith(".cedar"))
    .toSorted();
  const text = files.map((name) => readFileSync(path.join(directory, name), "utf8")).join("\n");
  const policies = parsePolicies(text);
  const hash = sha256(text);
  const preparsed = `policies ${hash}`;
  const answer = cedar.preparsePolicySet(preparsed, {
    staticPolicies: Object.fromEntries([...policies].map(([id, policy]) => [id, policy.text])),
  });
  if (answer.type === "failure") throw new Error(`the policies cannot be read: ${answer.errors.map((e) => e.message).join("; ")}`);
  return { version: POLICY_VERSION, hash, policies, preparsed };
}

function parsePolicies(text: string): ReadonlyMap<string, Policy> {
  const parts = cedar.policySetTextToParts(text);
  if (parts.type === "failure") throw new Error(`the policies cannot be read: ${parts.errors.map((e) => e.message).join("; ")}`);
  const policies = new Map<string, Policy>();
  for (const policyText of parts.policies) {
    const answer = cedar.policyToJson(policyText);
    if (answer.type === "failure") throw new Error(`a policy cannot be read: ${answer.errors.map((e) => e.message).join("; ")}`);
    const { effect, annotations = {} } = answer.json;
    const { id, decision, reason, description } = annotations;
    if (id === undefined || policies.has(id)) throw new Error(`every policy needs an @id of its own: ${policyText}`);
    if (decision !== undefined && (decision !== "require_approval" || effect !== "permit"))
      throw new Error(`${id}: @decision is only ever "require_approval", on a permit`);
    if (reason !== undefined && !isReasonCode(reason)) throw new Error(`${id}: ${reason} is not a reason code`);
    policies.set(id, { id, effect, decision: decision ?? null, reason: reason ?? null, description: description ?? "", text: policyText });
  }
  return policies;
}

const isReasonCode = (code: string): code is ReasonCode => Object.hasOwn(REASON_CODES, code);
