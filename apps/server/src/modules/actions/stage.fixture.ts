/* Approvals, gate and actions on a database, as one process of the server has them; also for a script that is to be killed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Origin } from "@signalbox/eventlog/log";
import { createLog } from "@signalbox/eventlog/postgres-log";
import type { ConnectionFor } from "@signalbox/eventlog/roles";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { createJobs } from "@signalbox/jobs/jobs";
import { type Clock, systemClock } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import { Pool } from "pg";
import pino from "pino";
import { diskBlobs } from "@signalbox/providers/blob/disk/disk";
import { openDatabase } from "../../database.ts";
import { createLateLog } from "../../late-log.ts";
import { createApprovals } from "../approvals/public.ts";
import { createGate, registeredAction } from "../gate/public.ts";
import { type ActionRequest, createActions, type Executor } from "./public.ts";

export const ORGANIZATION = "ws_dev";
export const BOSS: Origin = { principal: { id: "usr_boss", type: "user" } };
export const AGENT: Origin = { principal: { id: "agt_1", type: "agent" }, zone: "sandbox" };

export interface StageOptions {
  readonly executors?: Readonly<Record<string, Executor>>;
  readonly killSwitchForced?: boolean;
  readonly executeTimeoutMs?: number;
  readonly leaseMs?: number;
  readonly clock?: Clock;
  /** Default true. False: jobs are enqueued, and nobody here does them. */
  readonly works?: boolean;
}

export async function startStage(connection: ConnectionFor, options: StageOptions = {}) {
  const dir = mkdtempSync(path.join(tmpdir(), "signalbox-actions-"));
  const clock = options.clock ?? systemClock;
  const logger = pino({ enabled: false });
  const rooms = { roleIn: async () => "owner" as const, visibleRooms: async () => null };
  const onError = (): void => undefined; // connections that tests cut
  const db = openDatabase(connection("sb_app"), { connections: 6, onError });
  const late = createLateLog();
  const deps = { log: late.log, db, clock, logger };
  const approvals = createApprovals({
    ...deps,
    rooms,
    riskOf: (action) => registeredAction(action)?.risk ?? "danger",
    findRun: async () => null,
    findSession: async () => null,
  });
  const gate = createGate({ ...deps, approvals, principalExists: async () => true, killSwitchForced: options.killSwitchForced ?? false });
  const actions = createActions({
    ...deps,
    gate,
    approvals,
    rooms,
    blobs: diskBlobs(dir),
    redact: (_organization, text) => text.replaceAll("hunter2", "[secret]"),
    organizations: async () => [ORGANIZATION],
    executeTimeoutMs: options.executeTimeoutMs,
  });
  for (const [action, executor] of Object.entries(options.executors ?? {})) actions.register(action, executor);
  const modules = [approvals, gate, actions];
  const log = await createLog({
    connection: connection("sb_log"),
    projections: modules.flatMap((module) => module.projections),
    enqueue: enqueueJobs,
    clock,
  });
  late.bind(log);
  for (const module of modules) await module.start?.();
  const pool = new Pool({ ...connection("sb_log"), max: 4 });
  pool.on("error", onError);
  const jobs = createJobs({ pool, clock });
  if (options.works !== false) {
    jobs.work(Object.assign({}, ...modules.map((module) => module.jobs)) as Record<string, never>, {
      leaseMs: options.leaseMs ?? 30_000,
      backoffMs: 50,
    });
  }

  /** As the boss, past the HTTP shell. */
  function call(of: "gate" | "actions", id: string, input: object): Promise<unknown> {
    const route = { gate, actions }[of].routes.find((bound) => bound.route.id === id);
    if (route === undefined) throw new Error(`no route ${id}`);
    const caller = {
      organizationId: ORGANIZATION,
      principal: { ...BOSS.principal, displayName: "Boss" },
      role: "owner",
      scopes: ["admin"],
    };
    return (route.handler as (request: unknown) => Promise<unknown>)({ caller, origin: BOSS, ...input });
  }

  return {
    log,
    db,
    approvals,
    gate,
    actions,
    jobs,
    request: (more: Partial<ActionRequest> = {}) =>
      actions.request({
        organizationId: ORGANIZATION,
        stream: { type: "room", id: ROOM },
        origin: AGENT,
        action: "git.push",
        title: "Push",
        params: { n: newId("x") },
        requestedBy: AGENT.principal,
        resource: { type: "remote", id: "r" },
        ...more,
      }),
    async decide(approvalId: string, decision: "approve" | "deny", now = clock.now()) {
      const found = await approvals.view(ORGANIZATION, approvalId);
      if (found === null) throw new Error(`no ${approvalId}`);
      return approvals.decide(
        { organizationId: ORGANIZATION, origin: BOSS, approval: found },
        { type: decision, approvalId: approvalId as never, by: BOSS.principal.id as never, now },
      );
    },
    end: (invocationId: string, timeoutMs = 8000) =>
      actions.waitForEnd(ORGANIZATION, invocationId, { signal: AbortSignal.timeout(timeoutMs + 1000), timeoutMs }),
    call,
    setKillSwitch: (engaged: boolean) => call("gate", "kill_switch.set", { body: { engaged } }),
    async stop() {
      await jobs.close();
      for (const module of modules.toReversed()) await module.stop?.();
      await pool.end();
      await log.close();
      await db.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
export type Stage = Awaited<ReturnType<typeof startStage>>;

export const ROOM = "room_01J00000000000000000000001";
