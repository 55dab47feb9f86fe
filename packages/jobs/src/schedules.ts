/*
 * Cron, by whichever process leads.
 *
 *   follower ──lease free or over──► leader ──lease not renewed──► follower
 *
 * The leader alone looks at the schedules, so that N processes do not all wake for them. Leading is
 * an economy, not what keeps a schedule from firing twice: that is the row's `next_run_at`, moved
 * in the transaction that enqueues.
 */
import { randomUUID } from "node:crypto";
import { Cron } from "croner";
import { enqueueJobs } from "./enqueue.ts";
import type { JobsOptions, Schedule } from "./types.ts";

export interface Scheduler {
  isLeader(): boolean;
  /** Looks now; tests call it instead of waiting for the tick. */
  tick(): Promise<void>;
  stop(): Promise<void>;
}

const LEAD_MS = 15_000;
const TICK_MS = 1000;

const LEAD = `
  insert into job_leader as l (holder, leased_until) values ($1, clock_timestamp() + ${LEAD_MS} * interval '1 millisecond')
  on conflict (only_row) do update set holder = excluded.holder, leased_until = excluded.leased_until
    where l.holder = excluded.holder or l.leased_until < clock_timestamp()
  returning holder`;

export function startScheduler({ pool, clock, onError = () => undefined }: JobsOptions, schedules: readonly Schedule[]): Scheduler {
  const me = `${process.pid}:${randomUUID()}`;
  const nowMs = () => clock?.nowMs() ?? Date.now();
  let leader = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let ticking: Promise<void> | undefined;

  const next = ({ pattern, timezone = "UTC" }: Schedule, after: number): string => {
    const date = new Cron(pattern, { timezone, paused: true }).nextRun(new Date(after));
    if (date === null) throw new Error(`the pattern "${pattern}" never comes due`);
    return date.toISOString();
  };
  // A bad pattern is found where the schedule is declared, not at night.
  for (const schedule of schedules) next(schedule, nowMs());

  async function look(): Promise<void> {
    const { rowCount } = await pool.query(LEAD, [me]);
    leader = rowCount === 1;
    if (!leader) return;
    for (const schedule of schedules) await fire(schedule);
  }

  async function fire(schedule: Schedule): Promise<void> {
    const { name, pattern, timezone = "UTC" } = schedule;
    const client = await pool.connect();
    try {
      await client.query("begin");
      const { rows } = await client.query<{ next_run_at: Date; pattern: string; timezone: string }>(
        "select next_run_at, pattern, timezone from job_schedules where name = $1 for update",
        [name],
      );
      const row = rows[0];
      const at = nowMs();
      if (row === undefined || row.pattern !== pattern || row.timezone !== timezone) {
        await client.query(
          `insert into job_schedules (name, next_run_at, pattern, timezone) values ($1, $2, $3, $4)
           on conflict (name) do update set next_run_at = excluded.next_run_at, pattern = excluded.pattern, timezone = excluded.timezone`,
          [name, next(schedule, at), pattern, timezone],
        );
      } else if (row.next_run_at.getTime() <= at) {
        await enqueueJobs(client, [schedule.job(row.next_run_at.toISOString())]);
        await client.query("update job_schedules set last_run_at = next_run_at, next_run_at = $2 where name = $1", [
          name,
          next(schedule, at),
        ]);
      }
      await client.query("commit");
    } catch (error) {
      await client.query("rollback");
      throw error;
    } finally {
      client.release();
    }
  }

  function tick(): Promise<void> {
    ticking ??= look()
      .catch((error: unknown) => {
        leader = false;
        onError(error);
      })
      .finally(() => (ticking = undefined));
    return ticking;
  }

  function plan(): void {
    if (stopped) return;
    timer = setTimeout(() => void tick().finally(plan), TICK_MS);
  }
  void tick().finally(plan);

  return {
    isLeader: () => leader,
    tick,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await ticking;
      // Gives the lead away at once; if this fails it runs out by itself.
      if (leader) await pool.query("delete from job_leader where holder = $1", [me]).catch(onError);
      leader = false;
    },
  };
}
