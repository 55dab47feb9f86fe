import type { SessionEvent } from "@signalbox/contract/events/sessions";
import { expect, test } from "vitest";
import { COMMAND, HISTORY, stateOf } from "./fixtures.ts";
import { session, type Session, type SessionCommand, type SessionRefusal } from "./session.ts";

type Outcome = Session["status"] | SessionRefusal["code"];
type Row = Record<SessionCommand["type"], Outcome>;

const row = (
  stays: Session["status"],
  rest: Omit<Row, "create" | "rename" | "archive" | "unarchive" | "continue" | "change_model" | "delete"> & {
    archive: Outcome;
    continue?: Outcome;
    change_model?: Outcome;
    delete?: Outcome;
  },
): Row => ({
  create: stays,
  change_model: stays,
  delete: stays,
  rename: stays,
  unarchive: stays,
  continue: stays,
  ...rest,
});
const ended = (stays: "stopped" | "failed" | "completed"): Row =>
  row(stays, {
    boot: "session_ended",
    ready: "session_ended",
    wait: stays,
    pause: "session_ended",
    resume: stays === "completed" ? "session_not_resumable" : "resuming",
    stop: "session_ended",
    complete: "session_ended",
    fail: "session_ended",
    archive: stays,
    change_model: "session_ended",
    record_changes: "session_ended",
    record_commit: "session_ended",
  });
const ends = { stop: "stopped", complete: "completed", fail: "failed", archive: "session_not_ended", delete: "session_not_ended" } as const;

/** The whole machine. No `Partial`: a new state or command fails to compile until it is decided here. */
const MACHINE: Record<Session["status"], Row> = {
  none: {
    create: "creating",
    boot: "session_not_found",
    ready: "session_not_found",
    wait: "session_not_found",
    continue: "session_not_found",
    pause: "session_not_found",
    resume: "session_not_found",
    stop: "session_not_found",
    complete: "session_not_found",
    fail: "session_not_found",
    rename: "session_not_found",
    archive: "session_not_found",
    unarchive: "session_not_found",
    change_model: "session_not_found",
    delete: "session_not_found",
    record_changes: "session_not_found",
    record_commit: "session_not_found",
  },
  creating: row("creating", {
    ...ends,
    boot: "creating",
    ready: "running",
    wait: "creating",
    pause: "paused",
    resume: "creating",
    record_changes: "creating",
    record_commit: "creating",
  }),
  running: row("running", {
    ...ends,
    boot: "resuming",
    ready: "running",
    wait: "waiting",
    pause: "paused",
    resume: "running",
    record_changes: "running",
    record_commit: "running",
  }),
  waiting: row("waiting", {
    ...ends,
    boot: "resuming",
    ready: "waiting",
    wait: "waiting",
    continue: "running",
    pause: "paused",
    resume: "waiting",
    record_changes: "waiting",
    record_commit: "waiting",
  }),
  paused: row("paused", {
    ...ends,
    boot: "session_not_live",
    ready: "session_not_live",
    wait: "paused",
    pause: "paused",
    resume: "resuming",
    record_changes: "paused",
    record_commit: "paused",
  }),
  resuming: row("resuming", {
    ...ends,
    boot: "resuming",
    ready: "running",
    wait: "resuming",
    pause: "paused",
    resume: "resuming",
    record_changes: "resuming",
    record_commit: "resuming",
  }),
  completed: ended("completed"),
  stopped: ended("stopped"),
  failed: ended("failed"),
};

const run = (state: Session, command: SessionCommand) => {
  const decision = session.decide(state, command);
  return decision.ok ? decision.events.reduce(session.evolve, state) : decision.refusal.code;
};

for (const [from, cells] of Object.entries(MACHINE) as [Session["status"], Row][]) {
  for (const [type, expected] of Object.entries(cells) as [SessionCommand["type"], Outcome][]) {
    test(`${from} + ${type} -> ${expected}`, () => {
      const outcome = run(stateOf(from), COMMAND[type]);
      expect(typeof outcome === "string" ? outcome : outcome.status).toBe(expected);
    });
  }
}

