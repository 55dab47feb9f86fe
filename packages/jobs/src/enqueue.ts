import type { NewJob, Queryable } from "./types.ts";

const DEFAULT_MAX_ATTEMPTS = 8;

/**
 * Writes jobs in the caller's transaction; `createLog` takes it as its `enqueue`. A job whose
 * (organization, kind, key) is waiting already is not added again: the waiting one takes the newer
 * payload and the earlier time. If it is *running*, it runs once more afterwards, because it may
 * have looked before this cause existed.
 */
export async function enqueueJobs(tx: Queryable, jobs: readonly NewJob[]): Promise<void> {
  if (jobs.length === 0) return;
  const rows = withoutRepeats(jobs);
  await tx.query(ENQUEUE, [
    rows.map((job) => job.organizationId),
    rows.map((job) => job.kind),
    rows.map((job) => job.key ?? null),
    rows.map((job) => JSON.stringify(job.payload)),
    rows.map((job) => job.runAt ?? null),
    rows.map((job) => job.maxAttempts ?? DEFAULT_MAX_ATTEMPTS),
  ]);
}

/** One statement must not meet the same key twice; the last one wins, as it would in two statements. */
function withoutRepeats(jobs: readonly NewJob[]): readonly NewJob[] {
  const byKey = new Map<unknown, NewJob>();
  for (const job of jobs) byKey.set(job.key === undefined ? job : JSON.stringify([job.organizationId, job.kind, job.key]), job);
  return [...byKey.values()];
}

const ENQUEUE = `
  with added as (
    insert into jobs as j (organization_id, kind, key, payload, run_at, max_attempts)
    select n.organization_id, n.kind, n.key, n.payload, coalesce(n.run_at, now()), n.max_attempts
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::int[])
        as n (organization_id, kind, key, payload, run_at, max_attempts)
    on conflict (organization_id, kind, key) where key is not null and state <> 'dead' do update
      set payload = excluded.payload,
          run_at = case when j.state = 'ready' then least(j.run_at, excluded.run_at) else excluded.run_at end,
          again = j.state = 'leased',
          updated_at = now()
    returning j.run_at
  )
  select pg_notify('jobs_ready', '') from (select 1 from added where run_at <= now() limit 1) due`;
