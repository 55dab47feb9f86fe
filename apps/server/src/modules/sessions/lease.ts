/*
 * Which process owns a live session, one at a time.
 *
 *   acquire ──► held(epoch) ── renew (a third of its time) ──► held
 *                  │ not renewed for 30 s                └── release ──► free
 *                  └──► anybody's, with epoch + 1
 *
 * The epoch is the fence: it grows with every acquisition and never shrinks. Whoever writes for a hub checks it in
 * the unit that writes (`isCurrent`), after loading the subjects it is about to write: a hub that was overtaken finds
 * either another epoch, or its append conflicts with what the new owner wrote.
 *
 * A local sandbox and its files are on one machine, so the session stays there: nobody of another one gets its lease,
 * not even when its owner is gone. With a provider whose sandboxes are remote there is no machine.
 *
 * The row also keeps what the next owner needs to find sandbox and agent again. It is no event: it is of use to this
 * installation only, and means nothing once the processes are gone.
 */
import type { AgentRecord } from "@signalbox/providers/agent/port";
import type { SandboxRecord } from "@signalbox/providers/sandbox/port";
import type pg from "pg";

export const LEASE_TTL_MS = 30_000;

export interface Lease {
  readonly organizationId: string;
  readonly sessionId: string;
  readonly epoch: number;
  readonly sandboxRecord: SandboxRecord | null;
  readonly agentRecord: AgentRecord | null;
}

interface Row {
  epoch: string;
  sandbox_record: string | null;
  agent_record: string | null;
}

export interface Leases {
  readonly holder: string;
  /** Null: sandboxes are on none. */
  readonly machine: string | null;
  /** Null when another live process holds it. A second acquisition by the same holder also counts as a takeover. */
  acquire(organizationId: string, sessionId: string): Promise<Lease | null>;
  /** False when it was lost. */
  renew(lease: Lease): Promise<boolean>;
  /** Keeps the records: the session may be brought back. Harmless when it was lost. */
  release(lease: Lease): Promise<void>;
  isCurrent(sessionId: string, epoch: number): Promise<boolean>;
  /** False when the lease was lost, and nothing was kept. */
  remember(lease: Lease, records: { sandbox?: SandboxRecord | null; agent?: AgentRecord | null }): Promise<boolean>;
  records(sessionId: string): Promise<{ sandbox: SandboxRecord | null; agent: AgentRecord | null }>;
  /** Live now, by anyone. */
  holderOf(sessionId: string): Promise<string | null>;
}

export function createLeases(
  pool: pg.Pool,
  holder: string,
  { ttlMs = LEASE_TTL_MS, machine = null }: { readonly ttlMs?: number; readonly machine?: string | null } = {},
): Leases {
  const parse = <T>(text: string | null): T | null => (text === null ? null : (JSON.parse(text) as T));
  return {
    holder,
    machine,
    async acquire(organizationId, sessionId) {
      const { rows } = await pool.query<Row>({
        name: "session_hub_acquire",
        text: `insert into session_hubs as h (organization_id, session_id, epoch, holder, expires_at, machine)
               values ($1, $2, 1, $3, now() + $4 * interval '1 millisecond', $5)
               on conflict (session_id) do update set epoch = h.epoch + 1, holder = excluded.holder, expires_at = excluded.expires_at,
                   machine = coalesce(excluded.machine, h.machine)
                 where (h.holder is null or h.expires_at <= now() or h.holder = excluded.holder)
                   and (h.machine is null or excluded.machine is null or h.machine = excluded.machine)
               returning epoch, sandbox_record, agent_record`,
        values: [organizationId, sessionId, holder, ttlMs, machine],
      });
      const row = rows[0];
      return row === undefined
        ? null
        : {
            organizationId,
            sessionId,
            epoch: Number(row.epoch),
            sandboxRecord: parse<SandboxRecord>(row.sandbox_record),
            agentRecord: parse<AgentRecord>(row.agent_record),
          };
    },
    async renew({ sessionId, epoch }) {
      const { rowCount } = await pool.query({
        name: "session_hub_renew",
        text: `update session_hubs set expires_at = now() + $3 * interval '1 millisecond' where session_id = $1 and epoch = $2`,
        values: [sessionId, epoch, ttlMs],
      });
      return rowCount === 1;
    },
    async release({ sessionId, epoch }) {
      await pool.query(`update session_hubs set holder = null, expires_at = now() where session_id = $1 and epoch = $2`, [
        sessionId,
        epoch,
      ]);
    },
    async isCurrent(sessionId, epoch) {
      const { rowCount } = await pool.query({
        name: "session_hub_fence",
        text: `select 1 from session_hubs where session_id = $1 and epoch = $2`,
        values: [sessionId, epoch],
      });
      return rowCount === 1;
    },
    async remember({ sessionId, epoch }, records) {
      const { rowCount } = await pool.query(
        `update session_hubs set sandbox_record = case when $3 then $4 else sandbox_record end, agent_record = case when $5 then $6 else agent_record end
          where session_id = $1 and epoch = $2`,
        [
          sessionId,
          epoch,
          records.sandbox !== undefined,
          records.sandbox ? JSON.stringify(records.sandbox) : null,
          records.agent !== undefined,
          records.agent ? JSON.stringify(records.agent) : null,
        ],
      );
      return rowCount === 1;
    },
    async records(sessionId) {
      const { rows } = await pool.query<Row>(`select epoch, sandbox_record, agent_record from session_hubs where session_id = $1`, [
        sessionId,
      ]);
      const row = rows[0];
      return { sandbox: parse<SandboxRecord>(row?.sandbox_record ?? null), agent: parse<AgentRecord>(row?.agent_record ?? null) };
    },
    async holderOf(sessionId) {
      const { rows } = await pool.query<{ holder: string | null }>(
        `select holder from session_hubs where session_id = $1 and expires_at > now()`,
        [sessionId],
      );
      return rows[0]?.holder ?? null;
    },
  };
}
