import { createHash } from "node:crypto";
import type { DatabaseRole } from "./roles.ts";
import { MIGRATIONS } from "@signalbox/testkit/cluster";
import { databaseTest } from "@signalbox/testkit/database";
import { Client } from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import { add, counter, ORG, origin, room, target } from "./fixtures.ts";
import { migrate } from "./migrate.ts";
import type { PostgresLog } from "./postgres-log.ts";
import { ensureRoles, refuseBypass } from "./roles.ts";

const db = databaseTest();
let log: PostgresLog;

beforeAll(async () => {
  log = await db.log();
  await log.run(counter, target("a"), add(1));
  await log.run(counter, target("b", room("b"), { organizationId: "ws_other" }), add(1));
});

const ROLES: readonly DatabaseRole[] = ["admin", "sb_owner", "sb_log", "sb_app"];
const ATTEMPTS = [
  "update evt_events set type = 'x'",
  "update evt_events set type = 'x' where false",
  "delete from evt_events",
  "truncate evt_events cascade",
  "update evt_payloads set data = '{}'",
  "delete from evt_payloads",
  "truncate evt_payloads",
  "insert into evt_events select * from evt_events",
];

test.each(ROLES.flatMap((role) => ATTEMPTS.map((attempt) => [role, attempt] as const)))("%s may not: %s", async (role, attempt) => {
  const before = await db.rows("select * from evt_events order by position");
  await expect(db.pool(role).query(attempt)).rejects.toThrow(/append-only|permission denied|duplicate key/);
  expect(await db.rows("select * from evt_events order by position")).toEqual(before);
});

test("not even a superuser who turns triggers off for the session", async () => {
  const client = new Client(db.connection("admin"));
  await client.connect();
  try {
    await client.query("set session_replication_role = replica");
    await expect(client.query("delete from evt_events")).rejects.toThrow("append-only");
  } finally {
    await client.end();
  }
});

test("requests may not append, nor reach the functions that do", async () => {
  await expect(db.pool("sb_app").query("select evt_erase(gen_random_uuid(), gen_random_uuid())")).rejects.toThrow("permission denied");
  await expect(db.pool("sb_app").query("update evt_stream_heads set seq = 9")).rejects.toThrow("permission denied");
  await expect(db.pool("sb_log").query("update evt_stream_heads set seq = 9")).rejects.toThrow("permission denied");
});

test("a request without an organization sees nothing, with another one's nothing of this one", async () => {
  for (const table of ["evt_events", "evt_payloads", "evt_stream_heads"]) {
    expect((await db.pool("sb_app").query(`select * from ${table}`)).rows).toEqual([]);
    const seen = await db.inOrganization("ws_other", (tx) => tx.query<{ organization_id: string }>(`select organization_id from ${table}`));
    expect(seen.rows.map((row) => row.organization_id)).toEqual(["ws_other"]);
    expect((await db.inOrganization("' or 1=1 --", (tx) => tx.query(`select * from ${table}`))).rows).toEqual([]);
  }
});

test("the organization ends with its transaction, also when that failed", async () => {
  await expect(db.inOrganization(ORG, (tx) => tx.query("select 1/0"))).rejects.toThrow("division by zero");
  await db.inOrganization(ORG, (tx) => tx.query("select 1"));
  for (let i = 0; i < 12; i++) expect((await db.pool("sb_app").query("select * from evt_events")).rows).toEqual([]);
});

test("an erasure needs its event.redacted, takes data and salt, and leaves the header and the chain as they were", async () => {
  const { recorded } = await log.run(counter, target("erase", room("erase")), add(7, "personal"));
  const eventId = recorded[0]!.eventId;
  await expect(log.pool.query("select evt_erase($1, $2)", [eventId, eventId])).rejects.toThrow("event.redacted");
  const redaction = await log.unit({ organizationId: ORG, origin }, (unit) =>
    unit.decide(
      {
        initial: 0,
        decide: () => ({
          ok: true,
          events: [{ type: "event.redacted", data: { target_event_id: eventId, reason: "asked_for", level: "full" } }],
        }),
        evolve: (n: number) => n + 1,
      },
      room("erase"),
      `event:${eventId}`,
      {},
    ),
  );
  const before = await db.rows("select header, hash from evt_events where event_id = $1", [eventId]);
  expect((await log.pool.query("select evt_erase($1, $2) as erased", [eventId, redaction.events[0]!.eventId])).rows).toEqual([
    { erased: true },
  ]);
  expect(await db.rows("select header, hash from evt_events where event_id = $1", [eventId])).toEqual(before);
  expect(
    await db.rows("select data, salt from evt_payloads p join evt_events e using (position) where e.event_id = $1", [eventId]),
  ).toEqual([{ data: null, salt: null }]);
  expect((await log.readStream(ORG, room("erase"), { afterSeq: 0, limit: 1 }))[0]).toMatchObject({
    event: { type: "counter.added", data: {} },
    redaction: "full",
    hash: recorded[0]!.hash,
  });
});

