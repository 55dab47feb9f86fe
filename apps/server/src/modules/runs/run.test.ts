import { expect, test } from "vitest";
import {
  claim,
  COMMAND,
  complete,
  create,
  engine,
  fail,
  foldRun,
  history,
  HISTORY,
  LAPSED,
  LEASE_END,
  NOON,
  OTHER,
  PERSON,
  RUN,
  start,
  TOKEN_1,
  TOKEN_2,
  TURN,
} from "./fixtures.ts";
import { PLATFORM } from "./run-command.ts";
import { run, type Run, type RunCommand, type RunRefusal } from "./run.ts";

type Outcome = Run["status"] | RunRefusal["code"];
type Row = Record<RunCommand["type"], Outcome>;

const notFound: Row = {
  create: "queued",
  claim: "run_not_found",
  release: "run_not_found",
  start: "run_not_found",
  complete: "run_not_found",
  fail: "run_not_found",
  need_human: "run_not_found",
  time_out: "run_not_found",
  create_step: "run_not_found",
  think: "run_not_found",
  plan: "run_not_found",
  invoke_tool: "run_not_found",
  succeed_tool: "run_not_found",
  fail_tool: "run_not_found",
  create_artifact: "run_not_found",
  exhaust: "run_not_found",
  cancel: "run_not_found",
  edit: "run_not_found",
  move: "run_not_found",
  withdraw: "run_not_found",
  skip: "run_not_found",
  resolve: "run_not_found",
  assign: "run_not_found",
  unassign: "run_not_found",
};
const ended = (stays: Run["status"]): Row => ({
  create: stays,
  claim: "run_already_ended",
  release: "run_already_ended",
  start: "run_already_ended",
  complete: "run_already_ended",
  fail: "run_already_ended",
  need_human: "run_already_ended",
  time_out: "run_already_ended",
  create_step: "run_already_ended",
  think: "run_already_ended",
  plan: "run_already_ended",
  invoke_tool: "run_already_ended",
  succeed_tool: "run_already_ended",
  fail_tool: "run_already_ended",
  create_artifact: "run_already_ended",
  exhaust: stays,
  cancel: "run_already_ended",
  edit: "run_not_queued",
  move: "run_not_queued",
  withdraw: "run_not_queued",
  skip: "run_already_ended",
  resolve: "run_not_resolvable",
  assign: stays,
  unassign: stays,
});

/** The whole machine, as the engine of the first claim sees it. No `Partial`: a new state or command fails to compile until it is decided here. */
const MACHINE: Record<Run["status"], Row> = {
  none: notFound,
  // Nobody has claimed: an engine's writes come from nowhere.
  queued: {
    create: "queued",
    claim: "claimed",
    release: "lease_token_mismatch",
    start: "lease_token_mismatch",
    complete: "lease_token_mismatch",
    fail: "lease_token_mismatch",
    need_human: "lease_token_mismatch",
    time_out: "lease_token_mismatch",
    create_step: "lease_token_mismatch",
    think: "lease_token_mismatch",
    plan: "lease_token_mismatch",
    invoke_tool: "lease_token_mismatch",
    succeed_tool: "lease_token_mismatch",
    fail_tool: "lease_token_mismatch",
    create_artifact: "lease_token_mismatch",
    exhaust: "queued",
    edit: "queued",
    move: "queued",
    withdraw: "canceled",
    cancel: "canceled",
    skip: "skipped",
    resolve: "run_not_resolvable",
    assign: "queued",
    unassign: "queued",
  },
  claimed: {
    create: "claimed",
    claim: "claimed",
    release: "queued",
    start: "running",
    complete: "run_not_running",
    fail: "failed",
    need_human: "needs_human",
    time_out: "timed_out",
    create_step: "run_not_running",
    think: "run_not_running",
    plan: "run_not_running",
    invoke_tool: "run_not_running",
    succeed_tool: "run_not_running",
    fail_tool: "run_not_running",
    create_artifact: "run_not_running",
    exhaust: "claimed",
    edit: "run_not_queued",
    move: "run_not_queued",
    withdraw: "run_not_queued",
    cancel: "canceled",
    skip: "run_not_queued",
    resolve: "run_not_resolvable",
    assign: "claimed",
    unassign: "claimed",
  },
  // COMMAND.claim presents no live lease: the first engine's is over, so it is reclaimed.
  running: {
    create: "running",
    claim: "claimed",
    release: "queued",
    start: "running",
    complete: "succeeded",
    fail: "failed",
    need_human: "needs_human",
    time_out: "timed_out",
    create_step: "running",
    think: "running",
    plan: "running",
    invoke_tool: "running",
    succeed_tool: "running",
    fail_tool: "running",
    create_artifact: "running",
    exhaust: "running",
    edit: "run_not_queued",
    move: "run_not_queued",
    withdraw: "run_not_queued",
    cancel: "canceled",
    skip: "run_not_queued",
    resolve: "run_not_resolvable",
    assign: "running",
    unassign: "running",
  },
  succeeded: ended("succeeded"),
  failed: { ...ended("failed"), resolve: "succeeded" },
  needs_human: { ...ended("needs_human"), resolve: "succeeded" },
  timed_out: { ...ended("timed_out"), resolve: "succeeded" },
  canceled: ended("canceled"),
  skipped: ended("skipped"),
};

