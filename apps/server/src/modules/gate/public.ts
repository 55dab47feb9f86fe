/* What the rest of the server may use of the gate. */
import path from "node:path";
import type { RulingEvent } from "./record.ts";
import type { PolicyDecision, PolicyInput } from "@signalbox/contract/gate";
import type { Origin, StreamRef } from "@signalbox/eventlog/log";
import type { Caller } from "../../http/handle.ts";
import type { Deps, Module } from "../../module.ts";
import type { Call } from "../approvals/public.ts";
import { type CapabilityFacts, evaluate, type GateFacts } from "./evaluate.ts";
import { killSwitchState } from "./kill-switch.projection.ts";
import { loadPolicies } from "./policy-set.ts";
import { recordRuling } from "./record.ts";
import { gateRoutes } from "./routes.ts";
import { createSwitchWatch, type KillSwitchChange } from "./switch-watch.ts";

export { registeredAction } from "./registry.ts";
export { recordRuling } from "./record.ts";
export type { KillSwitchChange } from "./switch-watch.ts";

/** A question that is about to become an effect. */
export interface GateRequest {
  readonly organizationId: string;
  readonly input: PolicyInput;
  /** Where a no is recorded: the room's stream for what happens in a room, else the organization's. */
  readonly stream: StreamRef;
  readonly origin: Origin;
  /** The call's own target: an approval of a wider scope speaks for it, and the record of a no names it. */
  readonly target?: RulingEvent["data"]["target"];
  /** False when the caller records the no itself, in its own unit (`recordRuling`). Default true. */
  readonly record?: boolean | undefined;
}
/** `approval_id`: the approval that speaks for the call; whoever executes it spends it. */
export type Ruling = PolicyDecision & { readonly approval_id: string | null };

type Context = Readonly<Record<string, boolean | number | string>>;

export interface GateModule extends Module {
  /** Enforcement: gathers the facts (identity, session, kill switch at most 1 s old, approval), judges, records every no. */
  decide(request: GateRequest): Promise<Ruling>;
  /** The same judgement on the same facts, without a record. */
  evaluate(
    organizationId: string,
    input: PolicyInput,
    of?: {
      readonly roomId?: string | null | undefined;
      readonly target?: GateRequest["target"];
      /** What whoever asks may not know of is judged as what is not there. */
      readonly unseen?: { readonly session: boolean; readonly capability: boolean };
    },
  ): Promise<Ruling>;
  /** Called within 1 s of a change in any process: cut the organization's tunnels and streams when engaged. Returns the unsubscribe function. */
  onKillSwitch(listener: (change: KillSwitchChange) => void): () => void;
  /** `unknown` when it could not be read for a second: stop as if engaged, but it may pass. */
  killSwitch(organizationId: string): Promise<"off" | "engaged" | "unknown">;
  /** `POLICY_KILL_SWITCH_EXTERNAL_WRITE`: engaged everywhere, and nothing lifts it. */
  readonly isForced: boolean;
  /**
   * What only the owner of an action knows. It overrides what a caller claims:
   *   egress.request  host_allowed: boolean; address: "public" | "private" | "metadata"
   *   model.call      within_budget: boolean
   * Without a provider the caller of `decide` states them in `input.context`; unstated means no.
   */
  provideContext(action: string, provider: (organizationId: string, input: PolicyInput) => Promise<Context>): void;
  /** What a capability allows and whether it holds; until it is set, none is known. */
  provideCapability(lookup: (organizationId: string, capabilityId: string) => Promise<CapabilityFacts | null>): void;
  /** Whose session it is and whether it has ended; set by the sessions module. Until then sessions are not compared. */
  provideSession(lookup: (organizationId: string, sessionId: string) => Promise<{ agentId: string; hasEnded: boolean } | null>): void;
  /** Whether somebody may know of a session; set where rooms and sessions meet. Until then nobody may. */
  provideSight(sees: Sees): void;
}
export type Sees = (caller: Caller, sessionId: string) => Promise<boolean>;

