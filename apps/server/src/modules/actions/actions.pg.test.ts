import { readFileSync } from "node:fs";
import path from "node:path";
import { rebuild } from "@signalbox/eventlog/rebuild";
import { testClock } from "@signalbox/testkit/clock";
import { databaseTest } from "@signalbox/testkit/database";
import { recorded } from "@signalbox/testkit/events";
import { afterEach, expect, test } from "vitest";
import { HISTORY, ID } from "./fixtures.ts";
import { invocationList } from "./invocations.projection.ts";
import type { ActionOutcome, Executor } from "./public.ts";
import { ORGANIZATION, type Stage, type StageOptions, startStage } from "./stage.fixture.ts";

const database = databaseTest();
const stages: Stage[] = [];
afterEach(async () => {
  for (const stage of stages.splice(0)) await stage.stop();
});
async function start(options: StageOptions = {}): Promise<Stage> {
  const stage = await startStage(database.connection, options);
  stages.push(stage);
  return stage;
}

/** Does nothing but remember what it was asked. */
function world(outcome: () => ReturnType<Executor["execute"]> = async () => ({ outcome: "completed", result: { pushed: true } })) {
  const done: string[] = [];
  const executor: Executor = {
    async execute(call) {
      done.push(call.invocationId);
      return outcome();
    },
  };
  return { done, executors: { "git.push": executor, "git.fetch": executor } };
}
const ok = (outcome: ActionOutcome): Extract<ActionOutcome, { ok: true }> => {
  if (!outcome.ok) throw new Error(`refused: ${outcome.refusal.code}`);
  return outcome;
};
const typesOf = async (subject: string): Promise<string[]> =>
  (await database.rows<{ type: string }>("select type from evt_events where subject = $1 order by subject_version", [subject])).map(
    (row) => row.type,
  );
let n = 0;
const newSession = (): string => `ses_01J000000000000000000${String(n++).padStart(5, "0")}`;

test("an allowed call is executed by a worker without a question", async () => {
  const { done, executors } = world();
  const stage = await start({ executors });
  const { invocationId, status } = ok(await stage.request({ action: "git.fetch" }));
  expect(status).toBe("approved");
  expect(await stage.end(invocationId)).toMatchObject({ status: "completed", result: { pushed: true }, decision: "allow" });
  expect(done).toEqual([invocationId]);
});

test("a write waits for a person; approving executes it once, and its approval is spent on it", async () => {
  const { done, executors } = world();
  const stage = await start({ executors });
  const { invocationId, approvalId, status } = ok(await stage.request());
  expect(status).toBe("pending");
  expect(await stage.end(invocationId, 100)).toMatchObject({ status: "pending" });
  expect(done).toEqual([]);
  await stage.decide(approvalId!, "approve");
  expect(await stage.end(invocationId)).toMatchObject({ status: "completed", approval_id: approvalId });
  // ✗ double approve ran twice.
  await stage.decide(approvalId!, "approve");
  await stage.jobs.enqueue([{ kind: "invocation.execute", organizationId: ORGANIZATION, payload: { invocation_id: invocationId } }]);
  await expect.poll(() => database.rows("select 1 from jobs where kind = 'invocation.execute'")).toEqual([]);
  expect(done).toEqual([invocationId]);
  expect(await stage.approvals.view(ORGANIZATION, approvalId!)).toMatchObject({ status: "approved", used: true });
  expect(await typesOf(`invocation:${invocationId}`)).toEqual([
    "invocation.requested",
    "invocation.approved",
    "invocation.executing",
    "invocation.completed",
  ]);
});

test("verdict, approved call and its job commit together: a crash in between loses none of them", async () => {
  const stage = await start({ works: false });
  const { invocationId, approvalId } = ok(await stage.request());
  await stage.decide(approvalId!, "approve");
  const positions = await database.rows<{ xmin: string }>(
    `select distinct e.xmin::text from evt_events e where (e.subject = $1 and e.type = 'approval.approved') or (e.subject = $2 and e.type = 'invocation.approved')
     union select xmin::text from jobs where kind = 'invocation.execute' and key = $3`,
    [`approval:${approvalId}`, `invocation:${invocationId}`, invocationId],
  );
  expect(positions).toHaveLength(1);
  // Also a database that was restored without its jobs: a start finds what was approved and has it executed.
  await database.rows("delete from jobs");
  const { done, executors } = world();
  const later = await start({ executors });
  expect(await later.end(invocationId)).toMatchObject({ status: "completed" });
  expect(done).toEqual([invocationId]);
});

