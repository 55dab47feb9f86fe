/*
 * Waiting for an invocation to get somewhere, without polling the database for each waiter: a
 * waiter looks when the log grew in its organization, and every second in case a hint was lost.
 */
import type { EventLog } from "@signalbox/eventlog/log";
import type { InvocationRecord, StoredInvocation } from "./queries.ts";

const LOOK_AGAIN_MS = 1000;

export function createWaiting({
  log,
  find,
}: {
  log: EventLog;
  find: (organizationId: string, id: string) => Promise<StoredInvocation | null>;
}) {
  return {
    async until(
      organizationId: string,
      id: string,
      isReached: (view: InvocationRecord) => boolean,
      { signal, timeoutMs }: { readonly signal: AbortSignal; readonly timeoutMs: number },
    ): Promise<InvocationRecord | null> {
      const deadline = performance.now() + timeoutMs;
      let hint = Promise.withResolvers<void>();
      const wake = (): void => hint.resolve();
      const unsubscribe = log.onAppended(({ streams }) => {
        if (streams.some((stream) => stream.organizationId === organizationId)) wake();
      });
      signal.addEventListener("abort", wake);
      try {
        for (;;) {
          signal.throwIfAborted();
          // Made before looking, so that what happens while we look is not missed.
          hint = Promise.withResolvers<void>();
          const view = (await find(organizationId, id))?.view ?? null;
          const leftMs = deadline - performance.now();
          if (view === null || isReached(view) || leftMs <= 0) return view;
          const timer = setTimeout(wake, Math.min(LOOK_AGAIN_MS, leftMs));
          await hint.promise;
          clearTimeout(timer);
        }
      } finally {
        unsubscribe();
        signal.removeEventListener("abort", wake);
      }
    },
  };
}
