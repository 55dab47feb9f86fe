import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
let c: Composed;

beforeAll(async () => {
  c = await startComposed(database);
}, 60_000);
afterAll(() => c.close());

const newRoom = async (title = "A room", token = c.owner): Promise<string> =>
  (await c.call("POST", "/v1/rooms", { token, body: { title } })).body.id;
const newThread = async (room: string): Promise<string> =>
  (await c.call("POST", `/v1/rooms/${room}/threads`, { token: c.owner, body: { title: "T" } })).body.id;
const post = (thread: string, text: string, token = c.owner) =>
  c.call("POST", `/v1/threads/${thread}/messages`, { token, body: { content_md: text } });
const join = (room: string, principal_id: string, role: string) =>
  c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id, role } });

async function all(url: string, token = c.owner): Promise<{ id: string; title: string; content_md: string }[]> {
  const items = [];
  let cursor: string | null = null;
  do {
    const page = await c.call("GET", `${url}?limit=3${cursor === null ? "" : `&cursor=${cursor}`}`, { token });
    items.push(...page.body.items);
    cursor = page.body.next_cursor;
  } while (cursor !== null);
  return items;
}

test("rooms, threads and messages are listed whole, page by page, in their order", async () => {
  const ids = [];
  for (let i = 0; i < 7; i++) ids.push(await newRoom(`room ${i}`));
  expect((await all("/v1/rooms")).map((room) => room.id).slice(0, 7)).toEqual(ids.toReversed());
  const room = ids[0]!;
  const threads = [];
  for (let i = 0; i < 4; i++) threads.push(await newThread(room));
  expect((await all(`/v1/rooms/${room}/threads`)).map((thread) => thread.id)).toEqual(threads.toReversed());
  const thread = threads[0]!;
  for (let i = 0; i < 8; i++) await post(thread, `message ${i}`);
  expect((await all(`/v1/threads/${thread}/messages`)).map((message) => message.content_md)).toEqual(
    Array.from({ length: 8 }, (_, i) => `message ${i}`),
  );
  const listed = await c.call("GET", `/v1/rooms/${room}/threads?limit=200`, { token: c.owner });
  expect(listed.body.items.find((item: { id: string }) => item.id === thread).message_count).toBe(8);
  expect((await c.call("GET", `/v1/rooms/${room}`, { token: c.owner })).body.last_seq).toBe(2 + 4 + 8);
});

test("many writing to one thread at once all get through, and the room has one order without gaps", async () => {
  const room = await newRoom();
  const thread = await newThread(room);
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => post(thread, `m${i}`)));
  expect(answers.map((answer) => answer.status)).toEqual(Array(40).fill(201));
  expect(answers.map((answer) => answer.body.seq).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 4));
});

test("a room that one is not in does not exist, by any of its routes", async () => {
  const room = await newRoom();
  const thread = await newThread(room);
  const outsider = await c.person("member");
  for (const [method, url, body] of [
    ["GET", `/v1/rooms/${room}`],
    ["GET", `/v1/rooms/${room}/members`],
    ["GET", `/v1/rooms/${room}/threads`],
    ["POST", `/v1/rooms/${room}/threads`, {}],
    ["GET", `/v1/threads/${thread}/messages`],
    ["POST", `/v1/threads/${thread}/messages`, { content_md: "x" }],
    ["GET", `/v1/streams/rooms/${room}`],
    ["GET", `/v1/events?stream_type=room&stream_id=${room}`],
  ] as const) {
    const answer = await c.call(method, url, { token: outsider.token, ...(body === undefined ? {} : { body }) });
    expect(answer.status, `${method} ${url}`).toBe(404);
  }
  expect(await all("/v1/rooms", outsider.token)).toEqual([]);
  expect((await c.call("GET", "/v1/events", { token: outsider.token })).body.items).toEqual([]);
});

test("a room's role is the minimum: a viewer reads, a member writes, and what they were told holds until they are removed", async () => {
  const room = await newRoom();
  const thread = await newThread(room);
  const guest = await c.person("member");
  await join(room, guest.id, "viewer");
  expect((await all("/v1/rooms", guest.token)).map((item) => item.id)).toEqual([room]);
  const refused = await post(thread, "hello", guest.token);
  expect([refused.status, refused.body.error.code]).toEqual([403, "room_role_too_low"]);
  await join(room, guest.id, "member");
  expect((await post(thread, "hello", guest.token)).status).toBe(201);
  expect((await c.call("GET", `/v1/rooms/${room}/members`, { token: guest.token })).body.items).toEqual([
    { principal_id: "usr_owner", role: "owner" },
    { principal_id: guest.id, role: "member" },
  ]);
  expect((await c.call("DELETE", `/v1/rooms/${room}/members/${guest.id}`, { token: c.owner })).status).toBe(200);
  expect((await post(thread, "again", guest.token)).status).toBe(404);
  const again = await c.call("DELETE", `/v1/rooms/${room}/members/${guest.id}`, { token: c.owner });
  expect([again.status, again.body.error.code]).toEqual([404, "member_not_found"]);
});

