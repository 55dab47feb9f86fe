/*
 * Says that this process is alive, so that others (and its own successor) know which reservations
 * still have somebody who will end them.
 *
 * Before the first reservation of an organization its row is written; then it is refreshed every
 * `beatMs`. A holder that cannot refresh it for `ttlMs` takes no new reservations: by then others may
 * think it dead. Time is the database's alone.
 */
import { type Kysely, sql } from "kysely";
import type { Logger } from "pino";
import { newId } from "@signalbox/kernel/id";
import type { Database } from "../../module.ts";

export interface HolderTimes {
  readonly beatMs: number;
  /** Silent for longer is dead. */
  readonly ttlMs: number;
}
export const DEFAULT_HOLDER_TIMES: HolderTimes = { beatMs: 5_000, ttlMs: 30_000 };

const FORGET_AFTER = "1 day";

export interface Holder {
  readonly id: string;
  /** Resolves once the organization knows this process; false when it cannot be told. */
  isAlive(organizationId: string): Promise<boolean>;
  stop(): void;
}

export function createHolder(db: Database, logger: Logger, times: HolderTimes, nowMs: () => number): Holder {
  const id = newId("hld");
  const seen = new Map<string, number>();
  const first = new Map<string, Promise<void>>();

  async function beat(organizationId: string): Promise<void> {
    // What counts is when it was sent: the row may be older than the answer.
    const sentAt = nowMs();
    await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql`with fresh as (insert into ledger_holders (organization_id, holder) values (${organizationId}, ${id})
                         on conflict (organization_id, holder) do update set seen_at = now())
          delete from ledger_holders where holder <> ${id} and seen_at < now() - ${FORGET_AFTER}::interval`.execute(tx),
    );
    seen.set(organizationId, sentAt);
  }

  const timer = setInterval(() => {
    for (const organizationId of seen.keys()) {
      beat(organizationId).catch((error: unknown) =>
        logger.warn({ err: error, organizationId }, "could not say that this process is alive"),
      );
    }
  }, times.beatMs);
  timer.unref();

  return {
    id,
    async isAlive(organizationId) {
      const at = seen.get(organizationId);
      if (at !== undefined) return nowMs() - at < times.ttlMs;
      let telling = first.get(organizationId);
      if (telling === undefined) {
        telling = beat(organizationId).finally(() => first.delete(organizationId));
        first.set(organizationId, telling);
      }
      await telling;
      return true;
    },
    stop: () => clearInterval(timer),
  };
}
