/*
 * What this process knows about kill switches, and how old that knowledge is.
 *
 *   read (≤ 1 s old) ── used as it is
 *   older            ── read again before anything is decided; cannot be read in time → unknown
 *
 * Followed organizations (asked about within the last hour) are read again every POLL_MS and at
 * once when their stream grows, in this process or another, so that listeners hear of a change
 * within a second also when nobody asks. Age counts from before the query was sent, on a clock
 * that no time server can turn back.
 */
import { sql } from "kysely";
import type { EventLog } from "@signalbox/eventlog/log";
import type { Logger } from "pino";
import type { Database } from "../../module.ts";

export const MAX_AGE_MS = 1000;
const POLL_MS = 500;
const FOLLOW_MS = 60 * 60 * 1000;

export interface SwitchRow {
  readonly engaged: boolean;
  readonly epoch: number;
  readonly reason: string | null;
  readonly by: string | null;
  readonly since: string | null;
}
export interface KillSwitchChange {
  /** Null: every organization (the environment forces the global switch). */
  readonly organizationId: string | null;
  readonly engaged: boolean;
  readonly epoch: number;
}

const RELEASED: SwitchRow = { engaged: false, epoch: 0, reason: null, by: null, since: null };

export async function readSwitch(db: Database, organizationId: string): Promise<SwitchRow> {
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<{ engaged: boolean; epoch: string; reason: string | null; by: string; since: Date }>`
      select engaged, epoch, reason, by, since from proj_kill_switch where organization_id = ${organizationId}`.execute(tx),
  );
  const row = rows[0];
  return row === undefined ? RELEASED : { ...row, epoch: Number(row.epoch), since: row.since.toISOString() };
}

export function createSwitchWatch({
  db,
  log,
  logger,
  monotonicMs = () => performance.now(),
}: {
  db: Database;
  log: EventLog;
  logger: Logger;
  monotonicMs?: () => number;
}) {
  const known = new Map<string, { row: SwitchRow; asOf: number; askedAt: number }>();
  const reading = new Map<string, Promise<SwitchRow>>();
  const listeners = new Set<(change: KillSwitchChange) => void>();
  let timer: NodeJS.Timeout | undefined;
  let unsubscribe: (() => void) | undefined;

  function read(organizationId: string): Promise<SwitchRow> {
    const asOf = monotonicMs();
    return readSwitch(db, organizationId).then((row) => {
      const before = known.get(organizationId);
      // A slower, older read must not undo what a newer one found.
      if (before !== undefined && before.row.epoch > row.epoch) return before.row;
      known.set(organizationId, { row, asOf: Math.max(asOf, before?.asOf ?? 0), askedAt: before?.askedAt ?? asOf });
      if (before?.row.epoch !== row.epoch && (before !== undefined || row.engaged))
        tell({ organizationId, engaged: row.engaged, epoch: row.epoch });
      return row;
    });
  }

  /** One read at a time for everybody who finds the knowledge too old. */
  function shared(organizationId: string): Promise<SwitchRow> {
    let pending = reading.get(organizationId);
    if (pending === undefined) {
      pending = read(organizationId).finally(() => reading.delete(organizationId));
      reading.set(organizationId, pending);
    }
    return pending;
  }

  function tell(change: KillSwitchChange): void {
    for (const listener of listeners) {
      try {
        listener(change);
      } catch (error) {
        // One that fails must not keep the others from cutting their streams.
        logger.error({ err: error }, "a kill switch listener failed");
      }
    }
  }

  function refresh(organizationId: string): void {
    // Fire and forget: when it fails the knowledge grows old, and old knowledge stops effects.
    shared(organizationId).catch((error: unknown) => logger.warn({ err: error }, "the kill switch could not be read"));
  }

  function poll(): void {
    const now = monotonicMs();
    for (const [organizationId, { askedAt }] of known) {
      if (now - askedAt > FOLLOW_MS) known.delete(organizationId);
      else refresh(organizationId);
    }
  }

  return {
    /** `unknown` when it cannot be read within a second. */
    async state(organizationId: string): Promise<"off" | "engaged" | "unknown"> {
      const now = monotonicMs();
      const found = known.get(organizationId);
      if (found !== undefined) {
        found.askedAt = now;
        if (now - found.asOf <= MAX_AGE_MS) return found.row.engaged ? "engaged" : "off";
      }
      try {
        const row = await within(shared(organizationId), MAX_AGE_MS);
        // A read that others began long before us may be too old as well.
        const asOf = known.get(organizationId)?.asOf ?? -Infinity;
        if (monotonicMs() - asOf > MAX_AGE_MS) return "unknown";
        return row.engaged ? "engaged" : "off";
      } catch (error) {
        logger.error({ err: error }, "the kill switch could not be read: effects are denied");
        return "unknown";
      }
    },

    /** After this process changed it: everybody here hears at once. */
    changed: (organizationId: string): Promise<SwitchRow> => read(organizationId),

    onChange(listener: (change: KillSwitchChange) => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    start(): void {
      timer = setInterval(poll, POLL_MS);
      unsubscribe = log.onAppended(({ streams }) => {
        for (const { organizationId, stream } of streams)
          if (stream.type === "organization" && known.has(organizationId)) refresh(organizationId);
      });
    },
    stop(): void {
      clearInterval(timer);
      unsubscribe?.();
    },
  };
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