test("a denied call is never executed", async () => {
  const { done, executors } = world();
  const stage = await start({ executors });
  const { invocationId, approvalId } = ok(await stage.request());
  await stage.decide(approvalId!, "deny");
  expect(await stage.end(invocationId)).toMatchObject({ status: "denied", reason_code: "approval_denied" });
  expect(done).toEqual([]);
});

test("what the gate denies is on record with its reason, as invocation and as denial", async () => {
  const stage = await start();
  const outcome = await stage.request({ action: "git.push.force" });
  expect(outcome).toMatchObject({ ok: false, refusal: { code: "action_denied", details: { reason_code: "danger_denied" } } });
  const denied = await database.rows<{ data: string }>(
    "select p.data from evt_events e join evt_payloads p using (position) where e.type = 'policy.denied' order by position desc limit 1",
  );
  expect(JSON.parse(denied[0]!.data)).toMatchObject({ action: "git.push.force", reason_code: "danger_denied", policy_ids: ["danger"] });
});

test("the same call in a session, while it is open, is the same invocation; afterwards it is a new one", async () => {
  const { executors } = world();
  const stage = await start({ executors });
  const call = { sessionId: newSession(), params: { same: true } };
  const asked = await Promise.all([stage.request(call), stage.request(call), stage.request(call)]);
  expect(new Set(asked.map((outcome) => ok(outcome).invocationId)).size).toBe(1);
  const { invocationId, approvalId } = ok(asked[0]);
  await stage.decide(approvalId!, "approve");
  await stage.end(invocationId);
  // Its approval is spent, so it is asked about again.
  const again = ok(await stage.request(call));
  expect([again.invocationId === invocationId, again.status]).toEqual([false, "pending"]);
});

test("an approval for once that two identical calls count on lets one of them through", async () => {
  const idle = await start({ works: false });
  const call = { action: "git.push", params: { twin: true } };
  const first = ok(await idle.request(call));
  await idle.decide(first.approvalId!, "approve");
  const second = ok(await idle.request(call));
  expect(second).toMatchObject({ status: "approved", approvalId: first.approvalId, reasonCode: "approval_allows_action" });
  const { done, executors } = world();
  const stage = await start({ executors });
  const ends = await Promise.all([stage.end(first.invocationId), stage.end(second.invocationId)]);
  expect(new Set(ends.map((view) => view?.status))).toEqual(new Set(["completed", "denied"]));
  expect(ends.find((view) => view?.status === "denied")?.reason_code).toBe("approval_spent");
  expect(done).toHaveLength(1);
});

test("an approval whose time was over before a worker came does not let the call through", async () => {
  const clock = testClock(new Date().toISOString());
  const idle = await start({ works: false, clock });
  const { invocationId, approvalId } = ok(await idle.request());
  await idle.decide(approvalId!, "approve");
  clock.advance(24 * 60 * 60 * 1000);
  const { done, executors } = world();
  const stage = await start({ executors, clock });
  expect(await stage.end(invocationId)).toMatchObject({ status: "expired" });
  expect(done).toEqual([]);
});

test("a session has at most ten calls waiting and sixty a minute", async () => {
  const { executors } = world();
  const stage = await start({ executors });
  const waiting = newSession();
  const asked = await Promise.all(Array.from({ length: 12 }, () => stage.request({ sessionId: waiting })));
  expect(asked.filter((outcome) => outcome.ok)).toHaveLength(10);
  expect(asked.at(-1)).toMatchObject({ refusal: { code: "too_many_pending_invocations", details: { limit: 10 } } });
  const busy = newSession();
  const fetched = await Promise.all(Array.from({ length: 62 }, () => stage.request({ sessionId: busy, action: "git.fetch" })));
  expect(fetched.filter((outcome) => outcome.ok)).toHaveLength(60);
  expect(fetched.at(-1)).toMatchObject({ refusal: { code: "invocation_rate_limited", details: { limit: 60 } } });
});

test("an approval for the session lets the next call on the same target through without a question", async () => {
  const { executors } = world();
  const stage = await start({ executors });
  const call = { sessionId: newSession(), target: { remote: "r", ref: "main" } };
  const first = ok(await stage.request(call));
  const found = await stage.approvals.view(ORGANIZATION, first.approvalId!);
  await stage.approvals.decide(
    { organizationId: ORGANIZATION, origin: { principal: { id: "usr_boss", type: "user" } }, approval: found! },
    { type: "approve", approvalId: first.approvalId as never, by: "usr_boss" as never, scope: "session", now: new Date().toISOString() },
  );
  const second = ok(await stage.request({ ...call, params: { other: true } }));
  expect(second).toMatchObject({ status: "approved", approvalId: first.approvalId, reasonCode: "approval_allows_action" });
  expect(await stage.end(second.invocationId)).toMatchObject({ status: "completed" });
  expect(ok(await stage.request({ ...call, target: { remote: "r", ref: "other" } })).status).toBe("pending");
});

