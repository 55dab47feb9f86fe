/*
 * What may leave a sandbox, and what has. `proxy.ts` is the transport; here are its decisions, its
 * memory and its wiring. See specs/egress.md.
 *
 *   request ─► log has room? ─► quota ─► gate (allow-list, kill switch) ─► proxy ─► row ─► digest a run
 *                 │ no            │ no     │ no                            private address, cut
 *                 └───────────────┴────────┴── 403, `egress.blocked` ◄─────────────┘
 */
import { erasable } from "@signalbox/eventlog/erasable";
import path from "node:path";
import {
  addEgressRule,
  listEgressRequests,
  listEgressRules,
  REASON_CODES,
  removeEgressRule,
  type PolicyInput,
} from "@signalbox/contract/gate";
import { listEgressHosts } from "@signalbox/contract/egress-hosts";
import type { Origin, StreamRef } from "@signalbox/eventlog/log";
import { newId } from "@signalbox/kernel/id";
import { type Caller, handle, refused } from "../../http/handle.ts";
import type { Deps, Module } from "../../module.ts";
import type { GateModule } from "../gate/public.ts";
import { createGatherer, type Blocked, type BlockedRequest } from "./blocked.ts";
import { createEgressProxy, type EgressAsk, type EgressOptions, type EgressProxy, type EgressRecord, type EgressVerdict } from "./proxy.ts";
import { hostsOf } from "./hosts.ts";
import { hostIsAllowed, pinRows, requestPage, ruleList } from "./queries.ts";
import { createQuota } from "./quota.ts";
import { digestOf, egressRecord, type EgressEvent } from "./record.ts";
import { createRequestLog } from "./request-log.ts";
import { egressRules, egressRulesProjection } from "./rules.ts";

export { isPublicAddress } from "./addresses.ts";
export type { EgressProxy, InternalDestination, SandboxIdentity } from "./proxy.ts";

export interface EgressSession {
  readonly agentId: string;
  readonly roomId: string | null;
  readonly hasEnded: boolean;
}

export interface EgressDeps extends Deps {
  readonly gate: Pick<GateModule, "decide" | "onKillSwitch" | "provideContext">;
  readonly sessionOf: (organizationId: string, sessionId: string) => Promise<EgressSession | null>;
  /** Virtual hosts that this server answers itself: the model proxy, the git proxy. */
  readonly internal: EgressOptions["internal"];
  /** Hosts that every organization may reach; default none. */
  readonly defaultHosts?: readonly string[] | undefined;
  /** Null: the caller is not in that room. */
  readonly roomRole?: ((caller: Caller, roomId: string) => Promise<unknown>) | undefined;
  /** The session's tool call that was under way at each of the times. */
  readonly toolCallsAt?:
    | ((
        organizationId: string,
        sessionId: string,
        times: readonly string[],
      ) => Promise<readonly ({ id: string; name: string; title: string | null } | null)[]>)
    | undefined;
  readonly requestsPerMinute?: number | undefined;
  readonly permitAddress?: EgressOptions["permitAddress"];
  readonly resolve?: EgressOptions["resolve"];
}

export interface EgressModule extends Module {
  /** `listen(identity, directory)` for each sandbox, `unlisten` when it is gone. */
  readonly proxy: EgressProxy;
  decide(ask: EgressAsk): Promise<EgressVerdict>;
  /** Pins the session's requests since the last digest to this run, and their hash in the log. Safe to repeat. */
  recordDigest(run: { organizationId: string; sessionId: string; runId: string; origin: Origin }): Promise<void>;
}

const DEFAULT_REQUESTS_PER_MINUTE = 1_200;
const SERVICE: Origin = { principal: { id: "svc_egress", type: "service" }, zone: "sandbox" };
const METADATA_HOSTS: ReadonlySet<string> = new Set([
  "169.254.169.254",
  "metadata.google.internal",
  "metadata",
  "fd00:ec2::254",
  "100.100.100.200",
]);

