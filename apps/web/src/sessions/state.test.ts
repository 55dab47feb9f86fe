import { RunStatus } from "@signalbox/contract/runs";
import { SessionStatus, type SessionView } from "@signalbox/contract/sessions";
import { expect, test } from "vitest";
import type { LampState } from "@signalbox/ui/lamp";
import { detailOf, lampOf, stateWord } from "./state.ts";

const RUN = { id: "run_01J00000000000000000000001", status: RunStatus.enum.running, title: null } as SessionView["current_run"];
const session = (status: SessionView["status"], of: Partial<SessionView> = {}) => ({
  status,
  status_reason: null,
  latest_step: null,
  pending_approvals: 0,
  current_run: RUN,
  ...of,
});

/** No `Partial`: a new status fails to compile until it is said how it looks. */
const LOOKS: Record<SessionView["status"], [LampState, string]> = {
  creating: ["moving", "Starting"],
  running: ["moving", "Working"],
  waiting: ["wants", "Waiting for you"],
  pausing: ["moving", "Pausing"],
  paused: ["dark", "Paused"],
  resuming: ["moving", "Resuming"],
  migrating: ["moving", "Moving"],
  completed: ["clear", "Completed"],
  stopped: ["dark", "Stopped"],
  failed: ["danger", "Failed"],
};

test.each(SessionStatus.options)("a session that is %s has its own lamp and word", (status) => {
  expect([lampOf(session(status)), stateWord(session(status))]).toEqual(LOOKS[status]);
});

test("an open question lights the lamp whatever else goes on, until the session has ended", () => {
  for (const status of SessionStatus.options) {
    const asked = session(status, { pending_approvals: 1 });
    const ended = ["completed", "stopped", "failed"].includes(status);
    expect(lampOf(asked) === "wants").toBe(!ended);
    expect(stateWord(asked) === "Waiting for you").toBe(!ended);
  }
});

test("a session that nobody has told anything yet is not said to be starting", () => {
  const deferred = session("creating", { current_run: null });
  expect([lampOf(deferred), stateWord(deferred)]).toEqual(["dark", "Not started"]);
  const booting = session("creating", { current_run: null, status_reason: "Starting the sandbox and the agent." });
  expect([lampOf(booting), stateWord(booting)]).toEqual(["moving", "Starting"]);
});

test("an agent with nothing to do is ready, not working", () => {
  const idle = session("running", { current_run: null });
  expect([lampOf(idle), stateWord(idle)]).toEqual(["dark", "Ready"]);
});

test("while it works the step is told, otherwise the reason, and nothing twice", () => {
  expect(detailOf(session("running", { latest_step: "npm test", status_reason: "why" }))).toBe("npm test");
  expect(detailOf(session("failed", { latest_step: "npm test", status_reason: "why" }))).toBe("why");
  expect(detailOf(session("stopped", { status_reason: "Stopped." }))).toBeNull();
});
