/**
 * A decision is either the facts that now hold, or a refusal, with any event that
 * records it (a denied delegation, a late result).
 * Refusals are ordinary values because callers must handle them; a thrown error
 * always means a bug or an outage.
 */
export type Decision<Event, Refusal extends { code: string }> =
  | { ok: true; events: readonly Event[] }
  | { ok: false; refusal: Refusal; events?: readonly Event[] };

/**
 * Pure: no clock, no randomness, no I/O. Time and ids arrive inside the command.
 * The log loads the subject's events, folds them, decides, and appends with the
 * subject version it saw; after a lost race it does all of that again.
 */
export interface Decider<State, Command, Event, Refusal extends { code: string }> {
  readonly initial: State;
  decide(state: State, command: Command): Decision<Event, Refusal>;
  evolve(state: State, event: Event): State;
}

export function accept<Event>(...events: Event[]): { ok: true; events: readonly Event[] } {
  return { ok: true, events };
}

/** `events` record the refused attempt itself (a late result, a denied delegation). */
export function refuse<Refusal extends { code: string }, Event = never>(
  refusal: Refusal,
  ...events: Event[]
): { ok: false; refusal: Refusal; events: readonly Event[] } {
  return { ok: false, refusal, events };
}

export function unreachable(value: never): never {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`);
}
