/*
 * The processes of this installation: who is here, where each is reached, and what time it is.
 *
 *   join ──► here ── every third of the lease ──► here ── leave ──► gone
 *                       └─ not renewed (killed, cut off) ──► taken for gone when the lease is over
 *
 * Nothing is decided by this table that a lease of its own does not decide again (hubs, jobs, readers): it says where
 * to ask. Its clock is the database's, read with each renewal and carried on by the monotonic one of this process, so
 * that a machine whose clock jumps still agrees with the others.
 */
import type { Clock } from "@signalbox/kernel/clock";
import type pg from "pg";
import type { Logger } from "pino";
import type { Role } from "./roles.ts";

export interface Node {
  readonly id: string;
  readonly role: Role;
  readonly url: string;
}

export interface Nodes {
  readonly id: string;
  /** The database's, which all processes agree on, whatever their machines' clocks do. */
  readonly clock: Clock;
  /** From now on the others find it; `url` null: it is there, and nobody calls it. */
  join(url: string | null): Promise<void>;
  /** It takes nothing new any more. */
  drain(): Promise<void>;
  leave(): Promise<void>;
  /** Null when it is gone, or is not to be called. */
  find(nodeId: string): Promise<Node | null>;
  /** Those that are here and not leaving, without this one. */
  others(role: Role, options?: { readonly machine?: string }): Promise<readonly Node[]>;
  /** Every process that is here, as of its last renewal. */
  usage(): Promise<readonly NodeUsage[]>;
  /** True for whoever remembers it first, in all processes. */
  rememberNonce(nonce: string, forMs: number): Promise<boolean>;
}

export interface NodeUsage {
  readonly id: string;
  readonly role: Role;
  readonly startedAt: Date;
  readonly rssBytes: number;
  /** Of one processor: 1 is one that never rests. */
  readonly cpuShare: number;
  /** Open now, by the name that it connects under (`connectionName`). */
  readonly databaseConnections: number;
}

/** What a process is called in `pg_stat_activity`; Postgres cuts longer ones. */
export const connectionName = (nodeId: string): string => nodeId.slice(0, 63);

export interface NodeOptions {
  readonly pool: pg.Pool;
  readonly id: string;
  readonly role: Role;
  readonly machine: string;
  readonly connections: number;
  readonly leaseTtlMs: number;
  readonly logger: Logger;
}

/** Where a process was is not asked again for every request that is passed on. */
const REMEMBERED_MS = 1000;

export async function createNodes({ pool, id, role, machine, connections, leaseTtlMs, logger }: NodeOptions): Promise<Nodes> {
  let offsetMs = 0;
  let timer: NodeJS.Timeout | undefined;
  let url: string | null = null;
  let draining = false;
  const known = new Map<string, { readonly node: Node | null; readonly atMs: number }>();

  let cpu = process.cpuUsage();
  let cpuAtMs = performance.now();
  /** Since this was last asked. */
  function cpuShare(): number {
    const used = process.cpuUsage(cpu);
    const now = performance.now();
    const share = (used.user + used.system) / 1000 / Math.max(1, now - cpuAtMs);
    cpu = process.cpuUsage();
    cpuAtMs = now;
    return share;
  }

  async function renew(): Promise<void> {
    const sentMs = performance.now();
    const { rows } = await pool.query<{ now_ms: string }>(
      `insert into cluster_nodes as n (node_id, role, machine, url, connections, draining, expires_at, rss_bytes, cpu_share)
       values ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7 * interval '1 millisecond', $8, $9)
       on conflict (node_id) do update set role = excluded.role, machine = excluded.machine, url = excluded.url, connections = excluded.connections,
         draining = excluded.draining, expires_at = excluded.expires_at, rss_bytes = excluded.rss_bytes, cpu_share = excluded.cpu_share, started_at = case when n.expires_at < clock_timestamp() then clock_timestamp() else n.started_at end
       returning extract(epoch from clock_timestamp()) * 1000 as now_ms`,
      [id, role, machine, url, connections, draining, leaseTtlMs, process.memoryUsage.rss(), cpuShare()],
    );
    // Half of the way was there.
    offsetMs = Number(rows[0]?.now_ms) - (sentMs + performance.now()) / 2;
  }

  await renew();
  const nowMs = (): number => Math.round(performance.now() + offsetMs);
  return {
    id,
    clock: { nowMs, now: () => new Date(nowMs()).toISOString() },
    async join(at) {
      url = at;
      await renew();
      timer = setInterval(() => {
        renew().catch((error: unknown) => logger.warn({ err: error }, "this process could not say that it is here; trying again"));
      }, leaseTtlMs / 3).unref();
    },
    async drain() {
      draining = true;
      await renew();
    },
    async leave() {
      clearInterval(timer);
      await pool.query("delete from cluster_nodes where node_id = $1", [id]);
      await pool.query("delete from cluster_nonces where expires_at < clock_timestamp()");
    },
    async find(nodeId) {
      const found = known.get(nodeId);
      if (found !== undefined && performance.now() - found.atMs < REMEMBERED_MS) return found.node;
      const { rows } = await pool.query<{ role: Role; url: string }>(
        "select role, url from cluster_nodes where node_id = $1 and url is not null and expires_at > clock_timestamp()",
        [nodeId],
      );
      const node = rows[0] === undefined ? null : { id: nodeId, ...rows[0] };
      if (known.size > 1000) known.clear();
      known.set(nodeId, { node, atMs: performance.now() });
      return node;
    },
    async others(of, at = {}) {
      const { rows } = await pool.query<Node>(
        `select node_id as id, role, url from cluster_nodes
          where role = $1 and node_id <> $2 and url is not null and not draining and expires_at > clock_timestamp() and ($3::text is null or machine = $3)
          order by node_id`,
        [of, id, at.machine ?? null],
      );
      return rows;
    },
    async usage() {
      const { rows } = await pool.query<{
        id: string;
        role: Role;
        started_at: Date;
        rss_bytes: string | null;
        cpu_share: number | null;
        open: number;
      }>(
        `select node_id as id, role, started_at, rss_bytes, cpu_share,
                (select count(*)::int from pg_stat_activity where datname = current_database() and application_name = left(node_id, 63)) as open
           from cluster_nodes where expires_at > clock_timestamp() order by role, node_id`,
      );
      return rows.map((row) => ({
        id: row.id,
        role: row.role,
        startedAt: row.started_at,
        rssBytes: Number(row.rss_bytes ?? 0),
        cpuShare: row.cpu_share ?? 0,
        databaseConnections: row.open,
      }));
    },
    async rememberNonce(nonce, forMs) {
      const { rowCount } = await pool.query(
        `with swept as (delete from cluster_nonces where nonce in (select nonce from cluster_nonces where expires_at < clock_timestamp() limit 100))
         insert into cluster_nonces (nonce, expires_at) values ($1, clock_timestamp() + $2 * interval '1 millisecond') on conflict do nothing`,
        [nonce, forMs],
      );
      return rowCount === 1;
    },
  };
}
