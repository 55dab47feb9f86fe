/*
 * The hubs of this process: one a live session, found, made, kept and let go.
 *
 *   start ──► adopt what a killed server left ──► sweep sandboxes that nobody wants
 *     every third of a lease: renew those of our hubs; take over sessions whose owner is gone
 *   its organization is suspended ──► its hubs, here and in every process, pause their sessions; none is woken until it is let in again
 *   stop ──► every hub pauses its session and ends its sandbox
 *         └─ handOver before it ──► every hub lets go, and another process of this machine is asked to go on
 *
 * Other processes are reached through the log: whatever is appended to a session's room wakes its hub, wherever it is.
 */
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import type { Logger } from "pino";
import { SYSTEM } from "../identity/public.ts";
import { Hub, type HubDeps } from "./hub.ts";
import { session } from "./session.ts";
import { sandboxIdOf } from "./workplace.ts";

export interface Hubs {
  /** Resolves when this process has a hub for it, or another one has, or none is needed. Boots in the background. */
  ensure(organizationId: string, sessionId: string): Promise<void>;
  get(sessionId: string): Hub | undefined;
  /** Ends what an ended session left running, wherever it was. */
  tearDown(organizationId: string, sessionId: string): Promise<void>;
  start(): Promise<void>;
  /** What follows is `stop`. */
  handOver(): void;
  stop(): Promise<void>;
  readonly size: number;
}

export interface HubsDeps extends HubDeps {
  /** How often leases are renewed, and sessions without an owner looked for. */
  readonly renewMs: number;
}

