/*
 * Commands on one budget, gathered: whatever waits for a session's budget becomes one unit, so that
 * a settlement and the next call's reservation are one commit and not two in a row.
 *
 *   a reservation  starts the lane at once, with everything that waits in it
 *   an ending      waits up to LINGER_MS for a reservation to go with; nobody waits for it
 *
 * Order within a budget is the order of arrival.
 */
import type { EventLog, Origin, StreamRef } from "@signalbox/eventlog/log";
import type { LedgerEvent } from "@signalbox/contract/events/ledger";
import type { Decision } from "@signalbox/kernel/decider";
import { budget, type BudgetCommand, type BudgetRefusal } from "./budget.ts";

export interface LaneTarget {
  readonly organizationId: string;
  readonly origin: Origin;
  readonly stream: StreamRef;
  readonly subject: string;
}
type Outcome = Decision<LedgerEvent, BudgetRefusal>;

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
    const [first] = batch;
    if (first === undefined) return;
    if (batch.length === 1) return alone(first);
    let outcomes: Outcome[];
    try {
      const unit = await log.unit({ organizationId: first.target.organizationId, origin: first.target.origin }, async (u) => {
        const decided: Outcome[] = [];
        for (const { target, command } of batch) decided.push(await u.decide(budget, target.stream, target.subject, command, target.origin));
        return decided;
      });
      outcomes = unit.value;
    } catch {
      // One may be to blame for all, or the race was lost too often. Repeating is safe, also after an
      // outcome that is not known: each command names its reservation and does nothing the second time.
      for (const waiting of batch) await alone(waiting);
      return;
    }
    batch.forEach(({ resolve }, i) => resolve(outcomes[i]!));
  }

  const alone = ({ target, command, resolve, reject }: Waiting): Promise<void> => log.run(budget, target, command).then(resolve, reject);

  return (target, command) =>
    new Promise((resolve, reject) => {
      const key = `${target.organizationId} ${target.subject}`;
      let lane = lanes.get(key);
      if (lane === undefined) lanes.set(key, (lane = { waiting: [], isRunning: false, timer: undefined }));
      lane.waiting.push({ target, command, resolve, reject });
      move(key, lane);
    });
}
