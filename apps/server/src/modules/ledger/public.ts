/*
 * The ledger: what sessions may spend on models, and what they have spent.
 *
 *   reserve (durable) ──► the call ──► settle | release (durable, retried until it is)
 *         └─ the process dies in between ──► reconcile: the full reservation stands
 *
 * A reservation has one holder, the process that makes the call. Whoever finds a reservation whose
 * holder has fallen silent ends it at its full amount, because what the upstream charged can no
 * longer be known. Nothing is released unless it is known that nothing was spent.
 */
import path from "node:path";
import { getUsage } from "@signalbox/contract/sessions";
import { TooContended } from "@signalbox/eventlog/faults";
import type { Origin, Unit } from "@signalbox/eventlog/log";
import { newId } from "@signalbox/kernel/id";
import { type Kysely, sql } from "kysely";
import { handle, refused } from "../../http/handle.ts";
import type { Deps, Module } from "../../module.ts";
import type { RoleInSession } from "../rooms/public.ts";
import { remaining, type BudgetCommand, type BudgetRefusal, type Outcome, type Usage } from "./budget.ts";
import { createHolder, DEFAULT_HOLDER_TIMES, type HolderTimes } from "./holder.ts";
import { budgetLane, createLanes } from "./lanes.ts";
import { type SessionUsage, sessionCosts, sessionUsage } from "./queries.ts";
import { importedUsage, usageProjection } from "./usage.projection.ts";

export { budget, type Budget, type Outcome, type Usage } from "./budget.ts";
export type { SessionUsage } from "./queries.ts";

export interface Reservation {
  readonly id: string;
  readonly organizationId: string;
  readonly sessionId: string;
  readonly amount: number;
  readonly origin: Origin;
}

export interface ReserveInput {
  readonly organizationId: string;
  readonly sessionId: string;
  readonly runId?: string | undefined;
  readonly model: string;
  /** Worst case, integer micro-USD. */
  readonly amount: number;
  readonly origin: Origin;
}

export interface Bill {
  readonly upstream: string;
  readonly cost: number;
  readonly usage: Usage;
  readonly durationMs: number;
  readonly outcome: Outcome;
}

export interface LedgerDeps extends Deps {
  /** Whose reservations are looked after. */
  readonly organizations: () => Promise<readonly string[]>;
  /** Null: no such session, or in a room that the caller is not in. */
  readonly roleInSession: RoleInSession;
  readonly times?: Partial<HolderTimes> | undefined;
}

export interface LedgerModule extends Module {
  /** Sets or changes what a session may spend; without it every reservation is refused. */
  setBudget(unit: Unit, budget: { organizationId: string; sessionId: string; capMicroUsd: number }): Promise<void>;
  /** The same for a person who changes it: never below what is spent and held at that moment. */
  changeBudget(
    unit: Unit,
    budget: { organizationId: string; sessionId: string; capMicroUsd: number },
  ): Promise<{ ok: true } | { ok: false; spent: number; held: number }>;
  /** Durable when it resolves. Throws when the log cannot be written: then nothing may be forwarded. */
  reserve(input: ReserveInput): Promise<{ ok: true; reservation: Reservation } | { ok: false; refusal: BudgetRefusal }>;
  /** Ends a reservation at what the call cost. Resolves when durable; tries again while the database is away. */
  settle(reservation: Reservation, bill: Bill): Promise<void>;
  /** Ends a reservation of a call that never reached a model. */
  release(reservation: Reservation, reason: string): Promise<void>;
  /** Ends reservations whose holder is gone, at their full amount; returns how many. */
  reconcile(): Promise<number>;
  usage(organizationId: string, sessionId: string): Promise<SessionUsage | null>;
  /** What is neither spent nor held; null without a budget. Only `reserve` promises anything. */
  remaining(organizationId: string, sessionId: string): Promise<number | null>;
  /** Micro-USD by session; sessions that never had a budget are missing. */
  costs(organizationId: string, sessionIds: readonly string[]): Promise<ReadonlyMap<string, { cap: number; spent: number }>>;
}

/** Ending a reservation is retried with growing pauses for this long; afterwards reconciliation does it. */
const END_TRIES = 12;
const END_PAUSE_MS = 250;
const MAX_PAUSE_MS = 15_000;
const CONTENDED_TRIES = 5;
const RECONCILE_AT_ONCE = 500;
const RECONCILER: Origin = { principal: { id: "svc_ledger", type: "service" } };