test("what an executor throws leaves the outcome unknown, and looking it up settles it", async () => {
  const { done, executors } = world(async () => {
    throw new Error("connection reset");
  });
  const looked: string[] = [];
  const stage = await start({
    executeTimeoutMs: 200,
    executors: {
      "git.fetch": {
        ...executors["git.fetch"],
        reconcile: async (call) => (looked.push(call.invocationId), { outcome: "completed", result: { found: true } }),
      },
    },
  });
  const { invocationId } = ok(await stage.request({ action: "git.fetch" }));
  expect(await stage.end(invocationId)).toMatchObject({
    status: "unknown",
    error: { code: "outcome_unknown", message: "Error: connection reset" },
  });
  await expect.poll(async () => (await stage.actions.view(ORGANIZATION, invocationId))?.status, { timeout: 6000 }).toBe("completed");
  expect([done, looked]).toEqual([[invocationId], [invocationId]]);
});

test("an effect that hangs is cut at its time and counts as unknown, until a person says what became of it", async () => {
  const { executors } = world(() => new Promise(() => undefined));
  const stage = await start({ executors, executeTimeoutMs: 150 });
  const { invocationId } = ok(await stage.request({ action: "git.fetch" }));
  expect(await stage.end(invocationId)).toMatchObject({ status: "unknown" });
  const resolve = () =>
    stage.call("actions", "invocations.resolve", {
      params: { id: invocationId },
      body: { outcome: "failed", comment: "looked: not there" },
    });
  expect(await resolve()).toMatchObject({ status: "failed", error: { code: "resolved_as_failed", message: "looked: not there" } });
  expect(await resolve()).toMatchObject({ ok: false, refusal: { code: "invocation_not_unknown" } });
});

test("a known failure is a failure, and nothing is tried again", async () => {
  const { done, executors } = world(async () => ({ outcome: "failed", code: "rejected", message: "non-fast-forward" }));
  const stage = await start({ executors });
  const { invocationId } = ok(await stage.request({ action: "git.fetch" }));
  expect(await stage.end(invocationId)).toMatchObject({ status: "failed", error: { code: "rejected", message: "non-fast-forward" } });
  expect(done).toHaveLength(1);
});

test("a result is kept without secrets, and cut at 10 KB with the whole as a blob", async () => {
  const { executors } = world(async () => ({ outcome: "completed", result: { text: `hunter2 ${"x".repeat(20_000)}` } }));
  const stage = await start({ executors });
  const { invocationId } = ok(await stage.request({ action: "git.fetch" }));
  const view = await stage.end(invocationId);
  expect(view?.result).toMatchObject({ truncated: true, size_bytes: expect.any(Number), sha256: expect.stringMatching(/^sha256:/) });
  expect(JSON.stringify(view?.result).length).toBeLessThan(10_240);
  expect(JSON.stringify(view?.result)).toContain("[secret] xxx");
});

test("a call whose stored parameters are not those that were asked about is not executed", async () => {
  const { done, executors } = world();
  const stage = await start({ executors });
  // The log redacts what looks like a secret, so what it holds is no longer the approved call.
  const { invocationId } = ok(await stage.request({ action: "git.fetch", params: { token: `ghp_${"a1B2".repeat(9)}` } }));
  expect(await stage.end(invocationId)).toMatchObject({ status: "denied", reason_code: "call_altered" });
  expect(done).toEqual([]);
});

test("the kill switch denies what waits and what was approved but not begun, and stops new calls until it is released", async () => {
  const { done, executors } = world();
  const idle = await start({ works: false });
  const pending = ok(await idle.request());
  const approved = ok(await idle.request());
  await idle.decide(approved.approvalId!, "approve");
  await idle.setKillSwitch(true);
  const stage = await start({ executors });
  expect(await stage.end(pending.invocationId)).toMatchObject({ status: "denied", reason_code: "kill_switch_active" });
  expect(await stage.end(approved.invocationId)).toMatchObject({ status: "denied", reason_code: "kill_switch_active" });
  await expect.poll(async () => (await stage.approvals.view(ORGANIZATION, pending.approvalId!))?.status).toBe("denied");
  expect(await stage.request({ action: "git.fetch" })).toMatchObject({
    ok: false,
    refusal: { details: { reason_code: "kill_switch_active" } },
  });
  await stage.setKillSwitch(false);
  expect(await stage.end(ok(await stage.request({ action: "git.fetch" })).invocationId)).toMatchObject({ status: "completed" });
  expect(done).toHaveLength(1);
});

