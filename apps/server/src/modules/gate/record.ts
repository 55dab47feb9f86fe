/*
 * Every no of the gate is an event with a subject of its own: denials concern no aggregate, and
 * one shared subject would make strangers wait for each other.
 */
import type { GateEvent } from "@signalbox/contract/events/gate";
import type { PolicyDecision } from "@signalbox/contract/gate";
import type { StreamRef, Unit } from "@signalbox/eventlog/log";
import { accept, type Decider } from "@signalbox/kernel/decider";
import { newId } from "@signalbox/kernel/id";

export type RulingEvent = Extract<GateEvent, { type: "policy.denied" | "policy.requires_approval" }>;

const recorded: Decider<null, RulingEvent, RulingEvent, never> = {
  initial: null,
  decide: (_state, event) => accept(event),
  evolve: (state) => state,
};

/** Stages the record of a ruling other than allow; nothing otherwise. */
export async function recordRuling(
  unit: Unit,
  stream: StreamRef,
  of: { readonly action: string; readonly target?: RulingEvent["data"]["target"]; readonly ruling: PolicyDecision },
): Promise<void> {
  const { decision, reason_code, reason, policy_ids, evaluation_hash } = of.ruling;
  if (decision === "allow") return;
  const data = {
    action: of.action,
    reason_code,
    reason,
    policy_ids,
    evaluation_hash,
    ...(of.target === undefined ? {} : { target: of.target }),
  };
  await unit.decide(recorded, stream, `evaluation:${newId("evl")}`, {
    type: decision === "deny" ? "policy.denied" : "policy.requires_approval",
    data,
  });
}
