import type { Origin } from "@signalbox/eventlog/log";
import { accept, type Decider } from "@signalbox/kernel/decider";
import { newId } from "@signalbox/kernel/id";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type Composed, startComposed } from "../../composed.fixture.ts";

/* Things come to wait through the product's own routes where it has one, else as their events stand in the log. */

const database = databaseTest();
let aheadMs = 0;
const clock = { now: () => new Date(Date.now() + aheadMs).toISOString(), nowMs: () => Date.now() + aheadMs };
let c: Composed;
let port: number;
let room: string;
/** In the room, approver there; and outside of it. */
let member: { id: string; token: string };
let stranger: { id: string; token: string };

interface Item {
  id: string;
  kind: string;
  title: string;
  detail: string | null;
  outcome: string | null;
  dismissed_at: string | null;
  undoable_until: string | null;
  approval: { id: string; status: string } | null;
  session: { id: string; title: string } | null;
  run_id: string | null;
}

beforeAll(async () => {
  c = await startComposed(database, { clock });
  port = await c.server.listen();
}, 60_000);
afterAll(() => c.close());
beforeEach(async () => {
  aheadMs = 0;
  room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Room" } })).body.id;
  member = await c.person("approver");
  stranger = await c.person("approver");
  await c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id: member.id, role: "approver" } });
});

const list = async (
  token: string,
  query = "",
): Promise<{ items: Item[]; counts: { total: number; by_kind: Record<string, number> }; next_cursor: string | null }> =>
  (await c.call("GET", `/v1/attention${query}`, { token })).body;
const inRoom = async (token: string, query = "?limit=200"): Promise<Item[]> => (await list(token, query)).items;
const approval = async (body: object = {}): Promise<string> =>
  (
    await c.call("POST", "/v1/approvals", {
      token: c.owner,
      body: { action: "git.push", title: "Push to main", room_id: room, params: { n: Math.random() }, ...body },
    })
  ).body.id;

const anything: Decider<null, { type: string; data: object }, { type: string; data: object }, never> = {
  initial: null,
  decide: (_state, event) => accept(event),
  evolve: () => null,
};
async function append(subject: string, type: string, data: object, origin: Partial<Origin> = {}): Promise<void> {
  await c.server.log.run(
    anything,
    {
      organizationId: "ws_dev",
      origin: { principal: { id: "svc_signalbox", type: "service" }, roomId: room, ...origin },
      stream: { type: "room", id: room },
      subject,
    },
    { type, data },
  );
}
const newSession = async (title: string): Promise<string> => {
  const body = { source: { type: "scratch" }, sandbox: "deferred", room_id: room, title };
  return (await c.call("POST", "/v1/sessions", { token: member.token, body })).body.id;
};
const newRun = async (requestedBy: string, sessionId?: string): Promise<string> => {
  const run = newId("run");
  await append(
    `run:${run}`,
    "run.created",
    {
      run_id: run,
      kind: "task",
      title: "Fix the test",
      requested_by: requestedBy,
      max_attempts: 1,
      ...(sessionId === undefined ? {} : { session_id: sessionId }),
    },
    sessionId === undefined ? { runId: run } : { runId: run, sessionId },
  );
  return run;
};

