/*
 * Commands on one budget, gathered: whatever waits for a session's budget becomes one append, so that
 * a settlement and the next call's reservation are one commit and not two in a row.
 *
 *   a reservation  starts the lane at once, with everything that waits in it
 *   an ending      waits up to LINGER_MS for a reservation to go with; nobody waits for it
 *
 * Order within a budget is the order of arrival.
 */
import type { EventLog, Origin, StreamRef } from "@signalbox/eventlog/log";
import type { LedgerEvent } from "@signalbox/contract/events/ledger";
import { accept, type Decider, type Decision } from "@signalbox/kernel/decider";
import { budget, type Budget, type BudgetCommand, type BudgetRefusal } from "./budget.ts";

export interface LaneTarget {
  readonly organizationId: string;
  readonly origin: Origin;
  readonly stream: StreamRef;
  readonly subject: string;
}
type Outcome = Decision<LedgerEvent, BudgetRefusal>;

/** Commands that are decided one after the other, each on what the one before it left. `told` gets their outcomes. */
export interface LaneCommand {
  readonly commands: readonly BudgetCommand[];
  /** Called with every decision; after a lost race there is another, and only the last one counts. */
  readonly told?: ((outcomes: readonly Outcome[]) => void) | undefined;
}

/**
 * The budget as the log sees it. Always use this one with the log: states are remembered per
 * decider, and with the state in memory a lane costs one commit and no read.
 */
export const budgetLane: Decider<Budget, LaneCommand, LedgerEvent, never> = {
  initial: budget.initial,
  evolve: budget.evolve,
  decide(state, { commands, told }) {
    const outcomes: Outcome[] = [];
    for (const command of commands) {
      const outcome = budget.decide(state, command);
      state = (outcome.events ?? []).reduce(budget.evolve, state);
      outcomes.push(outcome);
    }
    told?.(outcomes);
    return accept(...outcomes.flatMap((outcome) => outcome.events ?? []));
  },
};

interface Waiting {
  readonly target: LaneTarget;
  readonly command: BudgetCommand;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

interface Lane {
  waiting: Waiting[];
  isRunning: boolean;
  timer: NodeJS.Timeout | undefined;
}

const LINGER_MS = 5;
const AT_ONCE = 64;

export function createLanes(log: EventLog): (target: LaneTarget, command: BudgetCommand) => Promise<Outcome> {
  const lanes = new Map<string, Lane>();

  function move(key: string, lane: Lane): void {
    if (lane.isRunning) return;
    if (lane.waiting.length === 0) {
      lanes.delete(key);
      return;
    }
    if (lane.waiting.some(({ command }) => command.type === "reserve")) {
      clearTimeout(lane.timer);
      lane.timer = undefined;
      void drain(key, lane);
      return;
    }
    lane.timer ??= setTimeout(() => {
      lane.timer = undefined;
      void drain(key, lane);
    }, LINGER_MS);
  }

  /** Never rejects: each waiting command hears of its own outcome. */
  async function drain(key: string, lane: Lane): Promise<void> {
    if (lane.isRunning) return;
    lane.isRunning = true;
    const batch = lane.waiting.slice(0, AT_ONCE);
    lane.waiting = lane.waiting.slice(AT_ONCE);
    await together(batch);
    lane.isRunning = false;
    move(key, lane);
  }

  async function together(batch: readonly Waiting[]): Promise<void> {
    // An envelope has one run and one principal: what others caused is appended by itself.
    for (const waiting of groups(batch)) {
      const [first] = waiting;
      if (first === undefined) continue;
      try {
        const outcomes = await appended(
          log,
          first.target,
          waiting.map(({ command }) => command),
        );
        waiting.forEach(({ resolve }, i) => resolve(outcomes[i]!));
      } catch (error) {
        for (const { reject } of waiting) reject(error);
      }
    }
  }

  return (target, command) =>
    new Promise((resolve, reject) => {
      const key = `${target.organizationId} ${target.subject}`;
      let lane = lanes.get(key);
      if (lane === undefined) lanes.set(key, (lane = { waiting: [], isRunning: false, timer: undefined }));
      lane.waiting.push({ target, command, resolve, reject });
      move(key, lane);
    });
}

async function appended(log: EventLog, target: LaneTarget, commands: readonly BudgetCommand[]): Promise<readonly Outcome[]> {
  let outcomes: readonly Outcome[] = [];
  await log.run(budgetLane, target, { commands, told: (found) => void (outcomes = found) });
  return outcomes;
}

/** Neighbours with the same cause, in their order. */
function groups(batch: readonly Waiting[]): Waiting[][] {
  const found: Waiting[][] = [];
  for (const waiting of batch) {
    const last = found.at(-1);
    if (last !== undefined && causeOf(last[0]!.target) === causeOf(waiting.target)) last.push(waiting);
    else found.push([waiting]);
  }
  return found;
}

const causeOf = ({ origin }: LaneTarget): string => `${origin.principal.id} ${origin.runId ?? ""} ${origin.correlationId ?? ""}`;
