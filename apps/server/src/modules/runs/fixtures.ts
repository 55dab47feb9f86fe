import type { RunEvent } from "@signalbox/contract/events/runs";
import { PrincipalId, RunId, StepId, ToolCallId } from "@signalbox/contract/primitives";
import { claimTokenHash } from "./lease.ts";
import { PLATFORM, type ClaimRun, type Writer } from "./run-command.ts";
import { run, type Run, type RunCommand } from "./run.ts";

export const NOON = "2030-01-01T12:00:00.000Z";
export const LEASE_END = "2030-01-01T12:00:30.000Z";
export const LAPSED = "2030-01-01T12:00:30.001Z";
export const RUN = RunId.parse("run_01J00000000000000000000001");
export const STEP = StepId.parse("step_01J00000000000000000000001");
export const CALL = ToolCallId.parse("tc_01J00000000000000000000001");
export const ENGINE = PrincipalId.parse("svc_engine");
export const PERSON = PrincipalId.parse("usr_person");
export const OTHER = PrincipalId.parse("usr_other");
export const TOKEN_1 = claimTokenHash("first");
export const TOKEN_2 = claimTokenHash("second");

export const claim = (epoch = 1, more: Partial<ClaimRun> = {}): RunCommand => ({
  type: "claim",
  runId: RUN,
  by: ENGINE,
  tokenHash: epoch === 1 ? TOKEN_1 : TOKEN_2,
  epoch,
  leaseExpiresAt: LEASE_END,
  lease: null,
  now: NOON,
  ...more,
});
/** The engine that claimed with that epoch, its lease live. */
export const engine = (epoch = 1, more: { tokenHash?: string; lease?: { epoch: number; expiresAt: string } | null } = {}): Writer => ({
  type: "engine",
  tokenHash: epoch === 1 ? TOKEN_1 : TOKEN_2,
  epoch,
  lease: { epoch, expiresAt: LEASE_END },
  ...more,
});
export const create = (kind: "task" | "turn" = "task", maxAttempts = 3): RunCommand => ({
  type: "create",
  runId: RUN,
  kind,
  requestedBy: PERSON,
  maxAttempts,
  title: "Fix it",
});

const by = (writer: Writer, now = NOON) => ({ runId: RUN, writer, now });
export const start = (writer: Writer = engine()): RunCommand => ({ type: "start", ...by(writer) });
export const complete = (writer: Writer = engine(), now = NOON): RunCommand => ({ type: "complete", ...by(writer, now), summary: "done" });
export const fail = (writer: Writer = engine()): RunCommand => ({ type: "fail", ...by(writer), code: "broken", message: "it broke" });

export const COMMAND: Record<RunCommand["type"], RunCommand> = {
  create: create(),
  claim: claim(2),
  release: { type: "release", ...by(engine()) },
  start: start(),
  complete: complete(),
  fail: fail(),
  need_human: { type: "need_human", ...by(engine()), reason: "a question" },
  time_out: { type: "time_out", ...by(engine()), afterMs: 1000 },
  create_step: { type: "create_step", ...by(engine()), stepId: STEP, kind: "model" },
  think: { type: "think", ...by(engine()), stepId: STEP, text: "hm" },
  plan: { type: "plan", ...by(engine()), stepId: STEP, entries: [] },
  invoke_tool: { type: "invoke_tool", ...by(engine()), toolCallId: CALL, stepId: STEP, name: "bash", arguments: { command: "ls" } },
  succeed_tool: { type: "succeed_tool", ...by(engine()), toolCallId: CALL, durationMs: 5, output: "ok" },
  fail_tool: { type: "fail_tool", ...by(engine()), toolCallId: CALL, durationMs: 5, error: "no" },
  create_artifact: {
    type: "create_artifact",
    ...by(engine()),
    artifact: {
      artifactId: "art_01J00000000000000000000001" as never,
      kind: "text",
      name: "a",
      mediaType: "text/plain",
      sizeBytes: 1,
      text: "x",
    },
  },
  exhaust: { type: "exhaust", runId: RUN, lease: null, now: NOON },
  cancel: { type: "cancel", runId: RUN, by: PERSON },
  edit: { type: "edit", runId: RUN, title: "another", by: PERSON },
  move: { type: "move", runId: RUN, sessionId: "ses_01J00000000000000000000001" as never, beforeRunId: null, by: PERSON },
  withdraw: { type: "withdraw", runId: RUN, by: PERSON },
  skip: { type: "skip", runId: RUN, reason: "filtered" },
  resolve: { type: "resolve", runId: RUN, outcome: "succeeded", by: PERSON },
  assign: { type: "assign", runId: RUN, assignee: PERSON, by: PERSON },
  unassign: { type: "unassign", runId: RUN, by: PERSON },
};

/** What the log would hold after these commands, each of which must be accepted. */
export function history(...commands: RunCommand[]): RunEvent[] {
  const events: RunEvent[] = [];
  for (const command of commands) {
    const decision = run.decide(foldRun(events), command);
    if (!decision.ok) throw new Error(`${command.type} was refused: ${decision.refusal.code}`);
    events.push(...decision.events);
  }
  return events;
}
export const foldRun = (events: readonly RunEvent[]): Run => events.reduce((state, event) => run.evolve(state, event), run.initial);

/** The shortest real history that reaches each state; states are never built by hand. */
export const HISTORY: Record<Run["status"], RunEvent[]> = {
  none: [],
  queued: history(create()),
  claimed: history(create(), claim()),
  running: history(create(), claim(), start(), COMMAND.create_step, COMMAND.invoke_tool),
  succeeded: history(create(), claim(), start(), complete()),
  failed: history(create(), claim(), start(), fail()),
  needs_human: history(create(), claim(), start(), COMMAND.need_human),
  timed_out: history(create(), claim(), start(), COMMAND.time_out),
  canceled: history(create(), COMMAND.cancel),
  skipped: history(create(), COMMAND.skip),
};
export const TURN = { queued: history(create("turn", 1)), running: history(create("turn", 1), start(PLATFORM)) };