test("a hub that was overtaken can neither boot nor report ready", () => {
  const booting = run(stateOf("resuming"), { ...COMMAND.boot, epoch: 7 }) as Session;
  expect(run(booting, { ...COMMAND.boot, epoch: 6 })).toBe("session_epoch_passed");
  expect(run(booting, { ...COMMAND.ready, epoch: 6 })).toBe("session_epoch_passed");
});

test("an archived session stays archived until it is brought back: it cannot be resumed, archiving again changes nothing", () => {
  const archived = run(stateOf("stopped"), COMMAND.archive) as Session;
  const back = run(archived, COMMAND.unarchive) as Session;
  expect(back).toEqual(stateOf("stopped"));
  expect(run(back, COMMAND.resume)).toMatchObject({ status: "resuming" });
  expect(session.decide(back, COMMAND.unarchive)).toEqual({ ok: true, events: [] });
  expect(run(archived, COMMAND.resume)).toBe("session_not_resumable");
  expect(session.decide(archived, COMMAND.archive)).toEqual({ ok: true, events: [] });
});

test("an unchanged tree and an unmoved head are recorded once", () => {
  const changed = run(stateOf("running"), COMMAND.record_changes) as Session;
  expect(session.decide(changed, COMMAND.record_changes)).toEqual({ ok: true, events: [] });
  const committed = run(changed, COMMAND.record_commit) as Session;
  expect(session.decide(committed, COMMAND.record_commit)).toEqual({ ok: true, events: [] });
  expect(session.decide(stateOf("running"), { type: "record_changes", files: [] })).toEqual({ ok: true, events: [] });
});

test("the commit it began with is no commit of the agent", () => {
  expect(session.decide(stateOf("running"), { ...COMMAND.record_commit, commit: "a".repeat(40) })).toEqual({ ok: true, events: [] });
});

test("a second boot of the agent keeps the conversation and the base of the first", () => {
  const again = run(run(stateOf("running"), COMMAND.boot) as Session, { ...COMMAND.ready, agentSessionId: "s2" }) as Session;
  expect(again).toMatchObject({ status: "running", epoch: 2, baseCommit: "a".repeat(40), agentSessionId: "s2" });
});

test("a history whose payloads were erased folds; without its creation the session takes nothing any more", () => {
  const erased = (events: readonly SessionEvent[]) => events.map((e) => ({ type: e.type, data: {} }) as SessionEvent);
  const [created, ...rest] = HISTORY.waiting;
  expect([created!, ...erased(rest)].reduce(session.evolve, session.initial)).toMatchObject({ status: "waiting", epoch: 0 });
  const gone = erased(HISTORY.running).reduce(session.evolve, session.initial);
  for (const type of ["boot", "resume", "stop", "ready", "fail"] as const) expect(session.decide(gone, COMMAND[type]).ok, type).toBe(false);
});

test("a session that was deleted is not found by anything, and stays deleted", () => {
  const deleted = run(stateOf("stopped"), COMMAND.delete) as Session;
  for (const command of Object.values(COMMAND)) {
    const decision = session.decide(deleted, command);
    if (command.type === "create") expect(decision).toEqual({ ok: true, events: [] });
    else expect(decision, command.type).toMatchObject({ ok: false, refusal: { code: "session_not_found" } });
  }
});

test("another model holds from the change on and is remembered with those before; the same one changes nothing", () => {
  const changed = run(stateOf("running"), COMMAND.change_model) as Exclude<Session, { status: "none" }>;
  expect([changed.model, changed.models]).toEqual(["another", ["demo", "another"]]);
  expect(session.decide(changed, COMMAND.change_model)).toEqual({ ok: true, events: [] });
});
