import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
let c: Composed;
let anna: { id: string; token: string };
let room: string;
let thread: string;

beforeAll(async () => {
  c = await startComposed(database);
  anna = await c.person("member");
  room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Release" } })).body.id;
  await c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id: anna.id, role: "member" } });
  thread = (await c.call("POST", `/v1/rooms/${room}/threads`, { token: c.owner, body: {} })).body.id;
}, 60_000);
afterAll(() => c.close());

const say = async (content_md: string, token = c.owner) =>
  (await c.call("POST", `/v1/threads/${thread}/messages`, { token, body: { content_md } })).body;
const seen = async (token = anna.token) => (await c.call("GET", `/v1/rooms/${room}`, { token })).body;
const read = async (seq: number, token = anna.token) => (await c.call("POST", `/v1/rooms/${room}/read`, { token, body: { seq } })).body;

test("what others wrote is unread until it is read, by each person for themselves, and never unread again", async () => {
  const first = await say("**Hello** [everybody](https://example.com)");
  const second = await say("@A member: look");
  expect(second.mentions).toEqual([anna.id]);
  await say("mine", anna.token);
  expect(await seen()).toMatchObject({
    unread_count: 2,
    mention_count: 1,
    member_count: 2,
    kind: "discussion",
    last_message: { preview: "mine", author: { id: anna.id } },
  });
  expect(await seen(c.owner)).toMatchObject({ unread_count: 1, mention_count: 0 });
  expect(await read(first.seq)).toEqual({ read_seq: first.seq, unread_count: 1, mention_count: 1 });
  expect(await read(second.seq)).toEqual({ read_seq: second.seq, unread_count: 0, mention_count: 0 });
  expect((await read(0)).read_seq).toBe(second.seq);
  expect((await read(1_000_000)).read_seq).toBe((await seen()).last_seq);
  await say("again");
  expect((await seen()).unread_count).toBe(1);
  const [view] = (await c.call("GET", `/v1/rooms/${room}/threads`, { token: anna.token })).body.items;
  expect(view).toMatchObject({ unread_count: 1, last_message: { preview: "again" } });
});

test("rooms are found by part of their name, by what is unread, and by what happened last", async () => {
  const quiet = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "100% quiet_room" } })).body.id;
  const list = async (query: string, token = c.owner) =>
    (await c.call("GET", `/v1/rooms?${query}`, { token })).body.items.map((one: { id: string }) => one.id);
  expect(await list("q=QUIET_")).toEqual([quiet]);
  expect(await list("q=0%25 q")).toEqual([quiet]);
  expect(await list("q=quietXroom")).toEqual([]);
  expect(await list("unread=true", anna.token)).toEqual([room]);
  await say("newest");
  expect((await list("order=activity"))[0]).toBe(room);
  expect((await list("order=created"))[0]).toBe(quiet);
  expect(await list("kind=session")).toEqual([]);
});

test("a room is renamed and put away by its members, and by nobody who may only look", async () => {
  const viewer = await c.person("member");
  await c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id: viewer.id, role: "viewer" } });
  const rename = (title: string, token: string) => c.call("PATCH", `/v1/rooms/${room}`, { token, body: { title } });
  expect((await rename("Nope", viewer.token)).status).toBe(403);
  expect((await rename("Release 2", anna.token)).body.title).toBe("Release 2");
  expect((await c.call("POST", `/v1/rooms/${room}/archive`, { token: anna.token, body: {} })).body.archived).toBe(true);
  const ids = async (query: string) =>
    (await c.call("GET", `/v1/rooms${query}`, { token: anna.token })).body.items.map((one: { id: string }) => one.id);
  expect(await ids("")).not.toContain(room);
  expect(await ids("?archived=true")).toContain(room);
  expect((await c.call("POST", `/v1/rooms/${room}/unarchive`, { token: anna.token, body: {} })).body.archived).toBe(false);
  expect((await c.call("POST", `/v1/rooms/${room}/read`, { token: (await c.person("member")).token, body: { seq: 1 } })).status).toBe(404);
});

test("a thread is read from its end, and around any message", async () => {
  thread = (await c.call("POST", `/v1/rooms/${room}/threads`, { token: c.owner, body: {} })).body.id;
  const said: { id: string }[] = [];
  for (let i = 0; i < 9; i++) said.push(await say(`message ${i}`));
  const ids = said.map(({ id }) => id);
  const get = async (query: string) => (await c.call("GET", `/v1/threads/${thread}/messages?${query}`, { token: anna.token })).body;
  const idsOf = (page: { items: { id: string }[] }) => page.items.map(({ id }) => id);
  const newest = await get("order=newest&limit=4");
  expect(idsOf(newest)).toEqual(ids.toReversed().slice(0, 4));
  expect(idsOf(await get(`order=newest&limit=4&cursor=${newest.next_cursor}`))).toEqual(ids.toReversed().slice(4, 8));
  const around = await get(`around=${ids[4]}&limit=4`);
  expect(idsOf(around)).toEqual(ids.slice(2, 6));
  expect(idsOf(await get(`cursor=${around.next_cursor}`))).toEqual(ids.slice(6));
  expect(idsOf(await get(`order=newest&cursor=${around.prev_cursor}`))).toEqual(ids.slice(0, 2).toReversed());
  expect((await c.call("GET", `/v1/threads/${thread}/messages?around=msg_${"0".repeat(26)}`, { token: anna.token })).body.error.code).toBe(
    "message_not_found",
  );
});

test("having read one thread is not having read the others of its room", async () => {
  const other = (await c.call("POST", `/v1/rooms/${room}/threads`, { token: c.owner, body: {} })).body.id;
  await c.call("POST", `/v1/rooms/${room}/read`, { token: anna.token, body: { seq: 1_000_000 } });
  const say = async (threadId: string) =>
    (await c.call("POST", `/v1/threads/${threadId}/messages`, { token: c.owner, body: { content_md: "here" } })).body;
  await say(thread);
  const later = await say(other);
  const unread = async () =>
    Object.fromEntries(
      (await c.call("GET", `/v1/rooms/${room}/threads`, { token: anna.token })).body.items.map(
        ({ id, unread_count }: { id: string; unread_count: number }) => [id, unread_count],
      ),
    );
  expect(await unread()).toMatchObject({ [thread]: 1, [other]: 1 });
  const answer = await c.call("POST", `/v1/rooms/${room}/read`, { token: anna.token, body: { seq: later.seq, thread_id: other } });
  expect(answer.body).toMatchObject({ unread_count: 1 });
  expect(await unread()).toMatchObject({ [thread]: 1, [other]: 0 });
  const elsewhere = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Elsewhere" } })).body.id;
  const foreign = await c.call("POST", `/v1/rooms/${elsewhere}/read`, { token: c.owner, body: { seq: 1, thread_id: other } });
  expect([foreign.status, foreign.body.error.code]).toEqual([404, "thread_not_found"]);
});