describe("the log's functions take nothing that does not continue the chain", () => {
  const zero = Buffer.alloc(32);
  const after = (prev: Buffer, seq: number): Buffer => {
    const number = Buffer.alloc(8);
    number.writeUInt32BE(seq, 4);
    const entry = createHash("sha256").update(Buffer.of(0)).update("{}").digest();
    return createHash("sha256")
      .update(Buffer.concat([Buffer.of(1), prev, number, entry]))
      .digest();
  };
  const first = after(zero, 1);
  /** Events of a stream that is empty, one a version of `x:1`. */
  const insert = (events: readonly { seq: number; after: number; hash: Buffer }[]) => {
    const each = <T>(value: T) => events.map(() => value);
    return log.pool.query(
      "select evt_insert($1::text[],$2::text[],$3::text[],$4::bigint[],$5::bytea,$6,$7::int[],$8::bigint[],$9::int[],$10::bytea,$11::uuid[],$12::text[],$13::text[],$14::bigint[],$15::text[],$16::text[],$17::text[],$18::text[],$19::bytea,now())",
      [
        [ORG],
        ["room"],
        ["room_forged"],
        [0],
        zero,
        "[]",
        each(1),
        events.map(({ seq }) => seq),
        events.map((event) => event.after),
        Buffer.concat(events.map(({ hash }) => hash)),
        events.map((_, i) => `01900000-0000-7000-8000-00000000000${i}`),
        each("x"),
        each("x:1"),
        events.map((_, i) => i + 1),
        each(null),
        each("c"),
        each("{}"),
        each("{}"),
        Buffer.concat(each(zero)),
      ],
    );
  };
  test.each([
    ["a hash that does not follow", [{ seq: 1, after: 0, hash: zero }]],
    ["a gap before the first", [{ seq: 2, after: 0, hash: after(zero, 2) }]],
    [
      "a gap between two",
      [
        { seq: 1, after: 0, hash: first },
        { seq: 3, after: 1, hash: after(first, 3) },
      ],
    ],
    [
      "a fork",
      [
        { seq: 1, after: 0, hash: first },
        { seq: 2, after: 0, hash: after(zero, 2) },
      ],
    ],
    [
      "two with one predecessor",
      [
        { seq: 1, after: 0, hash: first },
        { seq: 2, after: 1, hash: after(first, 2) },
        { seq: 3, after: 1, hash: after(first, 3) },
      ],
    ],
    ["one that follows itself", [{ seq: 1, after: 1, hash: first }]],
    ["one that follows what comes later", [{ seq: 1, after: 2, hash: first }]],
  ])("not %s", async (_, events) => {
    await expect(insert(events)).rejects.toThrow("do not follow");
    expect(await db.rows("select 1 from evt_events where stream_id = 'room_forged'")).toEqual([]);
  });
});

test("boot refuses when the request role could see past row-level security", async () => {
  const admin = new Client(db.connection("admin"));
  await admin.connect();
  try {
    await expect(refuseBypass(admin)).resolves.toBeUndefined();
    await admin.query("begin; grant sb_log to sb_app");
    await expect(refuseBypass(admin)).rejects.toThrow(/sb_app could bypass .* sb_log/);
    await admin.query("rollback; begin; alter role sb_app bypassrls");
    await expect(refuseBypass(admin)).rejects.toThrow(/could bypass/);
    await admin.query("rollback");
  } finally {
    await admin.end();
  }
});

test("a database user that may not create roles is told which statements somebody else has to run", async () => {
  const admin = new Client(db.connection("admin"));
  await admin.connect();
  try {
    // In a transaction that is rolled back: roles belong to the whole cluster.
    await admin.query("begin; create role sb_test_poor login; alter role sb_log rename to sb_test_hidden; set role sb_test_poor");
    await expect(ensureRoles(admin)).rejects.toThrow(/create role sb_log login nosuperuser bypassrls[\s\S]*grant sb_owner/);
    await admin.query("rollback");
  } finally {
    await admin.end();
  }
});

test("migrating twice does nothing, also at once", async () => {
  const reports = await Promise.all([1, 2, 3].map(() => migrate(db.connection, MIGRATIONS)));
  expect(reports.flatMap((report) => report.applied)).toEqual([]);
});

test("a database that a newer version has migrated is refused, unless the addition says it does not matter", async () => {
  await db.rows("insert into sb_migrations (set, number, name, hash, breaking) values ('eventlog', 9001, '9001-future.sql', 'x', false)");
  expect((await migrate(db.connection, MIGRATIONS)).ahead).toContain("eventlog/9001-future.sql");
  await db.rows("update sb_migrations set breaking = true where number = 9001");
  await expect(migrate(db.connection, MIGRATIONS)).rejects.toThrow(/newer Signalbox.*9001-future/);
  await db.rows("delete from sb_migrations where number = 9001");
  await db.rows("update sb_migrations set hash = 'edited' where set = 'eventlog' and number = 1");
  await expect(migrate(db.connection, MIGRATIONS)).rejects.toThrow("was changed after it had been applied");
});