export function createLedger(deps: LedgerDeps): LedgerModule {
  const { log, db, logger } = deps;
  const times = { ...DEFAULT_HOLDER_TIMES, ...deps.times };
  const holder = createHolder(db, logger, times, () => performance.now());
  const decide = createLanes(log);
  const ending = new Set<Promise<void>>();
  const stopping = new AbortController();

  const target = (organizationId: string, sessionId: string, origin: Origin) => ({
    organizationId,
    origin: { ...origin, sessionId },
    stream: { type: "ledger", id: organizationId } as const,
    subject: `budget:${sessionId}`,
  });

  async function end(reservation: Reservation, command: BudgetCommand): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        const decision = await decide(target(reservation.organizationId, reservation.sessionId, reservation.origin), command);
        // No second try would change that: it stays held, in sight, until it is reconciled.
        if (!decision.ok)
          logger.error({ reservation: reservation.id, code: decision.refusal.code }, `a reservation could not be ended by ${command.type}`);
        return;
      } catch (error) {
        if (tries >= END_TRIES || stopping.signal.aborted) {
          // Not lost: the reservation stays held until it is reconciled.
          logger.error({ err: error, reservation: reservation.id }, "a reservation could not be ended; it will be reconciled");
          return;
        }
        await pause(Math.min(MAX_PAUSE_MS, END_PAUSE_MS * 2 ** (tries - 1)), stopping.signal);
      }
    }
  }

  function tracked(work: Promise<void>): Promise<void> {
    ending.add(work);
    return work.finally(() => ending.delete(work));
  }

  async function reconcileOrganization(organizationId: string): Promise<number> {
    const orphans = await db.inOrganization(organizationId, async (tx: Kysely<unknown>) => {
      const { rows } = await sql<{ session_id: string; reservation_id: string }>`
        select r.session_id, r.reservation_id
          from proj_reservations r left join ledger_holders h on h.organization_id = r.organization_id and h.holder = r.holder
         where r.organization_id = ${organizationId}
           and (h.seen_at is null or h.seen_at < now() - make_interval(secs => ${times.ttlMs / 1000}))
         order by r.reserved_at limit ${RECONCILE_AT_ONCE}`.execute(tx);
      return rows;
    });
    for (const { session_id, reservation_id } of orphans) {
      const decision = await decide(target(organizationId, session_id, RECONCILER), { type: "reconcile", reservationId: reservation_id });
      if (!decision.ok) logger.error({ reservation: reservation_id, code: decision.refusal.code }, "a reservation could not be reconciled");
    }
    return orphans.length;
  }

  async function reconcile(): Promise<number> {
    let count = 0;
    for (const organizationId of await deps.organizations()) count += await reconcileOrganization(organizationId);
    if (count > 0) logger.warn({ count }, "reservations of a process that is gone were settled at their full amount");
    return count;
  }

  const usage = (organizationId: string, sessionId: string) => sessionUsage(db, organizationId, sessionId);

  return {
    routes: [
      handle(getUsage, async ({ caller, params }) => {
        if ((await deps.roleInSession(caller, params.id)) === null) return refused("session_not_found");
        return (await usage(caller.organizationId, params.id)) ?? refused("session_not_found");
      }),
    ],
    projections: [usageProjection, importedUsage],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {},
    schedules: [{ name: "ledger.reconcile", cron: "*/15 * * * * *", run: async () => void (await reconcile()) }],

    async setBudget(unit, { organizationId, sessionId, capMicroUsd }) {
      const { stream, subject } = target(organizationId, sessionId, RECONCILER);
      if (!Number.isSafeInteger(capMicroUsd) || capMicroUsd < 0) throw new Error(`a budget of ${capMicroUsd} micro-USD is not money`);
      await unit.decide(budgetLane, stream, subject, { commands: [{ type: "set", sessionId, cap: capMicroUsd }] }, { sessionId });
    },

    async changeBudget(unit, { organizationId, sessionId, capMicroUsd }) {
      const { stream, subject } = target(organizationId, sessionId, RECONCILER);
      const state = await unit.load(budgetLane, stream, subject);
      if (state.status === "open" && capMicroUsd < state.spent + state.held) return { ok: false, spent: state.spent, held: state.held };
      await unit.decide(budgetLane, stream, subject, { commands: [{ type: "set", sessionId, cap: capMicroUsd }] }, { sessionId });
      return { ok: true };
    },

    async reserve({ organizationId, sessionId, runId, model, amount, origin }) {
      if (!(await holder.isAlive(organizationId)))
        throw new Error("the ledger has not seen this process for too long; no new reservations");
      const reservation: Reservation = { id: newId("rsv"), organizationId, sessionId, amount, origin };
      try {
        const command: BudgetCommand = { type: "reserve", reservationId: reservation.id, runId, model, amount, holder: holder.id };
        const decision = await uncontended(() => decide(target(organizationId, sessionId, origin), command));
        return decision.ok ? { ok: true, reservation } : { ok: false, refusal: decision.refusal };
      } catch (error) {
        // Whether it was written is not known. Nothing is forwarded, so it must not stay held.
        void tracked(end(reservation, { type: "release", reservationId: reservation.id, reason: "the reservation was not confirmed" }));
        throw error;
      }
    },

    settle: (reservation, bill) => tracked(end(reservation, { type: "settle", reservationId: reservation.id, ...bill })),
    release: (reservation, reason) => tracked(end(reservation, { type: "release", reservationId: reservation.id, reason })),
    reconcile,
    usage,
    async remaining(organizationId, sessionId) {
      const { state } = await log.state(budgetLane, organizationId, `budget:${sessionId}`);
      return state.status === "unset" ? null : remaining(state);
    },
    costs: (organizationId, sessionIds) => sessionCosts(db, organizationId, sessionIds),

    async stop() {
      // What is being written is let finish; what waits for a database that is away is not.
      stopping.abort();
      await Promise.all(ending);
      holder.stop();
    },
  };
}

/** Two processes on one budget lose races to each other; nothing was written then, so asking again is safe. */
async function uncontended<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TooContended) || tries >= CONTENDED_TRIES) throw error;
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    if (signal.aborted) done();
    else signal.addEventListener("abort", done, { once: true });
  });
}