export interface GateDeps extends Deps {
  readonly killSwitchForced: boolean;
  readonly principalExists: (organizationId: string, principalId: string) => Promise<boolean>;
  readonly approvals: {
    covering(organizationId: string, call: Call & { roomId?: string | null | undefined }): Promise<{ approvalId: string } | null>;
  };
}

export function createGate(deps: GateDeps): GateModule {
  const { log, approvals } = deps;
  const policies = loadPolicies();
  const watch = createSwitchWatch(deps);
  const providers = new Map<string, (organizationId: string, input: PolicyInput) => Promise<Context>>();
  let findCapability: Parameters<GateModule["provideCapability"]>[0] | undefined;
  let findSession: Parameters<GateModule["provideSession"]>[0] | undefined;
  let sees: Sees = async () => false;

  const killSwitch = async (organizationId: string) => (deps.killSwitchForced ? "engaged" : watch.state(organizationId));

  async function gather(
    organizationId: string,
    input: PolicyInput,
    of: NonNullable<Parameters<GateModule["evaluate"]>[2]>,
  ): Promise<GateFacts> {
    const { principal, session_id: sessionId, call_hash: callHash } = input;
    const [principalIsKnown, capability, session, state, approval] = await Promise.all([
      deps.principalExists(organizationId, principal.id),
      input.capability_id === undefined
        ? undefined
        : of.unseen?.capability === true
          ? null
          : (findCapability?.(organizationId, input.capability_id) ?? null),
      sessionId === undefined ? undefined : of.unseen?.session === true ? null : findSession?.(organizationId, sessionId),
      killSwitch(organizationId),
      callHash === undefined
        ? null
        : approvals.covering(organizationId, {
            action: input.action,
            target: of.target ?? null,
            callHash,
            sessionId,
            runId: input.run_id,
            roomId: of.roomId,
          }),
    ]);
    return { principalIsKnown, capability, session, killSwitch: state, approvalId: approval?.approvalId ?? null };
  }

  const judge: GateModule["evaluate"] = async (organizationId, asked, of = {}) => {
    const provided = await providers.get(asked.action)?.(organizationId, asked);
    const input = provided === undefined ? asked : { ...asked, context: { ...asked.context, ...provided } };
    const facts = await gather(organizationId, input, of);
    const decision = evaluate(policies, input, facts);
    return { ...decision, approval_id: decision.reason_code === "approval_allows_action" ? facts.approvalId : null };
  };

  return {
    routes: gateRoutes({ ...deps, policies, watch, judge, sees: (caller, sessionId) => sees(caller, sessionId) }),
    projections: [killSwitchState],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {},
    isForced: deps.killSwitchForced,
    killSwitch,
    evaluate: judge,

    async decide({ organizationId, input, stream, origin, target, record = true }) {
      const ruling = await judge(organizationId, input, { roomId: stream.type === "room" ? stream.id : null, target });
      if (record && ruling.decision !== "allow") {
        await log.unit({ organizationId, origin }, (unit) => recordRuling(unit, stream, { action: input.action, target, ruling }));
      }
      return ruling;
    },

    onKillSwitch(listener) {
      const unsubscribe = watch.onChange(listener);
      // It was engaged before anybody could listen.
      if (deps.killSwitchForced) listener({ organizationId: null, engaged: true, epoch: 0 });
      return unsubscribe;
    },

    provideContext(action, provider) {
      if (providers.has(action)) throw new Error(`${action} has an owner already`);
      providers.set(action, provider);
    },
    provideCapability(lookup) {
      if (findCapability !== undefined) throw new Error("capabilities have an owner already");
      findCapability = lookup;
    },
    provideSession(lookup) {
      if (findSession !== undefined) throw new Error("sessions have an owner already");
      findSession = lookup;
    },

    provideSight: (given) => void (sees = given),

    start: async () => watch.start(),
    stop: async () => watch.stop(),
  };
}
