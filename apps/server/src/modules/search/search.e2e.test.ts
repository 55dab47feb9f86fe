import { newId } from "@signalbox/kernel/id";
import { databaseTest } from "@signalbox/testkit/database";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
let c: Composed;
let room: string;
let thread: string;

beforeAll(async () => {
  c = await startComposed(database);
  room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Release planning" } })).body.id;
  thread = (await c.call("POST", `/v1/rooms/${room}/threads`, { token: c.owner, body: {} })).body.id;
}, 60_000);
afterAll(() => c.close());

interface Hit {
  kind: string;
  id: string;
  title: string;
  snippet: string | null;
}
const search = async (q: string, token = c.owner, more = ""): Promise<Hit[]> =>
  (await c.call("GET", `/v1/search?q=${encodeURIComponent(q)}${more}`, { token })).body.groups.flatMap(
    (group: { items: Hit[] }) => group.items,
  );
const say = async (content_md: string): Promise<{ id: string }> =>
  (await c.call("POST", `/v1/threads/${thread}/messages`, { token: c.owner, body: { content_md } })).body;

test("everything is found by the beginnings of its words, in any order", async () => {
  const session = (
    await c.call("POST", "/v1/sessions", {
      token: c.owner,
      body: { source: { type: "scratch" }, sandbox: "deferred", title: "Fix the flaky parser test" },
    })
  ).body;
  const run = (await c.call("POST", "/v1/runs", { token: c.owner, body: { room_id: room, title: "Deploy zanzibar" } })).body;
  const approval = (
    await c.call("POST", "/v1/approvals", { token: c.owner, body: { action: "git.push", title: "Push quokka", params: {}, room_id: room } })
  ).body;
  const message = await say("The change is in packages/parser/src/tokenize_line.ts, see there");
  expect(await search("pars fla")).toMatchObject([{ kind: "session", id: session.id }]);
  expect(await search("zanz")).toMatchObject([{ kind: "run", id: run.id, title: "Deploy zanzibar" }]);
  expect(await search("QUOKKA")).toMatchObject([{ kind: "approval", id: approval.id }]);
  expect(await search("release plan")).toMatchObject([{ kind: "room", id: room }]);
  for (const q of ["tokenize", "line.ts", "src/tokenize_line"])
    expect((await search(q))[0]).toMatchObject({ kind: "message", id: message.id, snippet: expect.stringContaining("tokenize_line") });
  expect(await search(session.id)).toMatchObject([{ id: session.id }]);
  expect(await search("parser", c.owner, "&kind=session")).toHaveLength(1);
});

test("a new name is found and the old one no more; what was erased is not found", async () => {
  await c.call("PATCH", `/v1/rooms/${room}`, { token: c.owner, body: { title: "Shipping" } });
  expect(await search("release plan")).toEqual([]);
  expect(await search("shipp")).toMatchObject([{ id: room }]);
  const said = await say("the wombat sleeps");
  const { items } = (await c.call("GET", "/v1/events?limit=200", { token: c.owner })).body;
  const event = items.find((one: { subject: string }) => one.subject === `message:${said.id}`);
  expect(await search("wombat")).toHaveLength(1);
  await c.server.log.run(
    { initial: null, decide: (_s: null, e: { type: string; data: object }) => ({ ok: true as const, events: [e] }), evolve: () => null },
    {
      organizationId: "ws_dev",
      origin: { principal: { id: "svc_signalbox", type: "service" } },
      stream: { type: "room", id: room },
      subject: `event:${event.event_id}`,
    },
    { type: "event.redacted", data: { target_event_id: event.event_id, level: "full", reason: "test" } },
  );
  expect(await search("wombat")).toEqual([]);
});

test("nobody finds what is in rooms they are not in, or in another organization", async () => {
  await say("only for members: axolotl");
  const stranger = await c.person("member");
  expect(await search("axolotl", stranger.token)).toEqual([]);
  expect((await c.call("GET", `/v1/rooms/${room}/search?q=axolotl`, { token: stranger.token })).status).toBe(404);
  expect((await c.call("GET", `/v1/rooms/${room}/search?q=axolotl`, { token: c.owner })).body.items).toHaveLength(1);
  const other = await c.organization();
  expect(await search("axolotl", other.token)).toEqual([]);
});

test("signs, operators and quotes are text like any other", async () => {
  for (const q of ["!!!", "a & b | !c", "x:*", "'; drop table proj_search; --", "\\", "(", "%", "ü😀"]) {
    expect((await c.call("GET", `/v1/search?q=${encodeURIComponent(q)}`, { token: c.owner })).status, q).toBe(200);
  }
});

test("among 10,000 sessions and 50,000 messages an answer is there at once", async () => {
  const client = new Client(database.connection("admin"));
  await client.connect();
  const words = "alpha beta gamma delta epsilon zeta theta iota kappa lambda".split(" ");
  await client.query(
    `insert into proj_search (organization_id, kind, id, room_id, session_id, title, body, at, event_id, seq)
     select 'ws_dev', case when n <= 10000 then 'session' else 'message' end, $1 || n, $2, null, case when n <= 10000 then ($3::text[])[1 + n % 10] || ' task ' || n else '' end,
            case when n > 10000 then 'we looked at ' || ($3::text[])[1 + n % 10] || ' and ' || ($3::text[])[1 + (n / 10) % 10] || ' in file_' || n || '.ts' end,
            now() - make_interval(secs => n), gen_random_uuid(), n from generate_series(1, 60000) n`,
    [newId("x"), room, words],
  );
  await client.query("analyze proj_search");
  await client.end();
  const times: number[] = [];
  for (const q of ["al", "alpha beta", "task 77", "file 5999", "nothing at all", "t", "looked"]) {
    // The best of five: what else the machine does is not the search's.
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 5; i++) {
      const started = performance.now();
      await search(q);
      best = Math.min(best, performance.now() - started);
    }
    times.push(best);
  }
  const told = times.map((ms) => ms.toFixed(1)).join(" ");
  process.stdout.write(`search in 60,000 documents: ${told} ms\n`);
  // bench/ measures speed. This sees only that an index is used: without one it takes many seconds.
  expect(
    times.filter((ms) => ms > 1_000),
    told,
  ).toEqual([]);
}, 60_000);
