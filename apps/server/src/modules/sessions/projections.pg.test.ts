import type { SessionEvent } from "@signalbox/contract/events/sessions";
import type { DomainEvent, Recorded } from "@signalbox/eventlog/log";
import { databaseTest } from "@signalbox/testkit/database";
import { recorded } from "@signalbox/testkit/events";
import { expect, test } from "vitest";
import { AGENT, HISTORY, PERSON, ROOM, SESSION, THREAD } from "./fixtures.ts";
import { itemsProjection } from "./items.projection.ts";
import { sessionsProjection } from "./sessions.projection.ts";
import { turnsProjection } from "./turns.projection.ts";

const db = databaseTest();
const PROJECTIONS = [turnsProjection, itemsProjection, sessionsProjection];
const RUN = `run_${SESSION.slice(4)}`;
const [MESSAGE, ANSWER, STEP, CALL, APPROVAL] = ["msg_1", "msg_2", "step_1", "tc_1", "appr_1"];

/** One room's history as the log would deliver it: seq over all, versions per subject. */
function history(
  entries: readonly { subject: string; event: DomainEvent; by?: string; session?: boolean; stream?: "room" | "ledger" }[],
): Recorded[] {
  const versions = new Map<string, number>();
  return entries.map(({ subject, event, by = PERSON, session = true, stream = "room" }, i) => {
    const [kind = "", id = ""] = subject.split(":");
    const version = (versions.get(subject) ?? 0) + 1;
    versions.set(subject, version);
    const [one] = recorded([event], {
      subjectId: id,
      subjectKind: kind,
      after: version - 1,
      stream: { type: stream, id: stream === "room" ? ROOM : "ws_dev" },
    });
    return {
      ...one!,
      seq: i + 1,
      principal: { id: by, type: by === AGENT ? "agent" : "user" },
      ...(session ? { sessionId: SESSION } : {}),
    };
  });
}
const run = (type: string, data: object = {}): { subject: string; event: DomainEvent } => ({
  subject: `run:${RUN}`,
  event: { type, data: { run_id: RUN, ...data } },
});
const message = (id: string, content_md: string): DomainEvent => ({
  type: "message.created",
  data: { message_id: id, thread_id: THREAD, room_id: ROOM, content_md },
});

const TURN = history([
  ...HISTORY.running.map((event) => ({ subject: `session:${SESSION}`, event })),
  { subject: `message:${MESSAGE}`, event: message(MESSAGE, "Mend it") },
  run("run.created", {
    kind: "turn",
    requested_by: PERSON,
    max_attempts: 1,
    title: "Mend it",
    input: { message_id: MESSAGE },
    session_id: SESSION,
  }),
  run("run.started", { epoch: 0 }),
  run("step.created", { step_id: STEP, kind: "model" }),
  run("tool.invoked", { tool_call_id: CALL, step_id: STEP, name: "bash", title: "Run the tests", arguments: { command: "npm test" } }),
  // As the approvals module records a verdict: without naming the session.
  {
    subject: `approval:${APPROVAL}`,
    event: { type: "approval.requested", data: { approval_id: APPROVAL, session_id: SESSION, title: "Push" } },
  },
  { subject: `approval:${APPROVAL}`, event: { type: "approval.approved", data: { approval_id: APPROVAL } }, session: false },
  run("tool.succeeded", { tool_call_id: CALL, step_id: STEP, output: "ok", duration_ms: 5 }),
  { subject: `message:${ANSWER}`, event: message(ANSWER, "Done"), by: AGENT },
  { subject: "budget:x", event: { type: "ledger.settled", data: { session_id: SESSION, cost_micro_usd: 42 } }, stream: "ledger" },
  { ...run("run.completed", { summary: "Done" }), session: false },
]);

const tables = async () => ({
  sessions: await db.rows(`select * from proj_sessions`),
  turns: await db.rows(`select * from proj_session_turns`),
  items: await db.rows(`select * from proj_session_items order by seq`),
});
const project = (batch: readonly Recorded[]) =>
  db.transaction(async (tx) => {
    for (const { types, project } of PROJECTIONS) {
      const mine = batch.filter((r) => (types as readonly string[]).includes(r.event.type));
      if (mine.length > 0) await project(tx, mine as never);
    }
  });

test("a turn lands as one row, one turn and its items, in one batch or many, and replaying it changes nothing", async () => {
  await project(TURN);
  const once = await tables();
  expect(once.sessions).toMatchObject([
    { status: "running", current_run_id: null, latest_step: "Run the tests", pending_approvals: 0, tool_calls: 1, messages: 2, cost: "42" },
  ]);
  expect(once.turns).toMatchObject([{ run_id: RUN, status: "succeeded", message_id: MESSAGE }]);
  expect(once.items.map((i) => i["type"])).toEqual(["message", "tool_call", "approval", "message", "run_ended"]);
  expect(JSON.parse(once.items[1]!["outcome"] as string)).toMatchObject({ status: "succeeded", output: "ok" });
  await db.rows(`truncate proj_sessions, proj_session_turns, proj_session_items`);
  for (const one of TURN) await project([one]);
  expect(await tables()).toEqual(once);
  await project(TURN);
  await project(TURN.slice(3));
  expect(await tables()).toEqual(once);
});

test.each(Object.entries(HISTORY).filter(([status]) => status !== "none"))(
  "a history ending in %s is listed as that",
  async (status, events: SessionEvent[]) => {
    await db.rows(`truncate proj_sessions, proj_session_turns, proj_session_items`);
    await project(history(events.map((event) => ({ subject: `session:${SESSION}`, event }))));
    expect(await db.rows(`select status from proj_sessions`)).toEqual([{ status }]);
  },
);

test("what happens in a room that no session has is no conversation", async () => {
  await db.rows(`truncate proj_sessions, proj_session_turns, proj_session_items`);
  await project(history([{ subject: "message:msg_9", event: message("msg_9", "hello"), session: false }]));
  expect((await tables()).items).toEqual([]);
});

test("erasing any one event leaves what making the tables again without its payload leaves", async () => {
  const clear = () => db.rows(`truncate proj_sessions, proj_session_turns, proj_session_items`);
  const all = [...TURN];
  for (const [i, target] of TURN.entries()) {
    // Sandbox and epoch of a boot stay in the live row: they are no words of anybody.
    if (target.event.type === "session.starting" || target.event.type === "session.started" || target.event.type === "ledger.settled")
      continue;
    const [redacted] = history([
      {
        subject: "event:x",
        event: { type: "event.redacted", data: { target_event_id: target.eventId, reason: "r", level: "full" } },
        session: false,
      },
    ]);
    const after = { ...redacted!, seq: TURN.length + 1 };
    await clear();
    await project(all);
    await project([after]);
    const live = await tables();
    await clear();
    await project([...all.with(i, { ...target, event: { type: target.event.type, data: {} }, redaction: "full" }), after]);
    expect(await tables(), target.event.type).toEqual(live);
  }
});
