/* Questions and answers over HTTP, on the composed server. */
import { databaseTest } from "@signalbox/testkit/database";
import { testClock } from "@signalbox/testkit/clock";
import { recorded } from "@signalbox/testkit/events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { HISTORY, history, ID, request, use, COMMAND } from "./fixtures.ts";
import { approvalInbox } from "./inbox.projection.ts";

const database = databaseTest();
const clock = testClock(new Date().toISOString());
let c: Composed;
let room: string;

beforeAll(async () => {
  c = await startComposed(database, { clock });
  room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Work" } })).body.id;
}, 60_000);
afterAll(() => c.close());

const call = (method: string, url: string, body?: unknown, token = c.owner) =>
  c.call(method, url, { token, ...(body === undefined ? {} : { body }) });
const ask = async (more: object = {}) =>
  (await call("POST", "/v1/approvals", { action: "email.send", title: "Send it", room_id: room, params: { to: "a@b.example" }, ...more }))
    .body;
const decide = (id: string, body: object, token = c.owner) => call("POST", `/v1/approvals/${id}/decide`, body, token);

test("of twenty people who decide at once one decides, and nineteen are told who", async () => {
  const asked = await ask();
  const people = await Promise.all(Array.from({ length: 20 }, () => c.person("admin")));
  const answers = await Promise.all(people.map(({ token }, i) => decide(asked.id, { decision: i % 2 === 0 ? "approve" : "deny" }, token)));
  const winners = people.filter((_, i) => answers[i]!.status === 200);
  expect(winners).toHaveLength(1);
  const losers = answers.filter((answer) => answer.status !== 200);
  for (const { status, body } of losers) {
    expect([status, body.error.code, body.error.details.by]).toEqual([409, "approval_closed", winners[0]!.id]);
  }
  const events = await database.rows("select type from evt_events where subject = $1", [`approval:${asked.id}`]);
  expect(events).toHaveLength(2);
});

test("an approval is bound to its call, and a person's answer shows at once", async () => {
  const asked = await ask({ target: { host: "mail" } });
  expect(asked).toMatchObject({
    status: "pending",
    action: "email.send",
    params: { to: "a@b.example" },
    used: false,
    call_hash: expect.stringMatching(/^sha256:/),
  });
  expect(Date.parse(asked.expires_at) - Date.parse(asked.requested_at)).toBe(24 * 60 * 60 * 1000);
  expect((await decide(asked.id, { decision: "hold" })).body).toMatchObject({ status: "held", held_by: "usr_owner" });
  expect((await decide(asked.id, { decision: "approve", reason: "fine", scope: "room" })).body).toMatchObject({
    status: "approved",
    decided_by: "usr_owner",
    reason: "fine",
    scope: "room",
  });
  expect((await decide(asked.id, { decision: "approve" })).status).toBe(200);
  expect((await decide(asked.id, { decision: "perhaps" })).status).toBe(400);
});

test("a question that nobody answers expires by itself, and an answer that is too late is refused", async () => {
  const asked = await ask({ expires_at: new Date(clock.nowMs() + 60_000).toISOString() });
  clock.advance(60_001);
  const late = await decide(asked.id, { decision: "approve" });
  // Whether the job or the person came first, the answer is no.
  expect([409, ["approval_lapsed", "approval_closed"].includes(late.body.error.code)]).toEqual([late.status, true]);
  await expect.poll(async () => (await call("GET", `/v1/approvals/${asked.id}`)).body.status, { timeout: 8000 }).toBe("expired");
  expect(
    (await call("POST", "/v1/approvals", { action: "x", title: "x", params: {}, expires_at: "2020-01-01T00:00:00.000Z" })).body.error.code,
  ).toBe("expires_at_invalid");
});