export function createHubs(deps: HubsDeps): Hubs {
  const hubs = new Map<string, { hub: Hub; gone: Promise<void> }>();
  const making = new Map<string, Promise<void>>();
  let unsubscribe: (() => void) | null = null;
  let timer: NodeJS.Timeout | null = null;
  let ticking: Promise<void> | null = null;
  let stopping = false;
  let handsOver = false;
  const logger: Logger = deps.logger;

  async function make(organizationId: string, sessionId: string): Promise<void> {
    const lease = await deps.leases.acquire(organizationId, sessionId);
    if (lease === null) return; // Another process owns it, and sees in the log what we saw.
    const { state } = await deps.log.state(session, organizationId, `session:${sessionId}`);
    if (state.status === "none") return deps.leases.release(lease);
    const hub = new Hub(deps, lease, state);
    const gone = hub.run().finally(() => {
      hubs.delete(sessionId);
      // What was asked while it went: a prompt that paused session's hub did not see any more.
      if (!stopping) void revive(organizationId, sessionId);
    });
    hubs.set(sessionId, { hub, gone });
  }

  async function revive(organizationId: string, sessionId: string): Promise<void> {
    try {
      const { rows } = await deps.pool.query<{ one: number }>(
        `select 1 as one from proj_sessions s where s.id = $1 and s.status in ('creating', 'running', 'waiting', 'resuming')
          and exists (select 1 from proj_session_turns t where t.session_id = s.id and t.status in ('queued', 'running'))`,
        [sessionId],
      );
      if (rows.length > 0) await ensure(organizationId, sessionId);
    } catch (error) {
      logger.warn({ err: error, session_id: sessionId }, "whether the session is wanted again is not known; the next round looks");
    }
  }

  async function ensure(organizationId: string, sessionId: string): Promise<void> {
    if (stopping) return;
    const known = hubs.get(sessionId);
    if (known !== undefined) return known.hub.poke();
    let made = making.get(sessionId);
    if (made === undefined) {
      made = make(organizationId, sessionId).finally(() => making.delete(sessionId));
      making.set(sessionId, made);
    }
    await made;
  }

  /** Live sessions nobody owns: after a crash at once, of another process within its lease. Paused ones only when something is asked of them. */
  async function adoptOrphans(): Promise<void> {
    const { rows } = await deps.pool.query<{ organization_id: string; id: string; status: string; room_id: string; thread_id: string }>(
      `select s.organization_id, s.id, s.status, s.room_id, s.thread_id from proj_sessions s left join session_hubs h on h.session_id = s.id
        where (h.session_id is null or h.holder is null or h.expires_at <= now() or h.holder = $1)
          and (h.machine is null or $2::text is null or h.machine = $2)
          and (s.status in ('running', 'waiting', 'resuming') or (s.status = 'creating' and (s.sandbox = 'immediate' or h.session_id is not null
                 or exists (select 1 from proj_session_turns t where t.session_id = s.id and t.status = 'queued')))
               or (s.status = 'paused' and not idn_is_suspended(s.organization_id, '') and exists (select 1 from proj_session_turns t where t.session_id = s.id and t.status in ('queued', 'running'))))
        order by s.updated_at limit 200`,
      [deps.leases.holder, deps.leases.machine],
    );
    for (const row of rows) {
      if (hubs.has(row.id) || stopping) continue;
      if (row.status === "paused") {
        const origin = { principal: SYSTEM, roomId: row.room_id, threadId: row.thread_id, sessionId: row.id };
        await deps.log.run(
          session,
          { organizationId: row.organization_id, origin, stream: { type: "room", id: row.room_id }, subject: `session:${row.id}` },
          { type: "resume", by: SYSTEM.id },
        );
      }
      await ensure(row.organization_id, row.id);
    }
  }

  /** Sandboxes of sessions that ended or paused, left by a server that died before it could end them. */
  async function sweep(): Promise<void> {
    const { rows } = await deps.pool.query<{ organization_id: string; id: string }>(
      `select s.organization_id, s.id from session_hubs h join proj_sessions s on s.id = h.session_id
        where h.sandbox_record is not null and s.status in ('paused', 'stopped', 'failed', 'completed') and (h.holder is null or h.expires_at <= now() or h.holder = $1)
          and (h.machine is null or $2::text is null or h.machine = $2)`,
      [deps.leases.holder, deps.leases.machine],
    );
    for (const row of rows) if (!hubs.has(row.id)) await tearDown(row.organization_id, row.id);
  }

  async function tearDown(organizationId: string, sessionId: string): Promise<void> {
    const known = hubs.get(sessionId);
    if (known !== undefined) {
      known.hub.poke();
      return known.gone;
    }
    const lease = await deps.leases.acquire(organizationId, sessionId);
    if (lease === null) return; // Its owner sees the end in the log.
    try {
      if (lease.sandboxRecord !== null) {
        const sandbox = await deps.sandboxes.adopt(lease.sandboxRecord);
        await sandbox?.stop();
        await deps.egress.unlisten(sandboxIdOf(sessionId));
        await deps.leases.remember(lease, { sandbox: null });
      }
    } finally {
      await deps.leases.release(lease);
    }
  }

  async function tick(): Promise<void> {
    for (const { hub } of hubs.values()) {
      try {
        if (!(await deps.leases.renew(hub.lease))) hub.overtaken();
      } catch (error) {
        // Nothing can be written without the database either; the fence decides when it is back.
        logger.warn({ err: error, session_id: hub.sessionId }, "a lease could not be renewed");
      }
    }
    try {
      if (!stopping) {
        await adoptOrphans();
        await sweep();
      }
    } catch (error) {
      logger.warn({ err: error }, "sessions without an owner could not be looked for; trying again");
    }
  }

  return {
    ensure,
    tearDown,
    get: (sessionId) => hubs.get(sessionId)?.hub,
    async start() {
      stopping = false;
      unsubscribe = deps.log.onAppended(({ streams }) => {
        if (hubs.size === 0) return;
        // A hint that names no streams was too long to: anything may have moved.
        if (streams.length === 0) for (const { hub } of hubs.values()) hub.poke();
        const touched = new Set(streams.map(({ stream }) => stream.id));
        for (const { hub } of hubs.values()) if (touched.has(hub.roomId) || touched.has(hub.organizationId)) hub.poke();
      });
      await tick();
      const again = (): void => {
        timer = setTimeout(() => {
          ticking = tick().finally(() => {
            ticking = null;
            if (!stopping) again();
          });
        }, deps.renewMs);
      };
      again();
    },
    handOver() {
      handsOver = true;
    },
    async stop() {
      stopping = true;
      if (timer !== null) clearTimeout(timer);
      await ticking;
      await Promise.all(making.values());
      const ours = [...hubs.values()];
      for (const { hub } of ours) {
        if (handsOver) hub.handOver();
        else hub.shutDown();
      }
      await Promise.all(ours.map(({ gone }) => gone));
      // Whoever gets the job takes the session over at once, instead of when they next look.
      if (handsOver)
        await enqueueJobs(
          deps.pool,
          ours.map(({ hub: { organizationId, sessionId } }) => ({
            kind: "session.boot",
            organizationId,
            payload: { session_id: sessionId },
            key: sessionId,
          })),
        );
      unsubscribe?.();
    },
    get size() {
      return hubs.size;
    },
  };
}