for (const [from, row] of Object.entries(MACHINE) as [Run["status"], Row][]) {
  for (const [type, expected] of Object.entries(row) as [RunCommand["type"], Outcome][]) {
    test(`${from} + ${type} -> ${expected}`, () => {
      const state = foldRun(HISTORY[from]);
      const decision = run.decide(state, COMMAND[type]);
      expect(decision.ok ? decision.events.reduce((s, event) => run.evolve(s, event), state).status : decision.refusal.code).toBe(expected);
    });
  }
}

const decide = (events: Parameters<typeof foldRun>[0], command: RunCommand) => run.decide(foldRun(events), command);
const outcome = (events: Parameters<typeof foldRun>[0], command: RunCommand) => {
  const decision = decide(events, command);
  return { code: decision.ok ? null : decision.refusal.code, events: (decision.events ?? []).map((event) => event.type) };
};

test("a live lease keeps others from claiming", () => {
  expect(outcome(HISTORY.running, claim(2, { lease: { epoch: 1, expiresAt: LEASE_END } }))).toEqual({ code: "run_not_queued", events: [] });
});

test("a lease that ran out is reclaimed by the next engine, under a new epoch and the next attempt", () => {
  const decision = decide(HISTORY.running, claim(2, { lease: { epoch: 1, expiresAt: LEASE_END }, now: LAPSED }));
  expect(decision.ok && decision.events[0]?.data).toMatchObject({ attempt_no: 2, epoch: 2, reclaimed: true, claim_token_hash: TOKEN_2 });
});

test("turns and automations are never offered to engines", () => {
  expect(outcome(TURN.queued, claim())).toEqual({ code: "run_not_queued", events: [] });
  expect(outcome(TURN.running, claim())).toEqual({ code: "run_not_queued", events: [] });
});

test("the platform runs a turn without a claim; an engine cannot write on it", () => {
  expect(outcome(TURN.queued, start(PLATFORM))).toEqual({ code: null, events: ["run.started"] });
  expect(outcome(TURN.running, complete(PLATFORM))).toEqual({ code: null, events: ["run.completed"] });
  expect(outcome(TURN.running, complete(engine()))).toEqual({ code: "lease_token_mismatch", events: [] });
});

test("the platform cannot do an engine's work on a task, but it can end one that takes too long", () => {
  expect(outcome(HISTORY.running, complete(PLATFORM)).code).toBe("lease_token_mismatch");
  expect(
    outcome(HISTORY.running, { type: "time_out", runId: RUN, writer: { type: "platform", overridesLease: true }, afterMs: 5, now: NOON }),
  ).toEqual({ code: null, events: ["run.timed_out"] });
});

test.each([
  ["an expired lease", engine(1, { lease: { epoch: 1, expiresAt: LEASE_END } }), LAPSED, "lease_expired"],
  ["a lease that somebody is taking right now", engine(1, { lease: { epoch: 2, expiresAt: LAPSED } }), NOON, "lease_expired"],
  ["no lease at all", engine(1, { lease: null }), NOON, "lease_expired"],
  ["another token", engine(1, { tokenHash: TOKEN_2 }), NOON, "lease_token_mismatch"],
  ["an epoch that never was", engine(7, { tokenHash: TOKEN_1 }), NOON, "lease_token_mismatch"],
] as const)("a write under %s is refused", (_what, writer, now, code) => {
  for (const type of ["start", "release", "create_step", "invoke_tool", "succeed_tool", "complete", "fail"] as const) {
    const command = { ...COMMAND[type], writer, now } as RunCommand;
    const decision = decide(HISTORY.running, command);
    expect(decision.ok ? "accepted" : decision.refusal.code, type).toBe(code);
  }
});

