/* A worker that does a job of two steps, and dies where it is told to. Started by crash.pg.test.ts. */
import { crashPoint } from "@signalbox/testkit/crash";
import { Pool, type PoolConfig } from "pg";
import { createJobs } from "./jobs.ts";
import type { JobContext } from "./types.ts";

const connection = JSON.parse(process.argv[2] ?? "{}") as PoolConfig;
const pool = new Pool(connection);
const jobs = createJobs({ pool });

const step = async ({ id, fence }: JobContext, name: string): Promise<void> => {
  // At least once, and idempotent: what a real handler has to be.
  await pool.query("insert into crash_steps (job, step, fence) values ($1, $2, $3) on conflict (job, step) do nothing", [id, name, fence]);
};

jobs.work(
  {
    two_steps: async (job: JobContext) => {
      crashPoint("claimed");
      await step(job, "one");
      crashPoint("after step one");
      await step(job, "two");
      crashPoint("after step two");
    },
  },
  { leaseMs: 700, concurrency: 1 },
);
