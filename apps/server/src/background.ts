/* Every module's jobs and schedules, as far as this process's duties go. */
import type { PostgresLog } from "@signalbox/eventlog/postgres-log";
import type { Jobs } from "@signalbox/jobs/jobs";
import { type Duties, JOBS_OF_SANDBOXES } from "./cluster/roles.ts";
import type { Config } from "./config/settings.ts";
import { LOCAL } from "./local.ts";
import type { Module } from "./module.ts";
import type { Telemetry } from "./telemetry.ts";

export function startJobs(
  jobs: Jobs,
  log: PostgresLog,
  modules: readonly (readonly [string, Module])[],
  { config, duties }: { readonly config: Config; readonly duties: Duties },
  telemetry: Telemetry | undefined,
): void {
  if (!duties.background && !duties.sandboxes) return;
  const handlers: Record<string, Module["jobs"][string]> = {};
  const schedules: { name: string; pattern: string; job: () => { kind: string; organizationId: string; payload: object; key: string } }[] =
    [];
  for (const [name, module] of modules) {
    if (!(JOBS_OF_SANDBOXES.has(name) ? duties.sandboxes : duties.background)) continue;
    for (const [kind, run] of Object.entries(module.jobs))
      handlers[kind] = telemetry === undefined ? run : (job) => telemetry.traced(`job ${kind}`, () => run(job));
  }
  if (!duties.background) return void jobs.work(handlers, { concurrency: config.jobConcurrency });
  for (const { name, cron, run } of modules.flatMap(([, module]) => module.schedules ?? [])) {
    const kind = `schedule.${name}`;
    handlers[kind] = ({ signal }) => run(signal);
    // Housekeeping of the whole installation; a row needs an organization all the same.
    schedules.push({ name, pattern: cron, job: () => ({ kind, organizationId: LOCAL.organizationId, payload: {}, key: name }) });
  }
  handlers["schedule.log.idempotency"] = async () => void (await log.expireIdempotencyKeys());
  schedules.push({
    name: "log.idempotency",
    pattern: "17 * * * *",
    job: () => ({ kind: "schedule.log.idempotency", organizationId: LOCAL.organizationId, payload: {}, key: "log.idempotency" }),
  });
  jobs.work(handlers, { concurrency: config.jobConcurrency });
  jobs.schedule(schedules);
}
