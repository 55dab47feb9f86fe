/*
 * Projections run ahead of the database. Nearly all of them only write: they ask for statements and
 * never look at an answer. Those are run on a transaction that only collects what they ask for, so
 * that a whole batch goes to the database at once, COMMIT included, and it never waits for us in the
 * middle. Whoever does look at an answer cannot be run ahead; `collect` says so and nothing was sent.
 *
 * Sent in two halves, a batch of 32 spent a seventh of its time waiting for our next message, and on a
 * busy machine every such wait is a turn of the scheduler.
 */
import type { Tx } from "./log.ts";

export interface Asked {
  readonly text: string;
  readonly values: readonly unknown[];
}

class AnswerNeeded extends Error {}

/** What `run` asks for, in its order; null when it needs to see an answer first. */
export async function collect(run: (tx: Tx) => Promise<void>): Promise<readonly Asked[] | null> {
  const asked: Asked[] = [];
  let looked = false;
  const unseen = {
    get rows(): never {
      looked = true;
      throw new AnswerNeeded();
    },
    get rowCount(): never {
      looked = true;
      throw new AnswerNeeded();
    },
  };
  try {
    await run({
      query(text, values = []) {
        asked.push({ text, values });
        return Promise.resolve(unseen);
      },
    });
  } catch (error) {
    if (!looked) throw error;
  }
  return looked ? null : asked;
}