describe("an approval", () => {
  test("waits for those in its room who may decide, with the exact call, until it is decided", async () => {
    const id = await approval();
    const [item] = await inRoom(member.token);
    expect(item).toMatchObject({
      id: `approval:${id}`,
      kind: "approval",
      title: "Push to main",
      approval: { id, status: "pending" },
      dismissed_at: null,
    });
    expect(await inRoom(stranger.token)).toEqual([]);
    const viewer = await c.person("viewer");
    await c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id: viewer.id, role: "viewer" } });
    expect(await inRoom(viewer.token)).toEqual([]);
    expect((await list(c.owner)).items[0]?.id).toBe(`approval:${id}`);

    await c.call("POST", `/v1/approvals/${id}/decide`, { token: c.owner, body: { decision: "approve" } });
    expect(await inRoom(member.token)).toEqual([]);
    expect((await inRoom(member.token, "?state=done"))[0]).toMatchObject({ id: `approval:${id}`, outcome: "approved" });
  });

  test("leaves the list when it expires, and when the kill switch denies it", async () => {
    const id = await approval();
    await c.call("POST", "/v1/kill-switch", { token: c.owner, body: { engaged: true } });
    await expect.poll(() => inRoom(member.token), { timeout: 8000 }).toEqual([]);
    await c.call("POST", "/v1/kill-switch", { token: c.owner, body: { engaged: false } });
    expect((await inRoom(member.token, "?state=done"))[0]).toMatchObject({ id: `approval:${id}`, outcome: "denied" });
  });
});

describe("dismissing", () => {
  test("is one person's own, can be taken back, and decides nothing", async () => {
    const [a, b] = [await approval(), await approval()];
    const done = await c.call("POST", `/v1/attention/approval:${a}/dismiss`, { token: member.token, body: {} });
    expect(done.body).toMatchObject({ id: `approval:${a}`, dismissed_at: expect.any(String), undoable_until: expect.any(String) });
    expect((await inRoom(member.token)).map(({ id }) => id)).toEqual([`approval:${b}`]);
    expect((await list(member.token)).counts).toEqual({ total: 1, by_kind: { approval: 1 } });
    expect((await inRoom(c.owner)).map(({ id }) => id)).toEqual(expect.arrayContaining([`approval:${a}`, `approval:${b}`]));
    expect((await inRoom(member.token, "?state=done"))[0]).toMatchObject({
      id: `approval:${a}`,
      outcome: null,
      approval: { status: "pending" },
    });
    const back = await c.call("POST", `/v1/attention/approval:${a}/restore`, { token: member.token, body: {} });
    expect(back.body.dismissed_at).toBe(null);
    expect((await inRoom(member.token)).map(({ id }) => id)).toEqual([`approval:${b}`, `approval:${a}`]);
  });

  test("of many names what was not there, and nobody dismisses what they may not see", async () => {
    const id = `approval:${await approval()}`;
    const many = await c.call("POST", "/v1/attention/dismiss", { token: member.token, body: { ids: [id, "approval:nothing"] } });
    expect(many.body).toMatchObject({ dismissed: [id], not_found: ["approval:nothing"] });
    expect((await c.call("POST", `/v1/attention/${id}/dismiss`, { token: stranger.token, body: {} })).status).toBe(404);
    const other = await c.organization();
    expect((await c.call("POST", `/v1/attention/${id}/dismiss`, { token: other.token, body: {} })).status).toBe(404);
  });
});

