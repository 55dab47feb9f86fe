/*
 * What is done about a session that has ended, and about one that was deleted. Jobs: at least once, each step again is
 * harmless.
 *
 *   stopped, failed, completed ─► end sandbox and agent ─► drop the mirror      (resumed, it is made again: see forge)
 *   deleted ────────────────────► tell whoever follows ─► files, mirror, lease
 *
 * The mirror is dropped under the session's lease, so that nobody brings the session back meanwhile, and not while an
 * approved push still needs it. The log keeps everything; blobs that it names stay with it.
 */
import type { EventLog } from "@signalbox/eventlog/log";
import type { SandboxProvider } from "@signalbox/providers/sandbox/port";
import type pg from "pg";
import type { ActionsModule } from "../actions/public.ts";
import type { ForgeModule } from "../forge/public.ts";
import type { Hubs } from "./hubs.ts";
import type { Lease, Leases } from "./lease.ts";
import type { Live } from "./live.ts";
import { isEnded, session } from "./session.ts";
import { sandboxIdOf } from "./workplace.ts";

export interface AfterlifeDeps {
  readonly log: EventLog;
  readonly pool: pg.Pool;
  readonly hubs: Hubs;
  readonly leases: Leases;
  readonly live: Live;
  readonly sandboxes: Pick<SandboxProvider, "remove">;
  readonly forge: Pick<ForgeModule, "close">;
  readonly actions: Pick<ActionsModule, "list">;
}

/** A push that is decided and not over works in the mirror. */
const NEEDS_MIRROR: ReadonlySet<string> = new Set(["approved", "executing", "unknown"]);
const PAGE = 200;

export function createAfterlife({ log, pool, hubs, leases, live, sandboxes, forge, actions }: AfterlifeDeps) {
  /** Null: somebody owns it (again), and then it is theirs. */
  async function leased<T>(organizationId: string, sessionId: string, work: (lease: Lease) => Promise<T>): Promise<T | null> {
    const lease = await leases.acquire(organizationId, sessionId);
    if (lease === null) return null;
    try {
      return await work(lease);
    } finally {
      await leases.release(lease);
    }
  }

  return {
    async ended(organizationId: string, sessionId: string): Promise<void> {
      await hubs.tearDown(organizationId, sessionId);
      const state = async () => (await log.state(session, organizationId, `session:${sessionId}`)).state;
      const done = await leased(organizationId, sessionId, async () => {
        const { status } = await state();
        const { items } = await actions.list(organizationId, { sessionId }, { limit: PAGE });
        if (isEnded(status) && !items.some((one) => NEEDS_MIRROR.has(one.status))) await forge.close(sessionId);
        return true;
      });
      // Its hub is in another process, which is about to end what it has.
      if (done === null && isEnded((await state()).status))
        throw new Error(`${sessionId} has ended and is owned by another process; trying again`);
      // Brought back while its lease was ours: its hub was not made then.
      const { status } = await state();
      if (status === "resuming") await hubs.ensure(organizationId, sessionId);
    },

    async deleted(organizationId: string, sessionId: string): Promise<void> {
      await hubs.tearDown(organizationId, sessionId);
      const done = await leased(organizationId, sessionId, async (lease) => {
        const channel = live.open(organizationId, sessionId, lease.epoch);
        channel.emit({ kind: "state", status: "deleted", reason: "The session was deleted." });
        channel.close();
        await live.flush();
        await sandboxes.remove(sandboxIdOf(sessionId));
        await forge.close(sessionId);
        return true;
      });
      if (done === null) throw new Error(`${sessionId} was deleted and is owned by another process; trying again`);
      await pool.query("delete from session_hubs where session_id = $1", [sessionId]);
    },
  };
}
