/* How the installation is doing, for whoever runs it: machine, database, jobs, sandboxes, connections; and its engines. */
import { cpus, freemem, loadavg, totalmem } from "node:os";
import { KeyRingName, listKeyRings, rotateKeyRing } from "@signalbox/contract/key-rings";
import type { AdminEvent } from "@signalbox/contract/events/admin";
import { getSystem, listDeadJobs, listWorkers, retryJob, type SandboxUsage } from "@signalbox/contract/operations";
import type { HealthPart } from "@signalbox/contract/system";
import type { SandboxLimits } from "@signalbox/providers/sandbox/port";
import type { Jobs } from "@signalbox/jobs/jobs";
import { accept, type Decider } from "@signalbox/kernel/decider";
import { sql } from "kysely";
import type { Pool } from "pg";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle, refused } from "../../http/handle.ts";
import type { KeyRing } from "../../key-ring.ts";
import type { Deps, Module } from "../../module.ts";
import { type RingName, RINGS } from "../../rings.ts";
import type { RoomAccess } from "../rooms/public.ts";
import type { WorkerRecord } from "../runs/public.ts";
import { diskWatch } from "./disk.ts";
import type { LiveSandbox } from "./sandboxes.ts";

export { watchSandboxes, type WatchedSandboxes } from "./sandboxes.ts";

/** Whoever may rotate may: only that it was done is kept. */
type Rotated = Extract<AdminEvent, { type: "key_ring.rotated" }>;
const rotations: Decider<null, Rotated, Rotated, never> = { initial: null, decide: (_state, event) => accept(event), evolve: () => null };