describe("a run", () => {
  test("that failed is its requester's and the admins' concern, until it is resolved", async () => {
    const run = await newRun(member.id);
    const other = await c.person("approver");
    await c.call("POST", `/v1/rooms/${room}/members`, { token: c.owner, body: { principal_id: other.id, role: "approver" } });
    await append(`run:${run}`, "run.failed", { run_id: run, code: "boom", message: "The tests do not pass." }, { runId: run });
    expect((await inRoom(member.token))[0]).toMatchObject({
      id: `run_failed:${run}`,
      kind: "run_failed",
      title: "Fix the test",
      detail: "The tests do not pass.",
      run_id: run,
    });
    expect(await inRoom(other.token)).toEqual([]);
    expect((await inRoom(c.owner))[0]?.id).toBe(`run_failed:${run}`);
    await append(`run:${run}`, "run.resolved", { run_id: run, outcome: "failed", by: member.id }, { runId: run });
    expect(await inRoom(member.token)).toEqual([]);
  });

  test("that failed in a session is settled by the session's next turn", async () => {
    const session = await newSession("My session");
    const run = await newRun(member.id, session);
    await append(`run:${run}`, "run.failed", { run_id: run, code: "x", message: "No." }, { runId: run, sessionId: session });
    expect((await inRoom(member.token))[0]).toMatchObject({ kind: "run_failed", session: { id: session, title: "My session" } });
    await newRun(member.id, session);
    expect(await inRoom(member.token)).toEqual([]);
    expect((await inRoom(member.token, "?state=done"))[0]).toMatchObject({ outcome: "retried" });
  });

  test("that says nothing for ten minutes is stuck, unless it waits for somebody", async () => {
    const session = newId("ses");
    const run = await newRun(member.id, session);
    await append(`run:${run}`, "run.started", { run_id: run, epoch: 0 }, { runId: run, sessionId: session });
    expect(await inRoom(member.token)).toEqual([]);
    aheadMs = 11 * 60_000;
    expect((await inRoom(member.token))[0]).toMatchObject({ kind: "run_stuck", run_id: run, detail: expect.stringMatching(/11 minutes/) });
    const question = newId("q");
    await append(
      `question:${question}`,
      "question.asked",
      { question_id: question, session_id: session, run_id: run, text: "Which one?" },
      { runId: run, sessionId: session },
    );
    aheadMs = 22 * 60_000;
    expect((await inRoom(member.token)).map(({ kind }) => kind)).toEqual(["question"]);
    await append(
      `question:${question}`,
      "question.answered",
      { question_id: question, options: [], by: member.id },
      { runId: run, sessionId: session },
    );
    await append(`run:${run}`, "run.completed", { run_id: run }, { runId: run, sessionId: session });
    aheadMs = 44 * 60_000;
    expect(await inRoom(member.token)).toEqual([]);
  });
});

test("a session that fails with its run is one thing to look at, whichever is told first", async () => {
  for (const first of ["run", "session"]) {
    const session = await newSession("Fails");
    const run = await newRun(member.id, session);
    const fails = [
      () => append(`run:${run}`, "run.failed", { run_id: run, code: "x", message: "No." }, { runId: run, sessionId: session }),
      () =>
        append(
          `session:${session}`,
          "session.failed",
          { session_id: session, code: "x", message: "The sandbox died." },
          { sessionId: session },
        ),
    ];
    for (const fail of first === "run" ? fails : fails.toReversed()) await fail();
    expect((await inRoom(member.token)).map(({ kind, title, detail }) => [kind, title, detail])).toEqual([
      ["session_failed", "Fails", "The sandbox died."],
    ]);
    await append(`session:${session}`, "session.resumed", { session_id: session, by: member.id }, { sessionId: session });
    expect(await inRoom(member.token)).toEqual([]);
  }
});

test("what was erased is not told here either", async () => {
  const run = await newRun(member.id);
  await append(`run:${run}`, "run.failed", { run_id: run, code: "x", message: "the password is hunter2" }, { runId: run });
  const { items } = (await c.call("GET", `/v1/events?limit=200`, { token: c.owner })).body;
  const event = items.find((one: { type: string; subject: string }) => one.type === "run.failed" && one.subject === `run:${run}`);
  await append(`event:${event.event_id}`, "event.redacted", { target_event_id: event.event_id, level: "full", reason: "a password" });
  expect(JSON.stringify(await inRoom(member.token))).not.toContain("hunter2");
});

test("the list is paged in a stable order, newest first", async () => {
  for (let i = 0; i < 7; i++) await approval();
  const all = (await inRoom(member.token)).map(({ id }) => id);
  const paged: string[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const page = await list(member.token, `?limit=3${cursor === "" ? "" : `&cursor=${cursor}`}`);
    paged.push(...page.items.map(({ id }) => id));
    expect(page.counts.total).toBe(7);
    cursor = page.next_cursor;
  }
  expect(paged).toEqual(all);
  expect(paged).toHaveLength(7);
});