test("what is named together must belong together", async () => {
  const other = (await call("POST", "/v1/rooms", { title: "Other" })).body.id;
  const run = (await call("POST", "/v1/runs", { room_id: other })).body.id;
  const mixed = await call("POST", "/v1/approvals", { action: "x", title: "x", params: {}, room_id: room, run_id: run });
  expect([mixed.status, mixed.body.error.code]).toEqual([404, "run_not_found"]);
  expect((await call("POST", "/v1/approvals", { action: "x", title: "x", params: {}, run_id: run })).body).toMatchObject({
    room_id: other,
    run_id: run,
  });
});

test("whoever is not in the room does not know of the approval; whoever may not approve there is told so", async () => {
  const asked = await ask();
  const stranger = await c.person("approver");
  expect((await call("GET", `/v1/approvals/${asked.id}`, undefined, stranger.token)).status).toBe(404);
  expect((await decide(asked.id, { decision: "approve" }, stranger.token)).status).toBe(404);
  expect((await call("GET", "/v1/approvals", undefined, stranger.token)).body.items).toEqual([]);
  await call("POST", `/v1/rooms/${room}/members`, { principal_id: stranger.id, role: "member" });
  const refused = await decide(asked.id, { decision: "approve" }, stranger.token);
  expect([refused.status, refused.body.error.code]).toEqual([403, "room_role_too_low"]);
});

test("the inbox lists what is open, newest first, each once", async () => {
  const of = (await call("POST", "/v1/rooms", { title: "Inbox" })).body.id;
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.push((await ask({ room_id: of, title: `n ${i}` })).id);
  await decide(ids[2]!, { decision: "deny" });
  const seen: string[] = [];
  let cursor = "";
  do {
    const page = (await call("GET", `/v1/approvals?status=open&room_id=${of}&limit=2${cursor}`)).body;
    seen.push(...page.items.map((item: { id: string }) => item.id));
    cursor = page.next_cursor === null ? "" : `&cursor=${page.next_cursor}`;
  } while (cursor !== "");
  expect(seen).toEqual([ids[4], ids[3], ids[1], ids[0]]);
});

test("after all of the above a rebuild from the log finds the same inbox", async () => {
  const { projections } = (await call("POST", "/v1/audit/rebuild", { dry_run: true })).body as {
    projections: { projection: string; events: number; drift: unknown[] }[];
  };
  const { events, drift } = projections.find(({ projection }) => projection === "approvals")!;
  expect([events > 10, drift]).toEqual([true, []]);
});

test("a question whose payload was erased still lands, with its time over", async () => {
  const organizationId = "ws_projection";
  const batch = recorded(
    HISTORY.pending.map(({ type }) => ({ type, data: {} }) as (typeof HISTORY.pending)[number]),
    { subjectId: ID, organizationId, more: { redaction: "full" } },
  );
  await database.transaction((tx) => approvalInbox.project(tx, batch));
  expect(
    await database.rows("select status, title, expires_at = requested_at as over from proj_approvals where organization_id = $1", [
      organizationId,
    ]),
  ).toEqual([{ status: "pending", title: "[redacted]", over: true }]);
  await database.rows("delete from proj_approvals where organization_id = $1", [organizationId]);
});

test.each([
  ...Object.entries(HISTORY).filter(([status]) => status !== "none"),
  ["approved", history(request, COMMAND.hold, COMMAND.approve, use())] as const,
])("a history ending in %s lands as that, in one batch or many, and replaying it changes nothing", async (status, events) => {
  const organizationId = "ws_projection";
  const batch = recorded(events, { subjectId: ID, subjectKind: "approval", organizationId });
  const project = (of: typeof batch) => database.transaction((tx) => approvalInbox.project(tx, of));
  const stored = () => database.rows("select * from proj_approvals where organization_id = $1", [organizationId]);
  await project(batch);
  const once = await stored();
  expect(once).toMatchObject([{ id: ID, status }]);
  await database.rows("delete from proj_approvals where organization_id = $1", [organizationId]);
  for (const one of batch) await project([one]);
  expect(await stored()).toEqual(once);
  await project(batch);
  expect(await stored()).toEqual(once);
  await database.rows("delete from proj_approvals where organization_id = $1", [organizationId]);
});