export interface OperationsDeps extends Deps {
  readonly version: string;
  readonly rings: Readonly<Record<RingName, KeyRing>>;
  /** The installation's own: its log has what was done to all of it. */
  readonly localOrganizationId: string;
  readonly dataDir: string;
  readonly embedded: boolean;
  /** As `sb_log`: sizes and positions are the whole installation's. */
  readonly pool: Pool;
  readonly jobs: () => Pick<Jobs, "counts" | "revive">;
  readonly sandboxes: () => readonly LiveSandbox[];
  readonly sandboxProvider: string;
  readonly limits: SandboxLimits;
  readonly sessionOfSandbox: (organizationId: string, sandboxId: string) => Promise<{ readonly id: string; readonly title: string } | null>;
  readonly connections: () => { readonly event_streams: number; readonly sync_sockets: number; readonly feed_followers: number };
  readonly health: () => Promise<z.input<typeof HealthPart>[]>;
  /** Every process of the installation, as of a few seconds ago. */
  readonly processes: () => Promise<readonly ProcessUsage[]>;
  readonly rooms: Pick<RoomAccess, "visibleRooms">;
  readonly workers: (organizationId: string, rooms: readonly string[] | null) => Promise<readonly WorkerRecord[]>;
  readonly displayNames: (organizationId: string, ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
}

export interface ProcessUsage {
  readonly id: string;
  readonly role: "all" | "api" | "gateway" | "worker" | "ingress";
  readonly startedAt: Date;
  readonly rssBytes: number;
  readonly cpuShare: number;
  readonly databaseConnections: number;
}

const GONE_AFTER_MS = 10 * 60_000;

interface DeadRow {
  id: string;
  kind: string;
  key: string | null;
  attempt: number;
  last_error: string | null;
  created_at: Date;
  updated_at: Date;
}

export function createOperations(deps: OperationsDeps): Module {
  const { db, clock, pool } = deps;
  const startedMs = clock.nowMs();
  const disk = diskWatch(deps.dataDir, clock.now);

  async function database() {
    const [about, readers, size] = await Promise.all([
      pool.query<{ version: string; events: string; position: string }>(
        `select current_setting('server_version') as version, (select coalesce(max(position), 0) from evt_events) as position,
                (select greatest(reltuples, 0)::bigint from pg_class where oid = 'evt_events'::regclass) as events`,
      ),
      pool.query<{ name: string; position: string }>("select name, position from evt_readers order by name"),
      pool.query<{ bytes: string }>("select pg_database_size(current_database()) as bytes"),
    ]);
    const position = Number(about.rows[0]?.position ?? 0);
    return {
      version: about.rows[0]?.version ?? "unknown",
      embedded: deps.embedded,
      bytes: Number(size.rows[0]?.bytes ?? 0),
      events: await eventCount(Number(about.rows[0]?.events ?? 0)),
      position,
      readers: readers.rows.map((row) => ({
        name: row.name,
        position: Number(row.position),
        behind: Math.max(0, position - Number(row.position)),
      })),
    };
  }

  /** Exact while counting costs little; a large log's number is the planner's. */
  async function eventCount(estimate: number): Promise<number> {
    if (estimate > 200_000) return estimate;
    const { rows } = await pool.query<{ n: string }>("select count(*) as n from evt_events");
    return Number(rows[0]?.n ?? 0);
  }

  async function usageOf(organizationId: string, { sandbox, startedAt }: LiveSandbox): Promise<z.input<typeof SandboxUsage> | null> {
    const session = await deps.sessionOfSandbox(organizationId, sandbox.id);
    if (session === null) return null;
    // It may end while it is asked.
    const usage = await sandbox.usage().catch(() => null);
    return {
      id: sandbox.id,
      session_id: session.id,
      session_title: session.title,
      provider: deps.sandboxProvider,
      alive: sandbox.alive(),
      memory_bytes: usage?.memoryBytes ?? null,
      memory_limit_bytes: deps.limits.memoryBytes,
      pids: usage?.pids ?? null,
      pids_limit: deps.limits.pids,
      disk_bytes: usage?.diskBytes ?? null,
      disk_limit_bytes: deps.limits.diskBytes,
      started_at: startedAt,
    };
  }

  async function jobsNow() {
    const counts = await deps.jobs().counts();
    const of = (state: string): number => counts.filter((one) => one.state === state).reduce((sum, one) => sum + one.jobs, 0);
    const oldest = Math.max(0, ...counts.filter((one) => one.state === "ready").map((one) => one.oldestMs));
    return {
      ready: of("ready"),
      leased: of("leased"),
      dead: of("dead"),
      oldest_ready_at: of("ready") === 0 ? null : new Date(clock.nowMs() - oldest).toISOString(),
    };
  }

  const ringView = async (ring: RingName) => ({
    ring,
    rotates_every_s: RINGS[ring].rotateMs / 1000,
    kept_s: RINGS[ring].keepMs / 1000,
    keys: (await deps.rings[ring].all()).map(({ kid, madeMs }) => ({ kid, created_at: new Date(madeMs).toISOString() })),
  });

  return {
    projections: [],
    schemas: [],
    jobs: {},
    routes: [
      handle(listKeyRings, async () => ({ items: await Promise.all(KeyRingName.options.map(ringView)) })),
      handle(rotateKeyRing, async ({ params, body, origin }) => {
        const { kid } = await deps.rings[params.ring].rotate({ drop: body.drop });
        const { localOrganizationId: organizationId } = deps;
        await deps.log.run(
          rotations,
          { organizationId, origin, stream: { type: "organization", id: organizationId }, subject: `key_ring:${params.ring}` },
          { type: "key_ring.rotated", data: { ring: params.ring, kid, dropped: body.drop } },
        );
        return ringView(params.ring);
      }),
      handle(getSystem, async ({ caller }) => {
        const [data, about, jobs, health, processes, sandboxes] = await Promise.all([
          disk(),
          database(),
          jobsNow(),
          deps.health(),
          deps.processes(),
          Promise.all(deps.sandboxes().map((one) => usageOf(caller.organizationId, one))),
        ]);
        const memory = process.memoryUsage();
        return {
          version: deps.version,
          node: process.version,
          platform: `${process.platform} ${process.arch}`,
          started_at: new Date(startedMs).toISOString(),
          uptime_s: Math.max(0, Math.floor((clock.nowMs() - startedMs) / 1000)),
          data_dir: { path: deps.dataDir, bytes: data.bytes, measured_at: data.measuredAt, free_bytes: data.freeBytes },
          database: about,
          memory: { rss_bytes: memory.rss, heap_bytes: memory.heapUsed, system_total_bytes: totalmem(), system_free_bytes: freemem() },
          load: { cpus: cpus().length, average_1m: loadavg()[0] ?? 0 },
          jobs,
          sandboxes: sandboxes.filter((one) => one !== null),
          connections: deps.connections(),
          processes: processes.map((one) => ({
            // What is before it only tells two data directories apart.
            name: one.id.split("#").at(-1) ?? one.id,
            role: one.role,
            started_at: one.startedAt.toISOString(),
            rss_bytes: one.rssBytes,
            cpu_share: Math.round(one.cpuShare * 1000) / 1000,
            database_connections: one.databaseConnections,
          })),
          health,
        };
      }),

      handle(listDeadJobs, async ({ caller, query }) => {
        const after = decodeCursor(query.cursor, z.tuple([z.iso.datetime(), z.string()]));
        const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
          sql<DeadRow>`select id, kind, key, attempt, last_error, created_at, updated_at from jobs where state = 'dead'
                          and (${after?.[0] ?? null}::timestamptz is null or (date_trunc('milliseconds', updated_at), id) < (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::bigint))
                        order by date_trunc('milliseconds', updated_at) desc, id desc limit ${query.limit + 1}`.execute(tx),
        );
        return pageOf(
          rows,
          query.limit,
          (row) => ({
            id: row.id,
            kind: row.kind,
            key: row.key,
            attempts: row.attempt,
            last_error: row.last_error,
            created_at: row.created_at.toISOString(),
            died_at: row.updated_at.toISOString(),
          }),
          (row) => [row.updated_at.toISOString(), row.id],
        );
      }),

      handle(retryJob, async ({ caller, params }) => {
        const NONE = refused("job_not_found", {
          message: "There is no such job that was given up.",
          fix: "List them with GET /v1/jobs/dead.",
        });
        if (!/^\d{1,18}$/.test(params.id)) return NONE;
        if (await deps.jobs().revive(caller.organizationId, params.id)) return { ok: true };
        const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
          sql<{ one: number }>`select 1 as one from jobs where id = ${params.id} and state = 'dead'`.execute(tx),
        );
        if (rows.length === 0) return NONE;
        return refused("job_superseded", { message: "The same work is waiting or under way already.", fix: "Nothing has to be done." });
      }),

      handle(listWorkers, async ({ caller }) => {
        const found = await deps.workers(caller.organizationId, await deps.rooms.visibleRooms(caller));
        const names = await deps.displayNames(
          caller.organizationId,
          found.map(({ principalId }) => principalId),
        );
        return {
          items: found.map((worker) => ({
            principal_id: worker.principalId,
            name: names.get(worker.principalId) ?? worker.principalId,
            state: stateOf(worker, clock.nowMs()),
            last_heartbeat_at: worker.lastSeenAt,
            first_seen_at: worker.firstSeenAt,
            leases: [...worker.leases],
            completed: worker.completed,
            failed: worker.failed,
          })),
        };
      }),
    ],
  };
}

/** An engine between two runs is not heard of; so it is live until it is gone. */
function stateOf({ leases, lastSeenAt }: WorkerRecord, nowMs: number): "live" | "late" | "gone" {
  if (leases.some(({ expires_at }) => Date.parse(expires_at) > nowMs)) return "live";
  if (nowMs - Date.parse(lastSeenAt) > GONE_AFTER_MS) return "gone";
  return leases.length > 0 ? "late" : "live";
}