describe("deciding several", () => {
  test("approves each exactly once, leaves the dangerous to be looked at, and says what came of each", async () => {
    const [push, read, danger, unknown] = [
      await approval(),
      await approval({ action: "git.fetch" }),
      await approval({ action: "git.push.force" }),
      await approval({ action: "something.else" }),
    ];
    const ids = [push, read, danger, unknown, newId("appr")];
    const { body } = await c.call("POST", "/v1/approvals/decide", { token: member.token, body: { ids, decision: "approve" } });
    expect(body.items.map((one: { ok: boolean; error: { code: string } | null }) => (one.ok ? "ok" : one.error?.code))).toEqual([
      "ok",
      "ok",
      "not_in_bulk",
      "not_in_bulk",
      "approval_not_found",
    ]);
    expect(body.decided).toBe(2);
    const again = await c.call("POST", "/v1/approvals/decide", {
      token: c.owner,
      body: { ids: [push, danger, unknown], decision: "deny" },
    });
    expect(again.body.items.map((one: { ok: boolean; error: { code: string } | null }) => (one.ok ? "ok" : one.error?.code))).toEqual([
      "approval_closed",
      "ok",
      "ok",
    ]);
  });

  test("two who decide the same ones at once decide each once", async () => {
    const ids = await Promise.all([approval(), approval(), approval(), approval()]);
    const answers = await Promise.all(
      [member.token, c.owner].map((token, i) =>
        c.call("POST", "/v1/approvals/decide", { token, body: { ids, decision: i === 0 ? "approve" : "deny" } }),
      ),
    );
    for (const [i] of ids.entries())
      expect(answers.map(({ body }) => body.items[i].ok)).toSatisfy((ok: boolean[]) => ok.includes(true) && ok.includes(false));
  });
});

describe("the topic inbox", () => {
  async function follow(token: string, resumeAfter?: string) {
    const sync = (await c.call("POST", "/v1/sync/token", { token, body: {} })).body.token as string;
    const ws = new WebSocket(`ws://127.0.0.1:${port}/v1/sync?token=${sync}`);
    const seen: { doc_key: string; payload: { changed: string; type: string }; watermark: string }[] = [];
    let ready = false;
    ws.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString());
      if (frame.type !== "update_batch") return;
      seen.push(...frame.updates);
      ready ||= frame.replay_complete;
    });
    await new Promise((resolve) => ws.on("open", resolve));
    ws.send(
      JSON.stringify({
        type: "subscribe",
        topics: ["inbox"],
        ...(resumeAfter === undefined ? {} : { resume_after: { inbox: resumeAfter } }),
      }),
    );
    await expect.poll(() => ready, { timeout: 5000, interval: 5 }).toBe(true);
    return { seen, close: () => ws.close() };
  }

  test("tells those concerned at once, others nothing, and resumes from its watermark", async () => {
    const [mine, theirs] = [await follow(member.token), await follow(stranger.token)];
    const id = await approval();
    await expect
      .poll(() => mine.seen.map(({ payload }) => payload), { interval: 5 })
      .toEqual([{ changed: `approval:${id}`, type: "approval.requested" }]);
    expect(mine.seen[0]?.doc_key).toBe(`inbox/item:approval:${id}`);
    await c.call("POST", `/v1/attention/approval:${id}/dismiss`, { token: member.token, body: {} });
    await expect.poll(() => mine.seen.length, { interval: 5 }).toBe(2);
    mine.close();
    await c.call("POST", `/v1/approvals/${id}/decide`, { token: c.owner, body: { decision: "deny" } });
    const again = await follow(member.token, mine.seen.at(-1)!.watermark);
    await expect.poll(() => again.seen.map(({ payload }) => payload.type), { interval: 5 }).toEqual(["approval.denied"]);
    expect(theirs.seen).toEqual([]);
    again.close();
    theirs.close();
  });
});
