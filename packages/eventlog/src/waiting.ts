/* Units that wait to be appended: which of them make a batch, and how their callers are answered. */
import type { Entry } from "./envelope.ts";
import type { NewJob, Recorded } from "./log.ts";

export interface StagedUnit {
  readonly entries: readonly Entry[];
  /** The version each written subject had when the unit was decided. */
  readonly expected: readonly { readonly organizationId: string; readonly subject: string; readonly version: number }[];
  readonly jobs: readonly NewJob[];
  readonly key?:
    | {
        readonly organizationId: string;
        readonly principalId: string;
        readonly key: string;
        readonly bodyHash: string;
        readonly outcome: string;
      }
    | undefined;
}

export type Outcome =
  | { readonly kind: "committed"; readonly recorded: readonly Recorded[] }
  | { readonly kind: "conflict" }
  | { readonly kind: "duplicate_key" };

export interface Waiting {
  readonly unit: StagedUnit;
  /** Its COMMIT was sent on a connection that broke. */
  uncertain: boolean;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

/** Tells callers their outcomes. Kept apart from finding them, so that the next batch can be sent in between. */
export type Answer = () => void;

const MAX_UNITS = 256;
const MAX_BYTES = 8 * 1024 * 1024;
/** Few callers are answered in one turn, so that their next commands are one batch again. */
const ANSWERS_PER_TURN = 32;

/**
 * Units of one batch must not touch the same subject: the second was decided without the first.
 * It waits for the next batch, where its version no longer fits and its caller decides again.
 */
export function takeBatch(queue: Waiting[], most = MAX_UNITS): Waiting[] {
  const batch: Waiting[] = [];
  const subjects = new Set<string>();
  let bytes = 0;
  while (queue.length > 0 && batch.length < Math.min(most, MAX_UNITS) && bytes < MAX_BYTES) {
    const next = queue[0]!;
    const keys = next.unit.expected.map(({ organizationId, subject }) => `${organizationId}\n${subject}`);
    if (keys.some((key) => subjects.has(key))) break;
    for (const key of keys) subjects.add(key);
    for (const entry of next.unit.entries) bytes += entry.header.length + entry.data.length;
    batch.push(next);
    queue.shift();
  }
  return batch;
}

/**
 * Not hundreds at a time: a caller that is answered decides its next command at once, and the answer
 * of the batch in flight would wait for all of them.
 */
export function inTurns<T>(items: readonly T[], each: (item: T) => void): void {
  let next = 0;
  const turn = () => {
    for (const end = next + ANSWERS_PER_TURN; next < items.length && next < end; next++) each(items[next]!);
    if (next < items.length) setImmediate(turn);
  };
  turn();
}
