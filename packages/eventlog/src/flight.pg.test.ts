/* Batches that are sent whole, and those that cannot be: on one connection, failing and not. */
import { databaseTest } from "@signalbox/testkit/database";
import { beforeAll, expect, test } from "vitest";
import {
  add,
  counter,
  counterSchema,
  COUNTER_PROJECTIONS,
  counterTotals,
  ORG,
  POISON,
  room,
  target,
  type CounterEvent,
} from "./fixtures.ts";
import type { Projection } from "./log.ts";
import type { PostgresLog } from "./postgres-log.ts";
import { applyProjectionSchemas } from "./projection-schema.ts";

const db = databaseTest();

/** Writes what `counterTotals` writes, from what it reads first. */
const looking: Projection<CounterEvent> = {
  ...counterTotals,
  async project(tx, batch) {
    for (const { event, organizationId, subject, subjectVersion } of batch) {
      const id = `${organizationId}/${subject}`;
      const { rows } = await tx.query<{ total: string }>("select total from proj_counters where id = $1", [id]);
      const total = Number(rows[0]?.total ?? 0) + event.data.by;
      await tx.query(
        `insert into proj_counters (organization_id, id, total, subject_version) values ($1, $2, $3, $4)
         on conflict (id) do update set total = excluded.total, subject_version = excluded.subject_version`,
        [organizationId, id, total, subjectVersion],
      );
    }
  },
};

const logs = {
  "that is sent whole": () => db.log({ projections: COUNTER_PROJECTIONS }),
  "whose projection looks at answers": () => db.log({ projections: [looking] }),
};

beforeAll(() => applyProjectionSchemas(db.connection, [counterSchema]));

async function wholeChain(log: PostgresLog, stream: string): Promise<number> {
  const events = await log.readStream(ORG, room(stream), { afterSeq: 0, limit: 1000 });
  events.forEach((event, i) => {
    expect(event.seq).toBe(i + 1);
    if (i > 0) expect(event.prevHash).toBe(events[i - 1]!.hash);
  });
  return events.length;
}

const totals = async (like: string) =>
  Number((await db.rows<{ sum: string }>("select coalesce(sum(total), 0) as sum from proj_counters where id like $1", [like]))[0]?.sum);

test.each(Object.entries(logs))("in a batch %s a poisonous command fails alone, and not the batches behind it", async (what, open) => {
  const log = await open();
  const name = what.length.toString();
  // Until heads are remembered and statements known, batches take the slower ways.
  for (let i = 0; i < 3; i++) await log.run(counter, target(`warm-${name}-${i}`, room(name)), add(1));
  const results = await Promise.allSettled(
    Array.from({ length: 60 }, (_, i) => log.run(counter, target(`c-${name}-${i}`, room(name)), add(i === 7 || i === 40 ? POISON : 1))),
  );
  expect(results.flatMap((r, i) => (r.status === "rejected" ? [i] : []))).toEqual([7, 40]);
  expect(await wholeChain(log, name)).toBe(61);
  expect(await totals(`${ORG}/counter:c-${name}-%`)).toBe(58);
});

test.each(Object.entries(logs))("batches %s and follow each other closely keep order, versions and totals", async (what, open) => {
  const log = await open();
  const name = `f${what.length}`;
  await Promise.all(
    Array.from({ length: 16 }, async (_, caller) => {
      for (let n = 1; n <= 12; n++) {
        const { recorded } = await log.run(counter, target(`${name}-${caller}`, room(name)), add(1));
        expect(recorded[0]?.subjectVersion).toBe(n);
        // What was answered is there, projected.
        expect(await totals(`${ORG}/counter:${name}-${caller}`)).toBe(n);
      }
    }),
  );
  expect(await wholeChain(log, name)).toBe(192);
});

test("another process that appends to the same stream is noticed by a batch that was sent whole", async () => {
  const [one, other] = [await logs["that is sent whole"](), await logs["that is sent whole"]()];
  for (let i = 0; i < 10; i++) {
    await Promise.all(
      [one, other].flatMap((log, p) => [0, 1, 2].map((n) => log.run(counter, target(`s-${p}-${n}`, room("shared")), add(1)))),
    );
    await one.run(counter, target("alone", room("shared")), add(1)); // continues what it wrote itself …
    await other.run(counter, target("alone", room("shared")), add(1)); // … and this one what it did not
  }
  expect(await wholeChain(one, "shared")).toBe(80);
  expect(await totals(`${ORG}/counter:alone`)).toBe(20);
});

test("a job is enqueued in the transaction of a batch that was sent whole, or not at all", async () => {
  await db.rows("create table test_jobs (kind text not null check (kind <> 'poison')); grant all on test_jobs to sb_log");
  const log = await db.log({
    projections: COUNTER_PROJECTIONS,
    enqueue: async (tx, jobs) => void (await tx.query("insert into test_jobs select unnest($1::text[])", [jobs.map(({ kind }) => kind)])),
  });
  const run = (kind: string) =>
    log.run(counter, { ...target(`job-${kind}`, room("jobs")), jobs: () => [{ kind, organizationId: ORG, payload: {} }] }, add(1));
  for (const kind of ["a", "b", "c"]) await run(kind);
  await expect(run("poison")).rejects.toThrow("check");
  await run("d");
  expect(await db.rows("select kind from test_jobs")).toEqual(["a", "b", "c", "d"].map((kind) => ({ kind })));
  expect(await wholeChain(log, "jobs")).toBe(4);
});