test("the result of an engine that lost its run to another is refused, kept as evidence, and changes nothing", () => {
  const reclaimed = [...HISTORY.running, ...history(create(), claim(), claim(2)).slice(-1)];
  const decision = decide(reclaimed, complete(engine(1)));
  expect(decision).toMatchObject({
    ok: false,
    refusal: { code: "lease_expired" },
    events: [{ type: "run.late_result", data: { epoch: 1, attempted: "complete", summary: "done" } }],
  });
  const after = [...reclaimed, ...(decision.events ?? [])];
  expect(foldRun(after)).toEqual(foldRun(reclaimed));
});

test("a result after the end is kept as evidence; a forged one is not", () => {
  expect(outcome(HISTORY.failed, complete(engine(1)))).toEqual({ code: "run_already_ended", events: ["run.late_result"] });
  expect(outcome(HISTORY.canceled, complete(engine(1)))).toEqual({ code: "run_already_ended", events: [] });
  expect(outcome(HISTORY.failed, complete(engine(1, { tokenHash: TOKEN_2 })))).toEqual({ code: "run_already_ended", events: [] });
  // ✗ completeRun overwrote any status.
  expect(foldRun([...HISTORY.failed, ...(decide(HISTORY.failed, complete(engine(1))).events ?? [])]).status).toBe("failed");
});

test("when every attempt is used up the next claim fails the run instead", () => {
  const lost = history(create("task", 1), claim());
  expect(outcome(lost, claim(2))).toEqual({ code: "attempts_exhausted", events: ["run.failed"] });
  expect(outcome(lost, COMMAND.exhaust)).toEqual({ code: null, events: ["run.failed"] });
  expect(outcome(lost, { type: "exhaust", runId: RUN, lease: { epoch: 1, expiresAt: LEASE_END }, now: NOON })).toEqual({
    code: null,
    events: [],
  });
});

test("giving back the last attempt fails the run: nobody could claim it any more", () => {
  expect(outcome(history(create("task", 1), claim()), COMMAND.release)).toEqual({ code: null, events: ["run.released", "run.failed"] });
  expect(outcome(history(create("task", 2), claim()), COMMAND.release)).toEqual({ code: null, events: ["run.released"] });
});

test("a person resolves a run once", () => {
  const resolved = [
    ...HISTORY.needs_human,
    ...history0(HISTORY.needs_human, { type: "resolve", runId: RUN, outcome: "failed", by: PERSON }),
  ];
  expect(foldRun(resolved)).toMatchObject({ status: "failed", isResolved: true });
  expect(outcome(resolved, COMMAND.resolve)).toEqual({ code: "run_not_resolvable", events: [] });
});

test("of two people who take a run one wins, and the other is told who", () => {
  const assigned = [...HISTORY.failed, ...history0(HISTORY.failed, COMMAND.assign)];
  expect(decide(assigned, { type: "assign", runId: RUN, assignee: OTHER, by: OTHER })).toMatchObject({
    ok: false,
    refusal: { code: "run_already_assigned", details: { assignee: PERSON } },
  });
  expect(outcome(assigned, COMMAND.assign)).toEqual({ code: null, events: [] });
  expect(outcome(assigned, COMMAND.unassign)).toEqual({ code: null, events: ["run.unassigned"] });
});

test("a tool call ends once, and only in a step of its run", () => {
  const ended = [...HISTORY.running, ...history0(HISTORY.running, COMMAND.succeed_tool)];
  expect(outcome(ended, COMMAND.fail_tool)).toEqual({ code: "toolcall_already_ended", events: [] });
  expect(outcome(history(create(), claim(), start()), COMMAND.invoke_tool)).toEqual({ code: "step_not_found", events: [] });
});

test("an outcome with an artifact records the artifact first", () => {
  const artifact = (COMMAND.create_artifact as Extract<RunCommand, { type: "create_artifact" }>).artifact;
  expect(
    outcome(HISTORY.running, {
      ...(COMMAND.succeed_tool as Extract<RunCommand, { type: "succeed_tool" }>),
      artifact,
      outputTruncated: true,
    }).events,
  ).toEqual(["artifact.created", "tool.succeeded"]);
});

test("a turn whose sandbox never came up can fail from the queue", () => {
  expect(outcome(TURN.queued, fail(PLATFORM))).toEqual({ code: null, events: ["run.failed"] });
});

function history0(before: Parameters<typeof foldRun>[0], command: RunCommand) {
  const decision = decide(before, command);
  if (!decision.ok) throw new Error(`${command.type} was refused: ${decision.refusal.code}`);
  return decision.events;
}
