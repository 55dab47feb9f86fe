/* What the rest of the server may use of the gate. */
import type { PolicyDecision, PolicyInput } from "@signalbox/contract/gate";
import type { Origin, StreamRef } from "@signalbox/eventlog/log";
import type { Deps, Module } from "../../module.ts";
import type { Call } from "../approvals/public.ts";

export type { GateFacts } from "./evaluate.ts";

/** A question that is about to become an effect. */
export interface GateRequest {
  readonly organizationId: string;
  readonly input: PolicyInput;
  /** Where a denial is recorded: the room's stream for what happens in a room, else the organization's. */
  readonly stream: StreamRef;
  readonly origin: Origin;
  /** Kept in the record of a denial. */
  readonly target?: PolicyInput["context"][string] | undefined;
  /** Records nothing when false: the caller stages the same fact in its own unit (actions do). Default true. */
  readonly record?: boolean | undefined;
}
export type Ruling = PolicyDecision & { readonly approval_id?: string | undefined };

export interface KillSwitchChange {
  /** Null: every organization (the environment forces the global switch). */
  readonly organizationId: string | null;
  readonly engaged: boolean;
  readonly epoch: number;
}

export interface GateModule extends Module {
  /** Enforcement. Gathers facts (identity, kill switch at most 1 s old, covering approval), evaluates, records every non-allow. */
  decide(request: GateRequest): Promise<Ruling>;
  /** The same pure function on the same facts, recording nothing. */
  evaluate(organizationId: string, input: PolicyInput): Promise<Ruling>;
  /** Called within 1 s of a change in any process: cut tunnels and streams of that organization when engaged. Returns the unsubscribe function. */
  onKillSwitch(listener: (change: KillSwitchChange) => void): () => void;
  /** Engaged or not known freshly enough. */
  isStopped(organizationId: string): Promise<boolean>;
  /** Facts that only the owner of an action knows (`host_allowed` of egress.request, `within_budget` of model.call); they override what a caller claims. */
  provideContext(action: string, provider: (organizationId: string, input: PolicyInput) => Promise<Readonly<Record<string, boolean | number | string>>>): void;
  /** Whose session it is and whether it has ended; set by the sessions module. */
  provideSession(lookup: (organizationId: string, sessionId: string) => Promise<{ agentId: string; hasEnded: boolean } | null>): void;
}

export interface GateDeps extends Deps {
  /** `POLICY_KILL_SWITCH_EXTERNAL_WRITE`. */
  readonly killSwitchForced: boolean;
  readonly principalExists: (organizationId: string, principalId: string) => Promise<boolean>;
  readonly approvals: { covering(organizationId: string, call: Call): Promise<{ approvalId: string } | null> };
}
