/*
 * Moments, as they are asked for while someone drags through time. Of those wanted only the newest is read next, one
 * at a time and no more often than can be shown; what was read is kept, and what is likely to be wanted next is read
 * while nothing else is.
 *
 *   wanted ──► kept? ──► shown at once
 *         └──► reading ──► shown, kept ──► the newest that was wanted meanwhile ──► reading …
 */
const KEPT = 240;
/** Moments follow each other no closer than this: each is drawn, and the hand comes first. */
const EVERY_MS = 60;

export interface Moments<T> {
  get(seq: number): T | undefined;
  /** `onRead` is called with each moment that this, or a later, wish led to; never with an earlier one's after a later one's. */
  want(seq: number): void;
  /** In the order of how likely they are wanted; forgets what was foreseen before. */
  foresee(seqs: readonly number[]): void;
  clear(): void;
  close(): void;
}

export function createMoments<T>(of: {
  read(seq: number, signal: AbortSignal): Promise<T>;
  onRead(seq: number, moment: T): void;
  onFailed(seq: number, error: unknown): void;
  everyMs?: number;
}): Moments<T> {
  const kept = new Map<number, T>();
  const everyMs = of.everyMs ?? EVERY_MS;
  let closed = new AbortController();
  let wanted: number | null = null;
  let reading: number | null = null;
  let foreseen: readonly number[] = [];
  let isForeseeing = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Something that was kept has been shown since the present reading began: its answer is of where the hand was before. */
  let isOvertaken = false;

  function keep(seq: number, moment: T): void {
    kept.delete(seq);
    kept.set(seq, moment);
    if (kept.size > KEPT) kept.delete(kept.keys().next().value!);
  }

  async function read(): Promise<void> {
    if (reading !== null || wanted === null) return;
    const [seq, signal] = [wanted, closed.signal];
    [reading, wanted, isOvertaken] = [seq, null, false];
    const due = performance.now() + everyMs;
    try {
      const moment = kept.get(seq) ?? (await of.read(seq, signal));
      if (signal.aborted) return;
      keep(seq, moment);
      if (!isOvertaken) of.onRead(seq, moment);
    } catch (error) {
      if (signal.aborted) return;
      if (!isOvertaken) of.onFailed(seq, error);
    }
    const next = (): void => {
      reading = null;
      if (wanted === null) void ahead();
      else void read();
    };
    const rest = due - performance.now();
    if (rest > 0) timer = setTimeout(next, rest);
    else next();
  }

  const isIdle = (): boolean => reading === null && wanted === null;
  async function ahead(): Promise<void> {
    if (isForeseeing) return;
    isForeseeing = true;
    const { signal } = closed;
    while (isIdle() && !signal.aborted) {
      const seq = foreseen.find((each) => !kept.has(each));
      if (seq === undefined) break;
      foreseen = foreseen.filter((each) => each !== seq);
      try {
        const moment = await of.read(seq, signal);
        if (!signal.aborted) keep(seq, moment);
      } catch {
        // Nobody asked for it yet; whoever does is told.
        break;
      }
    }
    isForeseeing = false;
  }

  return {
    get: (seq) => kept.get(seq),
    want(seq) {
      const known = kept.get(seq);
      if (known !== undefined) {
        wanted = null;
        isOvertaken = true;
        keep(seq, known);
        of.onRead(seq, known);
        return;
      }
      wanted = seq;
      void read();
    },
    foresee(seqs) {
      foreseen = seqs;
      void ahead();
    },
    clear() {
      closed.abort();
      clearTimeout(timer);
      closed = new AbortController();
      kept.clear();
      [wanted, reading, foreseen, isForeseeing] = [null, null, [], false];
    },
    close() {
      closed.abort();
      clearTimeout(timer);
    },
  };
}
