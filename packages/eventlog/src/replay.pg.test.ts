import { databaseTest } from "@signalbox/testkit/database";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { add, counter, room, target } from "./fixtures.ts";
import type { Projection } from "./log.ts";
import type { PostgresLog } from "./postgres-log.ts";
import { createReplay } from "./replay.ts";

const db = databaseTest();
let log: PostgresLog;
let clients: Client[];

beforeAll(async () => {
  log = await db.log({ projections: [] });
  for (let i = 0; i < 10; i++) await log.run(counter, target(`c${i % 2}`, room(`r${i % 3}`)), add(1));
  clients = [new Client(db.connection("sb_owner")), new Client(db.connection("sb_owner"))];
  for (const client of clients) {
    await client.connect();
    await client.query("create schema if not exists replayed; set search_path = replayed, public");
  }
  for (const name of TALLIES) await clients[0]!.query(`create table ${name} (n int not null)`);
});
afterAll(() => Promise.all(clients.map((client) => client.end())));

const TALLIES = ["tally_a", "tally_b", "tally_c"] as const;

/** Not idempotent, so that an event that is given twice is seen. */
const tally = (name: string, fails: () => boolean = () => false): { name: string; projections: Projection[] } => ({
  name,
  projections: [
    {
      name,
      types: ["counter.added"],
      tables: [name],
      async project(tx, batch) {
        await tx.query(`insert into ${name} values ($1)`, [batch.length]);
        // The second asks for an answer, so it is a transaction of several messages.
        if (name === "tally_b") await tx.query(`select ${fails() ? "1 / (n - n)" : "n"} from ${name}`).then(({ rows }) => rows.length);
        else if (fails()) await tx.query("select 1 / 0");
      },
    },
  ],
});

async function told(): Promise<number[]> {
  const { rows } = await clients[0]!.query<{ n: string }>(
    TALLIES.map((name) => `select coalesce(sum(n), 0) as n from ${name}`).join(" union all "),
  );
  return rows.map(({ n }) => Number(n));
}

test("on two connections every module is given every event once, also after the part of one failed", async () => {
  let failing: string | null = null;
  const replay = createReplay(
    clients,
    TALLIES.map((name) => tally(name, () => failing === name)),
    {},
  );
  expect(await replay.total()).toBe(10);
  let before = 0;
  for (const name of TALLIES) {
    const all = before + (before === 0 ? 10 : 5);
    failing = name;
    await expect(replay.upToHead()).rejects.toThrow("division by zero");
    expect(await told(), "the others' parts are in, this one's is not").toEqual(TALLIES.map((each) => (each === name ? before : all)));
    failing = null;
    await replay.upToHead();
    expect(await told()).toEqual([all, all, all]);
    for (let more = 0; more < 5; more++) await log.run(counter, target("c0"), add(1));
    before = all;
  }
  await replay.upToHead();
  expect(await told()).toEqual([25, 25, 25]);
  expect(TALLIES.map((name) => replay.countOf(name))).toEqual([25, 25, 25]);
});
