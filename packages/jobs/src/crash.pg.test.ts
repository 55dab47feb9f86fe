import path from "node:path";
import { startScript } from "@signalbox/testkit/crash";
import { databaseTest } from "@signalbox/testkit/database";
import { beforeAll, expect, test, vi } from "vitest";
import { createJobs } from "./jobs.ts";

vi.setConfig({ testTimeout: 60_000 });
const db = databaseTest();
const script = path.join(import.meta.dirname, "crash.script.ts");
const LEASE_MS = 700;

beforeAll(() => db.rows("create table crash_steps (job text, step text, fence bigint, primary key (job, step))"));

test.each(["claimed", "after step one", "after step two"])(
  "a worker killed with -9 at the point '%s' is replaced within the lease, and the job's work is done once",
  async (crashAt) => {
    await db.rows("truncate jobs, crash_steps");
    const jobs = createJobs({ pool: db.pool("sb_log") });
    await jobs.enqueue([{ kind: "two_steps", organizationId: "ws_dev", payload: {} }]);
    const doomed = startScript(script, { args: [db.connection("sb_log")], crashAt });
    expect(await doomed.ended).toBe("SIGKILL");
    const diedAt = performance.now();
    expect(await db.rows("select state, attempt from jobs")).toEqual([{ state: "leased", attempt: 1 }]);

    const successor = startScript(script, { args: [db.connection("sb_log")] });
    try {
      await vi.waitFor(async () => expect(await db.rows("select 1 from jobs")).toEqual([]), { timeout: 30_000, interval: 20 });
      // The lease, and the time that the successor's process took to start.
      expect(performance.now() - diedAt).toBeLessThan(LEASE_MS + 10_000);
      expect((await db.rows<{ step: string }>("select step from crash_steps order by step")).map((row) => row.step)).toEqual([
        "one",
        "two",
      ]);
    } finally {
      successor.kill();
      await successor.ended;
      await jobs.close();
    }
  },
);

test("a job that kills every worker it meets ends among the dead letters instead of killing the next for ever", async () => {
  await db.rows("truncate jobs, crash_steps");
  const jobs = createJobs({ pool: db.pool("sb_log") });
  await jobs.enqueue([{ kind: "two_steps", organizationId: "ws_dev", payload: {}, maxAttempts: 2 }]);
  for (let i = 0; i < 2; i++)
    expect(await startScript(script, { args: [db.connection("sb_log")], crashAt: "claimed" }).ended).toBe("SIGKILL");
  jobs.work({ unrelated: async () => undefined });
  await vi.waitFor(
    async () => expect(await jobs.deadLetters("ws_dev")).toMatchObject([{ attempt: 2, lastError: "the worker that held it was lost" }]),
    { timeout: 15_000 },
  );
  await jobs.close();
});
