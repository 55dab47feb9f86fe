/* Two processes that sign at once: each has its own connections, and remembers heads of its own. */
import { systemClock } from "@signalbox/kernel/clock";
import { verifyExport } from "@signalbox/verify/export";
import { nodePrimitives } from "@signalbox/verify/node";
import { parseKey } from "@signalbox/verify/note";
import { type ClientBase, Pool } from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { auditStage, ORG } from "./audit.fixture.ts";
import { checkpoint } from "./checkpoint.ts";

const STREAMS = 300;
const stage = auditStage();
const processes: Pool[] = [];
let round = 0;

beforeAll(async () => {
  await Promise.all(Array.from({ length: STREAMS }, (_, n) => stage.write(`room_many${n}`, "something")));
  for (const name of ["one", "two"]) {
    const pool = new Pool({ ...stage.database.connection("sb_log"), max: 2, application_name: `process ${name}` });
    // A connection of one of them is killed below.
    pool.on("error", () => undefined);
    pool.on("connect", (client) => client.on("error", () => undefined));
    processes.push(pool);
  }
  // The first of all also records the first key.
  await sign(0);
});
afterAll(() => Promise.all(processes.map((pool) => pool.end())));

const sign = (n: number) => checkpoint(processes[n]!, stage.deps.keys, ORG, systemClock.now());
/** A stream for each page, so that hardly a page is the one before. */
beforeEach(async () => {
  round++;
  await Promise.all(Array.from({ length: STREAMS }, (_, n) => stage.write(`room_many${n}`, `round ${round}`)));
});

const waiting = async (what: string) => {
  const text = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database() and query like $1";
  return (await stage.database.pool("admin").query(text, [`%${what}%`])).rows.length;
};

/**
 * The first has written its pages and waits to write its checkpoint, for a lock of ours; then something is appended, and
 * the second wants to sign nearly the same pages. `then` runs while both wait.
 */
async function bothAtOnce(then: (holder: ClientBase) => Promise<unknown>) {
  const holder = await stage.database.pool("admin").connect();
  try {
    await holder.query("begin; lock table audit_checkpoints in share row exclusive mode");
    const first = sign(0).catch((error: unknown) => error as Error);
    await expect.poll(() => waiting("insert into audit_checkpoints"), { timeout: 20_000 }).toBe(1);
    await stage.write("room_many7", "one more");
    const second = sign(1).catch((error: unknown) => error as Error);
    await expect.poll(() => waiting("pg_advisory_lock"), { timeout: 20_000 }).toBe(1);
    await then(holder);
    await holder.query("commit");
    return await Promise.all([first, second]);
  } finally {
    await holder.query("rollback");
    holder.release();
  }
}

/** Everything that was ever signed still has the heads that it was signed over. */
async function expectWhole(): Promise<void> {
  const { key } = await stage.deps.keys.first(ORG);
  const report = await verifyExport(nodePrimitives, await stage.exported(), [await parseKey(nodePrimitives, key.text)]);
  expect(report).toMatchObject({ valid: true, uncovered: 0, problems: [] });
  const unnamed = await stage.database.rows(
    "select 1 from audit_head_pages p where not exists (select 1 from audit_checkpoints c where c.organization_id = p.organization_id and p.hash = any (c.pages))",
  );
  expect(unnamed).toEqual([]);
}

test("two that write the same new pages at once both sign what they have seen", async () => {
  const [first, second] = await bothAtOnce(() => Promise.resolve());
  expect([first, second]).toEqual([expect.objectContaining({ streams: STREAMS + 2 }), expect.objectContaining({ streams: STREAMS + 2 })]);
  await expectWhole();
});

test("one that dies with pages written leaves none of them, and the other writes them", async () => {
  const [first, second] = await bothAtOnce((holder) =>
    holder.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'process one' and wait_event_type = 'Lock'",
    ),
  );
  expect(first).toBeInstanceOf(Error);
  expect(second).toMatchObject({ streams: STREAMS + 2 });
  await expectWhole();
  // And it signs again, although it remembers heads of a checkpoint that never was.
  await stage.write("room_many9", "one more");
  expect(await sign(0)).toMatchObject({ streams: STREAMS + 2 });
  await expectWhole();
});

test("two that sign all the time, while the log grows, never fail and lose nothing", async () => {
  const signed = await Promise.all(
    [0, 1].map(async (n) => {
      const positions: number[] = [];
      for (let i = 0; i < 12; i++) {
        await stage.write(`room_many${(n * 150 + i * 11) % STREAMS}`, "one more");
        positions.push((await sign(n))!.position);
      }
      return positions;
    }),
  );
  for (const positions of signed) expect(positions).toEqual(positions.toSorted((a, b) => a - b));
  await expectWhole();
});

test("pages are an organization's own: another one, and nobody, sees none of them", async () => {
  const seen = async (organization: string) =>
    (await stage.database.inOrganization(organization, (tx) => tx.query("select heads from audit_head_pages"))).rows.length;
  expect(await seen(ORG)).toBeGreaterThan(0);
  expect(await seen("ws_other")).toBe(0);
  expect((await stage.database.pool("sb_app").query("select 1 from audit_head_pages")).rows).toEqual([]);
  // Nor through a checkpoint that names them.
  const heads = (organization: string) =>
    stage.database.inOrganization(organization, (tx) => tx.query("select audit_heads(c) as heads from audit_checkpoints c"));
  expect((await heads("ws_other")).rows).toEqual([]);
});

test("what was signed stays as it is: requests may not write it, and nobody who signs may change it", async () => {
  const changes = ["checkpoints", "head_pages"].flatMap((name) => [
    `delete from audit_${name}`,
    `update audit_${name} set organization_id = organization_id`,
  ]);
  for (const text of [...changes, "insert into audit_head_pages values ('ws_dev', '', '')"])
    await expect(
      stage.database.inOrganization(ORG, (tx) => tx.query(text)),
      text,
    ).rejects.toThrow("permission denied");
  for (const text of changes) await expect(processes[1]!.query(text), text).rejects.toThrow("permission denied");
});
