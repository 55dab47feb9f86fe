import type { PostgresLog } from "@signalbox/eventlog/postgres-log";
import { databaseTest } from "@signalbox/testkit/database";
import { rowsRead } from "@signalbox/testkit/rows-read";
import { saying } from "@signalbox/testkit/saying";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase, type RequestDatabase } from "../../database.ts";
import { storedLog, storedStream } from "./chain-reader.ts";

const ORG = "ws_dev";
const EACH = 1200;

const database = databaseTest();
let log: PostgresLog;
let requests: RequestDatabase;

beforeAll(async () => {
  log = await database.log();
  requests = openDatabase(database.connection("sb_app"), { connections: 1, onError: () => undefined });
  const origin = { principal: { id: "usr_owner", type: "user" } } as const;
  for (const room of ["room_a", "room_b"])
    await log.run(saying, { organizationId: ORG, origin, stream: { type: "room", id: room }, subject: `message:${room}` }, EACH);
});
afterAll(() => requests.close());

// Not analyzed, as after a restore: then Postgres knows nothing about the tables.
test.each([
  ["the whole log", () => storedLog(requests, log, ORG, Number.MAX_SAFE_INTEGER), 2 * EACH],
  ["one stream", () => storedStream(requests, log, ORG, { type: "room", id: "room_b" }, 0), EACH],
])("%s is read page by page, and each payload once", async (_, events, count) => {
  let found = 0;
  const read = await rowsRead(requests.anywhere, "evt_payloads", async () => {
    for await (const { data } of events()) if (data !== null) found++;
  });
  expect(found).toBe(count);
  // The planner may look at both ends of the table, for each page.
  expect(read).toBeLessThanOrEqual(count + 50);
});
