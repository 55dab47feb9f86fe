import { databaseTest } from "@signalbox/testkit/database";
import { testClock } from "@signalbox/testkit/clock";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createJobs, type Jobs } from "./jobs.ts";
import { enqueueJobs } from "./enqueue.ts";
import { LeaseLost, type JobContext, type NewJob } from "./types.ts";

const db = databaseTest();
let jobs: Jobs;
let errors: unknown[];

beforeEach(async () => {
  await db.rows("truncate jobs, job_schedules, job_leader");
  errors = [];
  jobs = createJobs({ pool: db.pool("sb_log"), onError: (error) => errors.push(error) });
});
afterEach(() => jobs.close());

const job = (kind: string, more: Partial<NewJob> = {}): NewJob => ({ kind, organizationId: "ws_dev", payload: {}, ...more });
const left = () =>
  db.rows<{ kind: string; state: string; attempt: number; last_error: string | null }>(
    "select kind, state, attempt, last_error from jobs order by id",
  );
const until = (claim: () => unknown) => vi.waitFor(async () => expect(await claim()).toBeTruthy(), { timeout: 15_000, interval: 10 });

test("a job runs once, with its payload, and is gone afterwards", async () => {
  const seen: unknown[] = [];
  jobs.work({ mail: async ({ payload, organizationId, attempt }: JobContext) => void seen.push([payload, organizationId, attempt]) });
  await jobs.enqueue([job("mail", { payload: { to: "a" } })]);
  await until(async () => (await left()).length === 0 && seen.length === 1);
  expect(seen).toEqual([[{ to: "a" }, "ws_dev", 1]]);
});

