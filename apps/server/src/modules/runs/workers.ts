import { sql } from "kysely";
import type { Database } from "../../module.ts";

export interface WorkerRecord {
  readonly principalId: string;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  readonly completed: number;
  readonly failed: number;
  readonly leases: readonly {
    readonly run_id: string;
    readonly title: string | null;
    readonly expires_at: string;
    readonly attempt_no: number;
  }[];
}

interface Row {
  claimed_by: string;
  first_seen: Date;
  last_seen: Date;
  completed: number;
  failed: number;
  leases: { run_id: string; title: string | null; expires_at: string; attempt_no: number }[];
}

/** Engines that ever claimed a run in these rooms (null: all), last seen first. A lease says when its engine beat last. */
export async function findWorkers(
  db: Database,
  organizationId: string,
  { rooms, leaseTtlMs }: { rooms: readonly string[] | null; leaseTtlMs: number },
): Promise<WorkerRecord[]> {
  const visible = rooms === null ? null : [...rooms];
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<Row>`
      select a.claimed_by, min(a.claimed_at) as first_seen,
             max(greatest(a.claimed_at, coalesce(a.ended_at, a.claimed_at), coalesce(l.expires_at - make_interval(secs => ${leaseTtlMs / 1000}), a.claimed_at))) as last_seen,
             count(*) filter (where a.end_reason = 'completed')::int as completed, count(*) filter (where a.end_reason = 'failed')::int as failed,
             coalesce(jsonb_agg(jsonb_build_object('run_id', r.id, 'title', r.title, 'expires_at', l.expires_at, 'attempt_no', a.attempt_no) order by l.expires_at)
                        filter (where l.run_id is not null and a.ended_at is null and r.status in ('claimed', 'running')), '[]') as leases
        from proj_run_attempts a
        join proj_runs r on r.organization_id = a.organization_id and r.id = a.run_id
        left join run_leases l on l.organization_id = a.organization_id and l.run_id = a.run_id and l.epoch = a.epoch
       where (${visible}::text[] is null or r.room_id = any(${visible}::text[]))
       group by a.claimed_by order by last_seen desc, a.claimed_by limit 200`.execute(tx),
  );
  return rows.map((row) => ({
    principalId: row.claimed_by,
    firstSeenAt: row.first_seen.toISOString(),
    lastSeenAt: row.last_seen.toISOString(),
    completed: row.completed,
    failed: row.failed,
    leases: row.leases.map((lease) => ({ ...lease, expires_at: new Date(lease.expires_at).toISOString() })),
  }));
}
