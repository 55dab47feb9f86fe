import { LogUnavailable, OutcomeUnknown, TooContended } from "@signalbox/eventlog/faults";
import { setTimeout as sleep } from "node:timers/promises";

const PAUSES_MS = [50, 200, 500, 1000, 2000];

/** The database is away, or lost: whatever was tried may be tried again once it is back. */
export function isOutage(error: unknown): boolean {
  if (error instanceof LogUnavailable || error instanceof OutcomeUnknown || error instanceof TooContended) return true;
  const { code = "", message = "" } = error as { code?: string; message?: string };
  return (
    code.startsWith("08") ||
    /^57P0[123]$/.test(code) ||
    ["ECONNREFUSED", "ECONNRESET", "ENOENT", "EPIPE"].includes(code) ||
    /Connection terminated|timeout exceeded when trying to connect/i.test(message)
  );
}

/**
 * Tries until it works, through outages of the database, as long as `isWanted`. An agent goes on working while Postgres
 * restarts, so its hub must not give up. `work` is told how often it was tried: after an unknown outcome it may find
 * its own effect.
 */
export async function patiently<T>(
  isWanted: () => boolean,
  onOutage: (error: unknown) => void,
  work: (tries: number) => Promise<T>,
): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work(tries);
    } catch (error) {
      if (!isOutage(error) || !isWanted()) throw error;
      if (tries === 0) onOutage(error);
      await sleep(PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)]);
    }
  }
}