test("the forced switch denies at start what was waiting", async () => {
  const before = await start({ works: false });
  const { invocationId, approvalId } = ok(await before.request());
  const { done, executors } = world();
  const stage = await start({ executors, killSwitchForced: true });
  expect(await stage.end(invocationId)).toMatchObject({ status: "denied", reason_code: "kill_switch_active" });
  expect(await stage.approvals.view(ORGANIZATION, approvalId!)).toMatchObject({ status: "denied" });
  expect(await stage.request({ action: "git.fetch" })).toMatchObject({ ok: false });
  expect(done).toEqual([]);
});

test("waiting ends when the waiter gives up", async () => {
  const stage = await start({ works: false });
  const { invocationId } = ok(await stage.request());
  const controller = new AbortController();
  const waiting = stage.actions.waitForEnd(ORGANIZATION, invocationId, { signal: controller.signal, timeoutMs: 60_000 });
  controller.abort();
  await expect(waiting).rejects.toThrow();
  expect(await stage.actions.waitForEnd(ORGANIZATION, "act_unknown", { signal: AbortSignal.timeout(1000), timeoutMs: 1000 })).toBeNull();
});

test("after all of the above a rebuild from the log finds the same invocations", async () => {
  const client = await database.pool("sb_owner").connect();
  try {
    const sql = readFileSync(path.join(import.meta.dirname, "schema.sql"), "utf8");
    const report = await rebuild(client, { name: "actions", sql, projections: [invocationList] }, { swap: false });
    expect([report.events > 100, report.drift]).toEqual([true, []]);
  } finally {
    client.release();
  }
});

test("an approved call whose request was erased is not executed", async () => {
  const idle = await start({ works: false });
  const { invocationId } = ok(await idle.request({ action: "git.fetch" }));
  await idle.stop();
  stages.splice(stages.indexOf(idle), 1);
  const client = await database.pool("sb_log").connect();
  try {
    const target = await client.query<{ event_id: string; organization_id: string }>(
      "select event_id, organization_id from evt_events where subject = $1 and type = 'invocation.requested'",
      [`invocation:${invocationId}`],
    );
    const log = await database.log();
    const { events } = await log.unit(
      { organizationId: ORGANIZATION, origin: { principal: { id: "usr_boss", type: "user" } } },
      async (unit) => {
        await unit.decide(
          {
            initial: null,
            decide: (_s, event: { type: string; data: object }) => ({ ok: true as const, events: [event] }),
            evolve: () => null,
          },
          { type: "organization", id: ORGANIZATION },
          `event:${target.rows[0]!.event_id}`,
          { type: "event.redacted", data: { target_event_id: target.rows[0]!.event_id, reason: "asked", level: "full" } },
        );
      },
    );
    expect(
      (await client.query<{ done: boolean }>("select evt_erase($1, $2) as done", [target.rows[0]!.event_id, events[0]!.eventId])).rows[0]
        ?.done,
    ).toBe(true);
  } finally {
    client.release();
  }
  const { done, executors } = world();
  const stage = await start({ executors });
  expect(await stage.end(invocationId)).toMatchObject({ status: "denied", reason_code: "call_altered" });
  expect(done).toEqual([]);
});

test.each(Object.entries(HISTORY).filter(([status]) => status !== "none"))(
  "a history ending in %s lands as that, in one batch or many, and replaying it changes nothing",
  async (status, events) => {
    const organizationId = "ws_projection";
    const batch = recorded(events, { subjectId: ID, subjectKind: "invocation", organizationId });
    const project = (of: typeof batch) => database.transaction((tx) => invocationList.project(tx, of));
    const stored = () => database.rows("select * from proj_invocations where organization_id = $1", [organizationId]);
    await project(batch);
    const once = await stored();
    expect(once).toMatchObject([{ id: ID, status }]);
    await database.rows("delete from proj_invocations where organization_id = $1", [organizationId]);
    for (const one of batch) await project([one]);
    expect(await stored()).toEqual(once);
    await project(batch);
    expect(await stored()).toEqual(once);
    await database.rows("delete from proj_invocations where organization_id = $1", [organizationId]);
  },
);