export function createEgress(deps: EgressDeps): EgressModule {
  const { db, log, logger, gate, internal } = deps;
  const defaults = deps.defaultHosts ?? [];
  const requests = createRequestLog(db, logger);
  const quota = createQuota(deps.requestsPerMinute ?? DEFAULT_REQUESTS_PER_MINUTE);
  const telling = new Set<Promise<void>>();
  const blocked = createGatherer((request) => {
    const told = tellBlocked(request).catch((error: unknown) =>
      logger.error({ err: error, host: request.data.host }, "a refused request could not be told"),
    );
    telling.add(told);
    void told.finally(() => telling.delete(told));
  });

  async function recorded(organizationId: string, sessionId: string, origin: Origin, event: EgressEvent): Promise<void> {
    const roomId = origin.roomId ?? (await deps.sessionOf(organizationId, sessionId))?.roomId ?? undefined;
    const stream: StreamRef = roomId === undefined ? { type: "organization", id: organizationId } : { type: "room", id: roomId };
    await log.run(
      egressRecord,
      { organizationId, origin: { ...origin, sessionId, roomId }, stream, subject: `egress:${sessionId}` },
      event,
    );
  }

  async function tellBlocked({ organizationId, sessionId, data }: BlockedRequest): Promise<void> {
    const session = await deps.sessionOf(organizationId, sessionId);
    const origin: Origin = session === null ? SERVICE : { ...SERVICE, principal: { id: session.agentId, type: "agent" } };
    await recorded(organizationId, sessionId, origin, { type: "egress.blocked", data });
  }

  async function decide(ask: EgressAsk): Promise<EgressVerdict> {
    if (requests.isFull)
      return denied(
        "quota_exceeded",
        "The record of requests cannot keep up, and what cannot be recorded is not let out.",
        "Try again in a moment.",
      );
    if (!ask.internal && !quota.take(ask.sandboxId)) {
      return denied(
        "quota_exceeded",
        "This sandbox makes more requests a minute than it may.",
        "Wait a minute, or ask an operator for a higher limit.",
      );
    }
    const session = await deps.sessionOf(ask.organizationId, ask.sessionId);
    if (session === null || session.hasEnded) return denied("session_ended", REASON_CODES.session_ended, "Start a new session.");
    const input: PolicyInput = {
      principal: { id: session.agentId as PolicyInput["principal"]["id"], type: "agent" },
      action: "egress.request",
      resource: { type: "host", id: ask.host },
      context: { port: ask.port, scheme: ask.scheme, method: ask.method, internal: ask.internal },
      zone: "sandbox",
      session_id: ask.sessionId as NonNullable<PolicyInput["session_id"]>,
    };
    const stream: StreamRef =
      session.roomId === null ? { type: "organization", id: ask.organizationId } : { type: "room", id: session.roomId };
    // Not recorded there: `blocked` tells the same fact, and keeps a loop from telling it for ever.
    const ruling = await gate.decide({ organizationId: ask.organizationId, input, stream, origin: SERVICE, record: false });
    if (ruling.decision === "allow") return { allow: true };
    const fix =
      ruling.reason_code === "egress_host_not_allowed"
        ? `Ask an administrator to allow ${ask.host}: POST /v1/egress/rules, or in the session's network panel.`
        : "Ask an administrator.";
    return denied(ruling.reason_code, `${ask.host}: ${ruling.reason}`, fix);
  }

  function record(r: EgressRecord): void {
    const reasonCode = reasonOf(r);
    requests.push({
      organizationId: r.organizationId,
      id: newId("egr"),
      sessionId: r.sessionId,
      sandboxId: r.sandboxId,
      at: r.startedAt.toISOString(),
      method: r.method,
      scheme: r.scheme,
      host: r.host,
      port: r.port,
      path: r.path,
      address: r.address,
      decision: r.decision === "denied" ? "deny" : "allow",
      reasonCode,
      status: r.status,
      bytesSent: r.bytesUp,
      bytesReceived: r.bytesDown,
      durationMs: Math.round(r.durationMs),
    });
    if (r.decision !== "denied") return;
    const data = {
      session_id: r.sessionId,
      sandbox_id: r.sandboxId,
      host: r.host,
      port: r.port,
      method: r.method,
      reason_code: reasonCode,
      reason: REASON_CODES[reasonCode as keyof typeof REASON_CODES] ?? reasonCode,
    } as Blocked;
    blocked.add({ organizationId: r.organizationId, sessionId: r.sessionId, data });
  }

  const proxy = createEgressProxy({
    decide,
    record,
    internal,
    onFault: (error) => logger.error({ err: error }, "the egress proxy failed"),
    resolve: deps.resolve,
    permitAddress: deps.permitAddress,
  });

  gate.provideContext("egress.request", async (organizationId, { resource, session_id: sessionId }) => ({
    host_allowed: Object.hasOwn(internal, resource.id) || (await hostIsAllowed(db, organizationId, sessionId, resource.id, defaults)),
  }));
  /** The model proxy ends its own streams, with an error that its clients understand. */
  const isModelCall = (open: { host: string; internal: boolean }): boolean => open.internal && open.host === "model.signalbox.invalid";
  const stopWatching = gate.onKillSwitch(({ organizationId, engaged }) => {
    if (engaged)
      proxy.cut((open) => !isModelCall(open) && (organizationId ?? open.organizationId) === open.organizationId, "kill_switch_active");
  });

  const changeRule = async (
    type: "add" | "remove",
    organizationId: string,
    origin: Origin,
    rule: { host: string; session_id?: string | undefined },
  ) => {
    const data = { host: rule.host, by: origin.principal.id, ...(rule.session_id === undefined ? {} : { session_id: rule.session_id }) };
    const target = {
      organizationId,
      origin,
      stream: { type: "organization", id: organizationId } as const,
      subject: `egress_rules:${rule.session_id ?? organizationId}`,
    };
    return log.run(egressRules, target, { type, data: data as Parameters<typeof egressRules.decide>[1]["data"] });
  };

  /** Widening what leaves is an effect like any other: the gate decides it, and the kill switch stops it. Null when it may be. */
  async function ruleDenied(
    type: "add" | "remove",
    caller: Caller,
    origin: Origin,
    rule: { host: string; session_id?: string | undefined },
  ) {
    const ruling = await gate.decide({
      organizationId: caller.organizationId,
      // The session is named in the context only: that a person changes its rules needs it neither to be theirs nor to be alive.
      input: {
        principal: { id: caller.principal.id as PolicyInput["principal"]["id"], type: caller.principal.type },
        action: `egress.rule.${type}`,
        resource: { type: "host", id: rule.host },
        context: rule.session_id === undefined ? {} : { for_session: rule.session_id },
        zone: "supervised",
      },
      stream: { type: "organization", id: caller.organizationId },
      origin,
      target: rule.host,
    });
    if (ruling.decision === "allow") return null;
    return refused("action_denied", {
      message: `The allow-list was not changed: ${ruling.reason}`,
      fix: ruling.reason_code === "kill_switch_active" ? "Release the kill switch first." : "Ask an administrator.",
      details: { reason_code: ruling.reason_code, policy_ids: ruling.policy_ids },
    });
  }

  return {
    routes: [
      handle(listEgressHosts, async ({ caller, params }) => {
        const { organizationId } = caller;
        const session = await deps.sessionOf(organizationId, params.id);
        if (session === null || (session.roomId !== null && (await deps.roomRole?.(caller, session.roomId)) === null))
          return refused("session_not_found", { message: "There is no such session, or you are not in its room." });
        await requests.flush();
        return {
          items: await hostsOf(db, {
            organizationId,
            sessionId: params.id,
            rules: await ruleList(db, organizationId, params.id, defaults),
            toolCallsAt: async (times) => deps.toolCallsAt?.(organizationId, params.id, times) ?? [],
          }),
        };
      }),
      handle(listEgressRequests, ({ caller, query }) => requestPage(db, caller.organizationId, query)),
      handle(listEgressRules, async ({ caller, query }) => ({
        items: await ruleList(db, caller.organizationId, query.session_id, defaults),
      })),
      handle(addEgressRule, async ({ caller, body, origin }) => {
        if (body.session_id !== undefined && (await deps.sessionOf(caller.organizationId, body.session_id)) === null)
          return refused("session_not_found");
        const no = await ruleDenied("add", caller, origin, body);
        if (no !== null) return no;
        await changeRule("add", caller.organizationId, origin, body);
        const rule = (await ruleList(db, caller.organizationId, body.session_id, [])).find(
          ({ host, session_id }) => host === body.host && session_id === (body.session_id ?? null),
        );
        if (rule === undefined) throw new Error(`the rule for ${body.host} was added but cannot be read`);
        return rule;
      }),
      handle(removeEgressRule, async ({ caller, body, origin }) => {
        const no = await ruleDenied("remove", caller, origin, body);
        if (no !== null) return no;
        const decision = await changeRule("remove", caller.organizationId, origin, body);
        return { removed: decision.recorded.length > 0 };
      }),
    ],
    projections: [erasable(egressRulesProjection)],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {},
    proxy,
    decide,

    async recordDigest({ organizationId, sessionId, runId, origin }) {
      await requests.flush();
      // What came after a run's digest belongs to the next run.
      const known = await log.state(egressRecord, organizationId, `egress:${sessionId}`);
      if (known.state.digested === runId) return;
      const rows = await pinRows(db, organizationId, sessionId, runId);
      if (rows.length === 0) return;
      const data = {
        session_id: sessionId,
        run_id: runId,
        requests: rows.length,
        blocked: rows.filter((row) => row.decision === "deny").length,
        bytes: rows.reduce((sum, row) => sum + row.bytes_sent + row.bytes_received, 0),
        digest: digestOf(rows),
      } as Extract<EgressEvent, { type: "egress.digest_recorded" }>["data"];
      await recorded(organizationId, sessionId, { ...origin, runId }, { type: "egress.digest_recorded", data });
    },

    health: async () => ({
      ok: !requests.isFull,
      detail: requests.isFull
        ? "the request log cannot be written, so nothing is let out"
        : requests.dropped > 0
          ? `${requests.dropped} refused requests were not recorded`
          : null,
    }),

    async stop() {
      stopWatching();
      await proxy.close();
      blocked.stop();
      await Promise.all(telling);
      await requests.stop();
    },
  };
}

const denied = (code: string, message: string, fix: string): EgressVerdict => ({ allow: false, code, message, fix });

/** The proxy's own codes in the words of the contract; others are reason codes already. */
function reasonOf({ code, host, decision }: EgressRecord): string {
  switch (code) {
    case null:
      return decision === "allowed" ? "egress_host_allowed" : "policy_forbids";
    case "private_address":
      return METADATA_HOSTS.has(host) ? "egress_metadata_address" : "egress_private_address";
    case "dns_failed":
      return "egress_resolution_failed";
    default:
      return code;
  }
}
