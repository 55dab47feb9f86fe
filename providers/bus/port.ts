/*
 * The bus between the processes of one installation. It carries hints, never truth: that something was appended, that
 * a session said something. Who hears one reads by cursor; who misses one looks by himself now and then.
 *
 *   connecting ──► connected ⇄ cut off (heals by itself, for as long as it takes)
 *
 * Promises: what one process publishes on a subject, another hears in that order and once, while both are connected.
 * What is published while cut off is lost, and nobody waits for anything.
 */
export interface Bus {
  readonly name: string;
  /** Never throws, never waits; this process does not hear itself. */
  publish(subject: string, text: string): void;
  /** `text` is null when it was longer than this bus carries. Also while cut off: it hears from when it is connected. */
  subscribe(subject: string, listener: (text: string | null) => void): () => void;
  isConnected(): boolean;
  /** Called with every change. */
  onConnection(listener: (connected: boolean) => void): () => void;
  close(): Promise<void>;
}

/** The bookkeeping that every bus has. */
export function createListeners(onError: (error: unknown) => void) {
  const bySubject = new Map<string, Set<(text: string | null) => void>>();
  const onChange = new Set<(connected: boolean) => void>();
  let connected = false;
  const each = <T>(listeners: Iterable<(value: T) => void>, value: T): void => {
    for (const listener of listeners) {
      try {
        listener(value);
      } catch (error) {
        onError(error); // one listener's bug must not keep the others asleep
      }
    }
  };
  return {
    isConnected: () => connected,
    connection(now: boolean): void {
      if (now === connected) return;
      connected = now;
      each(onChange, now);
    },
    onConnection(listener: (connected: boolean) => void): () => void {
      onChange.add(listener);
      return () => void onChange.delete(listener);
    },
    /** True for the first one of that subject. */
    add(subject: string, listener: (text: string | null) => void): boolean {
      const known = bySubject.get(subject);
      bySubject.set(subject, (known ?? new Set()).add(listener));
      return known === undefined;
    },
    /** True for the last one. */
    remove(subject: string, listener: (text: string | null) => void): boolean {
      const known = bySubject.get(subject);
      if (known === undefined || !known.delete(listener) || known.size > 0) return false;
      bySubject.delete(subject);
      return true;
    },
    subjects: (): string[] => [...bySubject.keys()],
    heard: (subject: string, text: string | null): void => each(bySubject.get(subject) ?? [], text),
  };
}
