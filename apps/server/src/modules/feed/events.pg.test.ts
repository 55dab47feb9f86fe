import { getEvent, listEvents } from "@signalbox/contract/log";
import type { PostgresLog } from "@signalbox/eventlog/postgres-log";
import { systemClock } from "@signalbox/kernel/clock";
import { databaseTest } from "@signalbox/testkit/database";
import { rowsRead } from "@signalbox/testkit/rows-read";
import { saying } from "@signalbox/testkit/saying";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDatabase, type RequestDatabase } from "../../database.ts";
import { eventRoutes } from "./events.ts";

const ORG = "ws_dev";
const origin = { principal: { id: "usr_owner", type: "user" } } as const;
const ROOMS = 10;
const EACH = 300;

const database = databaseTest();
let log: PostgresLog;
let requests: RequestDatabase;

beforeAll(async () => {
  log = await database.log();
  requests = openDatabase(database.connection("sb_app"), { connections: 1, onError: () => undefined });
  for (let n = 0; n < ROOMS; n++)
    await log.run(saying, { organizationId: ORG, origin, stream: { type: "room", id: `room_${n}` }, subject: `message:${n}` }, EACH);
});
afterAll(() => requests.close());

interface Page {
  readonly items: readonly { readonly event_id: string; readonly position: number; readonly data: object }[];
  readonly next_cursor: string | null;
}
async function call<T>(route: { id: string }, input: { query?: object; params?: object }): Promise<T> {
  const parts = { db: requests, log, rooms: { visibleRooms: () => Promise.resolve(null) }, sessionRoom: () => Promise.resolve(null) };
  const bound = eventRoutes(parts).find((candidate) => candidate.route.id === route.id)!;
  const answer = (await (bound.handler as (request: unknown) => Promise<unknown>)({
    ...input,
    caller: { organizationId: ORG },
    now: systemClock.now(),
    origin,
  })) as T;
  return answer;
}
const list = (query: object): Promise<Page> => call(listEvents, { query: { limit: 50, ...query } });

// As after a restore or an import, and as it is a minute later.
describe.each(["not analyzed yet", "analyzed"])("of a log that Postgres has %s", (state) => {
  beforeAll(async () => {
    if (state === "analyzed") await database.pool("admin").query("analyze");
  });

  test.each([
    ["newest first", {}],
    ["newest first, of one type", { event_type: "message.created" }],
    ["oldest first, of one room", { stream_type: "room", stream_id: "room_4" }],
  ])("a page reads no other event's payload: %s", async (_, query) => {
    const seen: number[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < 4; page++) {
      let found: Page | undefined;
      const read = await rowsRead(requests.anywhere, "evt_payloads", async () => {
        found = await list({ ...query, ...(cursor === null ? {} : { cursor }) });
      });
      // One more than are shown says whether there are more; the planner may look at both ends of the table.
      expect(read).toBeGreaterThanOrEqual(51);
      expect(read).toBeLessThanOrEqual(60);
      seen.push(...found!.items.map(({ data }) => (data as { n: number }).n));
      cursor = found!.next_cursor;
    }
    // The last room's last, or that room's first.
    expect(seen).toEqual(Array.from({ length: 200 }, (_, n) => ("stream_id" in query ? n : EACH - 1 - n)));
  });

  test("one event reads its own payload", async () => {
    const { items } = await list({ limit: 1 });
    const read = await rowsRead(requests.anywhere, "evt_payloads", async () => {
      expect(await call(getEvent, { params: { id: items[0]!.event_id } })).toMatchObject({ data: { n: EACH - 1 } });
    });
    expect(read).toBeLessThanOrEqual(10);
  });
});