test("a job enqueued in a transaction that rolls back never was", async () => {
  await expect(
    db.transaction(async (tx) => {
      await enqueueJobs(tx, [job("mail")]);
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  expect(await left()).toEqual([]);
});

test("an idle worker starts an enqueued job within milliseconds, not at the next poll", async () => {
  let started = 0;
  jobs.work({ quick: async () => void (started = performance.now()) });
  await until(
    async () =>
      (await db.pool("admin").query("select 1 from pg_stat_activity where query = 'listen jobs_ready' and datname = current_database()"))
        .rowCount === 1,
  );
  const before = performance.now();
  await jobs.enqueue([job("quick")]);
  await until(() => started > 0);
  expect(started - before).toBeLessThan(4000); // the poll is at 5 s
});

test("500 jobs over three workers: each runs exactly once", async () => {
  const seen: string[] = [];
  for (let i = 0; i < 3; i++) jobs.work({ many: async ({ id }) => void seen.push(id) }, { concurrency: 20 });
  await jobs.enqueue(Array.from({ length: 500 }, () => job("many")));
  await until(async () => (await left()).length === 0);
  expect(seen).toHaveLength(500);
  expect(new Set(seen).size).toBe(500);
});

test("a failing job is tried again later and later, then lies among the dead letters with its last error", async () => {
  const at: number[] = [];
  jobs.work(
    {
      broken: async () => {
        at.push(performance.now());
        throw new Error(`boom ${at.length}`);
      },
    },
    { backoffMs: 60 },
  );
  await jobs.enqueue([job("broken", { maxAttempts: 3 })]);
  await until(async () => (await jobs.deadLetters("ws_dev")).length === 1);
  expect(at).toHaveLength(3);
  // Doubled each time, less a fifth; a busy machine only makes it later.
  expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(47);
  expect(at[2]! - at[1]!).toBeGreaterThanOrEqual(95);
  expect(await jobs.deadLetters("ws_dev")).toMatchObject([{ kind: "broken", attempt: 3, lastError: "boom 3" }]);
  expect(await jobs.deadLetters("ws_other")).toEqual([]);
});

test("an error that says it cannot be retried is not", async () => {
  jobs.work({ hopeless: async () => Promise.reject(Object.assign(new Error("gone"), { retryable: false })) });
  await jobs.enqueue([job("hopeless")]);
  await until(async () => (await jobs.deadLetters("ws_dev")).length === 1);
  expect((await left())[0]?.attempt).toBe(1);
});

test("a dead job that is revived runs again, and only its own organization can do that", async () => {
  let broken = true;
  jobs.work({ flaky: async () => (broken ? Promise.reject(new Error("down")) : undefined) });
  await jobs.enqueue([job("flaky", { maxAttempts: 1 })]);
  await until(async () => (await jobs.deadLetters("ws_dev")).length === 1);
  const { id } = (await jobs.deadLetters("ws_dev"))[0]!;
  broken = false;
  expect(await jobs.revive("ws_other", id)).toBe(false);
  expect(await jobs.revive("ws_dev", id)).toBe(true);
  await until(async () => (await left()).length === 0);
});

test("two jobs of one key wait as one, with the newer payload", async () => {
  await jobs.enqueue([job("sync", { key: "k", payload: { n: 1 } })]);
  await jobs.enqueue([job("sync", { key: "k", payload: { n: 2 } }), job("sync", { key: "k", payload: { n: 3 } })]);
  await jobs.enqueue([job("sync", { key: "k", organizationId: "ws_other", payload: { n: 4 } })]);
  expect((await db.rows<{ payload: string }>("select payload from jobs order by id")).map((row) => row.payload)).toEqual([
    '{"n":3}',
    '{"n":4}',
  ]);
});

test("a cause that arrives while its job runs makes it run once more", async () => {
  const seen: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  jobs.work({
    sync: async ({ payload }: JobContext) => {
      seen.push(payload);
      if (seen.length === 1) await promise;
    },
  });
  await jobs.enqueue([job("sync", { key: "k", payload: { n: 1 } })]);
  await until(() => seen.length === 1);
  await jobs.enqueue([job("sync", { key: "k", payload: { n: 2 } })]);
  resolve();
  await until(async () => (await left()).length === 0);
  expect(seen).toEqual([{ n: 1 }, { n: 2 }]);
});

test("a job for later waits until then, by the clock the product goes by", async () => {
  const clock = testClock("2100-01-01T00:00:00.000Z");
  const later = createJobs({ pool: db.pool("sb_log"), clock });
  const seen: string[] = [];
  later.work({ reminder: async () => void seen.push(clock.now()) });
  await later.enqueue([job("reminder", { runAt: "2100-01-01T01:00:00.000Z" })]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(seen).toEqual([]);
  clock.advance(3_600_000);
  await later.enqueue([job("other")]); // any wake-up will do
  await until(() => seen.length === 1);
  await later.close();
});

test("a job may keep itself for later, and its attempts start anew", async () => {
  const attempts: number[] = [];
  jobs.work({
    watch: async ({ attempt }) => {
      attempts.push(attempt);
      return attempts.length < 3 ? { runAgainAt: new Date().toISOString() } : undefined;
    },
  });
  await jobs.enqueue([job("watch")]);
  await until(async () => (await left()).length === 0);
  expect(attempts).toEqual([1, 1, 1]);
});

test("a long job keeps its lease by heartbeats", async () => {
  let runs = 0;
  jobs.work({ long: async () => (runs++, new Promise((resolve) => setTimeout(resolve, 900))) }, { leaseMs: 300 });
  await jobs.enqueue([job("long")]);
  await until(() => runs === 1);
  jobs.work({ long: async () => void runs++ }, { leaseMs: 300 });
  await until(async () => (await left()).length === 0);
  expect(runs).toBe(1);
});

test("a holder that lost its lease is told, and can neither complete nor fail the job; the fence has risen", async () => {
  const first = Promise.withResolvers<JobContext>();
  const paused = Promise.withResolvers<void>();
  const worker = jobs.work(
    { slow: async (context: JobContext) => (first.resolve(context), paused.promise) },
    { leaseMs: 60_000, concurrency: 1 },
  );
  await jobs.enqueue([job("slow")]);
  const old = await first.promise;
  await db.rows("update jobs set leased_until = now() - interval '1 second'"); // as a long pause of the process would
  const fences: number[] = [];
  jobs.work({ slow: async ({ fence }) => void fences.push(fence) });
  await until(async () => (await left()).length === 0);
  expect(fences[0]).toBeGreaterThan(old.fence);
  await expect(old.heartbeat()).rejects.toThrow(LeaseLost);
  expect(old.signal.aborted).toBe(true);
  await expect(db.transaction((tx) => old.completeIn(tx))).rejects.toThrow(LeaseLost);
  paused.resolve();
  await worker.stop();
});

test("a worker that was paused past its lease may claim its own job again; the old run can no longer touch it", async () => {
  const runs: JobContext[] = [];
  const paused = Promise.withResolvers<void>();
  jobs.work(
    { slow: async (context: JobContext) => (runs.push(context), runs.length === 1 ? paused.promise : undefined) },
    { leaseMs: 60_000, concurrency: 2 },
  );
  await jobs.enqueue([job("slow")]);
  await until(() => runs.length === 1);
  await db.rows("update jobs set leased_until = now() - interval '1 second'");
  await jobs.enqueue([job("other")]); // wakes it
  await until(() => runs.length === 2);
  await until(async () => (await left()).every(({ kind }) => kind === "other"));
  paused.resolve();
  await until(() => errors.some((error) => error instanceof LeaseLost));
  expect(runs[1]!.fence).toBeGreaterThan(runs[0]!.fence);
});

test("effect and completion can be one transaction", async () => {
  await db.rows("create table if not exists effects (id text primary key)");
  jobs.work({
    pay: async (context: JobContext) =>
      db.transaction(async (tx) => {
        await tx.query("insert into effects values ($1)", [context.id]);
        await context.completeIn(tx);
      }),
  });
  await jobs.enqueue([job("pay")]);
  await until(async () => (await left()).length === 0);
  expect(await db.rows("select 1 from effects")).toHaveLength(1);
});

test("stopping waits for what runs, claims nothing more, and gives back what does not finish", async () => {
  const started: string[] = [];
  const worker = jobs.work(
    {
      quick: async () => (started.push("quick"), new Promise((resolve) => setTimeout(resolve, 100))),
      stuck: async ({ signal }) => (
        started.push("stuck"),
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)))
      ),
    },
    { graceMs: 300 },
  );
  await jobs.enqueue([job("quick"), job("stuck")]);
  await until(() => started.length === 2);
  const stopping = worker.stop();
  await jobs.enqueue([job("quick")]);
  await stopping;
  expect((await left()).map(({ kind, state, attempt }) => ({ kind, state, attempt }))).toEqual([
    { kind: "stuck", state: "ready", attempt: 0 },
    { kind: "quick", state: "ready", attempt: 0 },
  ]);
});

test("workers find each other's jobs again after Postgres dropped every connection", async () => {
  const seen: string[] = [];
  jobs.work({ after: async ({ id }) => void seen.push(id) });
  await jobs.enqueue([job("after")]);
  await until(() => seen.length === 1);
  await db
    .pool("admin")
    .query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'sb_log'");
  await vi.waitFor(() => jobs.enqueue([job("after")]), { timeout: 3000 });
  await until(() => seen.length === 2);
});

test("a schedule fires at its times, once however many processes run, and makes up a missed run once", async () => {
  const clock = testClock("2030-01-01T12:00:30.000Z");
  const all = [1, 2, 3].map(() => createJobs({ pool: db.pool("sb_log"), clock }));
  const schedulers = all.map((each) =>
    each.schedule([{ name: "nightly", pattern: "*/5 * * * *", job: (dueAt) => job("sweep", { payload: { dueAt } }) }]),
  );
  const tick = () => Promise.all(schedulers.map((scheduler) => scheduler.tick()));
  const fired = async () =>
    (await db.rows<{ payload: string }>("select payload from jobs order by id")).map(
      ({ payload }) => (JSON.parse(payload) as { dueAt: string }).dueAt,
    );
  await tick();
  expect(schedulers.filter((scheduler) => scheduler.isLeader())).toHaveLength(1);
  expect(await fired()).toEqual([]);
  clock.set("2030-01-01T12:05:00.000Z");
  await tick();
  await tick();
  expect(await fired()).toEqual(["2030-01-01T12:05:00.000Z"]);
  clock.set("2030-01-01T13:02:00.000Z"); // eleven runs missed
  await tick();
  await tick();
  expect(await fired()).toEqual(["2030-01-01T12:05:00.000Z", "2030-01-01T12:10:00.000Z"]);
  clock.set("2030-01-01T13:05:00.000Z");
  await tick();
  expect((await fired()).at(-1)).toBe("2030-01-01T13:05:00.000Z");
  const leader = schedulers.findIndex((scheduler) => scheduler.isLeader());
  await all[leader]!.close();
  await tick();
  expect(schedulers.filter((scheduler) => scheduler.isLeader())).toHaveLength(1);
  await Promise.all(all.map((each) => each.close()));
});

test("a schedule with a pattern that cannot be read is refused where it is declared", () => {
  expect(() => jobs.schedule([{ name: "bad", pattern: "every day", job: () => job("x") }])).toThrow();
});

test("a request sees the jobs of its organization only, and may not write any", async () => {
  await jobs.enqueue([job("mine"), job("theirs", { organizationId: "ws_other" })]);
  expect((await db.inOrganization("ws_dev", (tx) => tx.query<{ kind: string }>("select kind from jobs"))).rows).toEqual([{ kind: "mine" }]);
  await expect(db.inOrganization("ws_dev", (tx) => tx.query("delete from jobs"))).rejects.toThrow("permission denied");
});
