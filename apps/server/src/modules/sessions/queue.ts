/*
 * In which order prompts run that wait: as they were asked for, except where somebody moved one.
 *
 * The order is not stored: turns and moves are, each with its seq, and this folds them. So a move that is erased from
 * the log is as if it had never been said, and making the tables again makes the same order.
 */
export interface Asked {
  readonly runId: string;
  readonly seq: number;
}
export interface Move {
  readonly runId: string;
  /** Null: last. */
  readonly beforeRunId: string | null;
  readonly seq: number;
}

/** All of `turns`, in order. A move that names a turn which is not among them does nothing. */
export function inOrder<T extends Asked>(turns: readonly T[], moves: readonly Move[]): T[] {
  const waiting = turns.toSorted((a, b) => a.seq - b.seq);
  const order: T[] = [];
  let next = 0;
  for (const move of [...moves.toSorted((a, b) => a.seq - b.seq), null]) {
    // A move is about what had been asked for by then.
    const until = move?.seq ?? Infinity;
    while (next < waiting.length && waiting[next]!.seq < until) order.push(waiting[next++]!);
    if (move === null) break;
    const from = order.findIndex((one) => one.runId === move.runId);
    const target = move.beforeRunId === null ? order.length : order.findIndex((one) => one.runId === move.beforeRunId);
    if (from === -1 || target === -1 || from === target) continue;
    const [moved] = order.splice(from, 1);
    order.splice(from < target ? target - 1 : target, 0, moved!);
  }
  return order;
}
