import type { EventLog } from "@signalbox/eventlog/log";

/**
 * Modules are made with the log, and the log with the modules' projections: this one stands in
 * until there is a real one. Only listening is possible before; everything else is a bug.
 */
export function createLateLog(): { readonly log: EventLog; bind(log: EventLog): void } {
  let real: EventLog | undefined;
  const waiting = new Map<Parameters<EventLog["onAppended"]>[0], (() => void) | undefined>();
  const bound = (): EventLog => {
    if (real === undefined) throw new Error("a module used the log while it was being made; wait for start()");
    return real;
  };
  return {
    log: {
      unit: (options, work) => bound().unit(options, work),
      run: (decider, target, command) => bound().run(decider, target, command),
      state: (decider, organizationId, subject) => bound().state(decider, organizationId, subject),
      readStream: (organizationId, stream, options) => bound().readStream(organizationId, stream, options),
      readAll: (options) => bound().readAll(options),
      hydrate: (rows) => bound().hydrate(rows),
      head: (organizationId, stream) => bound().head(organizationId, stream),
      onAppended(listener) {
        if (real !== undefined) return real.onAppended(listener);
        waiting.set(listener, undefined);
        return () => {
          waiting.get(listener)?.();
          waiting.delete(listener);
        };
      },
    },
    bind(log) {
      real = log;
      for (const listener of waiting.keys()) waiting.set(listener, log.onAppended(listener));
    },
  };
}
