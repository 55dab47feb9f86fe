/*
 * What a process remembers about subjects.
 *
 * States: the last fold of recently used subjects, so that a hot subject is not read again for
 * every command. An entry is only ever an *older truth* (another process may have appended since):
 * whoever answers from it alone must check, see `postgres-log.ts`.
 *
 * Turns: commands on one subject run one after the other within a process, so that N concurrent
 * ones do not spend their retries on beating each other.
 */

export interface Folded {
  readonly state: unknown;
  readonly version: number;
}

const MAX_STATES = 20_000;

export interface StateCache {
  get(decider: object, key: string): Folded | undefined;
  set(decider: object, key: string, folded: Folded): void;
  forget(key: string): void;
}

/** Least recently used first out. A subject folded by another decider than last time counts as unknown. */
export function createStateCache(max = MAX_STATES): StateCache {
  const states = new Map<string, { decider: object; folded: Folded }>();
  return {
    get(decider, key) {
      const found = states.get(key);
      if (found === undefined || found.decider !== decider) return undefined;
      states.delete(key);
      states.set(key, found);
      return found.folded;
    },
    set(decider, key, folded) {
      const known = states.get(key);
      // An answer that was slow to arrive must not put back what is older.
      if (known !== undefined && known.decider === decider && known.folded.version > folded.version) return;
      states.delete(key);
      states.set(key, { decider, folded });
      if (states.size > max) {
        const oldest = states.keys().next().value;
        if (oldest !== undefined) states.delete(oldest);
      }
    },
    forget: (key) => void states.delete(key),
  };
}

export interface Turns {
  /** Waits for the subject; returns the release function. */
  take(key: string): Promise<() => void>;
  /** Takes it only when nobody holds or awaits it. */
  tryTake(key: string): (() => void) | null;
}

export function createTurns(): Turns {
  const tails = new Map<string, Promise<void>>();
  function enqueue(key: string): { before: Promise<void> | undefined; release: () => void } {
    const before = tails.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    const tail = before === undefined ? promise : before.then(() => promise);
    tails.set(key, tail);
    return {
      before,
      release: () => {
        resolve();
        if (tails.get(key) === tail) tails.delete(key);
      },
    };
  }
  return {
    async take(key) {
      const { before, release } = enqueue(key);
      await before;
      return release;
    },
    tryTake: (key) => (tails.has(key) ? null : enqueue(key).release),
  };
}
