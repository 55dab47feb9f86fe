/*
 * What happens inside a running run: steps, tool calls, artifacts. The caller (`run.ts`) has
 * already established that the run is running and that this writer may write.
 *
 * A tool call is `invoked` until its one outcome. Only the open ones are remembered: a call that
 * is not among them has ended, and its id was checked against the projection before.
 */
import type { RunEvent } from "@signalbox/contract/events/runs";
import type { StepId } from "@signalbox/contract/primitives";
import { accept, refuse, unreachable } from "@signalbox/kernel/decider";
import type { NewArtifact, RecordCommand, RunDecision } from "./run-command.ts";

export interface Recording {
  readonly steps: readonly string[];
  /** Step by open tool call. */
  readonly openCalls: Readonly<Record<string, StepId>>;
}

export const NOTHING_RECORDED: Recording = { steps: [], openCalls: {} };

type RecordEvent = Extract<RunEvent, { type: `step.${string}` | `tool.${string}` | "artifact.created" }>;

export function decideRecord(recording: Recording, command: RecordCommand): RunDecision {
  const { runId: run_id } = command;
  switch (command.type) {
    case "create_step":
      if (recording.steps.includes(command.stepId)) return accept();
      return accept({
        type: "step.created",
        data: {
          step_id: command.stepId,
          run_id,
          kind: command.kind,
          ...(command.title === undefined ? {} : { title: command.title }),
          ...(command.input === undefined ? {} : { input: command.input }),
        },
      });
    case "think":
      if (!recording.steps.includes(command.stepId)) return refuse({ code: "step_not_found" });
      return accept({ type: "step.thought", data: { step_id: command.stepId, run_id, text: command.text } });
    case "plan":
      if (!recording.steps.includes(command.stepId)) return refuse({ code: "step_not_found" });
      return accept({ type: "step.plan_updated", data: { step_id: command.stepId, run_id, entries: command.entries } });
    case "invoke_tool":
      if (!recording.steps.includes(command.stepId)) return refuse({ code: "step_not_found" });
      if (command.toolCallId in recording.openCalls) return accept();
      return accept({
        type: "tool.invoked",
        data: {
          tool_call_id: command.toolCallId,
          step_id: command.stepId,
          run_id,
          name: command.name,
          ...(command.title === undefined ? {} : { title: command.title }),
          arguments: command.arguments,
        },
      });
    case "succeed_tool":
    case "fail_tool":
      return decideOutcome(recording, command);
    case "create_artifact":
      if (command.stepId !== undefined && !recording.steps.includes(command.stepId)) return refuse({ code: "step_not_found" });
      return accept(artifactCreated(command, command.stepId, command.artifact));
    default:
      return unreachable(command);
  }
}

function decideOutcome(recording: Recording, command: Extract<RecordCommand, { type: "succeed_tool" | "fail_tool" }>): RunDecision {
  const stepId = recording.openCalls[command.toolCallId];
  if (stepId === undefined) return refuse({ code: "toolcall_already_ended" });
  const shared = {
    tool_call_id: command.toolCallId,
    step_id: stepId,
    run_id: command.runId,
    duration_ms: command.durationMs,
    ...(command.output === undefined ? {} : { output: command.output }),
    ...(command.outputTruncated === undefined ? {} : { output_truncated: command.outputTruncated }),
    ...(command.artifact === undefined ? {} : { artifact_id: command.artifact.artifactId }),
  };
  const ended: RunEvent =
    command.type === "succeed_tool"
      ? { type: "tool.succeeded", data: shared }
      : { type: "tool.failed", data: { ...shared, error: command.error } };
  return command.artifact === undefined ? accept(ended) : accept(artifactCreated(command, stepId, command.artifact), ended);
}

function artifactCreated(command: RecordCommand, stepId: StepId | undefined, a: NewArtifact): RunEvent {
  return {
    type: "artifact.created",
    data: {
      artifact_id: a.artifactId,
      run_id: command.runId,
      kind: a.kind,
      name: a.name,
      media_type: a.mediaType,
      size_bytes: a.sizeBytes,
      ...(stepId === undefined ? {} : { step_id: stepId }),
      ...(a.sha256 === undefined ? {} : { sha256: a.sha256 }),
      ...(a.uri === undefined ? {} : { uri: a.uri }),
      ...(a.text === undefined ? {} : { text: a.text }),
    },
  };
}

export function evolveRecord(recording: Recording, event: RecordEvent): Recording {
  switch (event.type) {
    case "step.created":
      return { ...recording, steps: [...recording.steps, event.data.step_id] };
    case "tool.invoked":
      return { ...recording, openCalls: { ...recording.openCalls, [event.data.tool_call_id]: event.data.step_id } };
    case "tool.succeeded":
    case "tool.failed": {
      const { [event.data.tool_call_id]: _ended, ...openCalls } = recording.openCalls;
      return { ...recording, openCalls };
    }
    case "step.thought":
    case "step.plan_updated":
    case "artifact.created":
      return recording;
    default:
      return unreachable(event);
  }
}