test("an organization's admin owns every room, also one that a member made", async () => {
  const member = await c.person("member");
  const room = await newRoom("mine", member.token);
  const admin = await c.person("admin");
  expect((await c.call("GET", `/v1/rooms/${room}`, { token: admin.token })).status).toBe(200);
  expect((await c.call("GET", `/v1/rooms/${room}`, { token: (await c.person("approver")).token })).status).toBe(404);
});

test("only principals of the organization can be added", async () => {
  const other = await c.organization();
  const answer = await join(await newRoom(), other.ownerId, "member");
  expect([answer.status, answer.body.error.code]).toEqual([404, "principal_not_found"]);
});

test("events are filtered and paged, oldest first within a stream and newest first across", async () => {
  const room = await newRoom();
  const thread = await newThread(room);
  for (let i = 0; i < 4; i++) await post(thread, `e${i}`);
  const types = (await all2(`/v1/events?stream_type=room&stream_id=${room}&limit=2`)).map((event) => event.type);
  expect(types).toEqual(["room.created", "room.member_added", "thread.created", ...Array(4).fill("message.created")]);
  const newest = await all2(`/v1/events?event_type=message.created&limit=2`);
  expect(newest.slice(0, 4).map((event) => event.data["content_md"])).toEqual(["e3", "e2", "e1", "e0"]);
  const one = await c.call("GET", `/v1/events/${newest[0]!.event_id}`, { token: c.owner });
  expect(one.body).toEqual(newest[0]);
  const from = await c.call("GET", `/v1/events?stream_type=room&stream_id=${room}&from_seq=5`, { token: c.owner });
  expect(from.body.items.map((event: { seq: number }) => event.seq)).toEqual([6, 7]);
});

async function all2(url: string): Promise<{ type: string; event_id: string; data: Record<string, unknown> }[]> {
  const items = [];
  let cursor: string | null = null;
  do {
    const page = await c.call("GET", `${url}${cursor === null ? "" : `&cursor=${cursor}`}`, { token: c.owner });
    items.push(...page.body.items);
    cursor = page.body.next_cursor;
  } while (cursor !== null && items.length < 50);
  return items;
}

test("redacting a message takes its text from the list, and a rebuild agrees", async () => {
  const room = await newRoom();
  const thread = await newThread(room);
  await post(thread, "keep");
  const gone = (await post(thread, "regret")).body;
  const event = (await all2(`/v1/events?subject=message:${gone.id}&limit=1`))[0]!;
  const redacted = await c.call("POST", "/v1/audit/redact", { token: c.owner, body: { event_id: event.event_id, reason: "asked for" } });
  expect(redacted.status).toBe(200);
  const texts = async () => (await all(`/v1/threads/${thread}/messages`)).map((message) => message.content_md);
  expect(await texts()).toEqual(["keep", "[redacted]"]);
  await expect
    .poll(async () => (await database.rows<{ n: string }>("select count(*) as n from evt_payloads where data is null"))[0]?.n)
    .toBe("1");
  const rebuilt = await c.call("POST", "/v1/audit/rebuild", { token: c.owner, body: { dry_run: true } });
  expect(
    rebuilt.body.projections
      .filter((p: { projection: string }) => ["rooms", "identity"].includes(p.projection))
      .flatMap((p: { drift: unknown[] }) => p.drift),
  ).toEqual([]);
});

test("a rebuild from the log gives the same rooms, and they go on afterwards", async () => {
  const room = await newRoom("before");
  const thread = await newThread(room);
  await post(thread, "before");
  const rebuilt = await c.call("POST", "/v1/audit/rebuild", { token: c.owner, body: { dry_run: false } });
  expect([rebuilt.status, rebuilt.body.drifted]).toEqual([200, false]);
  expect((await post(thread, "after")).status).toBe(201);
  expect((await all(`/v1/threads/${thread}/messages`)).map((message) => message.content_md)).toEqual(["before", "after"]);
  expect((await c.call("GET", "/v1/me", { token: c.owner })).status).toBe(200);
});
