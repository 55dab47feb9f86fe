/*
 * Every transition of a job is one of these statements (specs/jobs.md has the machine):
 *
 *            claim             complete
 *   ready ──────────► leased ───────────► (deleted)
 *     ▲                 │
 *     ├── retry, again ─┤ fail, lease over
 *     │                 ▼ attempts used up, or not retryable
 *     └── revive ───── dead
 *
 * All but `claim` name the fence they were given: a holder whose lease went to somebody else changes nothing.
 */

/** $1 kinds, $2 limit, $3 worker, $4 lease in ms, $5 the clock. */
export const CLAIM = `
  with due as (
    select id from jobs
     where state = 'ready' and kind = any($1) and run_at <= greatest(now(), $5::timestamptz)
     order by run_at, id limit $2 for update skip locked
  )
  update jobs j
     set state = 'leased', attempt = j.attempt + 1, fence = nextval('jobs_fence'), leased_by = $3,
         leased_until = clock_timestamp() + $4 * interval '1 millisecond', updated_at = now()
    from due where j.id = due.id
  returning j.id, j.organization_id, j.kind, j.payload, j.attempt, j.max_attempts, j.fence`;

/** $1 ids, $2 fences, $3 lease in ms. Returns those that are still held. */
export const EXTEND = `
  update jobs j set leased_until = clock_timestamp() + $3 * interval '1 millisecond'
    from unnest($1::bigint[], $2::bigint[]) as h (id, fence)
   where j.id = h.id and j.fence = h.fence and j.state = 'leased'
  returning j.fence`;

/** $1 id, $2 fence. No row when the lease is lost. */
export const COMPLETE = `
  with held as (
    select id, again from jobs where id = $1 and fence = $2 and state = 'leased' for update
  ), once_more as (
    update jobs j set state = 'ready', again = false, attempt = 0, leased_until = null, leased_by = null, last_error = null, updated_at = now()
      from held where j.id = held.id and held.again
  ), done as (
    delete from jobs j using held where j.id = held.id and not held.again
  )
  select again from held`;

/** $1 id, $2 fence, $3 when. */
export const RUN_AGAIN = `
  update jobs set state = 'ready', run_at = case when again then now() else $3::timestamptz end, again = false, attempt = 0,
         leased_until = null, leased_by = null, last_error = null, updated_at = now()
   where id = $1 and fence = $2 and state = 'leased' returning id`;

/** $1 id, $2 fence, $3 error, $4 delay in ms, $5 retryable. */
export const FAIL = `
  update jobs set state = case when again or ($5 and attempt < max_attempts) then 'ready' else 'dead' end,
         attempt = case when again then 0 else attempt end,
         run_at = clock_timestamp() + $4 * interval '1 millisecond', again = false,
         leased_until = null, leased_by = null, last_error = $3, updated_at = now()
   where id = $1 and fence = $2 and state = 'leased' returning state`;

/** A worker that stops gives back what it had not finished; the attempt does not count. $1 id, $2 fence. */
export const RELEASE = `
  update jobs set state = 'ready', attempt = attempt - 1, again = false, leased_until = null, leased_by = null, updated_at = now()
   where id = $1 and fence = $2 and state = 'leased'`;

/** Leases that ran out: their worker is gone, or too slow to be trusted. */
export const REAP = `
  with lost as (
    select id from jobs where state = 'leased' and leased_until < clock_timestamp() limit 500 for update skip locked
  )
  update jobs j set state = case when j.again or j.attempt < j.max_attempts then 'ready' else 'dead' end,
         attempt = case when j.again then 0 else j.attempt end, run_at = least(j.run_at, now()), again = false,
         leased_until = null, leased_by = null, last_error = 'the worker that held it was lost', updated_at = now()
    from lost where j.id = lost.id
  returning j.state`;

/** $1 kinds, $2 the clock. Milliseconds until something can be due. */
export const NEXT_DUE = `
  select least(
    (select extract(epoch from (run_at - greatest(now(), $2::timestamptz))) * 1000 from jobs where state = 'ready' and kind = any($1) order by run_at limit 1),
    (select extract(epoch from (leased_until - clock_timestamp())) * 1000 from jobs where state = 'leased' order by leased_until limit 1)
  ) as ms`;
